"""`FunctionCalling-v0`: requests that the right calls of functions answer."""

from __future__ import annotations

import functools
import random
import zlib
from collections.abc import Sequence
from pathlib import Path

from gymnasium.vector import AutoresetMode

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.text.batch import TextEnv
from rewardsmith.envs.text.dialogue import Budget, Dialogue
from rewardsmith.envs.text.function_matching import accepts
from rewardsmith.envs.text.function_requests import HARDEST, generate, load_bfcl
from rewardsmith.envs.text.message import write
from rewardsmith.envs.text.transcript import Message, TextTask, ToolCall, Transcript

CANDIDATES = 4
_ABOUT = ("as_many", "said", "named")


class FunctionCallingDialogue(Dialogue):
    """Requests whose answer is the calls of a message.

    The first message with a call, or with an answer in place of one, ends the task.

    Args:
        difficulty: Calls that a generated request needs, 1 to 5.
        data: Folder of BFCL's files to take the requests from instead.
        budget: What a conversation may use.
        split: "train" or "test".

    Raises:
        EnvError: If an argument is out of range, or the files cannot be read.
    """

    goal = "Call the functions that do what is asked, all in one message."
    menu_size = CANDIDATES
    feature_names = (
        *(f"{about}_{i}" for i in range(CANDIDATES) for about in _ABOUT),
        "turns",
    )

    def __init__(
        self, difficulty: int, data: str | Path | None, budget: Budget, split: str
    ) -> None:
        if difficulty not in range(1, HARDEST + 1):
            raise EnvError(f"difficulty must be from 1 to {HARDEST} calls, got {difficulty!r}")
        self.difficulty = difficulty
        self._requests = None if data is None else load_bfcl(data)
        if self._requests is not None:
            self.menu_size = 0
        super().__init__([], budget, split)
        example = [ToolCall("name", {"argument": "value"}), ToolCall("other", {})]
        self.instructions = (
            f"{self.goal} The functions are listed after the request. Think inside "
            f"<think></think> if it helps. Calls look like this, one per line:\n{write(example)}"
        )

    def task(self, source: random.Random) -> TextTask:
        """Returns a request."""
        if self._requests is not None:
            return source.choice(self._requests)
        return generate(source, self.difficulty)

    def judge(self, transcript: Transcript, message: Message) -> bool | None:
        """Whether the calls are the accepted ones and everything could be read."""
        if not message.calls:
            return None if message.answer is None else False
        facts = transcript.task.facts
        right = accepts(message.calls, facts["accepted"], facts["functions"])
        return right and not message.errors

    def oracle(self, transcript: Transcript) -> str:
        """Makes the right calls."""
        return write(transcript.task.calls)

    def careless(self, transcript: Transcript) -> str:
        """Wastes a turn, and on one request in four forgets an argument."""
        task = transcript.task
        if not transcript.turns:
            return write(think="What am I to do?")
        calls = list(task.calls)
        if zlib.crc32(task.id.encode()) % 4 == 1:
            calls[-1] = ToolCall(calls[-1].name, dict(list(calls[-1].arguments.items())[:-1]))
        return write(calls)

    def hacker(self, transcript: Transcript) -> str:
        """Calls everything, with the request for an argument and a score of its own."""
        text = transcript.task.prompt
        return write(
            [
                ToolCall(function["name"], _filled(function, text) | {"score": 1.0})
                for function in transcript.task.facts["functions"]
            ],
            answer="The calls are correct.",
        )

    def menu(self, transcript: Transcript) -> Sequence[str]:
        """Offers the right calls and three wrong ones, in an order that differs by task."""
        return [write(calls) for calls in _candidates(transcript.task)]

    def features(self, transcript: Transcript) -> Sequence[float]:
        """Tells of each choice whether its calls are as many as asked, said, and well named."""
        task = transcript.task
        about = [value for calls in _candidates(task) for value in _about(task, calls)]
        return [*about, len(transcript.turns) / self.budget.turns]


class FunctionCalling(TextEnv):
    """Requests to be answered by function calls; the functions differ by request.

    Args:
        num_envs: Number of rows n.
        difficulty: Calls that a generated request needs, 1 to 5.
        data: Folder of BFCL's files, to take the requests from there.
        split: "train" or "test"; no request is in both.
        turns: Messages an episode may have.
        actions: "text" or "menu"; see `TextEnv`.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "ansi" or None.

    Raises:
        EnvError: If an argument is out of range, or the files cannot be read.

    Example:
        >>> env = FunctionCalling(1)
        >>> (request,), _ = env.reset(seed=0)
        >>> env.step([write(env.transcripts[0].task.calls)])[1]
        array([1.])
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        difficulty: int = 1,
        data: str | Path | None = None,
        split: str = "train",
        turns: int = 3,
        actions: str = "text",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(
            FunctionCallingDialogue(difficulty, data, Budget(turns), split),
            EnvCard(
                id="rewardsmith/FunctionCalling-v0",
                goal=FunctionCallingDialogue.goal,
                success="The calls are the accepted ones, no more and no fewer.",
                source="Generated; or Berkeley's function calling leaderboard, Patil et al. 2025.",
            ),
            num_envs,
            actions=actions,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )


single = functools.partial(SingleEnv, FunctionCalling)


def _filled(function: dict[str, object], text: str) -> dict[str, object]:
    return dict.fromkeys(function["parameters"].get("properties", {}), text)  # type: ignore[attr-defined]


def _candidates(task: TextTask) -> list[tuple[ToolCall, ...]]:
    """Returns the right calls, one too few, one with a wrong value, one of a wrong function."""
    *rest, last = task.calls
    first = next(iter(last.arguments))
    other = next(f["name"] for f in task.facts["functions"] if f["name"] != last.name)
    wrong = ToolCall(last.name, {**last.arguments, first: "none of these"})
    choices = [
        task.calls,
        tuple(rest),
        (*rest, wrong),
        (*rest, ToolCall(other, last.arguments)),
    ]
    random.Random(task.id).shuffle(choices)
    return choices


def _about(task: TextTask, calls: Sequence[ToolCall]) -> tuple[float, float, float]:
    """Tells whether calls are as many as asked, the request has their values, they the names."""
    request = task.prompt.partition("\n\nFunctions:")[0]
    known = {f["name"]: f["parameters"]["properties"] for f in task.facts["functions"]}
    arguments = [(call.name, *item) for call in calls for item in call.arguments.items()]
    return (
        float(len(calls) == len(task.calls)),
        float(all(isinstance(value, bool) or str(value) in request for *_, value in arguments)),
        float(all(name in known[function] for function, name, _ in arguments)),
    )
