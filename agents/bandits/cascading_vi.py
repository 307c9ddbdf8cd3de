"""Optimistic value iteration for cascading decision processes, item by item."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from rewardsmith.agents.bandits.agent import Problem
from rewardsmith.agents.bandits.cascading import CascadeAgent, clicked
from rewardsmith.envs.bandits.best_permutation import best_permutation, every_list, list_value
from rewardsmith.envs.errors import ConfigError, unknown
from rewardsmith.envs.stateful import FloatArray, IntArray

ORACLES = ("best_permutation", "enumerate")


@dataclass(frozen=True, slots=True)
class Estimates:
    """What a plan was made from.

    Attributes:
        kernel: phat, (n, S, N + 1, S).
        high: min(1, qhat + b_q), (n, S, N).
        low: max(0, qhat - b_q), (n, S, N).
        width: b_q, (n, S, N).
        bonus: b_pV by step, (n, H, S, N + 1).
    """

    kernel: FloatArray
    high: FloatArray
    low: FloatArray
    width: FloatArray
    bonus: FloatArray


@dataclass
class ItemwiseVI(CascadeAgent):
    """Plans with optimistic attractions and optimistic values of what follows a click.

    From counts n_q(s, a) of readings and n_p(s, a) of clicks (item N: readings to the end
    without one), for h = H, ..., 1 and every state:

        u = min(1, qhat + b_q),  w = r + phat^T Vbar_{h+1} + b_pV,
        Vbar_h = min(H, max_A f(A, u, w)),  pi_h = argmax_A f(A, u, w).

    The pessimistic values of the chosen lists are
    Vlow_h = max(0, sum_i [prod_{j<i} (1 - u_j)] qlow_i v_i + [prod_i (1 - u_i)] v_none)  with
    qlow = max(0, qhat - b_q) and v = r + phat^T Vlow_{h+1} - b_pV. After `plan`, `upper` and
    `lower` (n, H + 1, S) hold Vbar and Vlow, and `estimates` what they were made from.

    Args:
        bonus_scale: Factor on the logarithm L in every bonus; 1 is what the theorem needs,
            less explores less.
        delta: Probability with which the theorem's bound may fail.
        oracle: How the best list is found: "best_permutation", or "enumerate", which tries
            all of them.

    Raises:
        ConfigError: If an argument is out of range.
    """

    bonus_scale: float = 1.0
    delta: float = 0.005
    oracle: Literal["best_permutation", "enumerate"] = "best_permutation"

    state_names: ClassVar[tuple[str, ...]] = ("readings", "clicks", "arrivals", "policy")

    def __post_init__(self) -> None:
        check_confidence(self.bonus_scale, self.delta)
        if self.oracle not in ORACLES:
            raise unknown("oracle", self.oracle, ORACLES, where=type(self).__name__)

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything and gets ready for episode 0."""
        super().begin(problem, seed)
        n, states, items = self.shape
        self.readings = np.zeros((n, states, items))
        self.clicks = np.zeros((n, states, items))
        self.arrivals = np.zeros((n, states, items + 1, states))
        self.log = self.bonus_scale * np.log(
            14 * self.episodes * self.steps * states * items / self.delta
        )
        if self.oracle == "enumerate":
            self._lists = every_list(items, self.length)[::-1]  # ties: long lists

    def count(
        self, state: IntArray, shown: IntArray, position: IntArray, arrived: IntArray
    ) -> None:
        """Counts readings up to the click, the click and the arrival after it."""
        items = self.shape[2]
        place = np.arange(shown.shape[1])
        run, slot = np.nonzero((place <= position[:, None]) & (shown < items))
        self.readings[run, state[run], shown[run, slot]] += 1
        item = clicked(shown, position, items)
        hit = np.flatnonzero(item < items)
        self.clicks[hit, state[hit], item[hit]] += 1
        self.arrivals[self._rows, state, item, arrived] += 1

    def plan(self) -> IntArray:
        """Returns the optimistic policy, int64 (n, H, S, m)."""
        n, states, items = self.shape
        horizon = self.steps
        read, seen = np.maximum(self.readings, 1), self.arrivals.sum(axis=-1)
        rate, kernel = self.clicks / read, self.arrivals / np.maximum(seen, 1)[..., None]
        width = np.minimum(self._attraction_bonus(rate, read), 1.0)
        width = np.where(self.readings > 0, width, 1.0)
        high, low = np.minimum(rate + width, 1.0), np.maximum(rate - width, 0.0)
        reward = np.pad(self.reward, ((0, 0), (0, 0), (0, 1)))
        self.upper = np.zeros((n, horizon + 1, states))
        self.lower = np.zeros((n, horizon + 1, states))
        bonuses = np.empty((n, horizon, states, items + 1))
        lists = np.empty((n, horizon, states, self.length), dtype=np.int64)
        for step in reversed(range(horizon)):
            above, below = self.upper[:, step + 1], self.lower[:, step + 1]
            expected = expect(kernel, above)
            bonus = self._value_bonus(kernel, np.maximum(seen, 1), above, below, expected)
            bonus = np.where(seen > 0, np.minimum(bonus, horizon), horizon)
            bonuses[:, step] = bonus
            worth = reward + expected + bonus
            shown, value = self._best_lists(high, worth[..., :-1], worth[..., -1])
            lists[:, step] = shown
            self.upper[:, step] = np.minimum(value, horizon)
            worth = reward + expect(kernel, below) - bonus
            worst = read_through(shown, 1.0 - high, low * worth[..., :-1], worth[..., -1])
            self.lower[:, step] = np.maximum(worst, 0.0)
        self.estimates = Estimates(kernel, high, low, width, bonuses)
        return lists

    # ---- What tells the variants apart ------------------------------------------------

    @abstractmethod
    def _attraction_bonus(self, rate: FloatArray, read: FloatArray) -> FloatArray:
        """Returns b_q (n, S, N) from qhat and n_q >= 1."""

    @abstractmethod
    def _value_bonus(
        self,
        kernel: FloatArray,
        seen: FloatArray,
        above: FloatArray,
        below: FloatArray,
        expected: FloatArray,
    ) -> FloatArray:
        """Returns b_pV (n, S, N + 1) from phat, n_p >= 1, Vbar, Vlow and phat^T Vbar."""

    # ---- Machinery --------------------------------------------------------------------

    def _best_lists(
        self, attraction: FloatArray, worth: FloatArray, fallback: FloatArray
    ) -> tuple[IntArray, FloatArray]:
        if self.oracle == "best_permutation":
            return best_permutation(attraction, worth, fallback, self.length)
        values = list_value(
            self._lists, attraction[..., None, :], worth[..., None, :], fallback[..., None]
        )
        best = values.argmax(axis=-1)
        return self._lists[best], values.max(axis=-1)


