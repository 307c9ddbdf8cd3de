"""Arithmetic word problems: generated, or read from GSM8K."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.text.arithmetic import read_number
from rewardsmith.envs.text.transcript import TextTask, ToolCall

HARDEST = 5
OPERATORS = "+-*/"

_NAMES = {"Ann": "She", "Ben": "He", "Eva": "She", "Tom": "He", "Ida": "She", "Max": "He"}
_THINGS = ("apples", "pens", "books", "coins", "eggs", "cards")
_SENTENCES = {
    "+": ("{she} gets {n} more.", "{she} finds {n} more.", "{she} buys {n} more."),
    "-": ("{she} gives away {n}.", "{she} loses {n}.", "{she} sells {n}."),
    "*": ("Then {she} has {n} times as many.",),
    "/": ("{she} shares them among {n} people, {she} among them.",),
}
_STRANGER = "{other} has {n} {things}."
_MARK = re.compile(r"<<([^=>]+)=([^>]*)>>")


def generate(source: random.Random, difficulty: int) -> TextTask:
    """Returns a problem of `difficulty` operations on whole numbers.

    From difficulty 3 on it speaks of a stranger's number too, which does not matter. The facts
    are `start`, and `steps`, pairs of an operator and a number.
    """
    name = source.choice(list(_NAMES))
    she, things = _NAMES[name], source.choice(_THINGS)
    start = value = source.randint(2, 99)
    steps: list[tuple[str, int]] = []
    for _ in range(difficulty):
        operator, number = _step(source, value)
        value = _apply(value, operator, number)
        steps.append((operator, number))
    sentences = [f"{name} has {start} {things}."]
    for operator, number in steps:
        sentence = source.choice(_SENTENCES[operator]).format(she=she.lower(), n=number)
        sentences.append(sentence[0].upper() + sentence[1:])
    if difficulty >= 3:
        other = source.choice([n for n in _NAMES if n != name])
        stray = _STRANGER.format(other=other, n=source.randint(2, 99), things=things)
        sentences.insert(source.randint(1, difficulty), stray)
    prompt = " ".join([*sentences, f"How many {things} has {name} now?"])
    call = ToolCall("calculator", {"expression": expression(start, steps)})
    return TextTask(prompt, prompt, str(value), (call,), {"start": start, "steps": tuple(steps)})


def expression(start: int, steps: Sequence[tuple[str, int]]) -> str:
    """Writes a chain of operations as one expression.

    Example:
        >>> expression(3, [("+", 4), ("*", 2), ("-", 5)])
        '(3+4)*2-5'
    """
    text, loose = str(start), False
    for operator, number in steps:
        if loose and operator in "*/":
            text = f"({text})"
        text, loose = f"{text}{operator}{number}", operator in "+-"
    return text


def load_gsm8k(path: str | Path) -> list[TextTask]:
    """Reads the problems of a GSM8K file, one JSON object per line.

    The calls are the calculator marks of the solution, `<<48/2=24>>`.

    Raises:
        EnvError: If the file is not there or not of this form.
    """
    tasks = []
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        for row in map(json.loads, lines):
            solution, _, answer = row["answer"].partition("####")
            calls = [
                ToolCall("calculator", {"expression": mark.strip()})
                for mark, _ in _MARK.findall(solution)
            ]
            tasks.append(TextTask(row["question"], row["question"], answer.strip(), tuple(calls)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EnvError(
            f"data must be the path of a GSM8K file, lines with 'question' and 'answer'; got "
            f"{str(path)!r}: {error}"
        ) from None
    if not tasks:
        raise EnvError(f"data holds no problem: {str(path)!r}")
    return tasks


def right(task: TextTask, answer: str) -> bool:
    """Whether an answer is one number, and equal to the task's to a millionth."""
    said, gold = read_number(answer), read_number(task.answer)
    return said is not None and gold is not None and abs(said - gold) <= Fraction(1, 10**6)


def chain(facts: Mapping[str, Any]) -> tuple[int, tuple[tuple[str, int], ...]] | None:
    """Returns the start and the steps of a generated problem; None for one from a file."""
    return (facts["start"], facts["steps"]) if "steps" in facts else None


def _step(source: random.Random, value: int) -> tuple[str, int]:
    while True:
        operator = source.choice(OPERATORS)
        if operator == "+":
            return operator, source.randint(2, 99)
        if operator == "-" and value > 2:
            return operator, source.randint(1, value - 1)
        if operator == "*" and value < 200:
            return operator, source.randint(2, 9)
        divisors = [d for d in range(2, 10) if value % d == 0 and value > d]
        if operator == "/" and divisors:
            return operator, source.choice(divisors)


def _apply(value: int, operator: str, number: int) -> int:
    return {
        "+": value + number,
        "-": value - number,
        "*": value * number,
        "/": value // number,
    }[operator]
