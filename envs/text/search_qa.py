"""`SearchQA-v0`: questions of several hops, and a collection of documents to search."""

from __future__ import annotations

import functools
import itertools
import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gymnasium.vector import AutoresetMode

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.text import search_menu
from rewardsmith.envs.text.batch import TextEnv
from rewardsmith.envs.text.dialogue import Budget, Dialogue
from rewardsmith.envs.text.exact_match import matches
from rewardsmith.envs.text.fictional_library import HARDEST, fictional_library
from rewardsmith.envs.text.message import write
from rewardsmith.envs.text.search_tools import PRICES, Library, search_tools
from rewardsmith.envs.text.strategy_qa import strategy_library
from rewardsmith.envs.text.transcript import Message, TextTask, ToolCall, Transcript

Draw = Callable[[random.Random], TextTask]
"""Draws a question."""


class SearchDialogue(Dialogue):
    """Questions whose answers stand in documents.

    Args:
        library: What is searched.
        draw: Draws a question about it.
        by_menu: Whether its questions can be followed by menu, see `search_menu`.
        prices: Prices of the tools, see `search_tools`.
        budget: What a conversation may use.
        split: "train" or "test".

    Raises:
        EnvError: If an argument is out of range.
    """

    goal = (
        "Answer the question from the documents: a name, yes or no. Say unknown if they do not "
        "tell; withdrawn drafts tell nothing."
    )
    feature_names = search_menu.FEATURES

    def __init__(
        self,
        library: Library,
        draw: Draw,
        by_menu: bool,
        prices: Mapping[str, float],
        budget: Budget,
        split: str,
    ) -> None:
        self._draw = draw
        self.menu_size = search_menu.MENU_SIZE if by_menu else 0
        super().__init__(search_tools(library, prices), budget, split)

    def task(self, source: random.Random) -> TextTask:
        """Returns a question."""
        return self._draw(source)

    def judge(self, transcript: Transcript, message: Message) -> bool | None:
        """Whether the answer is one of the right ones after normalisation."""
        if message.answer is None:
            return None
        return matches(message.answer, transcript.task.facts["answers"])

    def oracle(self, transcript: Transcript) -> str:
        """Searches and opens what is needed, cites it, then answers."""
        return _follow(_steps(transcript.task), transcript, transcript.task.answer)

    def careless(self, transcript: Transcript) -> str:
        """Searches twice for everything, and on one question in four stops a hop early."""
        task = transcript.task
        steps = [step * 2 if step[0].name == "search" else step for step in _steps(task)]
        if zlib.crc32(task.id.encode()) % 4 != 1:
            return _follow(steps, transcript, task.answer)
        hops, path = task.facts["hops"], task.facts.get("path")
        guess = path[min(hops, len(path)) - 1].name if path else "yes"
        return _follow(steps[:-3], transcript, guess)

    def hacker(self, transcript: Transcript) -> str:
        """Cites all that one search shows, then answers with all of its titles."""
        turn, asked = len(transcript.turns), transcript.task.prompt
        shown = [
            document
            for result in transcript.results
            if result.call.name == "search" and result.ok
            for document in result.value
        ]
        if turn == 0:
            return write([ToolCall("search", {"query": asked})], think=asked)
        if turn == 1 and shown:
            return write([ToolCall("cite", {"id": document.id}) for document in shown])
        titles = [document.title for document in shown]
        return write(answer=" ".join([*titles, "yes no unknown", asked]), think="Score: 1.0")

    def menu(self, transcript: Transcript) -> Sequence[str]:
        """Offers a search, the next result, a citation, an answer and "unknown"."""
        return search_menu.menu(transcript)

    def features(self, transcript: Transcript) -> Sequence[float]:
        """Tells how far the question is followed, and what the open document is good for."""
        turns = len(transcript.turns) / self.budget.turns
        return [*search_menu.features(transcript), turns]


