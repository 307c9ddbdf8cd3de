"""Posterior sampling: play each arm as often as it is believed to be the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardsmith.agents.bandits.agent import Problem
from rewardsmith.agents.bandits.beta import BetaAgent
from rewardsmith.agents.bandits.counting import CountingAgent, check_range
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray, IntArray


@dataclass
class BetaThompson(BetaAgent):
    """Thompson sampling for rewards in [0, 1] under a Beta prior.

    theta_a ~ Beta(a + total_a, b + pulls_a - total_a), independently; plays argmax theta. For
    rewards of 0 and 1 that is the posterior of their chance; other rewards in [0, 1] count as
    fractions of a success.

    Attributes:
        prior: [a, b] of the Beta prior of every arm, or such a pair per arm; None takes what
            the task tells, `known["beta_prior"]`, or else [1, 1], the uniform one.

    Thompson 1933; Agrawal and Goyal 2012, arXiv 1111.1797.
    """

    bound_kinds = ("Beta prior",)

    def act(self, observation: np.ndarray) -> IntArray:
        """Returns the arm of the largest draw of every run, (n,)."""
        return np.asarray(self.random.beta(*self.posterior()).argmax(axis=1))

    def bound(self, problem: Problem, gaps: FloatArray) -> float:
        """Returns sqrt(T K ln K / 2), a bound on the Bayesian regret.

        That is the regret averaged over problems whose chances are drawn from the agent's
        prior (Russo and Van Roy 2016, arXiv 1403.5341). It says nothing of one problem, and
        depends on no gaps.

        Args:
            problem: What was played.
            gaps: Not used.

        Raises:
            ConfigError: If the task tells another prior than the agent's.
        """
        self.check_prior_is_true(problem)
        return float(np.sqrt(problem.horizon * problem.arms * np.log(problem.arms) / 2.0))


@dataclass
class GaussianThompson(CountingAgent):
    """Thompson sampling for Gaussian rewards under a Gaussian prior of every mean.

    With the prior N(m, d^2) and k = (scale / d)^2, which counts for as many pulls,
    theta_a ~ N((k m + total_a) / (k + pulls_a), scale^2 / (k + pulls_a)); plays argmax theta.

    Attributes:
        scale: Standard deviation of the rewards of one arm.
        prior: [m, d], mean and standard deviation of the prior; None takes what the task
            tells, `known["gaussian_prior"]`, or else [0, scale], k = 1.

    Raises:
        ConfigError: If `scale` or the prior's standard deviation is not positive.

    Agrawal and Goyal 2013, arXiv 1209.3353.
    """

    scale: float = 1.0
    prior: Sequence[float] | None = None

    def __post_init__(self) -> None:
        check_range(self, "scale", self.scale, 0.0, np.inf)
        if self.prior is None:
            return
        if len(self.prior) != 2 or not (np.isfinite(self.prior).all() and self.prior[1] > 0.0):
            raise ConfigError(
                "prior of GaussianThompson must be a mean and a positive standard deviation, got "
                f"{self.prior}"
            )

    def act(self, observation: np.ndarray) -> IntArray:
        """Returns the arm of the largest draw of every run, (n,)."""
        mean, deviation = self.posterior()
        draws = mean + deviation * self.random.standard_normal(mean.shape)
        return np.asarray(draws.argmax(axis=1))

    def posterior(self) -> tuple[FloatArray, FloatArray]:
        """Returns mean and standard deviation of every arm's posterior, each (n, K)."""
        centre, deviation = self._prior_for(self.problem)
        counts_for = (self.scale / deviation) ** 2
        weight = counts_for + self.pulls
        return (counts_for * centre + self.total) / weight, self.scale / np.sqrt(weight)

    def bound(self, problem: Problem, gaps: FloatArray) -> float:
        """Returns sqrt(2 (d^2 + scale^2) T K ln K), a bound on the Bayesian regret.

        That is the regret averaged over problems whose means are drawn from the prior: a
        reward then has a variance of at most d^2 + scale^2, whatever came before (Russo and
        Van Roy 2016, arXiv 1403.5341, for sub-Gaussian rewards).

        Args:
            problem: What was played.
            gaps: Not used.
        """
        variance = self._prior_for(problem)[1] ** 2 + self.scale**2
        plays = problem.horizon * problem.arms
        return float(np.sqrt(2.0 * variance * plays * np.log(problem.arms)))

    def _prior_for(self, problem: Problem) -> tuple[float, float]:
        """Returns mean and standard deviation of the prior."""
        told = problem.known.get("gaussian_prior", (0.0, self.scale))
        centre, deviation = told if self.prior is None else self.prior
        return float(centre), float(deviation)
