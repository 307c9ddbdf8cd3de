"""A made-up world's documents behind an index, and questions of several hops about it."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any

from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.text.fictional_documents import TIERS, write_documents
from rewardsmith.envs.text.fictional_relations import Entity, Relation, relations_of
from rewardsmith.envs.text.fictional_world import build_world, entities_of
from rewardsmith.envs.text.search_index import SearchIndex
from rewardsmith.envs.text.search_tools import calls_to
from rewardsmith.envs.text.transcript import TextTask

HARDEST = 5
UNKNOWN = ("unknown", "I don't know")
"""Right answers to a question that the documents do not answer."""


class FictionalLibrary:
    """A world, the documents about it and their index; a pickle holds the arguments only.

    Args:
        seed: Of the world.
        size: Entities of it.
        tiers: Tiers of misleading documents, 0 to 3.

    Raises:
        EnvError: If an argument is out of range, or `bm25s` is not installed.
    """

    def __init__(self, seed: int, size: int, tiers: int) -> None:
        if tiers not in range(TIERS + 1):
            raise EnvError(f"distractors must be from 0 to {TIERS} tiers, got {tiers!r}")
        self._arguments = (seed, size, tiers)
        self.world = build_world(seed, size)
        self.index = SearchIndex(write_documents(self.world, seed, tiers))
        self._entities = entities_of(self.world)
        articles = zip(self._entities, self.index.documents, strict=False)
        self._ids = {entity: article.id for entity, article in articles}

    def __reduce__(self) -> tuple[Callable[..., FictionalLibrary], tuple[Any, ...]]:
        return fictional_library, self._arguments

    def draw(self, source: random.Random, hops: int, unanswerable: float) -> TextTask:
        """Returns a question whose answer is `hops` relations away from what it names.

        With probability `unanswerable` one of the relations is told in no true document. The
        facts are `answers` (all accepted), `supports` (ids of the documents needed, in order),
        `hops`, `answerable`, `relations` and `path`, the entities as far as they are known.
        """
        answerable = source.random() >= unanswerable
        while True:
            path, relations = self._walk(source, hops)
            whole = len(path) == hops + 1
            if whole == answerable and len(set(path)) == len(path):
                return self._task(path, relations, path[-1] if whole else None)

    def _walk(
        self, source: random.Random, hops: int
    ) -> tuple[tuple[Entity, ...], tuple[Relation, ...]]:
        path, relations = [source.choice(self._entities)], list[Relation]()
        type = path[0].type
        for hop in range(hops):
            relation = source.choice(relations_of(type))
            known = self.world.facts.get((relation, path[-1])) if len(path) > hop else None
            if known is not None:
                path.append(known)
            relations.append(relation)
            type = relation.object
        return tuple(path), tuple(relations)

    def _task(
        self, path: tuple[Entity, ...], relations: tuple[Relation, ...], answer: Entity | None
    ) -> TextTask:
        asked = str(path[0])
        for relation in relations[:-1]:
            asked = relation.phrase.format(x=asked)
        prompt = relations[-1].question.format(x=asked)
        needed = path[: len(relations)]
        supports = tuple(self._ids[entity] for entity in needed)
        answers = (answer.name, str(answer)) if answer else UNKNOWN
        facts = {
            "answers": answers,
            "supports": supports,
            "hops": len(relations),
            "answerable": answer is not None,
            "relations": relations,
            "path": path,
        }
        calls = calls_to([entity.title for entity in needed], supports)
        return TextTask(prompt, prompt, answers[0], calls, facts)


@functools.lru_cache(maxsize=8)
def fictional_library(seed: int, size: int, tiers: int) -> FictionalLibrary:
    """Returns the library of these arguments, built once in a process."""
    return FictionalLibrary(seed, size, tiers)
