"""Reading and writing messages: what comes back, and what strangers may write."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsmith.envs.text.message import DEEPEST, LONGEST, parse, write
from rewardsmith.envs.text.transcript import Message, ToolCall

words = st.text(st.characters(exclude_characters="<>", exclude_categories=["Cs"]), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
tool_calls = st.builds(ToolCall, words, st.dictionaries(words, json_values, max_size=3))
PIECES = st.lists(
    st.sampled_from(
        ["<think>", "</think>", "<tool_call>", "</tool_call>", "<answer>", "</answer>", "\n", "5",
         '{"name": "a", "arguments": {}}', '{"name": "a"', "null", '{"content": "<think>"}',
         '{"tool_calls": [{"function": {"name": "a", "arguments": "{}"}}]}', "[", "]", "{", "}"]
    ) | st.text(max_size=5),
    max_size=12,
).map("".join)  # fmt: skip


@given(st.lists(tool_calls, max_size=4), st.none() | words, st.none() | words)
def test_what_is_written_is_read_back(
    calls: list[ToolCall], answer: str | None, think: str | None
) -> None:
    text = write(calls, answer, think)
    read = parse(text)
    assert read.text == text
    assert read.calls == tuple(calls)
    assert read.answer == (None if answer is None else answer.strip())
    assert read.think == (None if think is None else think.strip())
    assert read.errors == ()


@given(PIECES)
def test_anything_can_be_read_twice_with_one_result(text: str) -> None:
    read = parse(text)
    assert read == parse(text)
    assert read.text == text
    assert pickle.loads(pickle.dumps(read)) == read
    assert copy.deepcopy(read) == read
    assert all(isinstance(call.name, str) for call in read.calls)


@given(st.lists(tool_calls, min_size=1, max_size=3), st.booleans())
def test_openais_form(calls: list[ToolCall], as_text: bool) -> None:
    listed = [
        {
            "type": "function",
            "function": {
                "name": call.name,
                "arguments": json.dumps(call.arguments) if as_text else call.arguments,
            },
        }
        for call in calls
    ]
    text = json.dumps({"role": "assistant", "content": "<think>so</think>", "tool_calls": listed})
    read = parse(text)
    assert read == Message(text, "so", tuple(calls))


def test_openais_form_without_content_or_calls() -> None:
    assert parse('{"content": "<answer>3</answer>"}').answer == "3"
    assert parse('{"content": null, "tool_calls": null}') == Message(
        '{"content": null, "tool_calls": null}'
    )
    assert parse('{"other": "<answer>3</answer>"}').answer == "3"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("<tool_call></tool_call>", "<tool_call> is empty."),
        ('<tool_call>{"name": "a"}', "<tool_call> is never closed."),
        ("<answer>3", "<answer> is never closed."),
        ("<think>hm", "<think> is never closed."),
        ("<answer>3</answer><answer>3</answer>", "<answer> may stand only once."),
        ("<think>a</think><think>b</think>", "<think> may stand only once."),
        ("<tool_call>add(1, 2)</tool_call>", "This is no JSON object: add(1, 2)"),
        ("<tool_call>[1]</tool_call>", 'A call is a JSON object with "name" and "arguments".'),
        ('<tool_call>{"name": 3}</tool_call>', 'A call is a JSON object with "name" and'),
        (
            '<tool_call>{"name": "a", "arguments": [1]}</tool_call>',
            "The arguments of a must be a JSON object.",
        ),
        (
            '<tool_call>{"name": "a", "arguments": "{1}"}</tool_call>',
            "The arguments of a must be a JSON object.",
        ),
        ('{"tool_calls": [{}]}', 'A call is a JSON object with "name" and "arguments".'),
        ('{"tool_calls": 3}', 'A call is a JSON object with "name" and "arguments".'),
        ("x" * (LONGEST + 1), f"The message is longer than {LONGEST} characters."),
    ],
)
def test_what_cannot_be_read_is_named(text: str, error: str) -> None:
    read = parse(text)
    assert read.calls == ()
    assert read.answer is None
    assert len(read.errors) == 1
    assert read.errors[0].startswith(error)


def call_with(value: str) -> str:
    """Writes a call whose argument is a piece of JSON."""
    return f'<tool_call>{{"name": "a", "arguments": {{"x": {value}}}}}</tool_call>'


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5000, "[" * 40_000]
)
def test_numbers_and_nests_that_no_tool_could_take_are_refused(value: str) -> None:
    read = parse(call_with(value))
    assert read.calls == ()
    assert read.errors


def test_depth_is_limited_so_that_every_message_can_be_copied() -> None:
    deepest = DEEPEST - 2  # the call and its arguments are levels too
    assert parse(call_with("[" * deepest + "]" * deepest)).calls
    for levels in (deepest + 1, 300, 900, 990):
        read = parse(call_with("[" * levels + "]" * levels))
        assert read.calls == ()
        assert pickle.loads(pickle.dumps(read)) == read


def test_calls_one_per_line_and_in_several_blocks() -> None:
    one, two = '{"name": "a", "arguments": {"x": 1}}', '{"name": "b"}'
    expected = (ToolCall("a", {"x": 1}), ToolCall("b", {}))
    assert parse(f"<tool_call>{one}\n\n{two}</tool_call>").calls == expected
    assert (
        parse(f"so <tool_call>{one}</tool_call> and <tool_call>{two}</tool_call>").calls == expected
    )
    mixed = parse(f"<tool_call>{one}\nnonsense\n{two}</tool_call>")
    assert mixed.calls == expected
    assert mixed.errors == ("This is no JSON object: nonsense",)


@pytest.mark.parametrize(
    "text",
    [
        "<think><answer>5</answer></think>",
        "<tool_call><answer>5</answer></tool_call>",
        '<tool_call>{"name": "a", "arguments": {"x": "<answer>5</answer>"}}</tool_call>',
    ],
)
def test_an_answer_inside_another_block_is_none(text: str) -> None:
    assert parse(text).answer is None


def test_a_call_inside_a_thought_is_none() -> None:
    assert parse('<think><tool_call>{"name": "a"}</tool_call></think>').calls == ()


def test_written_text_is_json() -> None:
    text = write([ToolCall("a", {"x": None, "y": "é"})])
    assert text == '<tool_call>{"name": "a", "arguments": {"x": null, "y": "é"}}</tool_call>'
