"""Requests that functions are to be called for: generated, or read from BFCL's files."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.text.function_matching import Function, gold_calls
from rewardsmith.envs.text.transcript import TextTask

HARDEST = 5
FILES = ("simple_python", "multiple", "parallel")

Values = tuple[str, ...] | tuple[int, int]
"""The texts, or the range of whole numbers, that an argument is drawn from."""


@dataclass(frozen=True, slots=True, eq=False)
class _Skill:
    """A function and a sentence that asks for it.

    Attributes:
        name: The function's name.
        description: What it does.
        sentence: How a person asks for it.
        arguments: What must be given, by name.
        extra: An argument that may be given, the words that ask for it and its value.
    """

    name: str
    description: str
    sentence: str
    arguments: Mapping[str, Values]
    extra: tuple[str, str, str | int | bool]


_PEOPLE = ("Ann", "Ben", "Cleo", "Dan", "Eva", "Finn", "Hana", "Jon")
_CITIES = ("Oslo", "Lima", "Cairo", "Kyoto", "Quito", "Turin", "Dakar", "Perth")
_SKILLS = (
    _Skill(
        "clock.set_alarm",
        "Sets an alarm.",
        "Set an alarm for {hour}:{minute}",
        {"hour": (0, 23), "minute": (10, 59)},
        ("repeat", " every day", True),
    ),
    _Skill(
        "messages.send",
        "Sends a text message to a person.",
        'Tell {to} "{text}"',
        {"to": _PEOPLE, "text": ("I am late", "see you soon", "call me", "all is well")},
        ("urgent", " and mark it as urgent", True),
    ),
    _Skill(
        "money.convert",
        "Converts an amount of money to another currency.",
        "Convert {amount} {source} to {target}",
        {"amount": (5, 900), "source": ("EUR", "USD", "JPY"), "target": ("GBP", "INR", "BRL")},
        ("decimals", " with 4 decimals", 4),
    ),
    _Skill(
        "restaurants.book",
        "Books a table at a restaurant.",
        "Book a table for {people} at {restaurant}",
        {"restaurant": ("Luna", "Saffron", "Bistro Nine", "The Anchor"), "people": (2, 12)},
        ("outdoors", " outdoors", True),
    ),
    _Skill(
        "weather.forecast",
        "Tells the weather of the coming days.",
        "Get the weather in {city} for {days} days",
        {"city": _CITIES, "days": (2, 14)},
        ("unit", " in fahrenheit", "fahrenheit"),
    ),
    _Skill(
        "lights.dim",
        "Dims the light of a room.",
        "Dim the light in the {room} to {percent} percent",
        {"room": ("kitchen", "hall", "study", "attic"), "percent": (5, 95)},
        ("colour", " and make it red", "red"),
    ),
    _Skill(
        "trains.find",
        "Finds trains between two cities.",
        "Find a train from {origin} to {destination}",
        {"origin": _CITIES[:4], "destination": _CITIES[4:]},
        ("bicycle", " that takes a bicycle", True),
    ),
)


def generate(source: random.Random, difficulty: int) -> TextTask:
    """Returns a request for `difficulty` calls, of which some have an argument more.

    One function more is offered than is needed, two for one call.
    """
    skills = [source.choice(_SKILLS) for _ in range(difficulty)]
    needed = list(dict.fromkeys(skills))
    others = [skill for skill in _SKILLS if skill not in needed]
    offered = needed + source.sample(others, min(len(others), 1 + (difficulty == 1)))
    source.shuffle(offered)
    asked = [_request(source, skill) for skill in skills]
    text = ". ".join(sentence for sentence, _ in asked) + "."
    functions = tuple(_describe(skill) for skill in offered)
    return task_of(text, text, functions, [gold for _, gold in asked])


def load_bfcl(folder: str | Path) -> list[TextTask]:
    """Reads the requests of BFCL's files in a folder: those of `FILES` that are there.

    Each has its answers beside it, in `NAME_answers.jsonl`.

    Raises:
        EnvError: If there is none, or one is not of this form.
    """
    tasks: list[TextTask] = []
    try:
        for name in FILES:
            file = Path(folder) / f"{name}.jsonl"
            if not file.exists():
                continue
            answers = {row["id"]: row["ground_truth"] for row in _rows(folder, f"{name}_answers")}
            for row in _rows(folder, name):
                said = "\n".join(message["content"] for message in row["question"][0])
                tasks.append(task_of(row["id"], said, row["function"], answers[row["id"]]))
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise EnvError(
            f"data must be a folder with BFCL's files, NAME.jsonl and NAME_answers.jsonl; got "
            f"{str(folder)!r}: {type(error).__name__}: {error}"
        ) from None
    if not tasks:
        raise EnvError(f"data holds none of {', '.join(FILES)} (.jsonl): {str(folder)!r}")
    return tasks


def task_of(
    name: str, text: str, functions: Sequence[Function], accepted: Sequence[Any]
) -> TextTask:
    """Returns a request; the facts are `accepted`, see BFCL, and the `functions` on offer."""
    calls = gold_calls(accepted, functions)
    listed = "\n".join(json.dumps(function, ensure_ascii=False) for function in functions)
    answer = "\n".join(f"{call.name}({_arguments(call.arguments)})" for call in calls)
    facts = {"accepted": tuple(accepted), "functions": tuple(functions), "ordered": False}
    return TextTask(name, f"{text}\n\nFunctions:\n{listed}", answer, tuple(calls), facts)


def _request(source: random.Random, skill: _Skill) -> tuple[str, dict[str, Any]]:
    """Draws a sentence and the call that it asks for."""
    values: dict[str, Any] = {
        name: source.randint(*drawn) if _is_range(drawn) else source.choice(drawn)
        for name, drawn in skill.arguments.items()
    }
    sentence = skill.sentence.format(**values)
    gold: dict[str, list[Any]] = {name: [value] for name, value in values.items()}
    extra, words, value = skill.extra
    if source.random() < 0.5:
        sentence += words
        gold[extra] = [value]
    elif isinstance(value, bool):
        gold[extra] = ["", not value]
    return sentence, {skill.name: gold}


@functools.cache
def _describe(skill: _Skill) -> dict[str, Any]:
    properties: dict[str, dict[str, str]] = {
        name: {"type": "integer" if _is_range(values) else "string"}
        for name, values in skill.arguments.items()
    }
    extra, _, value = skill.extra
    properties[extra] = {"type": {bool: "boolean", int: "integer", str: "string"}[type(value)]}
    return {
        "name": skill.name,
        "description": skill.description,
        "parameters": {
            "type": "dict",
            "properties": properties,
            "required": list(skill.arguments),
        },
    }


def _is_range(values: Values) -> bool:
    return isinstance(values[0], int)


def _arguments(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())


def _rows(folder: str | Path, name: str) -> list[dict[str, Any]]:
    lines = (Path(folder) / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]
