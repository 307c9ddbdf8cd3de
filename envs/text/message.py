"""Reading and writing an agent's message: thought, tool calls, final answer.

A message is free text with blocks in it, each tag at most once but for tool calls:

    <think>48 and 17 are to be added.</think>
    <tool_call>{"name": "calculator", "arguments": {"expression": "48+17"}}</tool_call>

    <answer>65</answer>

or OpenAI's form, a JSON object with `content` and `tool_calls`. A block of calls may hold
several, one JSON object per line. What cannot be read becomes a sentence, never an exception.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from rewardsmith.envs.text.transcript import Message, ToolCall

LONGEST = 50_000
"""Characters of a message that are read; a longer one is refused."""

DEEPEST = 50
"""Levels of lists and objects that a JSON value may have; a deeper one could not be copied."""

THINK, CALL, ANSWER = "think", "tool_call", "answer"


def parse(text: str) -> Message:
    """Reads a message; never raises.

    Example:
        >>> message = parse("<think>Add.</think><answer> 65 </answer>")
        >>> message.think, message.answer, message.errors
        ('Add.', '65', ())
        >>> parse('<tool_call>{"name": "add"').errors
        ('<tool_call> is never closed.',)
    """
    if len(text) > LONGEST:
        return Message(text, errors=(f"The message is longer than {LONGEST} characters.",))
    errors: list[str] = []
    content = text
    calls: list[ToolCall] = []
    if text.lstrip().startswith("{"):
        content, calls = _openai(text, errors)
    thoughts, rest = _blocks(content, THINK, errors)
    blocks, rest = _blocks(rest, CALL, errors)
    answers, _ = _blocks(rest, ANSWER, errors)
    for block in blocks:
        calls += _block_calls(block, errors)
    for tag, found in ((THINK, thoughts), (ANSWER, answers)):
        if len(found) > 1:
            errors.append(f"<{tag}> may stand only once.")
    return Message(
        text,
        thoughts[0] if thoughts else None,
        tuple(calls),
        answers[0] if len(answers) == 1 else None,
        tuple(errors),
    )


def write(
    calls: Iterable[ToolCall] = (), answer: str | None = None, think: str | None = None
) -> str:
    """Writes a message that `parse` reads back.

    Example:
        >>> write([ToolCall("add", {"a": 1})])
        '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>'
    """
    parts = [] if think is None else [f"<{THINK}>{think}</{THINK}>"]
    lines = [
        json.dumps({"name": call.name, "arguments": dict(call.arguments)}, ensure_ascii=False)
        for call in calls
    ]
    if lines:
        parts.append(f"<{CALL}>" + "\n".join(lines) + f"</{CALL}>")
    if answer is not None:
        parts.append(f"<{ANSWER}>{answer}</{ANSWER}>")
    return "".join(parts)


def _blocks(text: str, tag: str, errors: list[str]) -> tuple[list[str], str]:
    """Cuts the blocks of a tag out of a text; returns their contents and the rest."""
    start, end = f"<{tag}>", f"</{tag}>"
    found: list[str] = []
    rest: list[str] = []
    at = 0
    while (first := text.find(start, at)) >= 0:
        last = text.find(end, first)
        if last < 0:
            errors.append(f"{start} is never closed.")
            break
        found.append(text[first + len(start) : last].strip())
        rest.append(text[at:first])
        at = last + len(end)
    rest.append(text[at:])
    return found, "".join(rest)


def _block_calls(block: str, errors: list[str]) -> list[ToolCall]:
    """Reads one call that spans the block, or one per line."""
    if not block:
        errors.append(f"<{CALL}> is empty.")
        return []
    whole = _load(block)
    if whole is not None:
        return _call(whole, errors)
    calls: list[ToolCall] = []
    for line in filter(None, (line.strip() for line in block.splitlines())):
        value = _load(line)
        if value is None:
            errors.append(f"This is no JSON object: {line[:80]}")
        else:
            calls += _call(value, errors)
    return calls


def _call(value: Any, errors: list[str]) -> list[ToolCall]:
    """Reads one call from a JSON value."""
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        errors.append('A call is a JSON object with "name" and "arguments".')
        return []
    arguments = value.get("arguments", {})
    if isinstance(arguments, str):
        arguments = _load(arguments)
    if not isinstance(arguments, Mapping):
        errors.append(f"The arguments of {value['name'][:80]} must be a JSON object.")
        return []
    return [ToolCall(value["name"], arguments)]


def _openai(text: str, errors: list[str]) -> tuple[str, list[ToolCall]]:
    """Reads OpenAI's form; text that is not of this form is content."""
    value = _load(text)
    if not isinstance(value, Mapping) or not {"content", "tool_calls"} & value.keys():
        return text, []
    calls: list[ToolCall] = []
    listed = value.get("tool_calls") or []
    for entry in listed if isinstance(listed, list) else [listed]:
        function = entry.get("function") if isinstance(entry, Mapping) else None
        calls += _call(function, errors)
    content = value.get("content")
    return (content if isinstance(content, str) else ""), calls


def _load(text: str) -> Any:
    """Returns the JSON value, or None where there is none."""
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return None if _is_deeper(value, DEEPEST) else value


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether there are more levels of lists and objects in a value."""
    if not isinstance(value, list | dict):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(part, levels - 1) for part in inner)


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse(digits)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
