"""Interval estimates from a handful of runs.

Follows Agarwal et al. 2021 (arXiv 2108.13264): the interquartile mean instead of mean or
median, percentile bootstrap intervals stratified by task, and the probability of
improvement. A run (one seed) is the unit that is resampled, never an episode: the episodes
of one policy say nothing about another seed. The random numbers are fixed, so a report
over the same runs shows the same figures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from rewardsmith.envs.stateful import FloatArray, IntArray

LEVEL = 0.95
"""Confidence level of every interval."""

_RESAMPLES = 5000
_SEED = 20210813


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its 95% interval; the bounds are NaN where one run gives no interval.

    Attributes:
        value: The estimate.
        low: Lower bound.
        high: Upper bound.
    """

    value: float
    low: float
    high: float

    @property
    def has_interval(self) -> bool:
        """Whether there were runs enough for an interval."""
        return not math.isnan(self.low)


@dataclass(frozen=True, slots=True)
class Band:
    """An `Estimate` at each of P points: three arrays of shape (P,)."""

    value: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, slots=True)
class Reach:
    """How soon runs reached a threshold; a run that never did counts as infinitely late.

    Attributes:
        reached: How many runs reached it.
        n: Number of runs.
        median: Median steps; infinite if half of the runs or more never reached it.
        low: Lower bound of the median, at confidence `level`.
        high: Upper bound of the median, possibly infinite.
        level: Confidence that [low, high] holds the median. It is at least 0.95 where the
            number of runs allows that (from 6 on); with fewer it is that of the full range.
    """

    reached: int
    n: int
    median: float
    low: float
    high: float
    level: float


def interquartile_mean(x: ArrayLike, axis: int = -1) -> Any:
    """Returns the mean of the middle half: floor(n/4) values are cut off at either end.

    Args:
        x: Values, any shape.
        axis: The axis to average over.

    Example:
        >>> float(interquartile_mean([0.0, 0.9, 1.0, 0.8, 1.0]))
        0.9
    """
    return stats.trim_mean(np.asarray(x, dtype=np.float64), 0.25, axis=axis)


def score_interval(*groups: ArrayLike) -> Estimate:
    """Returns the IQM of all runs, with a bootstrap interval stratified by group.

    Args:
        groups: Final scores of the runs on each task, each (n_k,). Every task is resampled
            by itself, so no resample lacks a task. Over several tasks the scores must be on
            one scale.
    """
    return _bootstrap(_pooled_iqm, groups)


def difference_interval(a: ArrayLike, b: ArrayLike) -> Estimate:
    """Returns IQM(a) - IQM(b) with a bootstrap interval.

    The two are resampled independently of each other: equal seeds do not pair runs of
    different designs, for training takes them apart from the first update on.

    Args:
        a: Final scores of the runs of one design, (n,).
        b: Final scores of the other, (m,).
    """
    return _bootstrap(_iqm_difference, (a, b))


def probability_of_improvement(a: ArrayLike, b: ArrayLike) -> Estimate:
    """Returns P(X > Y) + P(X = Y) / 2 for runs X of `a` and Y of `b`, with a bootstrap interval.

    It is the Mann-Whitney U statistic over n m: how probably a run of the one design beats a
    run of the other, whatever the margin. 0.5 means no difference.

    Args:
        a: Final scores of the runs of one design, (n,).
        b: Final scores of the other, (m,).

    Example:
        >>> probability_of_improvement([1.0, 2.0], [0.0, 1.0]).value
        0.875
    """
    return _bootstrap(_win_rate, (a, b))


def curve_band(curves: ArrayLike) -> Band:
    """Returns the IQM over runs at every point, with pointwise bootstrap intervals.

    Args:
        curves: Values of n runs at P points, (n, P).
    """
    curves = np.asarray(curves, dtype=np.float64)
    value = np.asarray(interquartile_mean(curves, axis=0))
    if len(curves) < 2:
        nothing = np.full_like(value, np.nan)
        return Band(value, nothing, nothing)
    bounds = _resample(interquartile_mean, (curves,), axis=0)
    return Band(value, np.asarray(bounds.low), np.asarray(bounds.high))


