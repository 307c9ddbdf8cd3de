"""`ListAsActionVI`: value iteration for which every whole list is an action of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardsmith.agents.bandits.agent import Problem
from rewardsmith.agents.bandits.cascading import CascadeAgent, clicked
from rewardsmith.agents.bandits.cascading_vi import bernstein, check_confidence
from rewardsmith.envs.bandits.best_permutation import every_list
from rewardsmith.envs.stateful import IntArray


@dataclass
class ListAsActionVI(CascadeAgent):
    """Optimistic value iteration over all |A| = sum_{k<=m} N! / (N - k)! lists.

    The straightforward use of an algorithm for finite Markov decision processes. With counts
    n(s, A), empirical means rhat and phat and L = bonus_scale * log(14 K H S |A| / delta),

        Q_h = min(H, rhat + 2 sqrt(Var(r) L / n) + 5 L / n + phat^T Vbar_{h+1} + b),
        b = min(H, 2 sqrt(Var_phat(Vbar) L / n) + 2 sqrt(E_phat[(Vbar - Vlow)^2] L / n)
                   + 5 H L / n),

    H where n = 0, and Vbar_h, Vlow_h of the list with the highest Q_h; Vlow takes the bonuses
    off. After `plan`, `upper` and `lower` (n, H + 1, S) hold them. Ties, such as all lists
    never tried, go to the first in the order of `every_list`.

    Args:
        bonus_scale: Factor on the logarithm L in every bonus; 1 is what the theorem needs.
        delta: Probability with which the theorem's bound may fail.

    Raises:
        ConfigError: If an argument is out of range.

    AdaptRM in Du, Srikant and Chen 2024, arXiv 2401.08961, after Zanette and Brunskill 2019,
    arXiv 1901.00210.
    """

    bonus_scale: float = 1.0
    delta: float = 0.005

    state_names = ("earned", "earned_squared", "arrivals", "policy")

    def __post_init__(self) -> None:
        check_confidence(self.bonus_scale, self.delta)

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything and gets ready for episode 0."""
        super().begin(problem, seed)
        n, states, items = self.shape
        self._lists = every_list(items, self.length)
        shape = n, states, len(self._lists)
        self.earned, self.earned_squared = np.zeros(shape), np.zeros(shape)
        self.arrivals = np.zeros((*shape, states))
        self.log = self.bonus_scale * np.log(
            14 * self.episodes * self.steps * states * len(self._lists) / self.delta
        )
        self._base = (items + 1) ** np.arange(self.length)
        self._rank = np.argsort(self._lists @ self._base)
        self._codes = (self._lists @ self._base)[self._rank]

    def count(
        self, state: IntArray, shown: IntArray, position: IntArray, arrived: IntArray
    ) -> None:
        """Counts the list, what it earned and where it led."""
        action = self._rank[np.searchsorted(self._codes, shown @ self._base)]
        reward = np.pad(self.reward, ((0, 0), (0, 0), (0, 1)))
        item = clicked(shown, position, self.shape[2])
        earned = reward[self._rows, state, item]
        self.earned[self._rows, state, action] += earned
        self.earned_squared[self._rows, state, action] += earned**2
        self.arrivals[self._rows, state, action, arrived] += 1

    def plan(self) -> IntArray:
        """Returns the optimistic policy, int64 (n, H, S, m)."""
        n, states, _ = self.shape
        horizon = self.steps
        seen = self.arrivals.sum(axis=-1)
        count = np.maximum(seen, 1)
        kernel, mean = self.arrivals / count[..., None], self.earned / count
        scale = self.log / count
        spread = np.maximum(self.earned_squared / count - mean**2, 0.0)
        reward_bonus = bernstein(spread, scale, 1.0)
        self.upper = np.zeros((n, horizon + 1, states))
        self.lower = np.zeros((n, horizon + 1, states))
        actions = np.empty((n, horizon, states), dtype=np.int64)
        for step in reversed(range(horizon)):
            above, below = self.upper[:, step + 1], self.lower[:, step + 1]
            columns = np.stack((above, above**2, (above - below) ** 2, below), axis=-1)
            ahead, square, gap, lower = np.moveaxis(kernel @ columns[:, None], -1, 0)
            variance = np.maximum(square - ahead**2, 0.0)
            bonus = bernstein(variance, scale, horizon) + 2.0 * np.sqrt(gap * scale)
            bonus = np.minimum(bonus, horizon) + reward_bonus
            value = np.where(seen > 0, np.minimum(mean + ahead + bonus, horizon), horizon)
            best = value.argmax(axis=-1)
            actions[:, step] = best
            self.upper[:, step] = np.take_along_axis(value, best[..., None], axis=-1)[..., 0]
            floor = np.where(seen > 0, mean + lower - bonus, 0.0)
            floor = np.take_along_axis(floor, best[..., None], axis=-1)[..., 0]
            self.lower[:, step] = np.maximum(floor, 0.0)
        return self._lists[actions]
