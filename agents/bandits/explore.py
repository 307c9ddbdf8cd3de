"""Agents that set rounds aside to explore."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardsmith.agents.bandits.agent import Problem
from rewardsmith.agents.bandits.counting import CountingAgent, check_range, confidence_radius
from rewardsmith.envs.stateful import FloatArray, IntArray


@dataclass
class ExploreFirst(CountingAgent):
    """Pulls every arm N = ceil((T / K)^(2/3) (2 ln T)^(1/3)) times, then the best mean.

    Attributes:
        scale: Width of the interval in which rewards lie; only `bound` depends on it.

    Raises:
        ConfigError: If `scale` is not positive.

    Slivkins 2019, arXiv 1904.07272, section 1.2.
    """

    bound_kinds = ("stationary",)

    scale: float = 1.0

    def __post_init__(self) -> None:
        check_range(self, "scale", self.scale, 0.0, np.inf)

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything and settles the number of pulls per arm."""
        super().begin(problem, seed)
        self._explored = exploration_pulls(problem) * problem.arms

    def act(self, observation: np.ndarray) -> IntArray:
        """Returns the arm of every run, (n,): arms in turn, then the best one."""
        if self.round < self._explored:
            arm = self.round % self.problem.arms
            return np.full(self.problem.n, arm, dtype=np.int64)
        return np.asarray(self.means().argmax(axis=1))

    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Counts the pull while exploring; what later pulls pay changes nothing."""
        if self.round < self._explored:
            super().learn(observation, action, reward, info)
        else:
            self.round += 1

    def bound(self, problem: Problem, gaps: FloatArray) -> float:
        """Returns a bound on the expected pseudo-regret for rewards in [0, scale].

        N sum of gaps + T min(max gap, 2 r) + 2 K max gap / T^3, r = scale sqrt(2 ln T / N):
        exploring, then an arm within twice the radius, or a mean outside its radius.

        Args:
            problem: What was played.
            gaps: Best mean minus the mean of each arm, (K,).
        """
        pulls = exploration_pulls(problem)
        radius = self.scale * float(np.sqrt(2.0 * np.log(problem.horizon) / pulls))
        largest = float(gaps.max())
        exploring = pulls * float(gaps.sum())
        exploiting = problem.horizon * min(largest, 2.0 * radius)
        return exploring + exploiting + 2.0 * problem.arms * largest / problem.horizon**3


def exploration_pulls(problem: Problem) -> int:
    """Returns N = ceil((T / K)^(2/3) (2 ln T)^(1/3)), at least 1."""
    per_arm = problem.horizon / problem.arms
    return max(int(np.ceil(per_arm ** (2 / 3) * (2 * np.log(problem.horizon)) ** (1 / 3))), 1)


@dataclass
class EpsilonGreedy(CountingAgent):
    """Explores uniformly with chance eps_t, else plays the best mean.

    eps_t = min(1, rate t^(-1/3) (K ln t)^(1/3)) at round t = 1, 2, ..., and 1 at the first.
    Regret T^(2/3) O(K ln T)^(1/3), with no explicit constant.

    Attributes:
        rate: Factor of eps_t, at least 0; 1 is the textbook's.

    Raises:
        ConfigError: If `rate` is negative.

    Slivkins 2019, arXiv 1904.07272, section 1.2.
    """

    rate: float = 1.0

    def __post_init__(self) -> None:
        check_range(self, "rate", self.rate, 0.0, np.inf, closed=True)

    def act(self, observation: np.ndarray) -> IntArray:
        """Returns the arm of every run, (n,)."""
        n, arms = self.problem.n, self.problem.arms
        explores = self.random.random(n) < self.epsilon(self.round + 1)
        anything = self.random.integers(arms, size=n)
        return np.where(explores, anything, self.means().argmax(axis=1))

    def epsilon(self, round_: int) -> float:
        """Returns eps_t at round t = 1, 2, ..."""
        if round_ == 1:
            return 1.0
        textbook = float(np.cbrt(self.problem.arms * np.log(round_) / round_))
        return min(1.0, self.rate * textbook)


@dataclass
class SuccessiveElimination(CountingAgent):
    """Plays the active arms in turn; drops those surely worse than another.

    After each phase, in which every active arm is pulled once, arm a is dropped where
    mean(a) + r(a) < mean(b) - r(b) for some active b, with r = scale sqrt(2 ln T / pulls).

    Attributes:
        scale: Width of the interval in which rewards lie; 2 sigma for Gaussian ones.

    Raises:
        ConfigError: If `scale` is not positive.

    Even-Dar, Mannor and Mansour 2002; Slivkins 2019, arXiv 1904.07272, section 1.3.
    """

    scale: float = 1.0

    state_names = (*CountingAgent.state_names, "active")
    bound_kinds = ("stationary",)

    def __post_init__(self) -> None:
        check_range(self, "scale", self.scale, 0.0, np.inf)

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything; all arms are active."""
        super().begin(problem, seed)
        self.active = np.ones((problem.n, problem.arms), dtype=np.bool_)

    def act(self, observation: np.ndarray) -> IntArray:
        """Returns the first active arm of the fewest pulls of every run, (n,)."""
        return np.asarray(np.where(self.active, self.pulls, np.inf).argmin(axis=1))

    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Counts the pull; where that ends a phase, drops arms."""
        super().learn(observation, action, reward, info)
        fewest = np.where(self.active, self.pulls, np.inf).min(axis=1)
        most = np.where(self.active, self.pulls, 0.0).max(axis=1)
        ended = fewest == most
        if ended.any():
            mean = self.means()
            radius = confidence_radius(self.pulls, self.problem.horizon, self.scale)
            bar = np.where(self.active, mean - radius, -np.inf).max(axis=1, keepdims=True)
            self.active &= ~(ended[:, None] & (mean + radius < bar))

    def bound(self, problem: Problem, gaps: FloatArray) -> float:
        """Returns a bound on the expected pseudo-regret for rewards in [0, scale].

        Sum over gaps > 0 of 32 scale^2 ln T / gap + gap, and 2 max gap / T for the event that
        some mean leaves its radius: an arm still active has gap <= 4 r. Never above T max gap.

        Args:
            problem: What was played.
            gaps: Best mean minus the mean of each arm, (K,).
        """
        positive, horizon = gaps[gaps > 0.0], problem.horizon
        if not positive.size:
            return 0.0
        largest = float(positive.max())
        pulls_needed = 32.0 * self.scale**2 * np.log(horizon) / positive
        bound = float((pulls_needed + positive).sum()) + 2.0 * largest / horizon
        return min(bound, horizon * largest)
