"""What is said in a text task: messages, tool calls and their results, turn by turn.

Everything here is immutable, so that keeping a transcript is taking a snapshot of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that an agent wrote: the tool's name, and arguments as JSON values."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What became of a call.

    Attributes:
        call: The call.
        text: What the agent is told, an error's sentence included.
        ok: Whether the tool did what was asked.
        cost: Price of the call, in the task's unit of cost.
        value: What the tool found, for judges; its text alone goes to the agent.
    """

    call: ToolCall
    text: str
    ok: bool = True
    cost: float = 0.0
    value: Any = None


@dataclass(frozen=True, slots=True)
class Message:
    """What an agent wrote, parsed.

    Attributes:
        text: The message, word for word.
        think: Its first block of thought; None without one.
        calls: The calls that could be read, in order.
        answer: Its final answer; None without one.
        errors: A sentence for everything that could not be read.
    """

    text: str
    think: str | None = None
    calls: tuple[ToolCall, ...] = ()
    answer: str | None = None
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """A message and what the environment made of it.

    Attributes:
        message: What the agent wrote.
        results: What the tools gave, one for each call that was run.
        reply: What the agent is told next; empty at the end.
        reward: The task's own reward, 1 for a right answer and 0 for all else.
        over: Whether the task ended here.
    """

    message: Message
    results: tuple[ToolResult, ...] = ()
    reply: str = ""
    reward: float = 0.0
    over: bool = False


@dataclass(frozen=True, slots=True)
class TextTask:
    """One question, and all that judges may know about it.

    Attributes:
        id: Name of the question; equal for equal questions.
        prompt: What the agent is told first.
        answer: The right answer, as a person would write it.
        calls: Calls that lead to it, in order.
        facts: What else the environment or a verifier needs, by name.
    """

    id: str
    prompt: str
    answer: str
    calls: tuple[ToolCall, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Transcript:
    """A task and the turns taken so far.

    Attributes:
        task: The question.
        turns: The turns, in order.
    """

    task: TextTask
    turns: tuple[Turn, ...] = ()

    @property
    def observation(self) -> str:
        """The newest message to the agent."""
        return self.turns[-1].reply if self.turns else self.task.prompt

    @property
    def over(self) -> bool:
        """Whether the task ended."""
        return bool(self.turns) and self.turns[-1].over

    @property
    def success(self) -> bool:
        """Whether it ended with a right answer."""
        return bool(self.turns) and self.turns[-1].reward >= 1.0

    @property
    def answer(self) -> str | None:
        """The final answer; None if none was given."""
        return self.turns[-1].message.answer if self.turns else None

    @property
    def results(self) -> tuple[ToolResult, ...]:
        """Everything the tools gave, in order."""
        return tuple(result for turn in self.turns for result in turn.results)

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """All calls the agent wrote, in order, run or not."""
        return tuple(call for turn in self.turns for call in turn.message.calls)

    @property
    def cost(self) -> float:
        """What the calls have cost so far."""
        return sum(result.cost for turn in self.turns for result in turn.results)

    def __deepcopy__(self, memo: dict[int, Any]) -> Transcript:
        """Returns itself: nothing in it changes."""
        return self
