"""Players of zero-sum matrix games: Hedge, regret matching, fictitious play."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from rewardsmith.agents.bandits.agent import Problem
from rewardsmith.agents.bandits.hedge import Hedge
from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.stateful import FloatArray

_FULL_FEEDBACK = EnvCard("MatrixGame", "", facts=(Field("rewards", "payoff of every action"),))


class Player(ABC):
    """Plays one side of n games at once and is told what each of its K actions would have paid."""

    @abstractmethod
    def begin(self, n: int, actions: int, rounds: int) -> None:
        """Forgets everything and gets ready for `rounds` rounds of n games with K actions."""

    @abstractmethod
    def strategy(self) -> FloatArray:
        """Returns the chance of every action, (n, K)."""

    @abstractmethod
    def learn(self, payoff: FloatArray) -> None:
        """Takes the payoff of every action against what the opponent played, (n, K) in [0, 1]."""


class HedgePlayer(Player):
    """Exponential weights (`Hedge`): regret of at most 2 sqrt(T ln K) for payoffs in [0, 1].

    Freund and Schapire 1999, Adaptive game playing using multiplicative weights.
    """

    def begin(self, n: int, actions: int, rounds: int) -> None:
        """Forgets everything and settles the learning rate for `rounds` rounds."""
        self._hedge = Hedge()
        self._hedge.begin(Problem(n, actions, rounds, _FULL_FEEDBACK), seed=0)
        self._unused = np.zeros(n, dtype=np.int64)

    def strategy(self) -> FloatArray:
        """Returns the chance of every action, (n, K)."""
        return self._hedge.probabilities()

    def learn(self, payoff: FloatArray) -> None:
        """Charges every action what it pays less than 1."""
        self._hedge.learn(payoff, self._unused, payoff[:, 0], {"rewards": payoff})


class RegretMatching(Player):
    """Plays every action in proportion to its positive regret: p_a ~ max(0, R_a).

    R_a = sum_t u_t(a) - p_t . u_t; uniform where no regret is positive. Regret of at most
    sqrt(K T) for payoffs in [0, 1]; needs neither the horizon nor the scale of the payoffs.

    Example:
        >>> player = RegretMatching()
        >>> player.begin(n=1, actions=2, rounds=10)
        >>> player.learn(np.array([[1.0, 0.0]]))
        >>> player.strategy()
        array([[1., 0.]])

    Hart and Mas-Colell 2000, doi:10.1111/1468-0262.00153.
    """

    def begin(self, n: int, actions: int, rounds: int) -> None:
        """Forgets everything."""
        self.regret = np.zeros((n, actions))

    def strategy(self) -> FloatArray:
        """Returns the chance of every action, (n, K)."""
        return _normalised(np.maximum(self.regret, 0.0))

    def learn(self, payoff: FloatArray) -> None:
        """Adds what every action would have paid above the strategy."""
        self.regret += payoff - (self.strategy() * payoff).sum(axis=1, keepdims=True)


class FictitiousPlay(Player):
    """Plays a best response to the opponent's past play, uniform among equally good ones.

    Average play nears Nash in every zero-sum game, yet the regret of a single player may
    grow linearly against other opponents: it is no regret minimiser.

    Brown 1951; Robinson 1951, An iterative method of solving a game.
    """

    def begin(self, n: int, actions: int, rounds: int) -> None:
        """Forgets everything."""
        self.total = np.zeros((n, actions))

    def strategy(self) -> FloatArray:
        """Returns the chance of every action, (n, K)."""
        best = self.total.max(axis=1, keepdims=True)
        return _normalised((self.total >= best).astype(np.float64))

    def learn(self, payoff: FloatArray) -> None:
        """Adds up what every action would have paid."""
        self.total += payoff


def _normalised(weight: FloatArray) -> FloatArray:
    """Returns weights (n, K) divided by their sum, uniform where all are 0."""
    total = weight.sum(axis=1, keepdims=True)
    uniform = 1.0 / weight.shape[1]
    return np.where(total > 0.0, weight / np.where(total > 0.0, total, 1.0), uniform)
