"""`EpisodeRecorder`: per-episode sums of the task reward, the designed reward and each term."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from rewardsmith.envs.stateful import BoolArray, FloatArray, Stateful
from rewardsmith.rewards.stream import RewardStream
from rewardsmith.rewards.wrappers import VectorRewardWrapper


class EpisodeRecorder(gym.vector.VectorWrapper, Stateful):
    """Sums what every episode earned, by the task and by the design, as arrays over rows.

    Args:
        env: A `VectorRewardWrapper` in same-step autoreset mode.
        gamma: The learner's discount. The designed return is discounted by it: that is what
            the learner maximises, and undiscounted sums can mislead (a shaping potential
            below zero pays a little for every step of waiting, which discounting takes back).

    Attributes:
        finished: One record per finished episode since it was last emptied: row,
            task_return (undiscounted), designed_return (discounted), length, success (0/1,
            if the task tells) and term/<name> (undiscounted, before combining).
    """

    state_names = ("_sums", "_length", "_discount")

    def __init__(self, env: VectorRewardWrapper, gamma: float) -> None:
        super().__init__(env)
        self.gamma = gamma
        self._discount = np.ones(env.num_envs)
        self.finished: list[dict[str, float]] = []
        self._sums: dict[str, FloatArray] = {}
        self._length = np.zeros(env.num_envs)

    @property
    def stream(self) -> RewardStream:
        """The stream that pays the wrapped environment."""
        assert isinstance(self.env, VectorRewardWrapper)
        return self.env.stream

    def reset(
        self,
        *,
        seed: int | list[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Starts new episodes in all rows; running sums are dropped."""
        self._sums = {}
        self._length = np.zeros(self.num_envs)
        self._discount = np.ones(self.num_envs)
        return self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]

    def step(self, actions: Any) -> tuple[Any, FloatArray, BoolArray, BoolArray, dict[str, Any]]:
        """Steps the environment and adds to the running sums."""
        observation, reward, terminated, truncated, info = self.env.step(actions)
        add_pay(self._sums, self._discount * reward, info)
        self._discount *= self.gamma
        self._length += 1
        done = terminated | truncated
        if np.count_nonzero(done):
            self._finish(done, info)
        return observation, reward, terminated, truncated, info

    def _finish(self, done: BoolArray, info: dict[str, Any]) -> None:
        success = info.get("final_info", {}).get("success")
        rows = np.flatnonzero(done)
        columns = {name: total[rows].tolist() for name, total in self._sums.items()}
        columns |= {"row": rows.tolist(), "length": self._length[rows].tolist()}
        if success is not None:
            columns["success"] = success[rows].astype(np.float64).tolist()
        records = zip(*columns.values(), strict=True)
        self.finished += [dict(zip(columns, record, strict=True)) for record in records]
        for total in self._sums.values():
            total[rows] = 0.0
        self._length[rows] = 0.0
        self._discount[rows] = 1.0


def add_pay(sums: dict[str, FloatArray], designed: FloatArray, info: Mapping[str, Any]) -> None:
    """Adds a step's task reward, designed pay and terms, each (n,), to sums by name."""
    add(sums, "task_return", info["task_reward"])
    add(sums, "designed_return", designed)
    for name, value in info["reward_terms"].items():
        if name[0] != "_":
            add(sums, f"term/{name}", value)


def add(sums: dict[str, FloatArray], name: str, value: Any) -> None:
    """Adds `value` (n,) to the sum called `name`, which begins with it."""
    if name in sums:
        sums[name] += value
    else:
        sums[name] = np.array(value, dtype=np.float64)


def means(episodes: list[dict[str, float]]) -> dict[str, float]:
    """Returns the mean of every column over episodes, without the row number.

    Example:
        >>> means([{"row": 0, "length": 1.0}, {"row": 1, "length": 3.0}])
        {'length': 2.0}
    """
    return {
        name: float(np.mean([e[name] for e in episodes]))
        for name in (episodes[0] if episodes else {})
        if name != "row"
    }
