"""Small changes of a design, and the mixing of two."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from rewardsmith.llm_reward_design.grammar.balance import balanced
from rewardsmith.llm_reward_design.grammar.fields import rounded
from rewardsmith.llm_reward_design.grammar.parts import KINDS, Design, Part
from rewardsmith.llm_reward_design.grammar.reading import SUCCESS, Measure, Reading
from rewardsmith.llm_reward_design.grammar.sampling import (
    MOST_PARTS,
    effort_part,
    flag_part,
    measure_part,
    pick,
    time_part,
)

Operator = Callable[[Design, Reading, np.random.Generator], Design]
"""A design, the task and a source of chance -> a design; the same one where it cannot help."""

STEP = 0.7
"""Standard deviation of the logarithm of a changed weight or temperature."""

_TRIES = 20


def mutated(design: Design, reading: Reading, rng: np.random.Generator) -> Design:
    """Returns the design with one change, drawn among all operators."""
    for _ in range(_TRIES):
        operator = OPERATORS[int(rng.integers(len(OPERATORS)))]
        changed = balanced(operator(design, reading, rng), reading)
        if changed and changed != design:
            return changed
    return tweaked(design, reading, rng, STEP)


def tweaked(design: Design, reading: Reading, rng: np.random.Generator, step: float) -> Design:
    """Returns the design with all weights but that of success changed a little."""
    factors = np.exp(rng.normal(0.0, step, len(design)))
    parts = (
        _times(p, float(f)) if not _is_success(p) else p
        for p, f in zip(design, factors, strict=True)
    )
    return balanced(tuple(parts), reading)


def crossed(one: Design, other: Design, reading: Reading, rng: np.random.Generator) -> Design:
    """Returns parts of both: what they share from the first, of the rest each by a coin's toss."""
    theirs = {part.key for part in other}
    ours = {part.key for part in one}
    kept = [p for p in one if _is_success(p) or p.key in theirs or rng.random() < 0.5]
    kept += [p for p in other if p.key not in ours and rng.random() < 0.5]
    return balanced(tuple(kept[:MOST_PARTS]) or one, reading)


# ---- Operators ------------------------------------------------------------------------


def reweigh(design: Design, reading: Reading, rng: np.random.Generator) -> Design:
    """Changes the weight of a part."""
    return _at(design, rng, lambda part: _times(part, float(np.exp(rng.normal(0.0, STEP)))))


def retemper(design: Design, reading: Reading, rng: np.random.Generator) -> Design:
    """Changes the temperature of an exponential."""
    factor = float(np.exp(rng.normal(0.0, STEP)))

    def change(part: Part) -> Part:
        return dataclasses.replace(part, scale=rounded(part.scale * factor))

    return _at(design, rng, change, lambda part: part.is_tempered)


def rekind(design: Design, reading: Reading, rng: np.random.Generator) -> Design:
    """Pays for the same measure in another way."""

    def change(part: Part) -> Part:
        reads = KINDS[part.kind].reads
        others = [k for k, kind in KINDS.items() if kind.reads == reads and k != part.kind]
        found = [m for m in _measures(reading, reads) if m.fields == part.fields]
        if not found or not others:
            return part
        return _made(others[int(rng.integers(len(others)))], found[0], part.gates, reading)

    return _at(design, rng, change)


def swap(design: Design, reading: Reading, rng: np.random.Generator) -> Design:
    """Lets a part read another measure of its kind."""

    def change(part: Part) -> Part:
        measures = _measures(reading, KINDS[part.kind].reads)
        if not measures:
            return part
        return _made(part.kind, pick(measures, rng), part.gates, reading)

    return _at(design, rng, change)


def add(design: Design, reading: Reading, rng: np.random.Generator) -> Design:
    """Adds a part of any kind."""
    if len(design) >= MOST_PARTS:
        return design
    kinds = list(KINDS)
    kind = kinds[int(rng.integers(len(kinds)))]
    reads = KINDS[kind].reads
    if reads == "nothing":
        return (*design, time_part(reading))
    if reads == "force":
        return (*design, effort_part(reading)) if reading.forces else design
    measures = _measures(reading, reads)
    return (*design, _made(kind, pick(measures, rng), (), reading)) if measures else design


def drop(design: Design, reading: Reading, rng: np.random.Generator) -> Design:
    """Leaves a part out, though never the pay for success."""
    spare = [i for i, part in enumerate(design) if not _is_success(part)]
    if len(design) < 2 or not spare:
        return design
    out = spare[int(rng.integers(len(spare)))]
    return (*design[:out], *design[out + 1 :])


def regate(design: Design, reading: Reading, rng: np.random.Generator) -> Design:
    """Opens a gated part, or puts a flag or its opposite before a part."""

    def change(part: Part) -> Part:
        if part.gates and rng.random() < 0.5:
            return dataclasses.replace(part, gates=part.gates[:-1])
        flags = [f for f in reading.flags if f.fields != part.fields]
        free = [f for f in flags if f.fields[0] not in dict(part.gates)]
        if not free or len(part.gates) > 1:
            return part
        gate = (pick(free, rng).fields[0], bool(rng.random() < 0.5))
        return dataclasses.replace(part, gates=(*part.gates, gate))

    return _at(design, rng, change)


OPERATORS: tuple[Operator, ...] = (reweigh, retemper, rekind, swap, add, drop, regate)
"""Every way to change a design."""


# ---- Helpers --------------------------------------------------------------------------


def _at(
    design: Design,
    rng: np.random.Generator,
    change: Callable[[Part], Part],
    suits: Callable[[Part], bool] = lambda part: True,
) -> Design:
    """Changes one part among those that suit, never the pay for success."""
    places = [i for i, part in enumerate(design) if suits(part) and not _is_success(part)]
    if not places:
        return design
    i = places[int(rng.integers(len(places)))]
    return (*design[:i], change(design[i]), *design[i + 1 :])


def _measures(reading: Reading, reads: str) -> Sequence[Measure]:
    found = {"distance": reading.distances, "flag": reading.flags, "number": reading.numbers}
    return found.get(reads, ())


def _made(
    kind: str, measure: Measure, gates: tuple[tuple[str, bool], ...], reading: Reading
) -> Part:
    if KINDS[kind].reads == "flag":
        return dataclasses.replace(flag_part(measure, reading), kind=kind, gates=gates)
    return measure_part(kind, measure, gates)


def _times(part: Part, factor: float) -> Part:
    return dataclasses.replace(part, weight=rounded(part.weight * factor))


def _is_success(part: Part) -> bool:
    return part.fields == (SUCCESS,)
