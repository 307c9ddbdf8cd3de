"""How a race is run: A B B A rounds, the ratio of every round, a bootstrap interval.

Both sides run in one process, on the same cores and with one thread each; the clock counts
the process's CPU time, so that other work on the machine disturbs less. After two warm-up
rounds every round times ours, theirs, theirs, ours, so that a drift of the machine's speed
falls on both alike. What the two produced is compared in every round: equal work is checked,
not assumed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

WARM_UP_ROUNDS = 2
LEAST_ROUNDS = 15
CONFIDENCE = 0.95

Outcome = Mapping[str, Any]
"""What a side produced, by name: arrays, or lists of arrays of one shape."""
Kind = Literal["faster", "cost", "seconds"]


@dataclass(frozen=True)
class Skipped:
    """A contest that cannot be run here, and what would make it possible."""

    reason: str


@dataclass(frozen=True)
class Side:
    """One of the two that race.

    Attributes:
        run: Does the work once and returns what it produced.
        without: The same without the part that is measured; its time is taken off.
    """

    run: Callable[[], Outcome]
    without: Callable[[], object] | None = None

    def timed(self, clock: Callable[[], float]) -> tuple[float, Outcome]:
        """Does the work once; returns the seconds it took and what it produced."""
        start = clock()
        outcome = self.run()
        seconds = clock() - start
        if self.without is not None:
            start = clock()
            self.without()
            seconds -= clock() - start
        return seconds, outcome


@dataclass(frozen=True)
class Target:
    """What must be reached, by the whole of the interval.

    Attributes:
        kind: "faster": their time divided by ours is at least `bound`; "cost": our time
            divided by theirs is at most `bound`; "seconds": our time is at most `bound`.
        bound: A ratio, or seconds.
    """

    kind: Kind
    bound: float

    def values(self, ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the number to judge for every round, from the seconds of both sides."""
        return {"faster": theirs / ours, "cost": ours / theirs, "seconds": ours}[self.kind]

    def is_met(self, low: float, high: float) -> bool:
        """Tells whether the interval [low, high] lies on the winning side of the bound."""
        return low > self.bound if self.kind == "faster" else high < self.bound


@dataclass(frozen=True)
class Contest:
    """Two sides doing the same work, and what ours must reach.

    Attributes:
        name: What is measured, one line of a table.
        ours: Our side.
        theirs: The peer.
        target: What ours must reach.
        rtol: Relative difference allowed between what the two produce; 0 means equal bits.
        clock: Returns seconds.
    """

    name: str
    ours: Side
    theirs: Side
    target: Target
    rtol: float = 0.0
    clock: Callable[[], float] = time.process_time


@dataclass(frozen=True)
class Race:
    """Contests about one question.

    Attributes:
        key: Short name, such as "R1".
        title: Headline.
        about: What is measured against what, in a few sentences of Markdown.
        contests: Makes the contests one by one; quick ones have tiny sizes. Where a
            contest cannot be run it yields the `Skipped` that says why.
    """

    key: str
    title: str
    about: str
    contests: Callable[[bool], Iterator[Contest | Skipped]]


@dataclass(frozen=True)
class Result:
    """How a contest ended.

    Attributes:
        contest: Its name.
        target: What was to be reached.
        median: Median over the rounds of the number the target speaks of.
        low: Lower end of its 95% bootstrap interval.
        high: Upper end.
    """

    contest: str
    target: Target
    median: float
    low: float
    high: float

    @property
    def won(self) -> bool:
        """Whether the whole interval meets the target."""
        return self.target.is_met(self.low, self.high)


def measure(contest: Contest, rounds: int) -> Result:
    """Runs a contest for some rounds, besides the warm-up.

    Raises:
        AssertionError: If the two sides produced different things.
    """
    times = np.array([_round(contest) for _ in range(WARM_UP_ROUNDS + rounds)])
    ours, theirs = times[WARM_UP_ROUNDS:].T
    values = contest.target.values(ours, theirs)
    return Result(contest.name, contest.target, float(np.median(values)), *interval(values))


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Returns the percentile bootstrap interval of the median of `values` (rounds,)."""
    if len(values) < 2:
        return float(values[0]), float(values[0])
    found = bootstrap(
        (values,),
        np.median,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(found.low), float(found.high)


def _round(contest: Contest) -> tuple[float, float]:
    """Times A B B A; returns the mean seconds of ours (A) and of theirs (B)."""
    ours, theirs, clock = contest.ours, contest.theirs, contest.clock
    (a1, made_a1), (b1, made_b1) = ours.timed(clock), theirs.timed(clock)
    (b2, made_b2), (a2, made_a2) = theirs.timed(clock), ours.timed(clock)
    _assert_equal(contest, made_a1, made_b1)
    _assert_equal(contest, made_a2, made_b2)
    return (a1 + a2) / 2, (b1 + b2) / 2


def _assert_equal(contest: Contest, ours: Outcome, theirs: Outcome) -> None:
    if ours.keys() != theirs.keys():
        raise AssertionError(f"{contest.name}: ours made {list(ours)}, theirs {list(theirs)}")
    for name, made in ours.items():
        np.testing.assert_allclose(
            np.asarray(made),
            np.asarray(theirs[name]),
            rtol=contest.rtol,
            atol=contest.rtol,
            err_msg=f"{contest.name}: {name}",
        )
