"""Combiners without a gate: exact values from the papers, and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from rewardsmith.envs import ConfigError, EnvCard, Field, RewardError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards import (
    Combiner,
    LogSigmoidSum,
    Product,
    RewardDesign,
    TimeCost,
    Transition,
    WeightedSum,
    log_sigmoid,
    quantile_reference,
)

CARD = EnvCard("Chat-v0", "", facts=(Field("base", ""), Field("refs", "")))


def combined(combine: Combiner, info: dict[str, Any] | None = None, **values: Any) -> FloatArray:
    arrays = {name: np.asarray(value, dtype=np.float64) for name, value in values.items()}
    n = len(next(iter(arrays.values())))
    no = np.zeros(n, dtype=np.bool_)
    return combine(arrays, Transition(0, 0, 0, np.zeros(n), no, no, info or {}))


def test_weighted_sum() -> None:
    assert_array_equal(combined(WeightedSum(), a=[1, 2], b=[3, 4]), [4, 6])
    assert_array_equal(combined(WeightedSum({"b": -0.5}), a=[1, 2], b=[3, 4]), [-0.5, 0])


def test_product() -> None:
    assert_array_equal(combined(Product(), a=[0.5, 1], b=[0.5, 0], c=[2, 7]), [0.5, 0])
    value = np.array([0.5])
    product = combined(Product(), a=value)
    product += 1
    assert value[0] == 0.5, "a lone value must not be shared with the product"


@pytest.mark.parametrize(
    ("pair", "expected"), [((0, 0), -1.38629), ((1, 1), -0.62653), ((3, -3), -3.09717)]
)
def test_log_sigmoid_sum_of_the_paper(pair: tuple[float, float], expected: float) -> None:
    combine = LogSigmoidSum({"helpful": 2.0, "harmless": -1.0})
    helpful, harmless = [pair[0] + 2.0], [pair[1] - 1.0]
    assert_allclose(combined(combine, helpful=helpful, harmless=harmless), [expected], atol=1e-5)


def test_log_sigmoid_is_stable_and_its_slope_fades() -> None:
    assert_allclose(log_sigmoid([0.0, 1.0, 1e4, -1e4]), [-0.693147, -0.313262, 0, -1e4], atol=1e-6)
    x = np.array([-5.0, 0.0, 5.0])
    slope = (log_sigmoid(x + 1e-6) - log_sigmoid(x - 1e-6)) / 2e-6
    assert_allclose(slope, [0.99331, 0.5, 0.00669], atol=1e-5)


def test_references_may_be_facts_read_per_row() -> None:
    combine = LogSigmoidSum({"a": "base", "b": 1.0})
    combine.bind(CARD)
    info = {"base": np.array([2.0, -1.0])}
    result = combined(combine, info, a=[2.0, 0.0], b=[1.0, 1.0])
    assert_allclose(result, [-2 * np.log(2), -np.log(2) + log_sigmoid(1.0)])


def test_a_fact_with_several_numbers_is_no_reference() -> None:
    combine = LogSigmoidSum({"a": "refs"})
    combine.bind(CARD)
    with pytest.raises(RewardError, match=r"fact 'refs', has 3 numbers per row.*needs one"):
        combined(combine, {"refs": np.zeros((2, 3))}, a=[0.0, 0.0])


def test_quantile_reference() -> None:
    assert_allclose(quantile_reference([-1.0, 1.0]), 1.03643, atol=1e-5)
    assert quantile_reference([3.0, 5.0], 0.5) == 4.0


@given(st.integers(0, 10**6), st.floats(0.05, 0.95))
@settings(max_examples=10)
def test_quantile_reference_of_normal_samples(seed: int, quantile: float) -> None:
    samples = np.random.default_rng(seed).normal(2.0, 3.0, 20_000)
    assert abs(np.mean(samples < quantile_reference(samples, quantile)) - quantile) < 0.02


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: quantile_reference([]), "samples is empty"),
        (lambda: quantile_reference([1.0], 1.0), r"quantile must be in \(0, 1\), got 1.0"),
        (
            lambda: RewardDesign({"time": TimeCost()}, combine=WeightedSum({"tim": 1.0})),
            "unknown term 'tim' in WeightedSum.weights; did you mean 'time'",
        ),
        (
            lambda: RewardDesign({"time": TimeCost()}, combine=LogSigmoidSum({"tim": 1.0})),
            "unknown term 'tim' in LogSigmoidSum.references; did you mean 'time'",
        ),
        (
            lambda: RewardDesign({"time": TimeCost()}, combine=LogSigmoidSum({})),
            "references has no entry for term 'time'",
        ),
        (lambda: LogSigmoidSum({"a": "bas"}).bind(CARD), "unknown field 'bas'.*mean 'base'"),
    ],
)
def test_errors(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
