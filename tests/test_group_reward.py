"""Rewards that compare siblings: fewest calls, length, difficulty, and ranks of perplexity."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from rewardsmith.envs import ConfigError
from rewardsmith.envs.errors import RewardError
from rewardsmith.rewards import ConcisenessBonus, RewardDesign, TaskReward, Transition
from rewardsmith.rewards.credit import (
    DifficultyBonus,
    FewestCalls,
    PerplexityRanks,
    Rollouts,
    SoftOverlongPenalty,
    call_price,
    reasoning_perplexity,
)


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


# ---- DifficultyBonus ------------------------------------------------------------------------


def answered(outcome: list[float], concise: list[float], group: list[int], **more: Any) -> Rollouts:
    """Returns one-step episodes that `ConcisenessBonus` paid, s = 1 and alpha = 0.5."""
    o, c = np.array(outcome), np.array(concise)
    n = len(group)
    return Rollouts(
        np.array(group), more.pop("scored", np.ones(n, bool)), np.arange(n),
        ConcisenessBonus()({"outcome": o, "conciseness": c}, line(n)),
        signals={"pay/outcome": o, "pay/conciseness": c},
    )  # fmt: skip


def line(n: int) -> Transition:
    return Transition(0, 0, 0, np.zeros(n), np.ones(n, bool), np.zeros(n, bool))


def test_crf_value_of_both_parts() -> None:
    paid = DifficultyBonus()(answered([1.0, 0.0], [0.8, 0.9], [0, 0]), ["q"])
    assert_allclose(paid, [1.6, 0.0])


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from([0.0, 1.0]), st.floats(0, 1), st.booleans()),
        min_size=1,
        max_size=12,
    ),
    st.floats(0.0, 3.0),
)
def test_crf_is_the_formula(rows: list[tuple[int, float, float, bool]], alpha: float) -> None:
    numbers = sorted({group for group, *_ in rows})
    group = [numbers.index(g) for g, *_ in rows]
    o, c = [row[1] for row in rows], [row[2] for row in rows]
    scored = [row[3] for row in rows]
    batch = answered(o, c, group, scored=np.array(scored))
    online = np.array(o) * (1 + alpha * np.array(c))
    paid = DifficultyBonus(alpha=alpha)(batch.with_returns(online), numbers)
    for i in np.flatnonzero(scored):
        peers = [o[j] for j in range(len(rows)) if scored[j] and group[j] == group[i]]
        d = 1 - sum(peers) / len(peers)
        assert paid[i] == pytest.approx(o[i] * (1 + alpha * c[i] * (1 + d)))


# ---- PerplexityRanks ------------------------------------------------------------------------


def reasoned(
    logprob: list[float],
    tokens: list[int],
    form: list[float] | None = None,
    group: list[int] | None = None,
    scored: list[bool] | None = None,
) -> Rollouts:
    """Returns episodes of two steps each, which the design pays for their format alone."""
    n = len(logprob)
    told = np.full((4, n, 2), np.nan)
    told[0, :, 1], told[1, :, 1] = logprob, tokens
    told[2] = told[3] = np.stack([np.zeros(n), np.ones(n) if form is None else form], 1)
    names = ("reference_gold_avglogprob", "reasoning_tokens", "pay/format")
    return Rollouts(
        np.zeros(n, int) if group is None else np.array(group),
        np.ones(n, bool) if scored is None else np.array(scored),
        np.repeat(np.arange(n), 2),
        told[3].ravel(),
        signals={name: told[i].ravel() for i, name in enumerate(names)},
    )


def nover(
    P: list[float],
    z: list[int],
    F: list[bool],
) -> list[float]:
    """Returns the rewards of a group as the paper has them, all weights 1."""
    members = [i for i in range(len(P)) if F[i]]
    paid = [0.0] * len(P)
    for i in members:
        rank = sum(P[j] < P[i] or (P[j] == P[i] and j < i) for j in members)
        shorter = sum(z[i] < z[j] and P[i] < P[j] for j in members)
        efficiency = shorter / (len(members) - 1) if len(members) > 1 else 0.0
        paid[i] = 1.0 + (len(members) - rank) / len(members) + efficiency
    return paid


MEMBERS = st.lists(
    st.tuples(
        st.sampled_from([-3.0, -1.5, -1.0, -0.2, 0.0]), st.sampled_from([0, 1, 9, 10, 40, 300]),
        st.booleans(), st.integers(0, 1), st.booleans(),
    ),
    min_size=1,
    max_size=10,
)  # fmt: skip


@given(MEMBERS)
def test_nover_is_the_formula(rows: list[tuple[float, int, bool, int, bool]]) -> None:
    numbers = sorted({row[3] for row in rows})
    group = [numbers.index(row[3]) for row in rows]
    logprob, tokens, form, _, scored = (list(column) for column in zip(*rows, strict=True))
    batch = reasoned(logprob, tokens, [float(f) for f in form], group, scored)
    paid = PerplexityRanks()(batch, numbers)
    P = [
        math.exp(-l / max(1.0, 1.0 + math.log10(max(z, 1))))
        for l, z in zip(logprob, tokens, strict=True)
    ]
    for g in range(len(numbers)):
        own = [i for i in range(len(rows)) if group[i] == g and scored[i]]
        expected = nover([P[i] for i in own], [tokens[i] for i in own], [form[i] for i in own])
        assert_allclose(paid[own], expected)
        wrong = [paid[i] for i in own if not form[i]]
        assert max(wrong, default=0.0) < min((paid[i] for i in own if form[i]), default=1.0)


def test_nover_by_hand() -> None:
    # ln P = 0.6, 0.5, 1.0 of 10, 1000, 100 tokens: 1.2 / 2, 2 / 4, 3 / 3.
    paid = PerplexityRanks()(reasoned([-1.2, -2.0, -3.0], [10, 1000, 100]), ["q"])
    assert_allclose(paid, [1 + 2 / 3 + 1 / 2, 1 + 1, 1 + 1 / 3])
    weighed = PerplexityRanks(reasoning=0.5, efficiency=2.0)
    assert_allclose(weighed(reasoned([-1.2, -2.0, -3.0], [10, 1000, 100]), ["q"]),
                    [1 + 1 / 3 + 1, 1 + 1 / 2, 1 + 1 / 6])  # fmt: skip
    assert_allclose(PerplexityRanks()(reasoned([-1.2], [10]), ["q"]), [2.0])


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 5)), min_size=1, max_size=8))
def test_nover_reads_only_the_order_of_perplexities(members: list[tuple[int, int]]) -> None:
    P, z = (np.array(column) for column in zip(*members, strict=True))
    bonus = PerplexityRanks().bonus(P.astype(float), z)
    assert_array_equal(PerplexityRanks().bonus(np.exp(3.0 * P) - 1.0, z), bonus)
    efficiency = PerplexityRanks(reasoning=0.0).bonus(P.astype(float), z)
    assert ((efficiency >= 0.0) & (efficiency <= 1.0)).all()
    rank = PerplexityRanks(efficiency=0.0).bonus(P.astype(float), z)
    assert_allclose(np.sort(rank), np.arange(1, len(z) + 1) / len(z))


def test_an_episode_without_a_gold_answer_is_not_compared() -> None:
    paid = PerplexityRanks()(reasoned([-1.0, np.nan, -2.0], [5, 5, 5]), ["q"])
    assert_allclose(paid, [1 + 1, 1, 1 + 1 / 2])


def test_longer_reasoning_is_forgiven_a_lower_probability() -> None:
    found = reasoning_perplexity(np.array([-1.0, -1.0, -2.0]), np.array([0.0, 10.0, 10.0]))
    assert_allclose(np.log(found), [1.0, 0.5, 1.0])


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: DifficultyBonus(alpha=-1.0), r"DifficultyBonus.alpha must be at least 0, got -1"),
        (lambda: PerplexityRanks(efficiency=-0.5), "PerplexityRanks.efficiency must be at least 0"),
        (
            lambda: RewardDesign({"form": TaskReward()}, group=[PerplexityRanks(format="from")]),
            r"unknown term 'from' in PerplexityRanks.format.*did you mean 'form'",
        ),
        (
            lambda: RewardDesign({"outcome": TaskReward()}, group=[DifficultyBonus()]),
            "unknown term 'conciseness' in DifficultyBonus",
        ),
    ],
)
def test_wrong_comparisons(build: Callable[[], object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        build()


def test_without_what_is_compared() -> None:
    with pytest.raises(RewardError, match=r"needs a reference policy's .*lack; use agent=nover"):
        PerplexityRanks()(rollouts(), ["q", "p"])
    with pytest.raises(ConfigError, match="unknown signal 'pay/outcome' in the rollouts"):
        DifficultyBonus()(rollouts(), ["q", "p"])
