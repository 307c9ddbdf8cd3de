"""A combiner in which small rewards count only once the large ones were earned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from rewardsmith.envs.errors import ConfigError, unknown
from rewardsmith.envs.stateful import BoolArray, FloatArray
from rewardsmith.rewards.component import Combiner
from rewardsmith.rewards.rows import cleared, no_rows
from rewardsmith.rewards.transition import Transition

Scope = Literal["episode", "step"]


@dataclass
class Gate(Combiner):
    """Gated reward accumulation: a level counts only if every level above passed.

        R = sum_t r^0_t + sum_{l>=1} [ prod_{j<l} 1(Rbar_j >= tau_j) ] * sum_t r^l_t

    with r^l_t the sum of level l's terms on step t, Rbar_j the total of level j (ungated,
    over the episode) and tau_j its threshold. Without the gate many cheap immediate
    rewards can outweigh the outcome, and the agent collects them instead.

    With scope "episode" whether a gate opens is known at the end: online, level 0 and the
    ungated terms are paid at once, and the gated sums on the episode's last step; `place`
    puts them on the steps they were earned on. With scope "step" Rbar_j is the running
    total up to and including the step, and a step's own gated rewards count or are lost
    at once. With all thresholds at -inf both are a plain sum.

    Source: arXiv 2508.10548 (Gated Reward Accumulation); the nesting of more than two
    levels is our reading of it.

    Args:
        levels: Term names by level: first the long-term outcome, then the stepwise
            levels in falling priority.
        thresholds: tau_j for every level but the last.
        scope: "episode" or "step".
        ungated: Terms that always count at once, such as penalties.

    Raises:
        ConfigError: If there is not one threshold per gate, the scope is unknown, or a
            term of the design is in no level or in two places.

    Example:
        >>> gate = Gate(levels=[["outcome"], ["format"]], thresholds=[0.5])
        >>> gate.reset(np.ones(2, bool))
        >>> last = Transition(0, 0, 0, np.zeros(2), np.ones(2, bool), np.zeros(2, bool))
        >>> gate({"outcome": np.array([1.0, 0.0]), "format": np.array([0.3, 0.3])}, last)
        array([1.3, 0. ])
    """

    levels: Sequence[Sequence[str]]
    thresholds: Sequence[float] = ()
    scope: Scope = "episode"
    ungated: Sequence[str] = ()
    _thresholds: FloatArray = field(init=False, repr=False, compare=False)
    _totals: FloatArray = field(default_factory=no_rows, init=False, repr=False, compare=False)

    state_names = ("_totals",)

    def __post_init__(self) -> None:
        if self.scope not in get_args(Scope):
            raise unknown("scope", self.scope, get_args(Scope), where="Gate")
        if not self.levels or any(isinstance(level, str) or not level for level in self.levels):
            raise ConfigError(
                "Gate.levels must be lists of term names, such as [[outcome], [format, tool]]; "
                f"got {self.levels!r}"
            )
        if isinstance(self.ungated, str):
            raise ConfigError(f"Gate.ungated must be a list, such as [{self.ungated}]")
        given, needed = self.thresholds, len(self.levels) - 1
        if not isinstance(given, Sequence) or len(given) != needed:
            raise ConfigError(
                "Gate.thresholds must list one number for every level but the last, here "
                f"{needed}; got {given!r}"
            )
        self._thresholds = np.array(given, dtype=np.float64)[:, None]
        self._totals = np.zeros((len(self.levels), 0))

    def check(self, names: Iterable[str]) -> None:
        """Raises ConfigError unless every term is in exactly one level, or ungated."""
        known = list(names)
        placed = Counter(name for level in (*self.levels, self.ungated) for name in level)
        for name, times in placed.items():
            if name not in known:
                raise unknown("term", name, known, where="Gate")
            if times > 1:
                raise ConfigError(f"Gate names term {name!r} {times} times; name it once")
        for name in known:
            if name not in placed:
                raise ConfigError(
                    f"Gate says nothing of term {name!r}; put it in a level, or in ungated"
                )

    def reset(self, mask: BoolArray) -> None:
        """Forgets the totals of the rows where `mask` (n,) is true."""
        self._totals = cleared(self._totals, mask, 0.0)

    def __call__(self, values: Mapping[str, FloatArray], transition: Transition) -> FloatArray:
        """Returns the pay that is due now, float64 (n,)."""
        sums = self._sums(values, transition.n)
        if np.count_nonzero(transition.active) < transition.n:
            np.copyto(sums, 0.0, where=~transition.active)
        self._totals += sums
        pay = self._at_once(values, sums)
        if self.scope == "step":
            pay += self._gated(self._totals, sums)
        elif np.count_nonzero(done := transition.done):
            rows = np.flatnonzero(done)
            totals = self._totals[:, rows]
            pay[rows] += self._gated(totals, totals)
        return pay

    def place(self, values: Mapping[str, FloatArray], transitions: list[Transition]) -> FloatArray:
        """Returns the pay of one finished episode on the steps it was earned on, (T,)."""
        sums = self._sums(values, len(transitions))
        # Summed in the order of the steps, as online: a total at its threshold must not
        # fall to the other side by a rounding error.
        running = np.add.accumulate(sums, axis=1)
        totals = running if self.scope == "step" else running[:, -1:]
        return self._at_once(values, sums) + self._gated(totals, sums)

    def _sums(self, values: Mapping[str, FloatArray], n: int) -> FloatArray:
        """Sums the terms of each level; returns shape (levels, n)."""
        sums = np.empty((len(self.levels), n))
        for row, (first, *others) in zip(sums, self.levels, strict=True):
            row[:] = values[first]
            for name in others:
                row += values[name]
        return sums

    def _at_once(self, values: Mapping[str, FloatArray], sums: FloatArray) -> FloatArray:
        pay: FloatArray = sums[0]
        for name in self.ungated:
            pay += values[name]
        return pay

    def _gated(self, totals: FloatArray, sums: FloatArray) -> FloatArray:
        """Sums the levels below the first whose gates `totals` (levels, n) open."""
        opened = np.logical_and.accumulate(totals[:-1] >= self._thresholds, axis=0)
        return np.asarray(np.where(opened, sums[1:], 0.0).sum(axis=0))
