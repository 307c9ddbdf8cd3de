"""What a reward can be made of on a task: distances, flags, numbers and actions of its card."""

from __future__ import annotations

import builtins
import itertools
import keyword
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.grammar import words
from rewardsmith.llm_reward_design.grammar.fields import (
    band,
    comparable,
    is_code,
    is_flag,
    is_place,
    is_separation,
    moves,
    reach,
    rounded,
    subject,
    width,
)
from rewardsmith.llm_reward_design.program import PREVIOUS, Input, inputs

MeasureKind = Literal["distance", "flag", "number"]
SUCCESS = "success"

_NAME = re.compile(r"[A-Za-z]\w{0,47}", re.ASCII)
_TAKEN = frozenset({"np", "math", "total", "parts", *keyword.kwlist, *dir(builtins)})


@dataclass(frozen=True, slots=True)
class Measure:
    """One number per row that parts are made of, read off one field or two.

    Attributes:
        kind: "distance" (at least 0, less is nearer), "flag" (0 or 1) or "number".
        fields: The field, or the two whose distance it is.
        weight: How likely it matters, relative to others of its kind.
        sign: 1 if more is better, -1 if less is, 0 if the card does not tell.
        scale: Its typical size.
        bound: The value at which the task counts as solved, if the card tells.
        band: Range outside which the card warns of harm, if it does.
    """

    kind: MeasureKind
    fields: tuple[str, ...]
    weight: float = 1.0
    sign: int = 0
    scale: float = 1.0
    bound: float | None = None
    band: tuple[float, float] | None = None


