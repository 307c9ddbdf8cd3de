"""Gated reward accumulation: the values of arXiv 2508.10548, its limits, and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from rewardsmith.envs import ConfigError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards import Gate, RewardDesign, TimeCost, Transition

Values = dict[str, list[float]]


def ending(length: int, *, terminated: bool = True) -> list[Transition]:
    """Makes an episode of one row that ends on its last step."""
    last = [np.array([t == length - 1]) for t in range(length)]
    no = np.zeros(1, dtype=np.bool_)
    ends = [(done, no) if terminated else (no, done) for done in last]
    return [Transition(0, 0, 0, np.zeros(1), *end) for end in ends]


def online(gate: Gate, values: Values, *, terminated: bool = True) -> FloatArray:
    """Pays an episode step by step; returns shape (T,)."""
    length = len(next(iter(values.values())))
    gate.reset(np.ones(1, dtype=np.bool_))
    steps = ending(length, terminated=terminated)
    rows = [{name: np.array([value[t]]) for name, value in values.items()} for t in range(length)]
    return np.array([gate(row, step)[0] for row, step in zip(rows, steps, strict=True)])


def placed(gate: Gate, values: Values) -> FloatArray:
    """Pays a finished episode; returns shape (T,)."""
    arrays = {name: np.array(value) for name, value in values.items()}
    return gate.place(arrays, ending(len(next(iter(values.values())))))


TWO = Gate([["outcome"], ["step"]], [0.5])
THREE = Gate([["outcome"], ["tool"], ["format"]], [0.5, 0.5])


@pytest.mark.parametrize("terminated", [True, False])
@pytest.mark.parametrize(("outcome", "total"), [(0.0, 0.0), (1.0, 2.1)])
def test_the_paper_s_gate(outcome: float, total: float, terminated: bool) -> None:
    """Step rewards of 1.1 count only beside an outcome of at least 0.5."""
    values = {"outcome": [0.0, 0.0, outcome], "step": [0.5, 0.5, 0.1]}
    paid = online(TWO, values, terminated=terminated)
    assert_allclose(paid, [0.0, 0.0, total])
    assert_allclose(placed(TWO, values).sum(), total)


def test_a_closed_gate_closes_all_below_it() -> None:
    values = {"outcome": [1.0], "tool": [0.2], "format": [5.0]}
    assert_allclose(online(THREE, values), [1.2])
    assert_allclose(online(THREE, values | {"tool": [0.5]}), [6.5])
    assert_allclose(online(THREE, values | {"outcome": [0.0], "tool": [9.0]}), [0.0])


def test_where_the_pay_stands() -> None:
    values = {"outcome": [0.0, 1.0, 0.0], "step": [0.3, -0.1, 0.2], "cost": [-1.0, -1.0, 0.0]}
    gate = Gate([["outcome"], ["step"]], [1.0], ungated=["cost"])
    assert_allclose(online(gate, values), [-1.0, 0.0, 0.4])
    assert_allclose(placed(gate, values), [-0.7, -0.1, 0.2])


def test_scope_step_counts_from_the_step_on_which_the_gate_opens() -> None:
    gate = Gate([["outcome"], ["step"]], [1.0], scope="step")
    values = {"outcome": [0.5, 0.5, 0.0, -0.5], "step": [0.1, 0.2, 0.3, 0.4]}
    expected = [0.5, 0.7, 0.3, -0.5]
    assert_allclose(online(gate, values), expected)
    assert_allclose(placed(gate, values), expected)


def test_a_new_episode_starts_with_closed_gates() -> None:
    gate = Gate([["outcome"], ["step"]], [1.0])
    no, yes = np.zeros(2, dtype=np.bool_), np.ones(2, dtype=np.bool_)
    gate.reset(yes)
    going, last = (Transition(0, 0, 0, np.zeros(2), done, no) for done in (no, yes))
    gate({"outcome": np.ones(2), "step": np.full(2, 0.5)}, going)
    gate.reset(np.array([True, False]))
    pay = gate({"outcome": np.zeros(2), "step": np.full(2, 0.25)}, last)
    assert_allclose(pay, [0.0, 0.75])


def test_a_total_at_its_threshold_passes_online_and_placed() -> None:
    """0.1 summed ten times is 0.99...9 in order, and 1.0 if numpy sums pairwise."""
    values = {"outcome": [0.1] * 10, "step": [1.0] * 10}
    for threshold in (sum([0.1] * 10), 1.0):
        gate = Gate([["outcome"], ["step"]], [threshold])
        assert_allclose(online(gate, values).sum(), placed(gate, values).sum())


rewards = st.lists(
    st.tuples(*[st.floats(-2, 2).map(lambda x: round(x, 2))] * 4), min_size=1, max_size=6
)


@given(rewards, st.floats(-2, 2), st.floats(-2, 2))
@settings(max_examples=60)
def test_against_the_formula(rows: list[tuple[float, ...]], first: float, second: float) -> None:
    values = dict(zip("abcd", np.array(rows).T.tolist(), strict=True))
    gate = Gate([["a"], ["b"], ["c"]], [first, second], ungated=["d"])
    total = {name: sum(value) for name, value in values.items()}
    passed = total["a"] >= first
    expected = total["a"] + total["d"]
    expected += total["b"] if passed else 0.0
    expected += total["c"] if passed and total["b"] >= second else 0.0
    assert_allclose(online(gate, values).sum(), expected, atol=1e-12)
    assert_allclose(placed(gate, values).sum(), expected, atol=1e-12)


@pytest.mark.parametrize("scope", ["episode", "step"])
@given(rows=rewards)
@settings(max_examples=30)
def test_open_gates_make_it_a_plain_sum(scope: Any, rows: list[tuple[float, ...]]) -> None:
    values = dict(zip("abcd", np.array(rows).T.tolist(), strict=True))
    gate = Gate([["a"], ["b", "c"], ["d"]], [-np.inf, -np.inf], scope=scope)
    assert_allclose(placed(gate, values), np.sum(rows, axis=1), atol=1e-12)
    assert_allclose(online(gate, values).sum(), np.sum(rows), atol=1e-12)


def test_one_level_needs_no_threshold() -> None:
    assert_array_equal(online(Gate([["a", "b"]]), {"a": [1.0, 2.0], "b": [3.0, 4.0]}), [4.0, 6.0])


TERMS = {"outcome": TimeCost(), "format": TimeCost()}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gate([]), "must be lists of term names"),
        (lambda: Gate(["outcome", "step"], [0.5]), "must be lists of term names"),
        (lambda: Gate([["a"], []], [0.5]), "must be lists of term names"),
        (lambda: Gate([["a"]], ungated="cost"), r"ungated must be a list, such as \[cost\]"),
        (lambda: Gate([["a"], ["b"]]), r"every level but the last, here 1; got \(\)"),
        (lambda: Gate([["a"], ["b"]], 0.5), "every level but the last, here 1; got 0.5"),  # type: ignore[arg-type]
        (lambda: Gate([["a"], ["b"]], [0.5], scope="turn"), "unknown scope 'turn' in Gate"),  # type: ignore[arg-type]
        (
            lambda: RewardDesign(TERMS, Gate([["outcome"], ["formt"]], [0.5])),
            "unknown term 'formt' in Gate; did you mean 'format'",
        ),
        (
            lambda: RewardDesign(TERMS, Gate([["outcome"]])),
            "says nothing of term 'format'; put it in a level, or in ungated",
        ),
        (
            lambda: RewardDesign(TERMS, Gate([["outcome"], ["format"]], [1.0], ungated=["format"])),
            "names term 'format' 2 times; name it once",
        ),
    ],
)
def test_errors(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
