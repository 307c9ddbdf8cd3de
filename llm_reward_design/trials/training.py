"""What happens inside the jail: a program is tried for a few steps, or trained on.

Both functions are entries of `jail.run`: what they do themselves happens before the lock, what
the callable they return does happens behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rewardsmith.agents.tasks import make_task
from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.llm_reward_design.term import ProgramReward
from rewardsmith.rewards.design import RewardDesign
from rewardsmith.rewards.transition import Transition
from rewardsmith.rewards.wrappers import VectorRewardWrapper

PROGRAM = "program"
"""Name of the program's term in the design that a candidate is trained on."""

_SMOKE_ROWS, _SMOKE_STEPS = 4, 50


def smoke(payload: Mapping[str, Any]) -> Callable[[], dict[str, Any]]:
    """Entry: runs a program on fifty random steps, each environment also by itself.

    Args:
        payload: `env`, the `env` group of a configuration, and `source`, the program.
    """
    task = make_task(payload["env"], _SMOKE_ROWS)
    task.reset(seed=0)

    def work() -> dict[str, Any]:
        program = ProgramReward(payload["source"])
        program.bind(EnvCard.of(task))

        def row_by_row(transition: Transition) -> FloatArray:
            program.check_rows(transition)
            return np.zeros(transition.n)

        design = RewardDesign({PROGRAM: program, "row_by_row": row_by_row})
        env = VectorRewardWrapper(task, design)
        env.reset(seed=0)
        env.action_space.seed(0)
        for _ in range(_SMOKE_STEPS):
            env.step(env.action_space.sample())
        return {"steps": _SMOKE_STEPS}

    return work


def train(payload: Mapping[str, Any]) -> Callable[[], dict[str, Any]]:
    """Entry: trains an agent on a program and leaves its weights at every milestone.

    `weights_<i>.safetensors` lies in the folder for each row of the answer; the last is the
    trained agent.

    Args:
        payload: `config`, a `train` configuration without its reward; `source`, the program;
            `folder`, where the weights go; `points`, how many milestones.
    """
    import stable_baselines3.common.logger  # noqa: F401  imported before the lock
    import torch

    from rewardsmith.agents.sb3.algorithms import algorithm

    config = payload["config"]
    torch.set_num_threads(1)
    algorithm(config["agent"]["algorithm"])
    task = make_task(config["env"], config["agent"]["n_envs"])
    task.reset(seed=0)

    def work() -> dict[str, Any]:
        return {"rows": _learn(config, task, payload)}

    return work


def design_of(source: str) -> RewardDesign:
    """Returns the design that pays by a program alone."""
    return RewardDesign({PROGRAM: ProgramReward(source)})


def _learn(config: Mapping[str, Any], task: Any, payload: Mapping[str, Any]) -> list[Any]:
    from stable_baselines3.common.logger import Logger

    from rewardsmith.agents.recorder import EpisodeRecorder
    from rewardsmith.agents.sb3.adapter import VectorAdapter
    from rewardsmith.agents.sb3.algorithms import build_model
    from rewardsmith.llm_reward_design.trials.milestones import Milestones

    env = VectorRewardWrapper(task, design_of(payload["source"]))
    recorder = EpisodeRecorder(env, float(config["agent"]["gamma"]))
    model: Any = build_model(config, VectorAdapter(recorder), device=config["device"])
    model.set_logger(Logger(None, []))
    milestones = Milestones(
        recorder, Path(payload["folder"]), int(config["total_steps"]), int(payload["points"])
    )
    model.learn(config["total_steps"], callback=milestones, log_interval=None)
    milestones.reach()
    return milestones.rows


def mean_parts(episodes: list[dict[str, float]]) -> dict[str, float]:
    """Returns the mean pay per step of each part over episodes, by the part's name."""
    steps = sum(episode["length"] for episode in episodes)
    prefix = f"term/{PROGRAM}/"
    names = [name for name in (episodes[0] if episodes else {}) if name.startswith(prefix)]
    return {
        name.removeprefix(prefix): float(np.sum([e[name] for e in episodes]) / steps)
        for name in names
    }
