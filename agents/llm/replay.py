"""Completions that another trainer sampled, said again in a dialogue."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from rewardsmith.envs.text.batch import turn_facts
from rewardsmith.envs.text.dialogue import Budget, Dialogue
from rewardsmith.envs.text.message import CALL, THINK, parse
from rewardsmith.envs.text.transcript import Transcript
from rewardsmith.rewards.episode import Episode, Step


def replay(
    dialogue: Dialogue, seed: int, completion: str | Sequence[Mapping[str, Any]]
) -> Transcript:
    """Returns the transcript of a completion: a text, or messages in OpenAI's form.

    Args:
        dialogue: The kind of task.
        seed: Which task.
        completion: What the model wrote. Of messages those with the role "assistant" are said,
            with their thoughts (`reasoning_content`) and `tool_calls`.
    """
    messages = [{"role": "assistant", "content": completion}]
    if not isinstance(completion, str):
        messages = [dict(m) for m in completion if m.get("role") == "assistant"] or [{}]
    transcript = dialogue.begin(seed)
    for message in messages[: dialogue.budget.turns]:
        if transcript.over:
            break
        transcript = dialogue.reply(transcript, parse(message_text(message)))
    return transcript


def message_text(message: Mapping[str, Any]) -> str:
    """Returns a message in OpenAI's form as the text that `parse` reads.

    Example:
        >>> call = {"function": {"name": "add", "arguments": '{"a": 1}'}}
        >>> message_text({"content": None, "tool_calls": [call]})
        '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>'
    """
    thought, content = message.get("reasoning_content"), message.get("content") or ""
    if not isinstance(content, str):
        content = "".join(part.get("text", "") for part in content)
    parts = [f"<{THINK}>{thought.strip()}</{THINK}>"] if thought else []
    parts.append(content)
    lines = [json.dumps(_function(call), ensure_ascii=False) for call in _calls(message)]
    if lines:
        parts.append(f"<{CALL}>" + "\n".join(lines) + f"</{CALL}>")
    return "".join(parts)


def episode_of(transcript: Transcript, budget: Budget | None = None) -> Episode:
    """Returns the episode in which a transcript was spoken; it holds no tokens.

    Args:
        transcript: What was said.
        budget: What the conversation might use. The last turn of it ends the task, as in
            `TextEnv`; without one only an answer does, and all else was cut off.
    """
    turns = transcript.turns
    over = transcript.over or (budget is not None and len(turns) >= budget.turns)
    so_far = [Transcript(transcript.task, turns[:t]) for t in range(len(turns) + 1)]
    steps = tuple(
        Step(before.observation, turn.message.text, turn.reward, turn_facts(after))
        for before, turn, after in zip(so_far, turns, so_far[1:], strict=False)
    )
    return Episode(steps, transcript.observation, over, turn_facts(so_far[0]))


def _calls(message: Mapping[str, Any]) -> Sequence[Any]:
    listed = message.get("tool_calls") or ()
    return listed if isinstance(listed, Sequence) else [listed]


def _function(call: Any) -> Any:
    """Returns a call's name and arguments; what is no call stays as it is, to be told off."""
    function = call.get("function", call) if isinstance(call, Mapping) else call
    if not isinstance(function, Mapping) or "name" not in function:
        return function
    arguments = function.get("arguments") or {}
    if isinstance(arguments, str):
        with contextlib.suppress(ValueError):
            arguments = json.loads(arguments)
    return {"name": function["name"], "arguments": arguments}
