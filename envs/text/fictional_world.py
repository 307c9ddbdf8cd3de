"""A made-up world: names that mean nothing, and who is related to whom.

No model can have read of it, so what an agent knows of it, it has found.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.text.fictional_relations import KINDS, RELATIONS, Entity, Relation

SMALLEST, LARGEST = 60, 5_000
"""Entities of a world."""

_SHARES = {"person": 6, "town": 4, "company": 3, "work": 3, "river": 2, "mountain": 2}
_ONE_IN_UNKNOWN = 10


def _joined(starts: Sequence[str], ends: Sequence[str], by: str = "") -> tuple[str, ...]:
    return tuple(f"{start}{by}{end}" for start in starts for end in ends)


_FIRST = (
    *("Bel", "Dor", "Fen", "Gar", "Hal", "Kor", "Lum", "Mir", "Nor"),
    *("Osk", "Pel", "Quar", "Ras", "Sel", "Tor", "Ul", "Vex", "Yar"),
)
_SECOND = ("da", "lo", "mi", "ra", "ve", "ki", "no", "su", "pe", "ta")
_STEMS = _joined(_FIRST, _SECOND)
_GIVEN = ("Ada", "Bram", "Cleo", "Dirk", "Elin", "Faro", "Gwen", "Hugo", "Iris", "Jory")
_FAMILIES = _joined(_STEMS, ("son", "va"))

_NAMES = {
    "person": _joined(_GIVEN, _FAMILIES, by=" "),
    "town": _joined(_STEMS, ("burg", "ford", "wick", "haven", "stad", "mere")),
    "company": _joined(_STEMS, ("co", "gen", "lit", "tex", "rand")),
    "work": _joined(("Dream", "Fall", "Night", "Song", "Tale"), _STEMS, by=" of "),
    "river": _joined(_STEMS, ("n", "ss", "x")),
    "mountain": _joined(_STEMS, ("fell", "horn", "spitz")),
}


@dataclass(frozen=True)
class World:
    """Entities, and what is known of them.

    Attributes:
        entities: All entities of a type, by type.
        facts: The object of a relation and its subject; what nobody knows is not there.
    """

    entities: Mapping[str, tuple[Entity, ...]]
    facts: Mapping[tuple[Relation, Entity], Entity]


def build_world(seed: int, size: int) -> World:
    """Draws a world of about `size` entities, in which one fact in ten is not known.

    Raises:
        EnvError: If the size is out of range.
    """
    if size not in range(SMALLEST, LARGEST + 1):
        raise EnvError(f"size must be from {SMALLEST} to {LARGEST} entities, got {size!r}")
    source = random.Random(seed)
    entities = {
        type: tuple(
            Entity(name, source.choice(KINDS[type]))
            for name in source.sample(_NAMES[type], size * share // sum(_SHARES.values()))
        )
        for type, share in _SHARES.items()
    }
    facts: dict[tuple[Relation, Entity], Entity] = {}
    for relation in RELATIONS:
        subjects = entities[relation.subject]
        unknown = set(source.sample(subjects, -(-len(subjects) // _ONE_IN_UNKNOWN)))
        for subject in subjects:
            if subject not in unknown:
                facts[relation, subject] = another(source, entities[relation.object], subject)
    return World(entities, facts)


def entities_of(world: World) -> list[Entity]:
    """Returns all entities of a world, type by type."""
    return [entity for type in world.entities.values() for entity in type]


def another(source: random.Random, entities: tuple[Entity, ...], than: Entity) -> Entity:
    """Draws an entity that is not `than`."""
    drawn = than
    while drawn == than:
        drawn = source.choice(entities)
    return drawn
