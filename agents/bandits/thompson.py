"""Posterior sampling: play each arm as often as it is believed to be the best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardsmith.agents.bandits.agent import Problem
from rewardsmith.agents.bandits.counting import CountingAgent, check_range, check_unit
from rewardsmith.envs.stateful import FloatArray, IntArray


@dataclass
class BetaThompson(CountingAgent):
    """Thompson sampling for rewards in [0, 1] under a Beta(1, 1) prior.

    theta_a ~ Beta(1 + total_a, 1 + pulls_a - total_a), independently; plays argmax theta. For
    rewards of 0 and 1 that is the posterior of their chance; other rewards in [0, 1] count as
    fractions of a success.

    Thompson 1933; Agrawal and Goyal 2012, arXiv 1111.1797.
    """

    def act(self, observation: np.ndarray) -> IntArray:
        """Returns the arm of the largest draw of every run, (n,)."""
        return np.asarray(self.random.beta(*self.posterior()).argmax(axis=1))

    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Counts successes and failures."""
        check_unit(self, reward)
        super().learn(observation, action, reward, info)

    def posterior(self) -> tuple[FloatArray, FloatArray]:
        """Returns both parameters of the Beta posterior of every arm, each (n, K)."""
        return 1.0 + self.total, 1.0 + self.pulls - self.total

    def bound(self, problem: Problem, gaps: FloatArray) -> float:
        """Returns sqrt(T K ln K / 2), a bound on the Bayesian regret.

        That is the regret averaged over problems drawn from the prior: chances uniform on
        [0, 1] (Russo and Van Roy 2016, arXiv 1403.5341). It says nothing of one problem, and
        depends on no gaps.

        Args:
            problem: What was played.
            gaps: Not used.
        """
        return float(np.sqrt(problem.horizon * problem.arms * np.log(problem.arms) / 2.0))


@dataclass
class GaussianThompson(CountingAgent):
    """Thompson sampling for Gaussian rewards under the prior N(0, scale^2) of every mean.

    theta_a ~ N(total_a / (1 + pulls_a), scale^2 / (1 + pulls_a)); plays argmax theta. Regret
    O(sqrt(K T ln T)), with no explicit constant.

    Attributes:
        scale: Standard deviation of the rewards, and of the prior.

    Raises:
        ConfigError: If `scale` is not positive.

    Agrawal and Goyal 2013, arXiv 1209.3353.
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        check_range(self, "scale", self.scale, 0.0, np.inf)

    def act(self, observation: np.ndarray) -> IntArray:
        """Returns the arm of the largest draw of every run, (n,)."""
        mean, deviation = self.posterior()
        draws = mean + deviation * self.random.standard_normal(mean.shape)
        return np.asarray(draws.argmax(axis=1))

    def posterior(self) -> tuple[FloatArray, FloatArray]:
        """Returns mean and standard deviation of every arm's posterior, each (n, K)."""
        weight = 1.0 + self.pulls
        return self.total / weight, self.scale / np.sqrt(weight)
