"""Successive elimination for arms whose loss depends on their recent plays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardsmith.agents.bandits.agent import BanditAgent, Problem
from rewardsmith.agents.bandits.counting import check_unit
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray


@dataclass
class TallyingElimination(BanditAgent):
    """Successive elimination that plays every arm in blocks and forgets how they begin.

    In epoch e = 1, 2, ... every active arm is played memory + 2^e times in a row; the first
    `memory` rewards are dropped, for the arm is not yet fully exposed, the others kept. After
    the epoch arm a is dropped where mean(a) + r(a) < mean(b) - r(b) for some active b, with
    r = sqrt(ln(2 K T^2) / (2 kept)), kept over all epochs. The last arm is played for good.
    Rewards lie in [0, 1]. Complete policy regret O~(sqrt(K T) + (m + memory) K) for an
    environment of memory m <= memory, with no explicit constant.

    Attributes:
        memory: Upper bound on how many recent plays the loss depends on, at least 1.

    Raises:
        ConfigError: If `memory` is below 1.

    Malik, Li and Singh 2023, arXiv 2305.02955; epoch lengths and radius are of this version.
    """

    memory: int = 20

    state_names = ("active", "kept", "total", "epoch", "arm", "played", "random")

    def __post_init__(self) -> None:
        if self.memory < 1:
            raise ConfigError(
                f"memory of TallyingElimination must be at least 1, got {self.memory}"
            )

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything; all arms are active."""
        super().begin(problem, seed)
        n, arms = problem.n, problem.arms
        self.active = np.ones((n, arms), dtype=np.bool_)
        self.kept = np.zeros((n, arms))
        self.total = np.zeros((n, arms))
        self.epoch = np.ones(n, dtype=np.int64)
        self.arm = np.zeros(n, dtype=np.int64)
        self.played = np.zeros(n, dtype=np.int64)
        self._rows = np.arange(n)

    def act(self, observation: np.ndarray) -> IntArray:
        """Returns the arm whose block every run is in, (n,)."""
        return self.arm.copy()

    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Keeps the reward unless the block has just begun; moves on where the block ends."""
        check_unit(self, reward)
        keeps = self.played >= self.memory
        self.kept[self._rows, self.arm] += keeps
        self.total[self._rows, self.arm] += np.where(keeps, reward, 0.0)
        self.played += 1
        ended = self.played == self.memory + 2**self.epoch
        if ended.any():
            self._next_block(ended & (self.active.sum(axis=1) > 1))

    def _next_block(self, rows: BoolArray) -> None:
        """Goes to the next active arm in `rows` (n,), or to the next epoch."""
        later = self.active & (np.arange(self.problem.arms) > self.arm[:, None])
        over = rows & ~later.any(axis=1)
        self._eliminate(over)
        self.epoch[over] += 1
        following = np.where(over[:, None], self.active, later).argmax(axis=1)
        self.arm = np.where(rows, following, self.arm)
        self.played[rows] = 0

    def _eliminate(self, rows: BoolArray) -> None:
        """Drops the arms of `rows` (n,) that are surely worse than another."""
        problem, kept = self.problem, np.maximum(self.kept, 1.0)
        radius = np.sqrt(np.log(2.0 * problem.arms * problem.horizon**2) / (2.0 * kept))
        mean = self.total / kept
        bar = np.where(self.active, mean - radius, -np.inf).max(axis=1, keepdims=True)
        self.active &= ~(rows[:, None] & (mean + radius < bar))
