"""The estimates against closed forms, brute force and their own promises."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rewardsmith.agents.statistics import (
    Estimate,
    curve_band,
    difference_interval,
    interquartile_mean,
    permutation_p_value,
    probability_of_improvement,
    score_interval,
    steps_to_threshold,
)

SCORES = st.lists(st.integers(-50, 50).map(lambda x: x / 8), min_size=2, max_size=7)
FEW = settings(max_examples=25, deadline=None)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 10, 13])
def test_iqm_cuts_a_quarter_off_either_end(n: int) -> None:
    x = np.random.default_rng(n).normal(size=n)
    cut = n // 4
    assert interquartile_mean(x) == pytest.approx(np.sort(x)[cut : n - cut].mean())
    assert interquartile_mean(x) == pytest.approx(stats.trim_mean(x, 0.25))


def test_iqm_works_along_an_axis() -> None:
    x = np.arange(24.0).reshape(4, 6) ** 2
    assert interquartile_mean(x, axis=0) == pytest.approx(x[1:3].mean(axis=0))


@FEW
@given(SCORES, SCORES)
def test_improvement_counts_wins_and_half_ties(a: list[float], b: list[float]) -> None:
    wins = [1.0 if x > y else 0.5 if x == y else 0.0 for x, y in itertools.product(a, b)]
    estimate = probability_of_improvement(a, b)
    assert estimate.value == pytest.approx(np.mean(wins))
    assert estimate.value == pytest.approx(stats.mannwhitneyu(a, b).statistic / (len(a) * len(b)))
    assert 0 <= estimate.low <= estimate.high <= 1
    assert probability_of_improvement(b, a).value == pytest.approx(1 - estimate.value)


@FEW
@given(SCORES, SCORES, st.floats(-100, 100), st.randoms(use_true_random=False))
def test_difference_ignores_a_common_shift_and_the_order_of_runs(
    a: list[float], b: list[float], shift: float, random: object
) -> None:
    difference = difference_interval(a, b)
    moved = difference_interval(np.add(a, shift), np.add(b, shift))
    assert [moved.value, moved.low, moved.high] == pytest.approx(
        [difference.value, difference.low, difference.high], abs=1e-9
    )
    assert difference_interval(sorted(a), b[::-1]).value == pytest.approx(difference.value)
    assert permutation_p_value(sorted(a), b[::-1]) == permutation_p_value(a, b)


@FEW
@given(SCORES, st.floats(-100, 100), st.floats(0.1, 10))
def test_score_interval_follows_shift_and_scale(x: list[float], shift: float, scale: float) -> None:
    one, other = score_interval(x), score_interval(np.multiply(x, scale) + shift)
    assert [other.value, other.low, other.high] == pytest.approx(
        [scale * v + shift for v in (one.value, one.low, one.high)], abs=1e-6
    )
    assert min(x) <= one.low <= one.high <= max(x)


def test_equal_scores_give_intervals_of_no_width() -> None:
    ones, zeros = np.ones(5), np.zeros(5)
    assert score_interval(ones) == Estimate(1.0, 1.0, 1.0)
    assert difference_interval(ones, zeros) == Estimate(1.0, 1.0, 1.0)
    assert probability_of_improvement(ones, ones) == Estimate(0.5, 0.5, 0.5)
    assert permutation_p_value(ones, ones) == 1.0


def test_one_run_gives_no_interval() -> None:
    for estimate in (
        score_interval([0.3]),
        difference_interval([0.8], [0.5, 0.5]),
        probability_of_improvement([1.0, 2.0], [0.5]),
    ):
        assert not estimate.has_interval
        assert math.isfinite(estimate.value)
    assert math.isnan(permutation_p_value([1.0], [0.0, 0.0]))


def test_estimates_are_the_same_every_time() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 6))
    assert difference_interval(x, y) == difference_interval(x, y)
    many = np.random.default_rng(1).normal(size=(2, 12))
    assert permutation_p_value(*many) == permutation_p_value(*many)


def test_bootstrap_agrees_with_every_resample_of_three_runs() -> None:
    x = np.array([0.0, 1.0, 5.0])
    every = [np.mean(draw) for draw in itertools.product(x, repeat=3)]
    low, high = np.quantile(every, [0.025, 0.975], method="inverted_cdf")
    estimate = score_interval(x)
    assert (estimate.low, estimate.high) == pytest.approx((low, high))


def test_groups_are_resampled_apart() -> None:
    # Pooled resampling would sometimes draw one task only and widen this to [0, 1].
    estimate = score_interval(np.zeros(6), np.ones(6))
    assert estimate == Estimate(0.5, 0.5, 0.5)


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    trials = 150
    covered = sum(
        estimate.low <= 0.5 <= estimate.high
        for estimate in (
            difference_interval(rng.normal(0.5, 1, 20), rng.normal(0, 1, 20)) for _ in range(trials)
        )
    )
    assert 0.88 <= covered / trials <= 0.99


def test_permutation_test_is_exact_for_few_runs() -> None:
    a, b = np.array([3.0, 4.5, 5.0]), np.array([1.0, 2.0, 4.0, 0.5])
    pool = np.concatenate([a, b])
    gap = a.mean() - b.mean()
    gaps = [
        pool[list(c)].mean() - np.delete(pool, c).mean()
        for c in itertools.combinations(range(7), 3)
    ]
    one_sided = min(np.mean(np.array(gaps) >= gap - 1e-9), np.mean(np.array(gaps) <= gap + 1e-9))
    assert permutation_p_value(a, b) == pytest.approx(2 * one_sided)


@pytest.mark.parametrize(("n", "least"), [(2, 1 / 3), (3, 0.1), (4, 2 / 70), (5, 2 / 252)])
def test_smallest_p_values(n: int, least: float) -> None:
    assert permutation_p_value(np.arange(n) + 100, np.arange(n)) == pytest.approx(least)


def test_permutation_test_sees_ties_through_rounding_errors() -> None:
    x = [0.1, 0.2, 0.3, 0.7, 0.1]
    assert permutation_p_value(x, x[::-1]) == 1.0


def test_permutation_test_rarely_alarms_without_a_difference() -> None:
    rng = np.random.default_rng(5)
    alarms = [permutation_p_value(*rng.normal(size=(2, 5))) <= 0.05 for _ in range(200)]
    assert np.mean(alarms) <= 0.10


def test_curve_band_is_pointwise() -> None:
    curves = np.random.default_rng(2).normal(size=(6, 4)).cumsum(axis=1)
    band = curve_band(curves)
    assert band.value == pytest.approx([interquartile_mean(point) for point in curves.T])
    for i, point in enumerate(curves.T):
        alone = score_interval(point)
        assert (band.low[i], band.high[i]) == pytest.approx((alone.low, alone.high), abs=0.25)
    assert np.isnan(curve_band(curves[:1]).low).all()
    assert curve_band(curves[:1]).value == pytest.approx(curves[0])


def test_steps_to_threshold_counts_late_runs_as_never() -> None:
    steps = np.array([0, 100, 200, 300])
    curves = np.array([[0, 1, 1, 1], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0.9]])
    reach = steps_to_threshold(steps, curves, 1.0)
    assert (reach.reached, reach.n, reach.median) == (3, 5, 300.0)
    assert (reach.low, reach.high) == (100.0, math.inf)
    assert reach.level == pytest.approx(1 - 2 * 0.5**5)
    assert steps_to_threshold(steps, curves, 0.0).median == 0.0
    assert steps_to_threshold(steps, curves, 2.0).median == math.inf
    assert steps_to_threshold(steps, np.delete(curves, 2, axis=0), 1.0).median == math.inf


@pytest.mark.parametrize(("n", "k"), [(1, 1), (5, 1), (6, 1), (9, 2), (12, 3), (20, 6)])
def test_median_interval_is_that_of_the_sign_test(n: int, k: int) -> None:
    steps = np.arange(n + 1)
    curves = np.arange(n + 1)[None, :] >= np.arange(1, n + 1)[:, None]  # run i arrives at step i
    reach = steps_to_threshold(steps, curves, 1.0)
    assert (reach.low, reach.high) == (k, n + 1 - k)
    if n >= 6:
        assert reach.level >= 0.95 > 1 - 2 * stats.binom.cdf(k, n, 0.5)
