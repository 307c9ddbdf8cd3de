"""Tools: what an agent may call, what it must say, and what it is told back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rewardsmith.envs.text.transcript import ToolCall, ToolResult, Transcript

SHOWN = 2_000
"""Characters of a tool's text that the agent is shown."""

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


class ToolError(Exception):
    """A tool cannot do what was asked; the agent is told why."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a tool: its name, its JSON type, what it means."""

    name: str
    type: str
    description: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Tool:
    """Something an agent can call.

    Attributes:
        name: How it is called.
        description: What it does, in one sentence.
        parameters: Its arguments.
        run: Does it, given the transcript so far and the arguments; returns what it found.
            Raises `ToolError` with a sentence for the agent.
        tell: Writes what was found for the agent; by default `str`.
        price: Cost of a call, in the task's unit.
        slow: Whether it waits for something, so that a thread of its own pays.
    """

    name: str
    description: str
    parameters: tuple[Parameter, ...]
    run: Callable[[Transcript, Mapping[str, Any]], Any]
    tell: Callable[[Any], str] = str
    price: float = 0.0
    slow: bool = False

    def call(self, transcript: Transcript, call: ToolCall) -> ToolResult:
        """Runs a call; whatever is wrong with it comes back as text."""
        try:
            self._check(call.arguments)
            value = self.run(transcript, call.arguments)
        except ToolError as error:
            return ToolResult(call, f"Error: {error}", ok=False, cost=self.price)
        return ToolResult(call, _cut(self.tell(value)), cost=self.price, value=value)

    def schema(self) -> dict[str, Any]:
        """Returns the tool as OpenAI's function schema."""
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": {
                    "type": "object",
                    "properties": {
                        p.name: {"type": p.type, "description": p.description}
                        for p in self.parameters
                    },
                    "required": [p.name for p in self.parameters if p.required],
                },
            },
        }

    def _check(self, arguments: Mapping[str, Any]) -> None:
        known = {p.name: p for p in self.parameters}
        for name, value in arguments.items():
            if name not in known:
                raise ToolError(f"{self.name} has no argument {name!r}; it has {_list(known)}.")
            kind = known[name].type
            if isinstance(value, bool) != (kind == "boolean") or not isinstance(
                value, _TYPES[kind]
            ):
                raise ToolError(f"the argument {name!r} of {self.name} must be a {kind}.")
        for name, parameter in known.items():
            if parameter.required and name not in arguments:
                raise ToolError(f"{self.name} needs the argument {name!r}.")


def unknown_tool(call: ToolCall, tools: Mapping[str, Tool]) -> ToolResult:
    """Returns what an agent is told that calls a tool that is not there."""
    text = f"Error: there is no tool {call.name[:80]!r}; there is {_list(tools)}."
    return ToolResult(call, text, ok=False)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else text[:SHOWN] + " ..."


def _list(names: Mapping[str, Any]) -> str:
    return ", ".join(names) or "none"