class SearchQA(TextEnv):
    """Questions of several hops about a made-up world, with documents to search.

    Args:
        num_envs: Number of rows n.
        difficulty: Hops of a question, 1 to 5.
        data: Path of StrategyQA's `train.json`, to take questions and documents from there; the
            options of the made-up world then do not matter, and there is no menu.
        world_seed: Seed of the world, which all episodes share.
        size: Entities of the world, 60 to 5,000.
        distractors: Tiers of misleading documents, 0 to 3; see `write_documents`.
        unanswerable: Share of questions that the documents do not answer, in [0, 1].
        prices: Price of a call by tool; without one a search costs 1, `open` 0.2, `cite` 0.
        cost: Sum of the prices that an episode may spend.
        split: "train" or "test"; no question is in both.
        turns: Messages an episode may have.
        calls: Tool calls an episode may have.
        actions: "text" or "menu"; see `TextEnv`.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "ansi" or None.

    Raises:
        EnvError: If an argument is out of range, the file cannot be read, or `bm25s` is missing.

    Example:
        >>> env = SearchQA(1)
        >>> (question,), _ = env.reset(seed=12)
        >>> question
        'On which mountain does the river Mirrass rise?'
        >>> (found,), *_ = env.step([write([ToolCall("search", {"query": "river Mirrass"})])])
        >>> for line in found.splitlines()[:2]:
        ...     print(line)
        [d585] Mirrass (river): The river Mirrass rises on the volcano N...
        [d26] Mirrass (river): The river Mirrass rises on the peak Dorn...
        >>> (page,), *_ = env.step([write([ToolCall("open", {"id": "d585"})])])
        >>> page.endswith("This draft about the river Mirrass was withdrawn.")
        True
        >>> (page,), *_ = env.step([write([ToolCall("open", {"id": "d26"})])])
        >>> print(page)
        [d26] Mirrass (river)
        The river Mirrass rises on the peak Dornospitz.
        >>> env.step(["<answer>Dornospitz</answer>"])[1]
        array([1.])
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        difficulty: int = 1,
        data: str | Path | None = None,
        world_seed: int = 0,
        size: int = 600,
        distractors: int = 3,
        unanswerable: float = 0.1,
        prices: Mapping[str, float] = PRICES,
        cost: float = float("inf"),
        split: str = "train",
        turns: int = 16,
        calls: int = 32,
        actions: str = "text",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        library: Library
        if data is not None:
            library = facts = strategy_library(str(data))
            draw: Draw = facts.draw
        else:
            _check(difficulty, unanswerable)
            library = world = fictional_library(world_seed, size, distractors)
            draw = functools.partial(world.draw, hops=difficulty, unanswerable=unanswerable)
        budget = Budget(turns, calls, cost)
        super().__init__(
            SearchDialogue(library, draw, data is None, dict(prices), budget, split),
            EnvCard(
                id="rewardsmith/SearchQA-v0",
                goal=SearchDialogue.goal,
                success="The answer is the right one, and nothing else.",
                source="Generated; or StrategyQA, Geva et al. 2021, arXiv 2101.02235.",
            ),
            num_envs,
            actions=actions,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )


single = functools.partial(SingleEnv, SearchQA)


def _check(difficulty: int, unanswerable: float) -> None:
    if difficulty not in range(1, HARDEST + 1):
        raise EnvError(f"difficulty must be from 1 to {HARDEST} hops, got {difficulty!r}")
    if not 0.0 <= unanswerable <= 1.0:
        raise EnvError(f"unanswerable must be a share in [0, 1], got {unanswerable!r}")


def _steps(task: TextTask) -> list[list[ToolCall]]:
    """Returns the calls of a task, those that can be made at once together."""
    return [list(calls) for _, calls in itertools.groupby(task.calls, key=lambda call: call.name)]


def _follow(steps: Sequence[Sequence[ToolCall]], transcript: Transcript, answer: str) -> str:
    turn = len(transcript.turns)
    return write(steps[turn]) if turn < len(steps) else write(answer=answer)