class CascadingVI(ItemwiseVI):
    """Optimistic value iteration with Bernstein bonuses.

    With L = bonus_scale * log(14 K H S N / delta),

        b_q  = min(1, 2 sqrt(qhat (1 - qhat) L / n_q) + 5 L / n_q),
        b_pV = min(H, 2 sqrt(Var_phat(Vbar) L / n_p)
                      + 2 sqrt(E_phat[(Vbar - Vlow)^2] L / n_p) + 5 H L / n_p),

    both at their cap where nothing was counted. Regret O~(H sqrt(H S N K)); the number of
    lists does not enter.

    Args: see `ItemwiseVI`.

    Du, Srikant and Chen 2024, Cascading Reinforcement Learning, arXiv 2401.08961. With
    bonus_scale = 1 tens of thousands of episodes are all exploration on small processes.
    """

    def _attraction_bonus(self, rate: FloatArray, read: FloatArray) -> FloatArray:
        return bernstein(rate * (1.0 - rate), self.log / read, 1.0)

    def _value_bonus(
        self,
        kernel: FloatArray,
        seen: FloatArray,
        above: FloatArray,
        below: FloatArray,
        expected: FloatArray,
    ) -> FloatArray:
        scale = self.log / seen
        variance = np.maximum(expect(kernel, above**2) - expected**2, 0.0)
        gap = expect(kernel, (above - below) ** 2)
        return np.asarray(bernstein(variance, scale, self.steps) + 2.0 * np.sqrt(gap * scale))


class CascadingVIBonus(ItemwiseVI):
    """Optimistic value iteration with Hoeffding bonuses, an ablation of `CascadingVI`.

    b_q = min(1, sqrt(L / n_q)) and b_pV = min(H, H sqrt(L / n_p)), L as in `CascadingVI`.

    Args: see `ItemwiseVI`.

    Du, Srikant and Chen 2024, Cascading Reinforcement Learning, arXiv 2401.08961.
    """

    def _attraction_bonus(self, rate: FloatArray, read: FloatArray) -> FloatArray:
        return np.asarray(np.sqrt(self.log / read))

    def _value_bonus(
        self,
        kernel: FloatArray,
        seen: FloatArray,
        above: FloatArray,
        below: FloatArray,
        expected: FloatArray,
    ) -> FloatArray:
        return np.asarray(self.steps * np.sqrt(self.log / seen))


def bernstein(variance: FloatArray, scale: FloatArray, span: float) -> FloatArray:
    """Returns 2 sqrt(variance * L / n) + 5 * span * L / n, given scale = L / n."""
    return np.asarray(2.0 * np.sqrt(variance * scale) + 5.0 * span * scale)


def check_confidence(bonus_scale: float, delta: float) -> None:
    """Raises ConfigError unless bonus_scale > 0 and 0 < delta < 1."""
    if not 0.0 < bonus_scale < np.inf:
        raise ConfigError(f"bonus_scale must be positive, got {bonus_scale}")
    if not 0.0 < delta < 1.0:
        raise ConfigError(f"delta must be between 0 and 1, got {delta}")


def expect(kernel: FloatArray, value: FloatArray) -> FloatArray:
    """Returns p(. | s, a)^T V, (n, S, A), from p (n, S, A, S) and V (n, S)."""
    return np.asarray((kernel @ value[:, None, :, None])[..., 0])


def read_through(
    lists: IntArray, passed: FloatArray, gain: FloatArray, end: FloatArray
) -> FloatArray:
    """Returns sum_i [prod_{j<i} passed_j] gain_i + [prod_i passed_i] end, (n, S).

    Args:
        lists: Items, (n, S, m), padded with N.
        passed: Weight with which the reading goes on past each item, (n, S, N).
        gain: What each item adds when it is read, (n, S, N).
        end: What the end of the list adds, (n, S).
    """
    index = np.minimum(lists, passed.shape[-1] - 1)
    empty = lists == passed.shape[-1]
    on = np.where(empty, 1.0, np.take_along_axis(passed, index, axis=-1))
    more = np.where(empty, 0.0, np.take_along_axis(gain, index, axis=-1))
    for place in reversed(range(lists.shape[-1])):
        end = more[..., place] + on[..., place] * end
    return np.asarray(end)