def permutation_p_value(a: ArrayLike, b: ArrayLike) -> float:
    """Returns the two-sided p-value of a permutation test of equal distributions.

    Exact while there are at most 9,999 ways to deal the runs out (7 against 7 runs), else
    by that many random deals. The statistic is the difference of means: the IQM ignores a
    quarter of the runs at either end, so that among few runs many deals would tie.

    Args:
        a: Final scores of the runs of one design, (n,).
        b: Final scores of the other, (m,).

    Returns:
        The p-value, or NaN with fewer than two runs on a side. With 3 against 3 runs it
        cannot fall below 0.1, with 4 against 4 below 0.03, with 5 against 5 below 0.008.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if min(len(a), len(b)) < 2:
        return math.nan
    spread = float(np.ptp(np.concatenate([a, b])))
    if spread == 0.0:
        return 1.0

    def difference(x: FloatArray, y: FloatArray, axis: int) -> FloatArray:
        # Rounded, so that deals that tie on paper tie in floating point too.
        gap: FloatArray = (x.mean(axis=axis) - y.mean(axis=axis)) / spread
        return np.round(gap, 9)

    result = stats.permutation_test(
        (a, b), difference, vectorized=True, n_resamples=9999, rng=np.random.default_rng(_SEED)
    )
    return float(result.pvalue)


def steps_to_threshold(steps: IntArray, curves: ArrayLike, threshold: float) -> Reach:
    """Returns how many steps the runs took until an evaluation was at least `threshold`.

    Runs that never get there are not dropped, which would flatter an unreliable design: they
    count as infinitely late. The interval is that of order statistics: the median lies
    between the k-th smallest and the k-th largest of n values with confidence
    1 - 2 P(Binomial(n, 1/2) < k).

    Args:
        steps: Evaluation points, increasing, (P,).
        curves: Score of n runs at those points, (n, P).
        threshold: The score to reach.

    Example:
        >>> steps_to_threshold(np.array([0, 10, 20]), [[0, 1, 0], [0, 0, 1], [0, 0, 0]], 1.0)
        Reach(reached=2, n=3, median=20.0, low=10.0, high=inf, level=0.75)
    """
    hit = np.asarray(curves, dtype=np.float64) >= threshold
    first = np.where(hit.any(axis=1), np.asarray(steps)[hit.argmax(axis=1)], np.inf)
    times = np.sort(first.astype(np.float64))
    n = len(times)
    k = max(1, int(stats.binom.ppf((1 - LEVEL) / 2, n, 0.5)))
    level = float(1 - 2 * stats.binom.cdf(k - 1, n, 0.5))
    return Reach(
        reached=int(np.isfinite(times).sum()),
        n=n,
        median=float(np.median(times)),
        low=float(times[k - 1]),
        high=float(times[n - k]),
        level=level,
    )


def _bootstrap(statistic: Callable[..., Any], samples: Sequence[ArrayLike]) -> Estimate:
    arrays = tuple(np.asarray(sample, dtype=np.float64) for sample in samples)
    value = float(statistic(*arrays, axis=-1))
    if min(len(array) for array in arrays) < 2:
        return Estimate(value, math.nan, math.nan)
    bounds = _resample(statistic, arrays, axis=-1)
    return Estimate(value, float(bounds.low), float(bounds.high))


def _resample(statistic: Callable[..., Any], samples: Sequence[FloatArray], axis: int) -> Any:
    return stats.bootstrap(
        samples,
        statistic,
        vectorized=True,
        axis=axis,
        n_resamples=_RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(_SEED),
    ).confidence_interval


def _pooled_iqm(*groups: FloatArray, axis: int) -> Any:
    return interquartile_mean(np.concatenate(groups, axis=axis), axis=axis)


def _iqm_difference(a: FloatArray, b: FloatArray, axis: int) -> Any:
    return interquartile_mean(a, axis=axis) - interquartile_mean(b, axis=axis)


def _win_rate(a: FloatArray, b: FloatArray, axis: int) -> Any:
    a, b = np.moveaxis(a, axis, -1), np.moveaxis(b, axis, -1)
    return (0.5 + 0.5 * np.sign(a[..., :, None] - b[..., None, :])).mean(axis=(-2, -1))
