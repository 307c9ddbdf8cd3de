"""Exponential weights: Hedge for full feedback, Exp3 for bandit feedback."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardsmith.agents.bandits.agent import BanditAgent, Problem
from rewardsmith.agents.bandits.counting import check_range, check_unit
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray, IntArray


class ExponentialWeights(BanditAgent):
    """Plays arm a with chance p_a = w_a / sum w, w_a = exp(-eta * sum of costs of a).

    Costs are 1 - reward. The logarithms of the weights are kept, the largest at 0, so that
    no horizon makes a weight overflow or all of them vanish.
    """

    state_names = ("log_weight", "random")
    eta: float

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything and settles the learning rate."""
        super().begin(problem, seed)
        self.eta = self._rate(problem)
        self.log_weight = np.zeros((problem.n, problem.arms))
        self._rows = np.arange(problem.n)

    def probabilities(self) -> FloatArray:
        """Returns the chance of every arm, (n, K)."""
        weight = np.exp(self.log_weight)
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))

    def act(self, observation: np.ndarray) -> IntArray:
        """Returns an arm drawn from `probabilities` for every run, (n,)."""
        ladder = self.probabilities().cumsum(axis=1)
        height = self.random.random((self.problem.n, 1)) * ladder[:, -1:]
        return np.asarray((ladder[:, :-1] <= height).sum(axis=1))

    @abstractmethod
    def _rate(self, problem: Problem) -> float:
        """Returns eta for a problem."""

    def _charge(self, cost: FloatArray) -> None:
        """Takes costs (n, K) into the weights."""
        log_weight = self.log_weight - self.eta * cost
        self.log_weight = log_weight - log_weight.max(axis=1, keepdims=True)


@dataclass
class Hedge(ExponentialWeights):
    """Weights w_a <- w_a (1 - epsilon)^cost_a, told after every round what all arms paid.

    Needs the fact `rewards` (n, K), each in [0, 1].

    Attributes:
        epsilon: In (0, 1); None takes min(1/2, sqrt(ln K / T)).

    Raises:
        ConfigError: If `epsilon` is out of range.

    Example:
        >>> from rewardsmith.envs.bandits.adversarial import AdversarialBandit
        >>> env, agent = AdversarialBandit(1, arms=2), Hedge(epsilon=0.5)
        >>> agent.begin(Problem.of(env, horizon=100), seed=0)
        >>> facts = {"rewards": np.array([[0.0, 1.0]])}
        >>> agent.learn(np.zeros((1, 1)), np.array([0]), np.array([0.0]), facts)
        >>> agent.probabilities().round(3)
        array([[0.333, 0.667]])

    Freund and Schapire 1997; Slivkins 2019, arXiv 1904.07272, section 5.3.
    """

    bound_kinds = ("oblivious", "adaptive")

    epsilon: float | None = None

    def __post_init__(self) -> None:
        if self.epsilon is not None:
            check_range(self, "epsilon", self.epsilon, 0.0, 1.0)

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything and settles the learning rate.

        Raises:
            ConfigError: If the environment does not tell what every arm would have paid.
        """
        if not problem.card.is_fact("rewards"):
            raise ConfigError(
                f"Hedge needs to be told what every arm would have paid, and {problem.card.id} "
                "has no fact 'rewards'; use exp3, which needs the played arm's reward alone"
            )
        super().begin(problem, seed)

    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Charges every arm its cost."""
        rewards = np.asarray(info["rewards"], dtype=np.float64)
        check_unit(self, rewards)
        self._charge(1.0 - rewards)

    def bound(self, problem: Problem, gaps: FloatArray) -> float:
        """Returns epsilon T + ln K / epsilon: 2 sqrt(T ln K) where epsilon is the default.

        It bounds the expected regret against the best fixed arm, whatever the costs in
        [0, 1], for epsilon of at most 1/2 (Slivkins, section 5.3, with u = 1).

        Args:
            problem: What was played.
            gaps: Not used.
        """
        epsilon = self._epsilon(problem)
        return epsilon * problem.horizon + float(np.log(problem.arms)) / epsilon

    def _rate(self, problem: Problem) -> float:
        return -float(np.log1p(-self._epsilon(problem)))

    def _epsilon(self, problem: Problem) -> float:
        if self.epsilon is not None:
            return self.epsilon
        return min(0.5, float(np.sqrt(np.log(problem.arms) / problem.horizon)))


@dataclass
class Exp3(ExponentialWeights):
    """Hedge on estimated costs: cost / p of the arm played, 0 of the others.

    The estimate is unbiased: sum_a p_a (cost_a / p_a) 1[a] = cost. Rewards lie in [0, 1].
    The learning rate is eta = sqrt(2 ln K / (T K)).

    Attributes:
        mixing: Chance gamma in [0, 1/2) of a uniform draw: p = (1 - gamma) w / sum w + gamma / K.

    Raises:
        ConfigError: If `mixing` is out of range.

    Auer, Cesa-Bianchi, Freund and Schapire 2002; Slivkins 2019, arXiv 1904.07272, chapter 6.
    """

    bound_kinds = ("oblivious", "stationary")

    mixing: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.mixing < 0.5:
            raise ConfigError(f"mixing of Exp3 must be in [0, 0.5), got {self.mixing}")

    def probabilities(self) -> FloatArray:
        """Returns the chance of every arm, (n, K)."""
        share = (1.0 - self.mixing) * super().probabilities()
        return share + self.mixing / self.problem.arms

    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Charges the played arm its cost divided by its chance."""
        check_unit(self, reward)
        self._charge(self.estimate(action, 1.0 - reward))

    def estimate(self, action: IntArray, cost: FloatArray) -> FloatArray:
        """Returns the inverse propensity estimate of all costs, (n, K), from one each (n,)."""
        estimate = np.zeros((self.problem.n, self.problem.arms))
        chance = self.probabilities()[self._rows, action]
        estimate[self._rows, action] = cost / chance
        return estimate

    def bound(self, problem: Problem, gaps: FloatArray) -> float:
        """Returns sqrt(2 T K ln K) + mixing T, for any costs in [0, 1] fixed beforehand.

        Without mixing: Bubeck and Cesa-Bianchi 2012, arXiv 1204.5721, theorem 3.1. Mixing
        plays another arm in a share `mixing` of the rounds, and divides the variance that
        the weights see by at most 1 / (1 - mixing).

        Args:
            problem: What was played.
            gaps: Not used.
        """
        sampled = float(np.sqrt(2.0 * problem.horizon * problem.arms * np.log(problem.arms)))
        return sampled / (1.0 - self.mixing) + self.mixing * problem.horizon

    def _rate(self, problem: Problem) -> float:
        return float(np.sqrt(2.0 * np.log(problem.arms) / (problem.horizon * problem.arms)))
