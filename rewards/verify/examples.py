"""Transcripts made by hand, for the fixtures of verifiers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rewardsmith.envs.text.message import parse
from rewardsmith.envs.text.tools import ToolError
from rewardsmith.envs.text.transcript import (
    Message,
    TextTask,
    ToolCall,
    ToolResult,
    Transcript,
    Turn,
)


def spoken(task: TextTask, *messages: str, values: Sequence[Any] = ()) -> Transcript:
    """Returns the transcript in which the agent wrote these messages.

    Args:
        task: The question.
        messages: What the agent wrote; an answer ends the task.
        values: What the calls found, in order, where it matters; a `ToolError` for a call that
            failed.

    Example:
        >>> spoken(TextTask("q", "1+1?", "2"), "<answer>2</answer>").answer
        '2'
    """
    found = iter(values)
    turns = [_turn(parse(text), found) for text in messages]
    return Transcript(task, tuple(turns))


def _turn(message: Message, found: Iterator[Any]) -> Turn:
    if message.answer is not None:
        return Turn(message, over=True)
    return Turn(message, tuple(_result(call, next(found, None)) for call in message.calls))


def _result(call: ToolCall, value: Any) -> ToolResult:
    if isinstance(value, ToolError):
        return ToolResult(call, f"Error: {value}", ok=False)
    return ToolResult(call, str(value), value=value)
