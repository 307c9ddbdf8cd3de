"""Prompts that are chosen after they are paid: by what groups came to, and how much it differs."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from rewardsmith.agents.llm.outcomes import Outcomes
from rewardsmith.agents.llm.samplers import MixedPrompts, SpreadPrompts, UniformPrompts
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import BoolArray
from rewardsmith.rewards import Episode, Group, Step
from rewardsmith.rewards.credit import Rollouts

SPREADS = st.lists(
    st.lists(st.one_of(st.floats(0.0, 3.0), st.just(np.nan)), min_size=1, max_size=4),
    min_size=1,
    max_size=14,
)


def of_spread(*spread: float) -> Outcomes:
    return Outcomes(solved=np.zeros(len(spread)), spread=np.array(spread))


def groups(*solved: list[bool]) -> list[Group]:
    return [
        Group(tuple(Episode((Step("q", "a", 0.0, {"success": r}),), "end", True) for r in right))
        for right in solved
    ]


def batch(returns: list[float], group: list[int], scored: list[bool]) -> Rollouts:
    return Rollouts(
        np.array(group), np.array(scored), np.arange(len(group)), np.array(returns, dtype=float)
    )


# ---- Outcomes ---------------------------------------------------------------------------


def test_outcomes_count_all_successes_and_the_pay_of_scored_episodes() -> None:
    played = groups([True, False, True, False], [False, False], [True])
    paid = batch(
        [1, 3, 9, 2, 5, 5, 7],
        [0, 0, 0, 0, 1, 1, 2],
        [True, True, False, True, True, True, False],
    )
    found = Outcomes.of(played, paid)
    assert_array_equal(found.solved, [0.5, 0.0, 1.0])
    assert_allclose(found.spread, [np.std([1, 3, 2]), 0.0, np.nan])


def test_what_others_keep() -> None:
    outcomes = Outcomes(solved=np.array([0.0, 0.5, 1.0]), spread=np.zeros(3))
    assert_array_equal(MixedPrompts().keep(outcomes), [False, True, False])
    assert_array_equal(UniformPrompts().keep(outcomes), [True, True, True])


# ---- SpreadPrompts ----------------------------------------------------------------------


def usual_by_hand(earlier: list[list[float]], ratio: float, first: int, start: int) -> float | None:
    """Returns what spreads are compared with after some rounds; None as long as nothing is."""
    means = [
        (number, float(np.nanmean(spread)))
        for number, spread in enumerate(earlier, start=1)
        if number >= first and not np.isnan(spread).all()
    ]
    if len(earlier) + 1 < start or not means:
        return None
    begun = sum(number < start for number, _ in means) or 1
    usual = float(np.mean([mean for _, mean in means[:begun]]))
    for _, mean in means[begun:]:
        usual = ratio * usual + (1 - ratio) * mean
    return usual


def test_the_average_by_hand() -> None:
    prompts = SpreadPrompts(beta=0.5, ratio=0.9, average_from=2, filter_from=4)
    assert prompts.keep(of_spread(9.0, 0.0)).all()  # before the average begins
    assert prompts.keep(of_spread(1.0, 0.0, 2.0)).all()
    assert prompts.keep(of_spread(3.0, np.nan)).all()  # mean 3: NaN is no spread
    assert prompts.usual == pytest.approx(2.0)
    assert_array_equal(prompts.keep(of_spread(0.99, 1.0, np.nan)), [False, True, False])
    assert prompts.usual == pytest.approx(0.9 * 2.0 + 0.1 * 0.995)
    assert_array_equal(prompts.keep(of_spread(np.nan)), [False])
    assert prompts.usual == pytest.approx(1.8995)


@given(SPREADS, st.floats(0.0, 1.5), st.floats(0.0, 0.99), st.integers(1, 4), st.integers(1, 4))
def test_kept_is_what_the_definition_says(
    rounds: list[list[float]], beta: float, ratio: float, first: int, wait: int
) -> None:
    prompts = SpreadPrompts(beta=beta, ratio=ratio, average_from=first, filter_from=first + wait)
    for number, spread in enumerate(rounds):
        kept = prompts.keep(of_spread(*spread))
        usual = usual_by_hand(rounds[:number], ratio, first, first + wait)
        for is_kept, s in zip(kept, spread, strict=True):
            if usual is None:
                assert is_kept
            elif not np.isclose(s, beta * usual):  # there rounding may tell either way
                assert is_kept == (s >= beta * usual)
    assert np.isfinite(prompts.usual)


@given(SPREADS, st.integers(0, 6))
def test_a_resumed_average_goes_on(rounds: list[list[float]], cut: int) -> None:
    def kept(prompts: SpreadPrompts, some: list[list[float]]) -> list[BoolArray]:
        return [prompts.keep(of_spread(*spread)) for spread in some]

    whole, resumed = (SpreadPrompts(average_from=1, filter_from=3) for _ in range(2))
    kept(whole, rounds[:cut])
    resumed.load_state_dict(pickle.loads(pickle.dumps(whole.state_dict())))
    for mine, theirs in zip(kept(resumed, rounds[cut:]), kept(whole, rounds[cut:]), strict=True):
        assert_array_equal(mine, theirs)
    assert resumed.usual == whole.usual


def test_a_new_run_forgets() -> None:
    prompts = SpreadPrompts(average_from=1, filter_from=2)
    prompts.keep(of_spread(1.0))
    prompts.begin(0)
    assert (prompts.seen, prompts.counted, prompts.usual) == (0, 0, 0.0)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"beta": -0.1}, r"beta must be at least 0, got -0\.1"),
        ({"ratio": 1.0}, r"ratio must be in \[0, 1\), got 1\.0"),
        ({"average_from": 0}, "average_from must be at least 1 and below filter_from, got 0 and"),
        ({"average_from": 11}, "below filter_from, got 11 and 11"),
        ({"rounds": 0}, "rounds must be at least 1, got 0"),
        ({"pool": 0}, "pool must be at least 1, got 0"),
    ],
)
def test_wrong_settings(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        SpreadPrompts(**options)
