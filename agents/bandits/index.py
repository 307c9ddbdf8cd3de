"""Index policies: play the arm of the largest optimistic estimate."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardsmith.agents.bandits.agent import Problem
from rewardsmith.agents.bandits.counting import (
    CountingAgent,
    check_range,
    check_unit,
    confidence_radius,
)
from rewardsmith.agents.bandits.divergence import bernoulli_upper
from rewardsmith.envs.stateful import FloatArray, IntArray


class IndexAgent(CountingAgent):
    """Plays every arm once, then the first arm of the largest index."""

    def act(self, observation: np.ndarray) -> IntArray:
        """Returns the arm of every run, (n,)."""
        if self.round < self.problem.arms:
            return np.full(self.problem.n, self.round, dtype=np.int64)
        return np.asarray(self.index().argmax(axis=1))

    @abstractmethod
    def index(self) -> FloatArray:
        """Returns the index of every arm, (n, K), once every arm has been pulled."""


@dataclass
class UCB1(IndexAgent):
    """Upper confidence bound: index = mean + scale sqrt(2 ln T / pulls).

    Attributes:
        anytime: Use the round t in place of the horizon T, as Auer et al. did.
        scale: Width of the interval in which rewards lie; 2 sigma for Gaussian ones.

    Raises:
        ConfigError: If `scale` is not positive.

    Example:
        >>> from rewardsmith.envs import EnvCard
        >>> agent = UCB1()
        >>> agent.begin(Problem(n=1, arms=2, horizon=100, card=EnvCard("", "")), seed=0)
        >>> for reward in (1.0, 0.0):
        ...     action = agent.act(np.zeros((1, 1)))
        ...     agent.learn(np.zeros((1, 1)), action, np.array([reward]), {})
        >>> agent.index().round(2), agent.act(np.zeros((1, 1)))
        (array([[4.03, 3.03]]), array([0]))

    Auer, Cesa-Bianchi and Fischer 2002; Slivkins 2019, arXiv 1904.07272, section 1.3.
    """

    bound_kinds = ("stationary",)

    anytime: bool = False
    scale: float = 1.0

    def __post_init__(self) -> None:
        check_range(self, "scale", self.scale, 0.0, np.inf)

    def index(self) -> FloatArray:
        """Returns mean + radius, (n, K)."""
        horizon = self.round + 1 if self.anytime else self.problem.horizon
        return self.means() + confidence_radius(self.pulls, horizon, self.scale)

    def bound(self, problem: Problem, gaps: FloatArray) -> float:
        """Returns a bound on the expected pseudo-regret for rewards in [0, scale].

        Fixed horizon: sum over gaps > 0 of 8 scale^2 ln T / gap + gap, and 2 max gap / T for
        the event that some mean leaves its radius. Anytime (Auer et al., theorem 1):
        sum of 8 scale^2 ln T / gap + (1 + pi^2 / 3) gap. Never above T max gap.

        Args:
            problem: What was played.
            gaps: Best mean minus the mean of each arm, (K,).
        """
        positive, horizon = gaps[gaps > 0.0], problem.horizon
        if not positive.size:
            return 0.0
        pulls_needed = float((8.0 * self.scale**2 * np.log(horizon) / positive).sum())
        if self.anytime:
            bound = pulls_needed + (1.0 + np.pi**2 / 3.0) * float(positive.sum())
        else:
            bound = pulls_needed + float(positive.sum()) + 2.0 * float(positive.max()) / horizon
        return min(bound, horizon * float(positive.max()))


@dataclass
class KLUCB(IndexAgent):
    """Upper confidence bound in Kullback-Leibler divergence, for rewards in [0, 1].

    index = max{q : pulls * kl(mean, q) <= ln f(t)}, f(t) = 1 + t ln(t)^2, with kl the
    divergence between Bernoulli distributions.

    Garivier and Cappe 2011, arXiv 1102.2490; Lattimore and Szepesvari 2020, algorithm 8.
    """

    bound_kinds = ("stationary",)

    def index(self) -> FloatArray:
        """Returns the largest plausible mean of every arm, (n, K)."""
        return bernoulli_upper(self.means(), exploration(self.round + 1) / self.pulls)

    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Counts the pull and adds up what it paid."""
        check_unit(self, reward)
        super().learn(observation, action, reward, info)

    def bound(self, problem: Problem, gaps: FloatArray) -> float:
        """Returns a bound on the expected pseudo-regret from the gaps alone.

        Lattimore and Szepesvari, theorem 10.6, with Pinsker's kl(p, q) >= 2 (p - q)^2: sum
        over gaps of gap * min over e1 + e2 < gap of
        ln f(T) / (2 (gap - e1 - e2)^2) + 1 / (2 e1^2) + 2 / e2^2. Never above T max gap.

        Args:
            problem: What was played.
            gaps: Best mean minus the mean of each arm, (K,).
        """
        positive = gaps[gaps > 0.0, None, None]
        if not positive.size:
            return 0.0
        share = np.linspace(0.02, 0.96, 48)
        first, second = positive * share[:, None], positive * share
        left = positive - first - second
        left[left <= 0.0] = np.nan
        pulls = exploration(problem.horizon) / (2.0 * left**2) + 0.5 / first**2 + 2.0 / second**2
        fewest = np.nanmin(pulls, axis=(1, 2))
        bound = float((positive[:, 0, 0] * fewest).sum())
        return min(bound, problem.horizon * float(positive.max()))


@dataclass
class MOSS(IndexAgent):
    """Minimax optimal strategy: index = mean + scale sqrt(max(0, ln(T / (K pulls))) / pulls).

    Attributes:
        scale: Width of the interval in which rewards lie.

    Raises:
        ConfigError: If `scale` is not positive.

    Audibert and Bubeck 2009, Minimax policies for adversarial and stochastic bandits.
    """

    bound_kinds = ("stationary",)

    scale: float = 1.0

    def __post_init__(self) -> None:
        check_range(self, "scale", self.scale, 0.0, np.inf)

    def index(self) -> FloatArray:
        """Returns mean + radius, (n, K)."""
        share = self.problem.horizon / (self.problem.arms * self.pulls)
        radius = np.sqrt(np.log(np.maximum(share, 1.0)) / self.pulls)
        return np.asarray(self.means() + self.scale * radius)

    def bound(self, problem: Problem, gaps: FloatArray) -> float:
        """Returns 49 scale sqrt(T K), whatever the gaps (Audibert and Bubeck 2009).

        Args:
            problem: What was played.
            gaps: Best mean minus the mean of each arm, (K,); they cap it at T max gap.
        """
        minimax = 49.0 * self.scale * float(np.sqrt(problem.horizon * problem.arms))
        return min(minimax, problem.horizon * float(gaps.max()))


def exploration(round_: int) -> float:
    """Returns ln f(t) = ln(1 + t ln(t)^2)."""
    return float(np.log1p(round_ * np.log(round_) ** 2))
