"""CascadeUCB1 and CascadeKLUCB: show the m items with the highest upper confidence bounds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from rewardsmith.agents.bandits.agent import BanditAgent, Problem
from rewardsmith.agents.bandits.cascading import clicked
from rewardsmith.agents.bandits.divergence import bernoulli_upper
from rewardsmith.envs.bandits.cascade import without_repeats
from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray, IntArray

UNSEEN = 1e9
"""Index of an item that was never observed, above all others."""


def cascade_problem(env: gym.vector.VectorEnv[Any, Any, Any], horizon: int) -> Problem:
    """Reads a problem whose arms are the items off an environment that is shown lists.

    Args:
        env: Its actions are `MultiDiscrete([N] * m)`, such as `CascadingBandit-v0`.
        horizon: Number of rounds T, at least 1.

    Raises:
        ConfigError: If the actions are not lists of items or the horizon is below 1.
    """
    space, card = env.single_action_space, EnvCard.of(env)
    if not isinstance(space, gym.spaces.MultiDiscrete) or len(set(space.nvec.tolist())) != 1:
        raise ConfigError(
            f"a cascade agent shows lists of N items, {card.id} has {space}; use an environment "
            "with MultiDiscrete([N] * m) actions"
        )
    if horizon < 1:
        raise ConfigError(f"the horizon must be at least 1 round, got {horizon}")
    return Problem(env.num_envs, int(space.nvec[0]), horizon, card)


@dataclass
class CascadeIndexAgent(BanditAgent):
    """Shows the m items with the highest indices, in falling order.

    An item is observed when the reader gets to it: as attractive if it was clicked, else as
    not attractive. Items never observed come first, in random order. Made for items that all
    pay alike when clicked.

    Args:
        list_length: m, 1 to N.
    """

    list_length: int = 3
    state_names = ("round", "observed", "attracted", "random")

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything and gets ready for round 0.

        Raises:
            ConfigError: If there are fewer items than places on the list.
        """
        super().begin(problem, seed)
        if not 1 <= self.list_length <= problem.arms:
            raise ConfigError(
                f"list_length must be from 1 to the number of items, {problem.arms}, got "
                f"{self.list_length}"
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
        return np.argsort(-index, axis=1, kind="stable")[:, : self.list_length]

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
        place = np.arange(self.list_length)
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

    Args: see `CascadeIndexAgent`.

    Kveton, Szepesvari, Wen and Ashkan 2015, Cascading Bandits, arXiv 1502.02763, algorithm 1.
    """

    def _index(self, rate: FloatArray, count: FloatArray) -> FloatArray:
        return np.asarray(rate + np.sqrt(1.5 * np.log(max(self.round, 1)) / count))


class CascadeKLUCB(CascadeIndexAgent):
    """Index of item a after t rounds: the largest q <= 1 that its observations allow.

    n(a) kl(qhat(a), q) <= log t + 3 log log t, with kl the Bernoulli divergence.

    Args: see `CascadeIndexAgent`.

    Kveton, Szepesvari, Wen and Ashkan 2015, Cascading Bandits, arXiv 1502.02763, algorithm 1.
    """

    def _index(self, rate: FloatArray, count: FloatArray) -> FloatArray:
        logarithm = np.log(max(self.round, 3))
        return bernoulli_upper(rate, (logarithm + 3.0 * np.log(logarithm)) / count)
