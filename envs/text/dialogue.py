"""`Dialogue`: a kind of text task, as pure functions from transcript to transcript."""

from __future__ import annotations

import random
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.text.instructions import instructions
from rewardsmith.envs.text.message import parse
from rewardsmith.envs.text.tools import Tool, unknown_tool
from rewardsmith.envs.text.transcript import (
    Message,
    TextTask,
    ToolCall,
    ToolResult,
    Transcript,
    Turn,
)

Script = Callable[[Transcript], str]
"""A scripted policy: what to say next."""

SCRIPTS = ("oracle", "careless", "hacker")
SPLITS = ("train", "test")
_TEST_SHARE = 5
_DRAWS = 1_000
_NO_BLOCK = "Error: write a <tool_call> or an <answer>."


@dataclass(frozen=True, slots=True)
class Budget:
    """What a conversation may use.

    Attributes:
        turns: Messages of the agent, after which the episode is over.
        calls: Tool calls; later ones are refused.
        cost: Sum of the prices of the calls; a call that would exceed it is refused.
        timeout_s: Seconds that the slow tools of one message may take.

    Raises:
        EnvError: If one is not positive.
    """

    turns: int = 8
    calls: int = 16
    cost: float = float("inf")
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        for name in ("turns", "calls", "cost", "timeout_s"):
            if not getattr(self, name) > 0:
                raise EnvError(f"budget.{name} must be positive, got {getattr(self, name)!r}")


class Dialogue(ABC):
    """A kind of text task: where questions come from, the tools, and who is right.

    A message that ends the task is paid 1 if it is right and 0 if not; everything else is
    answered by tool results, or by a sentence that says what could not be read. Nothing here
    changes: a `Transcript` holds all of a conversation, so keeping one is a snapshot.

    A subclass sets `goal`, gives its tools, writes `task`, `judge` and the three scripts, and
    for the menu `menu` and `features`.

    Args:
        tools: What the agent may call.
        budget: What a conversation may use.
        split: "train" or "test". Tasks are told apart by a hash of their ids, so that no task
            is in both; one in five is for tests.

    Raises:
        EnvError: If the split is unknown.
    """

    goal: ClassVar[str]
    menu_size: int = 0
    feature_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, tools: Sequence[Tool], budget: Budget, split: str) -> None:
        if split not in SPLITS:
            raise EnvError(f"split must be 'train' or 'test', got {split!r}")
        self.tools: Mapping[str, Tool] = {tool.name: tool for tool in tools}
        self.budget, self.split = budget, split
        self.instructions = instructions(self.goal, tools)

    @abstractmethod
    def task(self, source: random.Random) -> TextTask:
        """Returns a new task, drawn from `source` alone."""

    @abstractmethod
    def judge(self, transcript: Transcript, message: Message) -> bool | None:
        """Whether a message that ends the task is right; None for one that does not end it."""

    @abstractmethod
    def oracle(self, transcript: Transcript) -> str:
        """Says what leads to success."""

    @abstractmethod
    def careless(self, transcript: Transcript) -> str:
        """Says what leads to success on some tasks and costs more than it must."""

    @abstractmethod
    def hacker(self, transcript: Transcript) -> str:
        """Says what a badly made reward would pay for, without solving the task."""

    def menu(self, transcript: Transcript) -> Sequence[str]:
        """Returns the `menu_size` messages that an agent for discrete actions chooses from."""
        raise NotImplementedError

    def features(self, transcript: Transcript) -> Sequence[float]:
        """Returns what such an agent sees, numbers in [-1, 1] named in `feature_names`."""
        raise NotImplementedError

    def script(self, name: str) -> Script:
        """Returns the scripted policy "oracle", "careless" or "hacker"."""
        if name not in SCRIPTS:
            raise EnvError(f"script must be one of {', '.join(SCRIPTS)}, got {name!r}")
        found: Script = getattr(self, name)
        return found

    def begin(self, seed: int) -> Transcript:
        """Returns a fresh conversation about the task of the split that the seed draws.

        Raises:
            EnvError: If there seems to be no task of the split.
        """
        source = random.Random(seed)
        for _ in range(_DRAWS):
            task = self.task(source)
            if (zlib.crc32(task.id.encode()) % _TEST_SHARE == 0) == (self.split == "test"):
                return Transcript(task)
        raise EnvError(f"{_DRAWS} draws gave no task of the {self.split} split; take other data")

    def reply(self, transcript: Transcript, message: Message) -> Transcript:
        """Returns the conversation after a message; slow tools are waited for."""
        right = self.judge(transcript, message)
        if right is not None:
            turn = Turn(message, reward=float(right), over=True)
        else:
            results = self._results(transcript, message)
            turn = Turn(message, results, _told(message, results))
        return replace(transcript, turns=(*transcript.turns, turn))

    def play(self, transcript: Transcript, script: Script) -> Transcript:
        """Returns the conversation after a script spoke until the task or its turns ended."""
        while not transcript.over and len(transcript.turns) < self.budget.turns:
            transcript = self.reply(transcript, parse(script(transcript)))
        return transcript

    def is_slow(self, message: Message) -> bool:
        """Whether the message calls a tool that waits for something."""
        return any(call.name in self.tools and self.tools[call.name].slow for call in message.calls)

    def give_up(self, transcript: Transcript, message: Message) -> Transcript:
        """Returns the conversation after tools that took too long."""
        text = f"Error: no result within {self.budget.timeout_s:g} s."
        results = tuple(ToolResult(call, text, ok=False) for call in message.calls)
        turn = Turn(message, results, _told(message, results))
        return replace(transcript, turns=(*transcript.turns, turn))

    def _results(self, transcript: Transcript, message: Message) -> tuple[ToolResult, ...]:
        if not message.calls:
            return ()
        used, spent = len(transcript.results), transcript.cost
        results: list[ToolResult] = []
        for call in message.calls:
            result = self._result(transcript, call, used, spent)
            used, spent = used + 1, spent + result.cost
            results.append(result)
        return tuple(results)

    def _result(
        self, transcript: Transcript, call: ToolCall, used: int, spent: float
    ) -> ToolResult:
        if call.name not in self.tools:
            return unknown_tool(call, self.tools)
        tool, budget = self.tools[call.name], self.budget
        if used >= budget.calls:
            return ToolResult(call, f"Error: all {budget.calls} calls are used up.", ok=False)
        if spent + tool.price > budget.cost:
            return ToolResult(call, f"Error: the budget of {budget.cost:g} is spent.", ok=False)
        return tool.call(transcript, call)


def _told(message: Message, results: Sequence[ToolResult]) -> str:
    lines = [result.text for result in results]
    lines += [f"Error: {error}" for error in message.errors]
    return "\n".join(lines) or _NO_BLOCK
