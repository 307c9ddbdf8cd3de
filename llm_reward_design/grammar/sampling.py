"""New designs: the most expected one for a task, and others drawn around it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from rewardsmith.llm_reward_design.grammar import words
from rewardsmith.llm_reward_design.grammar.balance import balanced
from rewardsmith.llm_reward_design.grammar.fields import rounded
from rewardsmith.llm_reward_design.grammar.parts import KINDS, Design, Part
from rewardsmith.llm_reward_design.grammar.reading import SUCCESS, Measure, Reading
from rewardsmith.llm_reward_design.grammar.stages import Stage, stages

BONUS = 2.0
"""Pay for a success that ends the episode; one that is kept is paid half of it per step."""

MOST_PARTS = 12

_GUIDES_TO_END = ("progress", "potential", "closeness", "progress", "farness")
_GUIDES_TO_STAY = ("progress", "closeness", "farness", "potential")
_LEANINGS_TO_END = ("change", "size", "level", "growth")
_LEANINGS_TO_STAY = ("level", "change", "size", "band")
_TURNS = 20  # as many as make every way equally likely
_TEMPERATURE = 0.4
"""Temperature of an exponential, as a share of how large the distance can be."""


def expected(reading: Reading) -> Design:
    """Returns the design most people would write first.

    Pay for success, for progress on every leg of the way and once at its end, or where there
    is no way to measure, for more of what the task asks for; a charge for what it warns of.
    """
    return compose(reading, 0, np.random.default_rng(0), spread=0.0)


def fresh(reading: Reading, sample: int, rng: np.random.Generator) -> Design:
    """Returns a new design; samples of one round differ in how they guide."""
    return compose(reading, sample, rng, spread=0.7) if sample else expected(reading)


def unlike(designs: Sequence[Design], reading: Reading, rng: np.random.Generator) -> Design:
    """Returns a new design that guides in a way that none of the designs given does, if any."""
    ways, tried = _ways(reading), {part.kind for design in designs for part in design}
    turns = [turn for turn in range(_TURNS) if ways[turn % len(ways)] not in tried]
    return compose(reading, int(rng.choice(turns or _TURNS)), rng, spread=0.7)


def compose(reading: Reading, turn: int, rng: np.random.Generator, spread: float) -> Design:
    """Returns a design that guides in the way whose turn it is.

    Args:
        reading: The task.
        turn: Which way of guiding, counted round and round.
        rng: Draws what is left open.
        spread: Standard deviation of the logarithm of weights and temperatures; with 0
            nothing is left open.
    """
    drawn = spread > 0
    parts = [] if not reading.has_success else [success_part(reading)]
    legs, guides = stages(reading), _guides(reading)
    if drawn and turn >= len(guides) and reading.distances and rng.random() < 0.2:
        legs = tuple(Stage(pick(reading.distances, rng), None, ()) for _ in range(2))
    for leg in legs:
        parts += leg_parts(leg, guides[turn % len(guides)], reading)
    if not legs or (drawn and rng.random() < 0.2):
        parts += _leaning_parts(reading, turn, rng if drawn else None)
    parts += [flag_part(flag, reading) for flag in reading.flags if flag.sign < 0]
    parts += [flag_part(f, reading) for f in _loose_flags(reading, legs)]
    parts += _upkeep(reading, rng if drawn else None)
    if not parts:
        parts = [Part("time", weight=-1.0)]
    loud = [_jittered(part, rng, spread) if drawn else part for part in parts]
    return balanced(tuple(loud[:MOST_PARTS]), reading)


def _guides(reading: Reading) -> tuple[str, ...]:
    """Returns the ways to guide along a distance."""
    return _GUIDES_TO_END if reading.ends else _GUIDES_TO_STAY


def _leanings(reading: Reading) -> tuple[str, ...]:
    """Returns the ways to guide by a number."""
    return _LEANINGS_TO_END if reading.ends else _LEANINGS_TO_STAY


def _ways(reading: Reading) -> tuple[str, ...]:
    """Returns the ways to guide on this task."""
    return _guides(reading) if stages(reading) else _leanings(reading)


def success_part(reading: Reading) -> Part:
    """Returns the pay for success."""
    return Part("hold", (SUCCESS,), BONUS if reading.ends else BONUS / 2)


def leg_parts(leg: Stage, kind: str, reading: Reading) -> list[Part]:
    """Returns the parts that guide along a leg and pay at its end."""
    parts = [measure_part(kind, leg.distance, leg.gates)]
    if kind == "farness" and leg.distance.bound and not reading.ends:
        parts.append(measure_part("closeness", leg.distance, leg.gates))
    if leg.done is not None:
        parts.append(Part("gain", leg.done.fields, BONUS / 4))
    return parts


def measure_part(kind: str, measure: Measure, gates: tuple[tuple[str, bool], ...] = ()) -> Part:
    """Returns a part of a kind for a measure, with the weight and scale one would begin with."""
    weight, scale, band = 1.0, measure.scale, None
    if KINDS[kind].exponential:
        scale = rounded(scale if measure.bound else scale * _TEMPERATURE)
    elif kind == "band":
        low, high = measure.band or (-scale / 2, scale / 2)
        scale, band = 1.0, (_end(low), _end(high))
    elif KINDS[kind].reads == "number":
        weight = -1.0 if measure.sign < 0 else 1.0
    return Part(kind, measure.fields, weight, scale if scale > 0 else 1.0, band, gates)


def flag_part(flag: Measure, reading: Reading) -> Part:
    """Returns the pay for a flag, or the charge if it is better down.

    What happens once is paid once, anything else for as long as the flag is up.
    """
    weight = BONUS / 4 if flag.sign > 0 else -BONUS / 4
    told = words.words(reading.states[flag.fields[0]].description)
    if flag.sign > 0 and "once" in told:
        return Part("gain", flag.fields, weight)
    return Part("hold", flag.fields, weight if reading.ends else weight / 4)


def effort_part(reading: Reading, weight: float = 0.05) -> Part:
    """Returns the charge for the action's size, its mean square as a share of the largest."""
    largest = sum(
        max(f.columns[1] - f.columns[0] if f.columns else 1, 1) * max(-f.low, f.high) ** 2
        for f in reading.forces.values()
    )
    return Part("effort", tuple(reading.forces), weight, rounded(largest))


