"""What agents that believe in a Beta prior for every arm have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardsmith.agents.bandits.agent import Problem
from rewardsmith.agents.bandits.counting import CountingAgent, check_unit
from rewardsmith.envs.bandits.priors import Prior, beta_prior
from rewardsmith.envs.errors import ConfigError, EnvError
from rewardsmith.envs.stateful import FloatArray, IntArray


@dataclass
class BetaAgent(CountingAgent):
    """Keeps the Beta posterior of every arm, for rewards in [0, 1].

    The posterior of the prior Beta(a, b) is Beta(a + total, b + pulls - total): for rewards of
    0 and 1 that of their chance; other rewards in [0, 1] count as fractions of a success.

    Attributes:
        prior: [a, b], both positive, for every arm, or such a pair per arm; None takes what
            the task tells, `known["beta_prior"]`, or else [1, 1], the uniform one.

    Raises:
        ConfigError: From `begin`, if `prior` is none of these.
    """

    prior: Prior | None = None

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything; what is left is the prior."""
        super().begin(problem, seed)
        self._prior = self.prior_for(problem)

    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Counts successes and failures."""
        check_unit(self, reward)
        super().learn(observation, action, reward, info)

    def posterior(self) -> tuple[FloatArray, FloatArray]:
        """Returns both parameters of the Beta posterior of every arm, each (n, K)."""
        success, failure = self._prior.T
        return success + self.total, failure + self.pulls - self.total

    def posterior_means(self) -> FloatArray:
        """Returns the mean of the posterior of every arm, (n, K)."""
        success, failure = self.posterior()
        return np.asarray(success / (success + failure))

    def prior_for(self, problem: Problem) -> FloatArray:
        """Returns the parameters of the prior of every arm of a problem, (K, 2)."""
        told = problem.known.get("beta_prior", (1.0, 1.0))
        try:
            return beta_prior(told if self.prior is None else self.prior, problem.arms)
        except EnvError as wrong:
            raise ConfigError(f"{type(self).__name__}: {wrong}") from None

    def check_prior_is_true(self, problem: Problem) -> None:
        """Holds that the prior is that of the task, as far as it tells.

        Raises:
            ConfigError: If the task tells another one.
        """
        told = problem.known.get("beta_prior")
        if told is not None and not np.array_equal(told, self.prior_for(problem)):
            raise ConfigError(
                f"no bound on the regret of {type(self).__name__} is known for a prior that is "
                f"not the task's; set prior to null, got {self.prior}"
            )
