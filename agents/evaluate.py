"""The `evaluate` job: a saved agent judged again, by the task, with a video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rewardsmith.agents.bandits import AGENTS
from rewardsmith.agents.evaluation import Evaluator, filmed_episode
from rewardsmith.agents.files import write_json
from rewardsmith.agents.pictures import save_gif
from rewardsmith.agents.run_folder import RunFolder
from rewardsmith.agents.sb3.algorithms import algorithm
from rewardsmith.envs.errors import ConfigError
from rewardsmith.rewards.config import build_design


def evaluate_run(
    folder: RunFolder, *, episodes: int, seed: int, deterministic: bool, video: bool
) -> tuple[dict[str, list[float]], Path | None]:
    """Plays a trained agent on fresh episodes.

    Args:
        folder: A finished run.
        episodes: How many.
        seed: Of the first episode; the others follow.
        deterministic: Act without exploration.
        video: Also film one episode.

    Returns:
        The columns of the evaluation, episode by episode, also written to
        `evaluation.json`, and the path of the GIF, None if the task has no picture.

    Raises:
        ConfigError: If the folder holds no finished run.
    """
    config = folder.config()
    if config["agent"]["algorithm"] in AGENTS:
        raise ConfigError(
            f"{config['agent']['algorithm']} is a bandit agent, judged while it learns; its "
            "report tells how it did"
        )
    if not folder.model.exists():
        raise ConfigError(
            f"{folder.path} has no trained agent yet (model.zip is missing); finish "
            "the run with the command that started it"
        )
    for name, value, least in (("episodes", episodes, 1), ("seed", seed, 0)):
        if not isinstance(value, int) or value < least:
            raise ConfigError(f"{name} must be a whole number of at least {least}, got {value!r}")
    model = algorithm(config["agent"]["algorithm"]).load(folder.model, device="cpu")

    def policy(observation: Any) -> Any:
        return model.predict(observation, deterministic=deterministic)[0]

    evaluator = Evaluator(
        config["env"],
        build_design(config["reward"]),
        episodes=episodes,
        gamma=float(config["agent"]["gamma"]),
        seed=seed,
    )
    records = evaluator.play(policy)
    evaluator.close()
    result = {name: [r[name] for r in records] for name in records[0] if name != "row"}
    write_json(folder.path / "evaluation.json", result)
    frames = filmed_episode(config["env"], policy, seed=seed) if video else []
    if not frames:
        return result, None
    save_gif(frames, folder.path / "evaluation.gif", fps=10)
    return result, folder.path / "evaluation.gif"
