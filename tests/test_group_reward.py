"""Rewards that compare siblings: fewest calls; and the soft penalty on length."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from rewardsmith.envs import ConfigError
from rewardsmith.rewards.credit import FewestCalls, Rollouts, SoftOverlongPenalty, call_price


def price(kind: Any, m: float, n: float, **settings: Any) -> float:
    return float(call_price(kind, np.array([m]), np.array([n]), **settings)[0])


@pytest.mark.parametrize(
    ("m", "n", "most", "expected"),
    [
        (0, 0, 4, 1.0),
        (1, 0, 4, 0.8660),
        (2, 0, 4, 0.7071),
        (1, 0, 5, 0.9010),
        (2, 1, 4, 0.8660),
        (3, 1, 4, 0.7071),
        (2, 2, 4, 1.0),
        (1, 2, 4, 0.8660),
        (3, 2, 4, 0.9511),
        (4, 2, 4, 0.8660),
        (6, 2, 4, 0.7071),
        (1, 0, 1, 0.5),
        (2, 0, 1, 0.3090),
    ],
)
def test_otc_values(m: int, n: int, most: int, expected: float) -> None:
    assert price("otc", m, n, most=most) == pytest.approx(expected, abs=1e-4)
    strict = float(m == 0) if n == 0 else expected
    assert price("otc_strict", m, n, most=most) == pytest.approx(strict, abs=1e-4)


def test_other_prices() -> None:
    assert (price("exp", 2, 0), price("exp", 2, 2), price("exp", 2, 1, decay=0.8)) == (0.25, 1, 0.8)
    assert [price("linear", m, 0, most=4) for m in (0, 1, 5, 9)] == [1.0, 0.8, 0.0, 0.0]


@settings(max_examples=60)
@given(
    kind=st.sampled_from(["exp", "otc", "otc_strict", "linear"]),
    n=st.integers(0, 6),
    extra=st.integers(0, 6),
)
def test_prices_fall_with_needless_calls(kind: Any, n: int, extra: int) -> None:
    now, more = price(kind, n + extra, n, most=12), price(kind, n + extra + 1, n, most=12)
    assert 0.0 <= more <= now <= 1.0
    assert kind == "linear" or price(kind, n, n) == pytest.approx(1.0)


def test_the_fewest_calls_are_those_of_right_answers() -> None:
    reward = FewestCalls("exp")
    right, calls = np.array([1.0, 1.0, 0.0]), np.array([3.0, 2.0, 0.0])
    assert_array_equal(reward.pay(right, calls, ["q"] * 3), [0.5, 1.0, 0.0])
    assert reward.fewest == {"q": 2.0}


def test_prompts_are_kept_apart_and_remembered() -> None:
    reward = FewestCalls("exp")
    first = reward.pay(np.array([1.0, 1.0, 0.0]), np.array([2.0, 0.0, 1.0]), ["a", "b", "c"])
    assert_array_equal(first, [1, 1, 0])
    assert reward.fewest == {"a": 2.0, "b": 0.0, "c": np.inf}
    assert_array_equal(reward.pay(np.array([1.0]), np.array([1.0]), ["a"]), [1.0])
    assert_array_equal(reward.pay(np.array([1.0]), np.array([2.0]), ["a"]), [0.5])
    assert_array_equal(reward.pay(np.array([0.4]), np.array([4.0]), ["c"]), [0.4])


def test_saved_and_continued() -> None:
    reward = FewestCalls("exp")
    reward.pay(np.array([1.0]), np.array([1.0]), ["a"])
    state, other = reward.state_dict(), FewestCalls("exp")
    kept = copy.deepcopy(state)
    reward.pay(np.array([1.0]), np.array([0.0]), ["a"])
    assert state == kept
    other.load_state_dict(state)
    assert_array_equal(other.pay(np.array([1.0]), np.array([3.0]), ["a"]), [0.25])


def rollouts(**changes: Any) -> Rollouts:
    fields: dict[str, Any] = {
        "group": np.array([0, 0, 1]),
        "scored": np.array([True, True, True]),
        "episode": np.array([0, 0, 1, 2]),
        "reward": np.array([0.0, 1.0, 1.0, 1.0]),
        "step": np.array([0, 0, 1, 2]),
        "ids": np.array([1, 1, 1, 1]),
        "signals": {"calls": np.array([2.0, 1.0, 1.0, 5.0])},
    }
    return Rollouts(**fields | changes)


def test_calls_are_counted_per_episode() -> None:
    paid = FewestCalls("exp")(rollouts(), ["first", "second"])
    assert_array_equal(paid, [0.25, 1.0, 1.0])
    assert_array_equal(rollouts().with_returns(paid).reward, [0.0, 0.25, 1.0, 1.0])


def test_an_unscored_answer_sets_no_record() -> None:
    reward = FewestCalls("exp")
    paid = reward(rollouts(scored=np.array([True, False, True])), [0, 1])
    assert_array_equal(paid, [1.0, 0.0, 1.0])
    assert reward.fewest == {0: 3.0, 1: 5.0}


def test_without_calls() -> None:
    with pytest.raises(ConfigError, match="unknown signal 'calls' in the rollouts"):
        FewestCalls()(rollouts(signals={}), [0, 1])


def test_overlong_values() -> None:
    penalty = SoftOverlongPenalty().penalty(np.array([100, 16384, 18432, 20480, 20481]))
    assert_allclose(penalty, [0, 0, -0.5, -1, -1])
    assert_allclose(SoftOverlongPenalty(3, 2)(rollouts(), [0, 1]), [0.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: FewestCalls("opt"), "unknown kind 'opt'.*did you mean 'otc'"),  # type: ignore[arg-type]
        (lambda: FewestCalls(most=0), "most must be at least 1, got 0"),
        (lambda: FewestCalls(decay=0.0), r"decay must be in \(0, 1\], got 0\.0"),
        (lambda: SoftOverlongPenalty(10, 11), r"margin must be in 1\.\.longest = 10, got 11"),
    ],
)
def test_wrong_settings(build: Callable[[], object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        build()
