"""StrategyQA: yes-no questions that follow from a few facts, all facts together as the corpus."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.text.search_index import Document, SearchIndex
from rewardsmith.envs.text.search_tools import calls_to
from rewardsmith.envs.text.transcript import TextTask

_TITLE_WORDS = 5


class StrategyLibrary:
    """The facts behind an index, and the questions; a pickle holds the path only.

    Args:
        path: The file `train.json`.

    Raises:
        EnvError: If the file is not there or not of this form, or `bm25s` is not installed.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        rows = _rows(path)
        facts = list(dict.fromkeys(fact for _, _, needed in rows for fact in needed))
        ids = {fact: f"d{place}" for place, fact in enumerate(facts)}
        self.index = SearchIndex(Document(ids[fact], _title(fact), fact) for fact in facts)
        self.tasks = [_task(*row, tuple(ids[fact] for fact in row[2])) for row in rows]

    def __reduce__(self) -> tuple[Callable[..., StrategyLibrary], tuple[Any, ...]]:
        return strategy_library, (self._path,)

    def draw(self, source: random.Random) -> TextTask:
        """Returns a question; its facts are `answers`, `supports`, `hops`, `answerable`."""
        return source.choice(self.tasks)


@functools.lru_cache(maxsize=2)
def strategy_library(path: str) -> StrategyLibrary:
    """Returns the library of a file, read once in a process."""
    return StrategyLibrary(path)


_Row = tuple[str, bool, list[str]]
"""Question, answer, facts needed."""


def _rows(path: str) -> list[_Row]:
    try:
        listed = json.loads(Path(path).read_text(encoding="utf-8"))
        rows = [(row["question"], row["answer"], row["facts"]) for row in listed]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EnvError(
            "data must be the path of StrategyQA's train.json, a list of objects with 'question', "
            f"'answer' and 'facts'; got {path!r}: {error}"
        ) from None
    for question, answer, facts in rows:
        if not (isinstance(question, str) and isinstance(answer, bool) and _is_texts(facts)):
            raise EnvError(
                f"data {path!r} has a question whose answer is no boolean or whose facts are no "
                f"texts: {str(question)[:80]!r}"
            )
    if not rows:
        raise EnvError(f"data holds no question: {path!r}")
    return rows


def _is_texts(facts: Any) -> bool:
    return isinstance(facts, list) and bool(facts) and all(isinstance(f, str) for f in facts)


def _task(question: str, answer: bool, facts: list[str], supports: tuple[str, ...]) -> TextTask:
    answers = ("yes" if answer else "no",)
    told = {"answers": answers, "supports": supports, "hops": len(facts), "answerable": True}
    return TextTask(question, question, answers[0], calls_to(facts, supports), told)


def _title(fact: str) -> str:
    return " ".join(fact.split()[:_TITLE_WORDS])
