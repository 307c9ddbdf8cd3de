"""`FunctionCalling-v0`: which calls are right by BFCL's rules, its files, the menu."""

from __future__ import annotations

import json
import random
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsmith.envs import EnvError
from rewardsmith.envs.text.dialogue import Budget
from rewardsmith.envs.text.function_calling import FunctionCalling, FunctionCallingDialogue
from rewardsmith.envs.text.function_matching import Accepted, accepts, gold_calls
from rewardsmith.envs.text.function_requests import generate, load_bfcl
from rewardsmith.envs.text.message import parse, write
from rewardsmith.envs.text.transcript import ToolCall, Transcript

BFCL = Path("/work/shared/data/bfcl")

PROPERTIES = {
    "text": {"type": "string"},
    "whole": {"type": "integer"},
    "real": {"type": "float"},
    "flag": {"type": "boolean"},
    "texts": {"type": "array", "items": {"type": "string"}},
    "wholes": {"type": "array", "items": {"type": "integer"}},
    "reals": {"type": "tuple", "items": {"type": "float"}},
    "record": {"type": "dict"},
    "records": {"type": "array", "items": {"type": "dict"}},
    "free": {"type": "any"},
}
RECORD = {"city": ["Oslo", "OSL"], "size": [3, ""]}


def function(*required: str, name: str = "f") -> dict[str, Any]:
    """Describes a function with every type of argument."""
    parameters = {"type": "dict", "properties": PROPERTIES, "required": list(required)}
    return {"name": name, "description": "", "parameters": parameters}


def right(argument: str, accepted: list[Any], value: Any) -> bool:
    """Whether a value is accepted for one argument."""
    return accepts(
        [ToolCall("f", {argument: value})], [{"f": {argument: accepted}}], [function(argument)]
    )


@pytest.mark.parametrize(
    ("argument", "accepted", "fitting", "unfitting"),
    [
        ("text", ["New York, NY"], ["new york ny", "New-York/NY."], ["New York", "", 3, None]),
        ("text", ["it's"], ['it"s'], ["its"]),
        ("text", ["a", ""], ["A", ""], ["b"]),
        ("whole", [5, 6], [5, 6], [7, 5.0, "5", True, [5]]),
        ("whole", [1], [1], [True]),
        ("real", [5.0], [5, 5.0], [5.5, "5.0", True]),
        ("real", [0.5, None], [0.5, None], [0]),
        ("flag", [True], [True], [False, 1, "true"]),
        ("texts", [["a", "b"], ["b", "a"]], [["A", "b"], ["b", "a"]], [["a"], [], "a", ["a", 1]]),
        ("wholes", [[1, 2]], [[1, 2]], [[2, 1], [1, 2.0], [True, 2], [1]]),
        ("reals", [[1.0, 2.5]], [[1, 2.5]], [[1, "2.5"], [1, 2.5, 3]]),
        ("record", [RECORD], [{"city": "oslo"}, {"city": "OSL", "size": 3}],
         [{}, {"size": 3}, {"city": "Oslo", "size": 4}, {"city": "Oslo", "x": 1}, [], "Oslo"]),
        ("records", [[RECORD, RECORD]], [[{"city": "osl"}, {"city": "oslo", "size": 3}]],
         [[{"city": "osl"}], [{}, {}], {"city": "osl"}]),
        ("whole", ["n"], ["n", "N"], [3]),  # a variable in place of a value
        ("free", ["x", 3], ["x", 3], [4]),
    ],
)  # fmt: skip
def test_values(
    argument: str, accepted: list[Any], fitting: list[Any], unfitting: list[Any]
) -> None:
    assert all(right(argument, accepted, value) for value in fitting)
    assert not any(right(argument, accepted, value) for value in unfitting)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"text": "a"}, True),
        ({"text": "a", "whole": 1}, True),
        ({"text": "a", "whole": 2}, False),
        ({"whole": 1}, False),
        ({"text": "a", "flag": True}, False),
        ({"text": "a", "unheard": 1}, False),
        ({}, False),
    ],
)
def test_arguments(arguments: dict[str, Any], expected: bool) -> None:
    accepted: list[Accepted] = [{"f": {"text": ["a"], "whole": ["", 1]}}]
    assert accepts([ToolCall("f", arguments)], accepted, [function("text")]) == expected
    assert not accepts([ToolCall("g", arguments)], accepted, [function("text")])


def test_required_arguments_may_not_be_left_out_whatever_is_accepted() -> None:
    accepted = [{"f": {"text": ["a", ""]}}]
    assert not accepts([ToolCall("f", {})], accepted, [function("text")])
    assert accepts([ToolCall("f", {})], accepted, [function()])
    assert gold_calls(accepted, [function("text")]) == [ToolCall("f", {"text": "a"})]
    assert gold_calls(accepted, [function()]) == [ToolCall("f", {})]


choices = st.lists(st.sets(st.integers(0, 3), min_size=1).map(sorted), min_size=1, max_size=4)


@given(choices, st.lists(st.integers(0, 3), min_size=1, max_size=4))
def test_calls_are_matched_in_any_order(sets: list[list[int]], values: list[int]) -> None:
    calls = [ToolCall("f", {"whole": value}) for value in values]
    accepted = [{"f": {"whole": list(allowed)}} for allowed in sets]
    by_hand = len(values) == len(sets) and any(
        all(value in allowed for value, allowed in zip(order, sets, strict=True))
        for order in permutations(values)
    )
    assert accepts(calls, accepted, [function("whole")]) == by_hand


