"""The words that tell a language model how to speak in a text task."""

from __future__ import annotations

import json
from collections.abc import Iterable

from rewardsmith.envs.text.message import write
from rewardsmith.envs.text.tools import Tool
from rewardsmith.envs.text.transcript import ToolCall


def instructions(goal: str, tools: Iterable[Tool]) -> str:
    """Returns a system message: the goal, the tools as JSON schemas, the form of a message."""
    schemas = "\n".join(json.dumps(tool.schema()["function"]) for tool in tools)
    call = write([ToolCall("name", {"argument": "value"})])
    return (
        f"{goal}\n\nYou may call these tools, one message at a time:\n{schemas}\n\n"
        f"Think inside <think></think> if it helps. A call looks like this:\n{call}\n"
        f"Its result comes back as the next message. When you know the answer, write it once and "
        f"alone:\n{write(answer='your answer')}"
    )
