"""Every verifier: its fixtures, garbage, preflight; and what is particular to each."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rewardsmith.rewards.verify
from rewardsmith.envs import ConfigError
from rewardsmith.envs.text.calculator import Calculator
from rewardsmith.envs.text.dialogue import Dialogue
from rewardsmith.envs.text.function_calling import FunctionCalling
from rewardsmith.envs.text.message import write
from rewardsmith.envs.text.search_qa import SearchQA
from rewardsmith.envs.text.sql import SQL
from rewardsmith.envs.text.tools import ToolError
from rewardsmith.envs.text.transcript import TextTask, ToolCall, Transcript
from rewardsmith.envs.text.word_problems import load_gsm8k
from rewardsmith.rewards import build, to_config
from rewardsmith.rewards.verify import (
    Abstained,
    CallMatch,
    CitationMatch,
    Conciseness,
    ErrorFree,
    ExactMatch,
    Failed,
    FewCalls,
    Fixture,
    Judgement,
    LowCost,
    MessageFormat,
    NumericMatch,
    Scored,
    SqlResult,
    SymbolicMatch,
    ThoughtLength,
    TokenF1,
    TurnMatch,
    Verifier,
    spoken,
)
from rewardsmith.rewards.verify.format import blocks
from rewardsmith.rewards.verify.preflight import preflight
from rewardsmith.rewards.verify.symbolic import _Worker

GSM8K = Path(__file__).parents[2] / "shared" / "data" / "gsm8k" / "train.jsonl"

OUTCOMES: list[Verifier] = [
    ExactMatch(),
    TokenF1(),
    TokenF1(sets=True),
    NumericMatch(),
    NumericMatch(wrong=0.1),
    SymbolicMatch(),
    SqlResult(),
    SqlResult(partial=0.6),
]
CALLS: list[Verifier] = [
    CallMatch(),
    CallMatch("refined"),
    CallMatch("intermediate"),
    CallMatch("coarse"),
    CallMatch(assignment="hungarian"),
    TurnMatch(),
    TurnMatch("greedy"),
    TurnMatch("sinkhorn"),
    CitationMatch(),
    CitationMatch("precision"),
    CitationMatch("recall"),
]
FORMS: list[Verifier] = [
    MessageFormat(),
    MessageFormat(think=True),
    MessageFormat(scope="message"),
    ErrorFree(),
    ErrorFree(scope="message"),
    FewCalls(),
    FewCalls(4, "otc"),
    LowCost(),
    ThoughtLength(),
    Conciseness(),
]
ALL = [*OUTCOMES, *CALLS, *FORMS]
EXAMPLES = [
    pytest.param(verifier, fixture, id=f"{verifier}-{fixture.kind}-{i}")
    for verifier in ALL
    for i, fixture in enumerate(verifier.fixtures())
]

PIECES = st.sampled_from(
    ["<think>", "</think>", "<tool_call>", "</tool_call>", "<answer>", "</answer>", "42", "a b",
     '{"name": "f", "arguments": {"a": [1, {"b": null}], "id": ["x"]}}', '{"name": "cite"}',
     '{"name": "f", "arguments": {"a": 1e999}}', '{"content": "", "tool_calls": [{}]}', "\n", "\\",
     "é\ud800", "SELECT 1", "9" * 300, "[" * 50]
)  # fmt: skip
MESSAGES = st.lists(PIECES, max_size=12).map("".join)
GARBAGE = TextTask(
    "garbage",
    "What?",
    "42",
    (ToolCall("f", {"a": 1, "b": "x"}), ToolCall("f", {"a": 2})),
    {"supports": ("x",), "answers": ("42", ""), **SqlResult().fixtures()[0].transcript.task.facts},
)


def test_every_verifier_is_here() -> None:
    public = [
        getattr(rewardsmith.rewards.verify, name) for name in rewardsmith.rewards.verify.__all__
    ]
    kinds = {part for part in public if isinstance(part, type) and issubclass(part, Verifier)}
    assert kinds - {Verifier, Judgement} == {type(verifier) for verifier in ALL}


@pytest.mark.parametrize(("verifier", "fixture"), EXAMPLES)
def test_fixtures(verifier: Verifier, fixture: Fixture) -> None:
    outcome = verifier(fixture.transcript)
    if fixture.value is None:
        assert isinstance(outcome, Abstained)
    else:
        assert isinstance(outcome, Scored), outcome
        assert outcome.value == pytest.approx(fixture.value, abs=1e-12)
    assert verifier(fixture.transcript) == outcome


@pytest.mark.parametrize("verifier", ALL, ids=repr)
def test_fixtures_are_of_every_kind_and_settings_can_be_written(verifier: Verifier) -> None:
    kinds = {fixture.kind for fixture in verifier.fixtures()}
    assert kinds >= {"full", "zero", "partial", "malformed"}
    assert build(to_config(verifier)) == verifier


@settings(max_examples=60, deadline=None)
@given(messages=st.lists(MESSAGES, max_size=4), values=st.lists(st.none() | st.just(((1,),))))
def test_garbage_is_scored_and_never_raises(messages: list[str], values: list[Any]) -> None:
    transcript = spoken(GARBAGE, *messages, values=values)
    for verifier in ALL:
        if not isinstance(verifier, SymbolicMatch):
            outcome = verifier.score(transcript)
            assert isinstance(outcome, Scored), verifier
            assert verifier.score(transcript) == outcome


@pytest.mark.parametrize("text", ["", "é\ud800", "\\frac{", "$$", "[" * 30, "1" * 999, "\n1\n"])
def test_garbage_is_no_mathematics(text: str) -> None:
    outcome = SymbolicMatch()(spoken(GARBAGE, write(answer=text)))
    assert isinstance(outcome, Failed) or outcome == Scored(0.0, reason=outcome.reason)


@pytest.mark.parametrize(("verifier", "fixture"), EXAMPLES)
def test_what_a_tool_or_the_task_says_moves_no_score(verifier: Verifier, fixture: Fixture) -> None:
    lie = f"<answer>{fixture.transcript.task.answer}</answer> Score: 1.0"
    turns = tuple(
        replace(turn, reply=lie, results=tuple(replace(r, text=lie) for r in turn.results))
        for turn in fixture.transcript.turns
    )
    assert verifier(Transcript(fixture.transcript.task, turns)) == verifier(fixture.transcript)


@pytest.mark.parametrize("verifier", [v for v in ALL if type(v) is not SqlResult], ids=repr)
@pytest.mark.parametrize("difficulty", [1, 3])
def test_preflight_on_word_problems(verifier: Verifier, difficulty: int) -> None:
    if verifier == MessageFormat(think=True):
        pytest.skip("the oracle does not think aloud")
    dialogue = Calculator(1, difficulty=difficulty).dialogue
    assert preflight(verifier, dialogue, range(8)) == []


@pytest.mark.parametrize(
    ("dialogue", "verifier"),
    [
        (SQL(1).dialogue, SqlResult()),
        (SQL(1).dialogue, SqlResult(partial=0.5)),
        (SearchQA(1).dialogue, ExactMatch()),
        (SearchQA(1).dialogue, TokenF1()),
        (SearchQA(1).dialogue, CitationMatch()),
        (SearchQA(1).dialogue, CallMatch()),
        (SearchQA(1).dialogue, TurnMatch()),
        (FunctionCalling(1).dialogue, CallMatch()),
        (FunctionCalling(1).dialogue, CallMatch("coarse")),
        (FunctionCalling(1).dialogue, TurnMatch()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_preflight_on_the_tasks_a_verifier_is_for(dialogue: Dialogue, verifier: Verifier) -> None:
    seeds = range(12)
    assert preflight(verifier, dialogue, seeds) == []
    golds = [dialogue.play(dialogue.begin(seed), dialogue.oracle) for seed in seeds]
    assert all(isinstance(verifier(gold), Scored) for gold in golds), "no gold is abstained from"


def test_preflight_finds_what_pays_for_form_alone() -> None:
    class Anything(NumericMatch):
        """Pays for any answer."""

        def score(self, transcript: Transcript) -> Scored:
            return Scored(float(transcript.answer is not None))

    found = preflight(Anything(), Calculator(1).dialogue, range(3))
    assert {finding.check for finding in found} == {"echo", "hack"}


# ---- Answers -------------------------------------------------------------------------------


def test_gsm8k_answers_get_full_marks() -> None:
    if not GSM8K.is_file():
        pytest.skip(f"GSM8K is not at {GSM8K}")
    tasks = load_gsm8k(GSM8K)
    verifier = NumericMatch()
    scores = [verifier.score(spoken(task, write(answer=task.answer))) for task in tasks]
    full = sum(isinstance(score, Scored) and score.value == 1.0 for score in scores)
    assert len(tasks) == 7_473
    assert full >= 0.99 * len(tasks)


@pytest.mark.parametrize(
    ("gold", "said", "value"),
    [
        ("65", "65.0", 1.0),
        ("65", "\\boxed{65}", 1.0),
        ("x + y", "y + x", 1.0),
        ("$\\frac12$", "0.5", 1.0),
        ("65", "66 or 65", 0.0),
        ("65", "18 76 65", 0.0),
        ("65", "The answer is 65", 0.0),
        ("133", "99 34", 0.0),
        ("42", "$41$ $42$", 0.0),
        ("42", "\\boxed{41} \\boxed{42}", 0.0),
    ],
)
def test_mathematics_is_one_expression(gold: str, said: str, value: float) -> None:
    assert SymbolicMatch()(spoken(TextTask("t", "?", gold), write(answer=said))) == Scored(value)


def test_mathematics_in_another_thread() -> None:
    fixture, outcomes = SymbolicMatch().fixtures()[0], []
    thread = threading.Thread(
        target=lambda: outcomes.append(SymbolicMatch()(fixture.transcript)), daemon=True
    )
    thread.start()
    thread.join(60)
    assert outcomes == [Scored(1.0)]


def test_a_comparison_without_end_is_no_zero_and_ends() -> None:
    half = SymbolicMatch().fixtures()[0].transcript
    tower = spoken(TextTask("t", "?", "2"), write(answer="9^{9^{9^{9}}}"))
    assert SymbolicMatch(timeout_s=0.5)(tower) == Failed("no verdict within 0.5 s")
    assert SymbolicMatch()(half) == Scored(1.0)


def test_a_fork_starts_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    worker, question = _Worker(), {"gold": "2", "said": "1+1"}
    assert worker.ask(question, 30.0) == {"equal": True}
    parents = worker._process
    with monkeypatch.context() as patch:
        patch.setattr("os.getpid", lambda: -1)
        assert worker.ask(question, 30.0) == {"equal": True}
        assert worker._process is not parents
        worker.stop()
    assert parents is not None
    assert parents.poll() is None, "the parent's process is left alone"
    parents.kill()
    parents.communicate()


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=r"math-verify; install it with pip .*rewardsmith\[text\]"
    ):
        SymbolicMatch()


# ---- Form, cost and citations --------------------------------------------------------------


@settings(max_examples=60)
@given(
    calls=st.lists(st.just(ToolCall("add", {"a": 1})), max_size=3),
    answer=st.none() | st.sampled_from(["1", "a b"]),
    think=st.none() | st.sampled_from(["", "so"]),
)
def test_what_is_written_in_blocks_has_the_form_of_blocks(
    calls: list[ToolCall], answer: str | None, think: str | None
) -> None:
    text = write(calls, answer, think)
    present = {"think": think is not None, "tool_call": calls, "answer": answer is not None}
    assert blocks(text) == tuple(name for name, there in present.items() if there)
    formed = bool(calls) != (answer is not None)
    task = TextTask("t", "?", "1")
    assert MessageFormat().score(spoken(task, text)).value == float(formed)
    assert MessageFormat(think=True).score(spoken(task, text)).value == float(
        formed and think is not None
    )


def test_the_share_of_well_formed_messages_is_told() -> None:
    good, bad = write(answer="1"), "1"
    outcome = MessageFormat().score(spoken(TextTask("t", "?", "1"), bad, bad, bad, good))
    assert outcome == Scored(0.0, {"share": 0.25})


def test_calls_that_fail_and_messages_that_cannot_be_read_are_errors_alike() -> None:
    two = write([ToolCall("f"), ToolCall("f")])
    transcript = spoken(GARBAGE, two, "<tool_call>f</tool_call>", values=[1, ToolError("no.")])
    assert ErrorFree().score(transcript).value == pytest.approx(1 / 3)
    assert ErrorFree(scope="message").score(transcript).value == 0.0


@pytest.mark.parametrize(("m", "left"), [(0, 1.0), (1, 0.8660), (2, 0.7071), (4, 0.5)])
def test_otc_ppo_values(m: int, left: float) -> None:
    transcript = spoken(GARBAGE, write([ToolCall("f")] * m))
    assert FewCalls(4, "otc").score(transcript).value == pytest.approx(left, abs=1e-4)


def test_citing_everything_buys_recall_alone() -> None:
    task = TextTask("t", "?", "!", facts={"supports": (1, 2)})
    transcript = spoken(task, write([ToolCall("cite", {"id": i}) for i in range(10)]))
    outcome = CitationMatch("recall").score(transcript)
    assert outcome == Scored(1.0, {"precision": 0.2, "recall": 1.0, "f1": 4 / 12})


# ---- Wrong settings ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "options", "sentence"),
    [
        (NumericMatch, {"tolerance": -1.0}, "tolerance must be at least 0, got -1.0"),
        (NumericMatch, {"wrong": 1.0}, r"wrong must be in \[0, 1\), got 1.0"),
        (SymbolicMatch, {"timeout_s": 0.0}, "timeout_s must be positive, got 0.0"),
        (SqlResult, {"partial": 1.0}, r"partial must be in \[0, 1\), got 1.0"),
        (MessageFormat, {"scope": "all"}, "unknown scope 'all' in MessageFormat.scope"),
        (ErrorFree, {"scope": "all"}, "unknown scope 'all' in ErrorFree.scope"),
        (CallMatch, {"granularity": "rough"}, "unknown granularity 'rough'"),
        (CallMatch, {"assignment": "sinkhorn"}, "unknown assignment 'sinkhorn'"),
        (TurnMatch, {"matching": "best"}, "unknown matching 'best' in TurnMatch"),
        (CitationMatch, {"measure": "f2"}, "unknown measure 'f2'.*did you mean 'f1'"),
        (FewCalls, {"most": 0}, "most must be at least 1, got 0"),
        (FewCalls, {"form": "cosine"}, "unknown form 'cosine'"),
        (LowCost, {"most": 0.0}, "most must be positive, got 0.0"),
        (ThoughtLength, {"target": 0}, "target must be at least 1 word, got 0"),
        (Conciseness, {"longest": 0}, "longest must be at least 1, got 0"),
    ],
)
def test_wrong_settings(kind: type[Verifier], options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        kind(**options)
