"""A trained policy judged by the task, in a process that never ran the reward program."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import RewardsmithError
from rewardsmith.rewards.design import RewardDesign
from rewardsmith.rewards.shaping import TaskReward

_LARGEST_WEIGHTS = 1 << 30


class WeightsError(RewardsmithError):
    """What the jail handed back is no set of weights for the agent."""


def task_design() -> RewardDesign:
    """Returns the design that pays what the task pays."""
    return RewardDesign({"task": TaskReward()})


class TaskJudge:
    """Plays policies, rebuilt from weights alone, on the task's own terms.

    Args:
        config: A `train` configuration; its reward is not read.
        episodes: How many episodes judge each policy.
        seed: Seed of the first episode.
    """

    def __init__(self, config: Mapping[str, Any], *, episodes: int, seed: int) -> None:
        import torch

        from rewardsmith.agents.evaluation import Evaluator
        from rewardsmith.agents.sb3.adapter import VectorAdapter
        from rewardsmith.agents.sb3.algorithms import build_model
        from rewardsmith.agents.tasks import make_task, pay_and_record

        torch.set_num_threads(1)
        agent, gamma = config["agent"], float(config["agent"]["gamma"])
        self._task = pay_and_record(make_task(config["env"], agent["n_envs"]), task_design(), gamma)
        self._model = build_model(config, VectorAdapter(self._task), device="cpu")
        self._evaluator = Evaluator(
            config["env"], task_design(), gamma=gamma, episodes=episodes, seed=seed
        )
        judged_by = EnvCard.of(self._task).score
        self._column = "success" if judged_by == "success" else "task_return"
        self._deterministic = config["evaluation"]["deterministic"]

    def play(self, weights: Path) -> list[dict[str, float]]:
        """Returns a record of each episode that the policy with these weights plays.

        Raises:
            WeightsError: If the file is not a plain file of finite weights of the right shapes.
        """
        load_weights(self._model.policy, weights)
        return self._evaluator.play(self._act)

    def score(self, weights: Path) -> float:
        """Returns the task's score of the policy: its success rate or its mean return.

        Raises:
            WeightsError: As `play`.
        """
        return float(np.mean([episode[self._column] for episode in self.play(weights)]))

    def close(self) -> None:
        """Closes the environments."""
        self._evaluator.close()
        self._task.close()

    def _act(self, observation: Any) -> np.ndarray:
        return np.asarray(self._model.predict(observation, deterministic=self._deterministic)[0])


def load_weights(policy: Any, path: Path) -> None:
    """Puts weights from an untrusted file into a policy, without pickle.

    Raises:
        WeightsError: If the file is not a plain file of finite weights of the right shapes.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        state = load(read_plain(path))
    except SafetensorError as error:
        raise WeightsError(f"{path.name} holds no weights: {error}") from None
    held = policy.state_dict()
    for name, value in held.items():
        given = state.get(name)
        if given is None or given.shape != value.shape or given.dtype != value.dtype:
            raise WeightsError(f"{path.name}: {name!r} is missing or of another shape or type")
        if not torch.isfinite(given).all():
            raise WeightsError(f"{path.name}: {name!r} is not finite")
    policy.load_state_dict({name: state[name] for name in held})


def read_plain(path: Path) -> bytes:
    """Returns the bytes of a plain file, never those that a link or a pipe leads to.

    Raises:
        WeightsError: If it is missing, too large or anything else.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise WeightsError(f"{path.name} cannot be read: {error.strerror}") from None
    with os.fdopen(file, "rb") as stream:
        facts = os.fstat(stream.fileno())
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > _LARGEST_WEIGHTS:
            raise WeightsError(f"{path.name} is no plain file of at most {_LARGEST_WEIGHTS} bytes")
        return stream.read(_LARGEST_WEIGHTS)
