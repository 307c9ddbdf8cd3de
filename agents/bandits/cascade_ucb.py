"""CascadeUCB1 and CascadeKLUCB: show the m items with the highest upper confidence bounds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardsmith.agents.bandits.agent import BanditAgent, Problem
from rewardsmith.agents.bandits.cascading import clicked
from rewardsmith.agents.bandits.divergence import bernoulli_upper
from rewardsmith.envs.bandits.cascade import without_repeats
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray, IntArray

UNSEEN = 1e9
"""Index of an item that was never observed, above all others."""


@dataclass
class CascadeIndexAgent(BanditAgent):
    """Shows the m items with the highest indices, in falling order.

    An item is observed when the reader gets to it: as attractive if it was clicked, else as
    not attractive. Items never observed come first, in random order. Made for items that all
    pay alike when clicked.

    """

    plays_lists = True
    state_names = ("round", "observed", "attracted", "random")

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything and gets ready for round 0.

        Raises:
            ConfigError: If the environment is shown no lists, or does not tell what was clicked.
        """
        super().begin(problem, seed)
        if not problem.card.is_fact("position"):
            raise ConfigError(
                f"{type(self).__name__} learns from the fact 'position', which {problem.card.id} "
                "does not tell; use a cascading environment"
            )
        self.round = 0
        self.observed = np.zeros((problem.n, problem.arms))
        self.attracted = np.zeros((problem.n, problem.arms))

    def act(self, observation: np.ndarray) -> IntArray:
        """Returns the list of every run, int64 (n, m)."""
        count = np.maximum(self.observed, 1)
        index = self._index(self.attracted / count, count)
        new = self.observed == 0
        if new.any():
            index = np.where(new, UNSEEN + self.random.random(index.shape), index)
        return np.argsort(-index, axis=1, kind="stable")[:, : self.problem.places]

    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Takes the clicks of the round from the fact `position` (n,).

        Args:
            observation: What `act` saw; not used.
            action: The lists shown, (n, m).
            reward: What they paid; not used.
            info: Facts of the round.
        """
        items = self.problem.arms
        shown = without_repeats(action, items)
        place = np.arange(shown.shape[1])
        run, slot = np.nonzero((place <= info["position"][:, None]) & (shown < items))
        self.observed[run, shown[run, slot]] += 1
        item = clicked(shown, info["position"], items)
        hit = np.flatnonzero(item < items)
        self.attracted[hit, item[hit]] += 1
        self.round += 1

    @abstractmethod
    def _index(self, rate: FloatArray, count: FloatArray) -> FloatArray:
        """Returns the index of every item from its rate and count >= 1, each (n, N)."""


class CascadeUCB1(CascadeIndexAgent):
    """Index of item a after t rounds: qhat(a) + sqrt(1.5 log t / n(a)).

    Regret O(sum over suboptimal items of log T / gap).

    Kveton, Szepesvari, Wen and Ashkan 2015, Cascading Bandits, arXiv 1502.02763, algorithm 1.
    """

    def _index(self, rate: FloatArray, count: FloatArray) -> FloatArray:
        return np.asarray(rate + np.sqrt(1.5 * np.log(max(self.round, 1)) / count))


class CascadeKLUCB(CascadeIndexAgent):
    """Index of item a after t rounds: the largest q <= 1 that its observations allow.

    n(a) kl(qhat(a), q) <= log t + 3 log log t, with kl the Bernoulli divergence.

    Kveton, Szepesvari, Wen and Ashkan 2015, Cascading Bandits, arXiv 1502.02763, algorithm 1.
    """

    def _index(self, rate: FloatArray, count: FloatArray) -> FloatArray:
        logarithm = np.log(max(self.round, 3))
        return bernoulli_upper(rate, (logarithm + 3.0 * np.log(logarithm)) / count)
