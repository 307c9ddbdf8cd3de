"""Matching calls with the right ones: assignments, ToolRL's score, MatchTIR's turns."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from transcripts import prefixes

from rewardsmith.agents.llm.replay import episode_of
from rewardsmith.envs import ConfigError
from rewardsmith.envs.control.key_door import KeyDoor
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.envs.text.message import write
from rewardsmith.envs.text.transcript import TextTask, ToolCall, Transcript
from rewardsmith.rewards import RewardDesign, Transition
from rewardsmith.rewards.verify import (
    CallMatch,
    GoldCall,
    MatchedTurns,
    Scored,
    TurnMatch,
    Verified,
    gold_calls,
    similarity,
    spoken,
    turn_rewards,
)
from rewardsmith.rewards.verify.assignment import greedy, hungarian, sinkhorn

F, G = ToolCall("f", {"a": 1, "b": 2}), ToolCall("g", {"x": 3})
HALF_F = ToolCall("f", {"a": 1, "b": 9})

CALLS = st.builds(
    ToolCall,
    st.sampled_from("fg"),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 2), max_size=3),
)


@st.composite
def tables(draw: st.DrawFn) -> FloatArray:
    rows, columns = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    scores = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]) | st.floats(0.0, 1.0, width=16)
    cells = draw(st.lists(scores, min_size=rows * columns, max_size=rows * columns))
    return np.array(cells).reshape(rows, columns)


def task(*calls: ToolCall) -> TextTask:
    return TextTask("t", "?", "done", calls)


def says(gold: tuple[ToolCall, ...], *calls: ToolCall) -> Transcript:
    return spoken(task(*gold), write(calls))


def score(gold: tuple[ToolCall, ...], *calls: ToolCall, **options: Any) -> float:
    outcome = CallMatch(**options).score(says(gold, *calls))
    assert isinstance(outcome, Scored)
    return outcome.value


def worth(scores: FloatArray, pairs: list[tuple[int, int]]) -> float:
    return float(sum(scores[i, j] for i, j in pairs))


def best(scores: FloatArray) -> float:
    """The best assignment, by trying all."""
    table = scores if scores.shape[0] <= scores.shape[1] else scores.T
    rows = range(table.shape[0])
    return max(
        float(sum(table[i, j] for i, j in zip(rows, columns, strict=True)))
        for columns in itertools.permutations(range(table.shape[1]), len(rows))
    )


# ---- Assignments ---------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(scores=tables())
def test_assignments_against_all_assignments(scores: FloatArray) -> None:
    for pairs in (greedy(scores), hungarian(scores)):
        rows, columns = [i for i, _ in pairs], [j for _, j in pairs]
        assert len(set(rows)) == len(rows)
        assert len(set(columns)) == len(columns)
        assert all(scores[i, j] > 0 for i, j in pairs)
    assert worth(scores, hungarian(scores)) == pytest.approx(best(scores), abs=1e-7)
    assert worth(scores, greedy(scores)) <= best(scores) + 1e-7


@settings(max_examples=60, deadline=None)
@given(scores=tables())
def test_transport_plans(scores: FloatArray) -> None:
    plan = sinkhorn(scores)
    rows, columns = scores.shape
    assert (plan >= 0).all()
    assert_allclose(plan.sum(axis=0), 1 / columns, atol=1e-9)
    assert_allclose(plan.sum(axis=1), 1 / rows, atol=1e-4)
    assert (plan * scores).sum() <= best(scores) + 1e-6


def test_sinkhorn_against_plain_scaling() -> None:
    scores = np.array([[1.0, 0.2, 0.0], [0.3, 0.9, 0.4]])
    kernel, column = np.exp((scores - 1.0) / 0.1), np.ones(3)
    for _ in range(2_000):
        row = 0.5 / (kernel @ column)
        column = (1 / 3) / (kernel.T @ row)
    assert_allclose(sinkhorn(scores), row[:, None] * kernel * column, atol=1e-8)


def test_where_greedy_fails() -> None:
    scores = np.array([[0.9, 0.8], [0.85, 0.1]])
    assert worth(scores, greedy(scores)) == pytest.approx(1.0)
    assert worth(scores, hungarian(scores)) == pytest.approx(1.65)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (2, 0)])
def test_nothing_to_match(shape: tuple[int, int]) -> None:
    assert greedy(np.zeros(shape)) == hungarian(np.zeros(shape)) == []


def test_of_equal_calls_the_first_is_matched() -> None:
    assert hungarian(np.ones((2, 4))) == hungarian(np.ones((2, 4)))
    assert {j for _, j in hungarian(np.ones((2, 4)))} == {0, 1}
    assert hungarian(np.ones((1, 3))) == [(0, 0)]


# ---- Similarity and ToolRL -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (F, 1.0),
        (HALF_F, 0.75),
        (ToolCall("F", {"a": 1, "b": 2}), 1.0),
        (ToolCall("g", {"a": 1, "b": 2}), 0.0),
        (ToolCall("f", {}), 0.25),
        (ToolCall("f", {"a": 1, "c": 2}), (1 + 1 / 3 + 1) / 4),
        (ToolCall("f", {"a": True, "b": 2.0}), 0.75),
    ],
)
def test_similarity_values(said: ToolCall, expected: float) -> None:
    assert similarity(GoldCall.of(F), said) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("gold", "said", "paid"),
    [
        ((F, G), (F,), 0.5),
        ((F,), (HALF_F,), 1.5),
        ((F,), (ToolCall("h", {"a": 1, "b": 2}),), -3.0),
        ((F, G), (F, G), 3.0),
        ((F, G), (G, F), 3.0),
        ((F,), (), -3.0),
    ],
)
def test_toolrl_values(gold: tuple[ToolCall, ...], said: tuple[ToolCall, ...], paid: float) -> None:
    design = RewardDesign({"calls": Verified(CallMatch(), scale=6.0, offset=-3.0)})
    transcript = spoken(task(*gold), write(said), write(answer="done"))
    assert_allclose(episode_of(transcript).pay(design), [0.0, paid], atol=1e-12)


def test_no_readable_call_is_no_call() -> None:
    transcript = spoken(task(F), '<tool_call>{"name": "f", "arguments": {"a"</tool_call>')
    assert CallMatch().score(transcript) == Scored(0.0, {"names": 0.0, "calls": 0.0})


@pytest.mark.parametrize(
    ("granularity", "one_of_two", "half_right", "too_many"),
    [
        ("fine", 7 / 12, 0.75, (2 / 3 + 5) / 6),
        ("refined", 0.5, 0.75, 5 / 6),
        ("intermediate", 0.5, 0.5, (2 / 3 + 2) / 3),
        ("coarse", 0.0, 0.0, 0.0),
    ],
)
def test_granularities(
    granularity: str, one_of_two: float, half_right: float, too_many: float
) -> None:
    assert score((F, G), F, granularity=granularity) == pytest.approx(one_of_two)
    assert score((F,), HALF_F, granularity=granularity) == pytest.approx(half_right)
    assert score((F, G), F, G, F, granularity=granularity) == pytest.approx(too_many)
    assert score((F, G), G, F, granularity=granularity) == 1.0


def test_greedy_takes_for_the_first_what_the_second_needs() -> None:
    gold = (ToolCall("f", {"a": 1}), ToolCall("f", {"a": 1, "b": 2}))
    said = (ToolCall("f", {"a": 1, "b": 2}), ToolCall("f", {"c": 0}))
    assert score(gold, *said) < score(gold, *said, assignment="hungarian")


@settings(max_examples=80, deadline=None)
@given(gold=st.lists(CALLS, min_size=1, max_size=4), data=st.data())
def test_the_order_of_calls_does_not_matter(gold: list[ToolCall], data: st.DataObject) -> None:
    said = data.draw(st.lists(CALLS, max_size=4))
    value = score(tuple(gold), *said, assignment="hungarian")
    gold_again, said_again = data.draw(st.permutations(gold)), data.draw(st.permutations(said))
    assert score(tuple(gold_again), *said_again, assignment="hungarian") == pytest.approx(value)
    assert score(tuple(gold), *said) <= value + 1e-9
    assert 0.0 <= value <= 1.0
    for granularity in ("fine", "refined", "intermediate", "coarse"):
        found = score(tuple(gold), *gold_again, granularity=granularity, assignment="hungarian")
        assert found == 1.0


def test_accepted_values() -> None:
    accepted = (
        {"book": {"city": ["Oslo", "oslo"], "room": [{"beds": [1, 2]}], "late": [True, ""]}},
    )
    hotel = TextTask("t", "?", "", facts={"accepted": accepted})
    (gold,) = gold_calls(hotel)
    right = {"city": "oslo", "room": {"beds": 2}}
    assert gold.accepts(ToolCall("book", right))
    assert gold.accepts(ToolCall("book", {**right, "late": True}))
    assert not gold.accepts(ToolCall("book", {**right, "late": False}))
    assert not gold.accepts(ToolCall("book", {**right, "room": {"beds": 3}}))
    assert not gold.accepts(ToolCall("book", {**right, "pets": 1}))
    assert not gold.accepts(ToolCall("book", {"city": "oslo"}))
    for said in (right, {**right, "late": True}):
        assert CallMatch().score(spoken(hotel, write([ToolCall("book", said)]))) == Scored(
            1.0, {"names": 1.0, "calls": 3.0}
        )
        assert similarity(gold, ToolCall("book", said)) == 1.0


# ---- MatchTIR ------------------------------------------------------------------------------


def test_turns_are_paid_by_the_matching_of_the_whole_episode() -> None:
    turns = [write([HALF_F, G]), write([F]), "hm", write(answer="all done")]
    transcript = spoken(task(F, G), *turns)
    assert_allclose(turn_rewards(transcript), [0.5, 1.0, 0.0, 2 / 3])
    assert_allclose(turn_rewards(transcript, unmatched=-0.5), [0.25, 1.0, 0.0, 2 / 3])
    assert_allclose(turn_rewards(transcript, "greedy"), [0.5, 1.0, 0.0, 2 / 3])


def test_calls_belong_to_the_turn_they_were_made_in() -> None:
    transcript = spoken(task(F, G), write([G, F]), write([HALF_F]), write([F]))
    assert_array_equal(turn_rewards(transcript, unmatched=-1.0), [1.0, -1.0, -1.0])


def test_a_call_made_twice_is_matched_once() -> None:
    transcript = spoken(task(F), write([F]), write([F]))
    assert_array_equal(turn_rewards(transcript, unmatched=-0.5), [1.0, -0.5])


def test_soft_rewards_share_one() -> None:
    transcript = spoken(task(F, G), write([F]), write([G]))
    assert_allclose(turn_rewards(transcript, "sinkhorn"), [0.5, 0.5], atol=1e-4)
    assert_array_equal(turn_rewards(spoken(task(F), "hm"), "sinkhorn"), [0.0])


def test_online_the_sum_is_paid_at_the_end() -> None:
    transcript = spoken(task(F, G), write([HALF_F]), write([F, G]), write(answer="done"))
    term, episode = MatchedTurns(unmatched=-0.25), episode_of(transcript)
    steps = episode.transitions()
    online = [float(term(step)[0]) for step in steps]
    placed = term.place(steps)
    assert_allclose(placed, [-0.25, 1.0, 1.0])
    assert_allclose(online, [0.0, 0.0, placed.sum()])
    assert_array_equal(term.unscored, [False])


def test_a_step_is_scored_by_the_calls_so_far() -> None:
    transcript = spoken(task(F, G), write([HALF_F]), write([F, G]), write(answer="done"))
    scores = [TurnMatch().score(prefix) for prefix in prefixes(transcript)]
    assert [s.value for s in scores if isinstance(s, Scored)] == [0.0, 0.75, 1.0, 1.0]


def test_without_right_calls_nothing_is_scored() -> None:
    (step,) = episode_of(spoken(task(), write(answer="done"))).transitions()
    term = MatchedTurns()
    for paid in (term(step), term.place([step])):
        assert_array_equal(paid, [0.0])
        assert_array_equal(term.unscored, [True])


def test_rows_that_rest_are_not_paid() -> None:
    (step,) = episode_of(spoken(task(F), write([F], answer="done"))).transitions()
    idle = Transition(0, 0, 0, step.reward, step.terminated, step.truncated, step.info, {},
                      np.zeros(1, dtype=np.bool_))  # fmt: skip
    assert_array_equal(MatchedTurns()(idle), [0.0])


def test_a_task_without_transcripts() -> None:
    with pytest.raises(ConfigError, match=r"MatchedTurns judges transcripts, .*KeyDoor-v0 is no"):
        MatchedTurns().bind(KeyDoor(1).card)
    with pytest.raises(ConfigError, match="unknown matching 'best' in MatchedTurns"):
        MatchedTurns("best")  # type: ignore[arg-type]
