"""The `evaluate` job: a saved agent judged again, by the task, with a video."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rewardsmith.agents.bandits import AGENTS
from rewardsmith.agents.evaluation import Evaluator, filmed_episode
from rewardsmith.agents.files import write_json
from rewardsmith.agents.pictures import save_gif
from rewardsmith.agents.run_folder import RunFolder
from rewardsmith.agents.sb3.algorithms import algorithm
from rewardsmith.agents.train import LLM
from rewardsmith.envs.errors import ConfigError
from rewardsmith.rewards.config import build_design


def evaluate_run(
    folder: RunFolder, *, episodes: int, seed: int, deterministic: bool, video: bool
) -> tuple[dict[str, list[float]], Path | None]:
    """Plays a trained agent on fresh episodes.

    Args:
        folder: A finished run. A language model plays tasks of the test split.
        episodes: How many.
        seed: Of the first episode; the others follow.
        deterministic: Act without exploration; a language model by the likeliest tokens.
        video: Also film one episode, where the task has pictures.

    Returns:
        The columns of the evaluation, episode by episode, also written to
        `evaluation.json`, and the path of the GIF, None if the task has no picture.

    Raises:
        ConfigError: If the folder holds no finished run.
    """
    config = folder.config()
    kind = config["agent"]["algorithm"]
    if kind in AGENTS:
        raise ConfigError(
            f"{kind} is a bandit agent, judged while it learns; its report tells how it did"
        )
    if not folder.is_finished():
        raise ConfigError(
            f"{folder.path} has no trained agent yet; finish the run with the command that "
            "started it"
        )
    for name, value, least in (("episodes", episodes, 1), ("seed", seed, 0)):
        if not isinstance(value, int) or value < least:
            raise ConfigError(f"{name} must be a whole number of at least {least}, got {value!r}")
    frames: list[np.ndarray] = []
    if kind == LLM:
        from rewardsmith.agents.llm.learner import judge_llm

        records = judge_llm(config, folder, episodes, seed, deterministic)
    else:
        records, frames = _judge_sb3(config, folder, episodes, seed, deterministic, video)
    result = {name: [r[name] for r in records] for name in records[0] if name != "row"}
    write_json(folder.path / "evaluation.json", result)
    if not frames:
        return result, None
    save_gif(frames, folder.path / "evaluation.gif", fps=10)
    return result, folder.path / "evaluation.gif"


def _judge_sb3(
    config: Mapping[str, Any],
    folder: RunFolder,
    episodes: int,
    seed: int,
    deterministic: bool,
    video: bool,
) -> tuple[list[dict[str, float]], list[np.ndarray]]:
    """Returns a record of each episode, and the pictures of one if they are asked for."""
    model = algorithm(config["agent"]["algorithm"]).load(folder.model, device="cpu")

    def policy(observation: Any) -> Any:
        return model.predict(observation, deterministic=deterministic)[0]

    design, gamma = build_design(config["reward"]), float(config["agent"]["gamma"])
    evaluator = Evaluator(config["env"], design, gamma=gamma, episodes=episodes, seed=seed)
    records = evaluator.play(policy)
    evaluator.close()
    return records, filmed_episode(config["env"], policy, seed=seed) if video else []