@dataclass(frozen=True)
class Reading:
    """A card, read for what rewards can be made of.

    Args:
        card: The task.
        told: What else was said of the task: the user's words, a person's advice.
        favoured: Fields to prefer, as those that a program shown before uses.
        banned: Fields to leave alone, as those that made a program fail.

    Raises:
        ConfigError: If the card has no numeric field that a program can name.
    """

    card: EnvCard
    told: str = ""
    favoured: frozenset[str] = frozenset()
    banned: frozenset[str] = frozenset()
    inputs: Mapping[str, Input] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", inputs(self.card))
        if not self.states and not self.forces and not self.has_success:
            raise ConfigError(
                f"{self.card.id} has no numeric field that a reward program can read; give its "
                "card fields with columns or a range, or facts"
            )

    # ---- What the card says of the task as a whole --------------------------------------

    @cached_property
    def has_success(self) -> bool:
        """Whether the task tells success."""
        return SUCCESS in self.inputs and SUCCESS not in self.banned

    @cached_property
    def ends(self) -> bool:
        """Whether the first success ends the episode, as far as the card tells."""
        said = f"{self.card.success} {self.card.goal} {self.told}".lower()
        if self.card.score == "return" or "judged at the last step" in said:
            return False
        return "episode ends" in said or not words.begins(said, words.STAYING)

    @property
    def horizon(self) -> int:
        """Steps of a whole episode; 200 where the card sets no limit."""
        return self.card.time_limit or 200

    @cached_property
    def story(self) -> str:
        """The task in words, the user's first."""
        return f"{self.told} {self.card.goal}"

    # ---- Fields -----------------------------------------------------------------------------

    @cached_property
    def states(self) -> dict[str, Field]:
        """Numeric fields with a value before and after a step, by name, without success."""
        found = {}
        for name, entry in self.inputs.items():
            before = self.inputs.get(f"{PREVIOUS}{name}")
            # A task may tell the value before the step itself, in a field of that name.
            is_pair = before is not None and width(before.field) == width(entry.field)
            is_state = entry.place == "after" and not name.startswith(PREVIOUS)
            if is_state and is_pair and name != SUCCESS and self._usable(name, entry):
                found[name] = entry.field
        return found

    @cached_property
    def forces(self) -> dict[str, Field]:
        """Fields of a continuous action that may take either sign, by name."""
        return {
            name: entry.field
            for name, entry in self.inputs.items()
            if entry.place == "action"
            and -math.inf < entry.field.low < 0 < entry.field.high < math.inf
            and self._usable(name, entry)
        }

    def _usable(self, name: str, entry: Input) -> bool:
        """Tells whether a program can name the input, and whether it is surely a number."""
        if name in self.banned or name in _TAKEN or not _NAME.fullmatch(name):
            return False
        # A whole observation or action without a range may be text.
        is_whole = entry.field.columns is None and entry.field.key is None and not entry.is_fact
        is_bounded = math.isfinite(entry.field.low) and math.isfinite(entry.field.high)
        return is_bounded or not is_whole

    # ---- Measures -----------------------------------------------------------------------------

    @cached_property
    def flags(self) -> tuple[Measure, ...]:
        """Fields of 0 and 1, the likeliest first."""
        found = [
            Measure("flag", (f.name,), self._relevance(f), self._direction(f)[0] or 1)
            for f in self.states.values()
            if is_flag(f)
        ]
        return _ranked(found)

    @cached_property
    def numbers(self) -> tuple[Measure, ...]:
        """Numbers that may be better large or small, the likeliest first."""
        found = []
        for f in self.states.values():
            # The length of a vector of places or codes says nothing by itself.
            is_vague = width(f) > 1 and (is_place(f) or is_code(f))
            if is_flag(f) or self._separates(f) or is_vague:
                continue
            sign, bound = self._direction(f)
            weight = self._relevance(f) * (1.0 if sign else 0.5)
            weight *= 1.5 if words.begins(f"{f.name} {f.description}", words.SPEED) else 1.0
            weight *= 0.2 if width(f) > 1 else 1.0
            weight *= 0.1 if is_code(f) else 1.0
            found.append(Measure("number", (f.name,), weight, sign, reach(f), bound, band(f)))
        return _ranked(found)

    @cached_property
    def distances(self) -> tuple[Measure, ...]:
        """Distances between two places, and fields that are one, the likeliest first."""
        found: list[Measure] = []
        covered: list[frozenset[str]] = []
        for f in self.states.values():
            if self._separates(f):
                found.append(self._given(f, covered))
                covered.append(words.content(f.name))
        places = [f for f in self.states.values() if is_place(f)]
        for a, b in itertools.combinations(places, 2):
            if comparable(a, b):
                found.append(self._pair(a, b, covered))
        return _ranked(found)

    def _given(self, f: Field, covered: Iterable[frozenset[str]]) -> Measure:
        """Returns the measure of a field that is a distance already; of twins the second is rare.

        Its scale lies half-way, by factors, between what the range allows and what counts as
        arrived, so that it tells both the far from the near and the near from the arrived.
        """
        bound, scale = self._direction(f)[1], reach(f)
        scale = rounded(math.sqrt(bound * scale)) if bound else scale
        weight = self._relevance(f) * (0.1 if words.content(f.name) in covered else 3.0)
        return Measure("distance", (f.name,), weight, -1, scale, bound)

    def _pair(self, a: Field, b: Field, covered: Iterable[frozenset[str]]) -> Measure:
        """Returns the distance of two places, the one that the agent moves first."""
        first, second = (a, b) if moves(a) >= moves(b) else (b, a)
        weight = math.sqrt(self._relevance(first) * self._relevance(second))
        if moves(first) <= 0:
            weight *= 0.5 if words.begins(self.story, words.MANIPULATION) else 0.1
        names = words.content(first.name) | words.content(second.name)
        weight *= 0.3 if any(names and names <= known for known in covered) else 1.0
        return Measure("distance", (first.name, second.name), weight, -1, reach(first))

    def _separates(self, f: Field) -> bool:
        """Tells whether a field is a distance to be closed, rather than one to be covered."""
        return is_separation(f) and self._direction(f)[0] <= 0

    def _relevance(self, f: Field) -> float:
        """Returns how likely a field matters, by what is said of the task."""
        weight = 4.0 if self._bound_text(f) else 1.0
        weight *= 2.0 if math.isfinite(words.place_in(self.story, f.name)) else 1.0
        weight *= 1.0 + 0.25 * len(words.content(f.description) & words.content(self.story))
        return weight * (3.0 if f.name in self.favoured else 1.0)

    def _is_harm(self, f: Field) -> bool:
        said = f"{f.name} {f.description}"
        feared = words.warned(self.story) & words.content(f.name)
        named = words.begins(f.name, words.HARM)
        told = words.begins(said, words.HARM) and not words.begins(f.name, words.GOOD)
        return bool(feared) or named or told

    def _direction(self, f: Field) -> tuple[int, float | None]:
        """Returns whether more (1) or less (-1) of a number is better, and its bound."""
        bound = self._bound_text(f)
        if bound is not None:
            return (1 if bound[0] == ">=" else -1), float(bound[1])
        if self._is_harm(f) and band(f) is None:
            return -1, None
        for g in self.states.values() if words.begins(f.name, words.SPEED) else ():
            if self._bound_text(g) and subject(f) == subject(g):
                return self._direction(g)[0], None  # the rate of what success asks for
        said = words.begins(f"{f.name} {f.description}", words.GOOD)
        return (1 if said else 0), None

    def _bound_text(self, f: Field) -> tuple[str, str] | None:
        """Returns the relation and the number that `success` gives for a field, if it does."""
        number = r"(-?\d+(?:\.\d+)?(?:e-?\d+)?)"
        found = re.search(rf"\b{re.escape(f.name)}\s*(>=|<=)\s*{number}", self.card.success)
        return None if found is None else (found[1], found[2])


def _ranked(found: Iterable[Measure]) -> tuple[Measure, ...]:
    return tuple(sorted(found, key=lambda measure: -measure.weight))
