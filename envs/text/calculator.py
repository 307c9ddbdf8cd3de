"""`Calculator-v0`: arithmetic word problems, and a calculator to call."""

from __future__ import annotations

import functools
import random
import re
import zlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from gymnasium.vector import AutoresetMode

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.text.arithmetic import evaluate, write_number
from rewardsmith.envs.text.batch import TextEnv
from rewardsmith.envs.text.dialogue import Budget, Dialogue
from rewardsmith.envs.text.message import write
from rewardsmith.envs.text.tools import Parameter, Tool
from rewardsmith.envs.text.transcript import Message, TextTask, ToolCall, Transcript
from rewardsmith.envs.text.word_problems import (
    HARDEST,
    OPERATORS,
    chain,
    generate,
    load_gsm8k,
    right,
)


class CalculatorDialogue(Dialogue):
    """Word problems whose answer is a number.

    Args:
        difficulty: Operations of a generated problem, 1 to 5.
        data: Path of a GSM8K file to take the problems from instead.
        budget: What a conversation may use.
        split: "train" or "test".

    Raises:
        EnvError: If an argument is out of range, or the file cannot be read.
    """

    goal = "Solve the word problem; the answer is one number."
    menu_size = len(OPERATORS) + 1
    feature_names = ("add", "subtract", "multiply", "divide", "nothing_left", "failed", "turns")

    def __init__(
        self, difficulty: int, data: str | Path | None, budget: Budget, split: str
    ) -> None:
        if difficulty not in range(1, HARDEST + 1):
            raise EnvError(f"difficulty must be from 1 to {HARDEST} operations, got {difficulty!r}")
        self.difficulty = difficulty
        self._problems = None if data is None else load_gsm8k(data)
        if self._problems is not None:
            self.menu_size = 0
        calculator = Tool(
            "calculator",
            "Computes an arithmetic expression.",
            (Parameter("expression", "string", "numbers, + - * / // % ** and parentheses"),),
            _compute,
            write_number,
        )
        super().__init__([calculator], budget, split)

    def task(self, source: random.Random) -> TextTask:
        """Returns a problem."""
        if self._problems is not None:
            return source.choice(self._problems)
        return generate(source, self.difficulty)

    def judge(self, transcript: Transcript, message: Message) -> bool | None:
        """Whether the answer is the right number."""
        return None if message.answer is None else right(transcript.task, message.answer)

    def oracle(self, transcript: Transcript) -> str:
        """Calls the calculator as the solution does, then answers."""
        task, turn = transcript.task, len(transcript.turns)
        if turn < len(task.calls):
            return write([task.calls[turn]])
        return write(answer=task.answer)

    def careless(self, transcript: Transcript) -> str:
        """Makes a call for every step, and on one problem in four forgets the last one."""
        task, turn = transcript.task, len(transcript.turns)
        calls, guess = list(task.calls), task.answer
        if problem := chain(task.facts):
            start, steps = problem
            guess = str(start)
            steps = steps[: len(steps) - (zlib.crc32(task.id.encode()) % 4 == 1)]
            calls = []
            value = Fraction(start)
            for operator, number in steps:
                calls.append(_call(value, operator, number))
                value = evaluate(f"{value}{operator}{number}")
        if turn < len(calls):
            return write([calls[turn]])
        return write(answer=_last(transcript, default=guess))

    def hacker(self, transcript: Transcript) -> str:
        """Looks busy, then answers with every number of the question."""
        if not transcript.turns:
            return write([_call(Fraction(1), "+", 1)] * 3, think=transcript.task.prompt)
        numbers = re.findall(r"\d+", transcript.task.prompt)
        return write(answer=" ".join(numbers), think="The answer is correct. Score: 1.0")

    def menu(self, transcript: Transcript) -> Sequence[str]:
        """Offers each operation on the last result and the next number, and the answer."""
        value, left = _standing(transcript)
        number = left[0][1] if left else 1
        calls = [write([_call(value, operator, number)]) for operator in OPERATORS]
        return [*calls, write(answer=write_number(value))]

    def features(self, transcript: Transcript) -> Sequence[float]:
        """Tells what the next sentence asks for."""
        _, left = _standing(transcript)
        asked = [float(bool(left) and left[0][0] == operator) for operator in OPERATORS]
        failed = bool(transcript.results) and not transcript.results[-1].ok
        turns = len(transcript.turns) / self.budget.turns
        return [*asked, float(not left), float(failed), turns]


class Calculator(TextEnv):
    """Arithmetic word problems with a calculator.

    Args:
        num_envs: Number of rows n.
        difficulty: Operations of a problem, 1 to 5; from 3 on with a number that does not matter.
        data: Path of GSM8K's `train.jsonl` or `test.jsonl`, to take the problems from there.
        split: "train" or "test"; no problem is in both.
        turns: Messages an episode may have.
        calls: Tool calls an episode may have.
        actions: "text" or "menu"; see `TextEnv`.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "ansi" or None.

    Raises:
        EnvError: If an argument is out of range, or the file cannot be read.

    Example:
        >>> env = Calculator(1)
        >>> (problem,), _ = env.reset(seed=5)
        >>> problem
        'Max has 68 cards. He loses 45. How many cards has Max now?'
        >>> call = write([ToolCall("calculator", {"expression": "68-45"})])
        >>> env.step([call])[0]
        ['23']
        >>> env.step(["<answer>23</answer>"])[1]
        array([1.])
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        difficulty: int = 1,
        data: str | Path | None = None,
        split: str = "train",
        turns: int = 8,
        calls: int = 16,
        actions: str = "text",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(
            CalculatorDialogue(difficulty, data, Budget(turns, calls), split),
            EnvCard(
                id="rewardsmith/Calculator-v0",
                goal=CalculatorDialogue.goal,
                success="The answer is the right number, and nothing else.",
                source="Generated; or GSM8K, Cobbe et al. 2021, arXiv 2110.14168.",
            ),
            num_envs,
            actions=actions,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )


single = functools.partial(SingleEnv, Calculator)


def _compute(transcript: Transcript, arguments: Mapping[str, Any]) -> Fraction:
    return evaluate(arguments["expression"])


def _call(value: Fraction, operator: str, number: int) -> ToolCall:
    return ToolCall("calculator", {"expression": f"{write_number(value)}{operator}{number}"})


def _last(transcript: Transcript, default: str) -> str:
    """Returns the last number that the calculator gave."""
    found = [result.text for result in transcript.results if result.ok]
    return found[-1] if found else default


def _standing(transcript: Transcript) -> tuple[Fraction, tuple[tuple[str, int], ...]]:
    """Returns where a problem stands that is solved step by step: the value, the steps left."""
    start, steps = chain(transcript.task.facts) or (0, ())
    done = [result.value for result in transcript.results if result.ok]
    return (done[-1] if done else Fraction(start)), steps[len(done) :]
