"""What agents that estimate the mean of every arm have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from rewardsmith.agents.bandits.agent import BanditAgent, Problem
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray, IntArray


def confidence_radius(pulls: FloatArray, horizon: float, scale: float = 1.0) -> FloatArray:
    """Returns r = scale sqrt(2 ln T / n), and infinity where n = 0.

    For rewards in an interval of width `scale`, the mean of n of them is farther than r
    from its expectation with a chance of at most 2 / T**4 (Hoeffding).

    Args:
        pulls: Pulls n, any shape.
        horizon: Rounds T.
        scale: Width of the interval of the rewards.

    Example:
        >>> confidence_radius(np.array([8.0, 0.0]), horizon=55).round(2)
        array([ 1., inf])

    Slivkins 2019, arXiv 1904.07272, section 1.3.
    """
    with np.errstate(divide="ignore"):
        return np.asarray(scale * np.sqrt(2.0 * np.log(horizon) / pulls))


def check_range(
    agent: object, name: str, value: float, low: float, high: float, *, closed: bool = False
) -> None:
    """Holds that setting `name` lies in (low, high), or in [low, high] if `closed`.

    Raises:
        ConfigError: If it does not.
    """
    inside = low <= value <= high if closed else low < value < high
    if not inside:
        ends = f"[{low:g}, {high:g}]" if closed else f"({low:g}, {high:g})"
        raise ConfigError(f"{name} of {type(agent).__name__} must be in {ends}, got {value}")


def check_unit(agent: object, reward: FloatArray) -> None:
    """Holds that rewards lie in [0, 1].

    Raises:
        ConfigError: If one does not, or is NaN.
    """
    if not (reward.min() >= 0.0 and reward.max() <= 1.0):
        outside = reward[~((reward >= 0.0) & (reward <= 1.0))].flat[0]
        raise ConfigError(
            f"{type(agent).__name__} needs rewards in [0, 1], the environment paid {outside:g}; "
            "use an environment with such rewards, or an agent with a `scale`"
        )


class CountingAgent(BanditAgent):
    """Keeps how often every arm was pulled and what it paid: 2 K numbers per run."""

    state_names: ClassVar[tuple[str, ...]] = ("pulls", "total", "round", "random")

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything and gets ready for round 0."""
        super().begin(problem, seed)
        self.pulls = np.zeros((problem.n, problem.arms))
        self.total = np.zeros((problem.n, problem.arms))
        self.round = 0
        self._first = np.arange(problem.n) * problem.arms

    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Counts the pull and adds up what it paid."""
        place = self._first + action
        self.pulls.reshape(-1)[place] += 1.0
        self.total.reshape(-1)[place] += reward
        self.round += 1

    def means(self) -> FloatArray:
        """Returns the average reward of every arm, (n, K), 0 where it was never pulled."""
        return np.asarray(self.total / np.maximum(self.pulls, 1.0))