def time_part(reading: Reading) -> Part:
    """Returns the charge for time: a tenth of what success pays over an episode."""
    return Part("time", weight=rounded(0.1 * BONUS / reading.horizon))


def _leaning_parts(reading: Reading, turn: int, rng: np.random.Generator | None) -> list[Part]:
    """Returns the part for a number that should rise or fall, and of what must stay in range."""
    if not reading.numbers:
        return []
    leanings = _leanings(reading)
    kind = leanings[turn % len(leanings)]
    rates = [number for number in reading.numbers if _is_rate(number, reading)]
    numbers = rates if kind in ("size", "growth") and rates else reading.numbers
    number = numbers[0] if rng is None else pick(numbers, rng)
    if number.sign == 0 and rng is not None and rng.random() < 0.5:
        number = dataclasses.replace(number, sign=-1)
    parts = [measure_part(kind, number)]
    if rng is not None:
        kept = (number for number in reading.numbers if number.band is not None)
        parts += [measure_part("band", number) for number in kept if rng.random() < 0.3]
    return parts


def _is_rate(number: Measure, reading: Reading) -> bool:
    """Tells whether a number is a velocity, whose size says something without its sign."""
    told = reading.states[number.fields[0]]
    return words.begins(f"{told.name} {told.description}", words.SPEED)


def _loose_flags(reading: Reading, legs: tuple[Stage, ...]) -> list[Measure]:
    """Returns the good flags that end no leg."""
    used = {leg.done.fields for leg in legs if leg.done is not None}
    return [flag for flag in reading.flags if flag.sign > 0 and flag.fields not in used]


def _upkeep(reading: Reading, rng: np.random.Generator | None) -> list[Part]:
    """Returns charges for effort and time."""
    parts = []
    if reading.forces and (not reading.ends if rng is None else rng.random() < 0.4):
        parts.append(effort_part(reading))
    if reading.ends and reading.has_success and (rng is None or rng.random() < 0.6):
        parts.append(time_part(reading))
    return parts


def _jittered(part: Part, rng: np.random.Generator, spread: float) -> Part:
    """Returns the part with its weight, and its temperature if it has one, drawn around."""
    if part.fields == (SUCCESS,):
        return part
    by, and_by = np.exp(rng.normal(0.0, spread, 2))
    scale = rounded(part.scale * float(and_by)) if part.is_tempered else part.scale
    return dataclasses.replace(part, weight=rounded(part.weight * float(by)), scale=scale)


def pick(measures: Sequence[Measure], rng: np.random.Generator) -> Measure:
    """Draws a measure by its weight."""
    chances = np.array([measure.weight for measure in measures])
    return measures[int(rng.choice(len(measures), p=chances / chances.sum()))]


def _end(bound: float) -> float:
    return rounded(bound) if math.isfinite(bound) else bound
