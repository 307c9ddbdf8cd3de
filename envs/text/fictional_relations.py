"""Kinds of made-up entities, and how they are related in words."""

from __future__ import annotations

import re
from dataclasses import dataclass

KINDS = {
    "person": ("chemist", "sailor", "painter", "judge", "weaver"),
    "town": ("port", "village", "spa"),
    "company": ("brewery", "shipyard", "foundry"),
    "work": ("novel", "play", "opera"),
    "river": ("river", "stream"),
    "mountain": ("peak", "volcano"),
}
"""Kinds of each type of entity. An entity's kind tells it from its namesakes."""

_TYPES = {kind: type for type, kinds in KINDS.items() for kind in kinds}


@dataclass(frozen=True, slots=True)
class Entity:
    """Something in a made-up world: its name and its kind.

    Example:
        >>> brewery = Entity("Beldaco", "brewery")
        >>> str(brewery), brewery.title, brewery.type
        ('the brewery Beldaco', 'Beldaco (brewery)', 'company')
    """

    name: str
    kind: str

    @property
    def type(self) -> str:
        """What it can be related by, a key of `KINDS`."""
        return _TYPES[self.kind]

    @property
    def title(self) -> str:
        """Title of the document about it."""
        return f"{self.name} ({self.kind})"

    def __str__(self) -> str:
        return f"the {self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Relation:
    """Gives every entity of one type at most one of another, and has words for that.

    Attributes:
        subject: Type of entity that it is asked of.
        object: Type of entity that it gives.
        phrase: Names the object by its subject {x}.
        question: Asks for the object.
        sentence: States the object {y}, which stands last.
        stray: States something else of two such entities.
    """

    subject: str
    object: str
    phrase: str
    question: str
    sentence: str
    stray: str

    def state(self, subject: Entity, object: Entity) -> str:
        """Returns the sentence that states who is related to whom."""
        return _sentence(self.sentence, subject, object)

    def mislead(self, subject: Entity, object: Entity) -> str:
        """Returns a sentence about the two that states something else."""
        return _sentence(self.stray, subject, object)

    def read(self, text: str) -> Entity | None:
        """Returns the object that a text states first; None if it states none.

        Example:
            >>> RELATIONS[0].read("The brewery Beldaco was founded by the judge Ada Torason.")
            Entity(name='Ada Torason', kind='judge')
        """
        _, _, verb = self.sentence.partition("{x}")
        found = re.search(verb.format(y=r"the (?P<kind>\w+) (?P<name>[^.]+)[.]"), text)
        return Entity(found["name"], found["kind"]) if found else None


RELATIONS = (
    Relation(
        *("company", "person", "the founder of {x}", "Who founded {x}?"),
        *("{x} was founded by {y}", "{x} was sued by {y}"),
    ),
    Relation(
        *("company", "town", "the seat of {x}", "In which place has {x} its seat?"),
        *("{x} has its seat in {y}", "{x} sells its goods in {y}"),
    ),
    Relation(
        *("work", "person", "the author of {x}", "Who wrote {x}?"),
        *("{x} was written by {y}", "{x} was praised by {y}"),
    ),
    Relation(
        *("person", "town", "the birthplace of {x}", "In which place was {x} born?"),
        *("{x} was born in {y}", "{x} spent a winter in {y}"),
    ),
    Relation(
        *("person", "person", "the teacher of {x}", "Who taught {x}?"),
        *("{x} was taught by {y}", "{x} was painted by {y}"),
    ),
    Relation(
        *("town", "river", "the river of {x}", "On which river does {x} lie?"),
        *("{x} lies on {y}", "{x} fears the floods of {y}"),
    ),
    Relation(
        *("town", "person", "the mayor of {x}", "Who governs {x}?"),
        *("{x} is governed by {y}", "{x} once sheltered {y}"),
    ),
    Relation(
        *("river", "mountain", "the source of {x}", "On which mountain does {x} rise?"),
        *("{x} rises on {y}", "{x} bends around {y}"),
    ),
    Relation(
        *("mountain", "person", "the first climber of {x}", "Who was the first to climb {x}?"),
        *("{x} was first climbed by {y}", "{x} was mapped by {y}"),
    ),
)


def relations_of(type: str) -> tuple[Relation, ...]:
    """Returns the relations that entities of a type have."""
    return _OF[type]


_OF = {type: tuple(r for r in RELATIONS if r.subject == type) for type in KINDS}


def _sentence(template: str, subject: Entity, object: Entity) -> str:
    text = template.format(x=subject, y=object)
    return f"{text[0].upper()}{text[1:]}."