@given(st.integers(0, 10**6), st.integers(1, 5))
def test_generated_requests(seed: int, difficulty: int) -> None:
    source = random.Random(seed)
    task = generate(source, difficulty)
    facts = task.facts
    assert len(task.calls) == difficulty
    request, _, listed = task.prompt.partition("\n\nFunctions:\n")
    assert [json.loads(line) for line in listed.split("\n")] == list(facts["functions"])
    for call in task.calls:
        assert all(str(v) in request for v in call.arguments.values() if not isinstance(v, bool))
    shuffled = source.sample(task.calls, difficulty)
    assert accepts(shuffled, facts["accepted"], facts["functions"])
    assert not accepts(shuffled[1:], facts["accepted"], facts["functions"])
    assert not accepts([*shuffled, shuffled[0]], facts["accepted"], facts["functions"])
    for argument in shuffled[0].arguments:
        left = {name: v for name, v in shuffled[0].arguments.items() if name != argument}
        worse = [ToolCall(shuffled[0].name, left), *shuffled[1:]]
        assert not accepts(worse, facts["accepted"], facts["functions"])


# ---- The task ---------------------------------------------------------------------------


def test_a_message_with_calls_is_the_answer() -> None:
    dialogue = FunctionCallingDialogue(2, None, Budget(), "train")
    start = dialogue.begin(0)
    gold = write(start.task.calls)
    paid = {
        gold: 1.0,
        f"<think>so</think>{gold}<answer>done</answer>": 1.0,
        write(start.task.calls[::-1]): 1.0,
        f"{gold}<tool_call>{{</tool_call>": 0.0,
        write(start.task.calls[:1]): 0.0,
        gold + gold: 0.0,
        write(answer=start.task.answer): 0.0,
    }
    for text, reward in paid.items():
        transcript = dialogue.reply(start, parse(text))
        assert transcript.over
        assert transcript.turns[0].reward == reward
    for text in ("", "<think>hm</think>", start.task.prompt, gold[:-5], gold[:40]):
        transcript = dialogue.reply(start, parse(text))
        assert not transcript.over
        assert transcript.observation.startswith("Error: ")


def test_the_best_described_choice_of_the_menu_is_right() -> None:
    for difficulty in range(1, 6):
        env = FunctionCalling(30, difficulty=difficulty, actions="menu")
        observation, _ = env.reset(seed=0)
        about = observation[:, :-1].reshape(30, -1, 3)
        assert env.step(about.sum(axis=2).argmax(axis=1))[1].tolist() == [1.0] * 30
        dialogue = env.dialogue
        for seed in range(20):
            start = dialogue.begin(seed)
            paid = [dialogue.reply(start, parse(m)).success for m in dialogue.menu(start)]
            assert sum(paid) == 1
    places = [np.argmax(about.sum(axis=2), axis=1)]
    assert len(np.unique(places)) == about.shape[1]


# ---- BFCL -------------------------------------------------------------------------------


def test_files_of_another_form_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvError, match="data holds none of simple_python, multiple, parallel"):
        load_bfcl(tmp_path)
    (tmp_path / "multiple.jsonl").write_text('{"id": 1}')
    with pytest.raises(EnvError, match=r"NAME\.jsonl and NAME_answers\.jsonl"):
        load_bfcl(tmp_path)
    (tmp_path / "multiple_answers.jsonl").write_text('{"id": 1, "ground_truth": []}')
    with pytest.raises(EnvError, match=r"NAME\.jsonl and NAME_answers\.jsonl"):
        load_bfcl(tmp_path)


def test_a_small_file(tmp_path: Path) -> None:
    question = {
        "id": "one",
        "question": [[{"role": "user", "content": "Say a."}]],
        "function": [function("text")],
    }
    answer = {"id": "one", "ground_truth": [{"f": {"text": ["a"], "whole": ["", 3]}}]}
    (tmp_path / "simple_python.jsonl").write_text(json.dumps(question))
    (tmp_path / "simple_python_answers.jsonl").write_text(json.dumps(answer) + "\n")
    (task,) = load_bfcl(tmp_path)
    assert task.id == "one"
    assert task.prompt == f"Say a.\n\nFunctions:\n{json.dumps(function('text'))}"
    assert task.calls == (ToolCall("f", {"text": "a"}),)
    assert task.answer == "f(text='a')"


@pytest.mark.skipif(not BFCL.exists(), reason=f"{BFCL} is not there")
def test_gold_answers_of_bfcl_are_right() -> None:
    tasks = load_bfcl(BFCL)
    assert len(tasks) == 800
    dialogue = FunctionCallingDialogue(1, BFCL, Budget(3), "train")
    starts = [Transcript(task) for task in tasks]
    won = [dialogue.play(start, dialogue.oracle).success for start in starts]
    assert sum(won) >= 0.99 * len(tasks)
    assert not any(dialogue.play(start, dialogue.hacker).success for start in starts)


@pytest.mark.skipif(not BFCL.exists(), reason=f"{BFCL} is not there")
def test_every_accepted_value_of_bfcl_is_accepted() -> None:
    tried = fitting = 0
    for task in load_bfcl(BFCL):
        for i, (call, gold) in enumerate(zip(task.calls, task.facts["accepted"], strict=True)):
            for argument, values in gold[call.name].items():
                for value in values:
                    if value == "" or isinstance(value, dict | list):
                        continue
                    changed = ToolCall(call.name, {**call.arguments, argument: value})
                    calls = [*task.calls[:i], changed, *task.calls[i + 1 :]]
                    tried += 1
                    fitting += accepts(calls, task.facts["accepted"], task.facts["functions"])
    assert tried > 3_000
    assert fitting >= 0.99 * tried
