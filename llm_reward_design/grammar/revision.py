"""Revising a design by how training on it went, after the advice that Eureka gives.

A score that stays at nothing asks for another design; a part that stays flat is rescaled or
left out; a part that drowns the others is scaled down; what works is only tweaked (Ma et al.
2023, arXiv 2310.12931).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from rewardsmith.envs.stateful import FloatArray
from rewardsmith.llm_reward_design.brief import Reflection
from rewardsmith.llm_reward_design.grammar.balance import balanced
from rewardsmith.llm_reward_design.grammar.fields import rounded
from rewardsmith.llm_reward_design.grammar.operators import crossed, mutated, tweaked
from rewardsmith.llm_reward_design.grammar.parts import Design, Part
from rewardsmith.llm_reward_design.grammar.reading import SUCCESS, Reading
from rewardsmith.llm_reward_design.grammar.sampling import unlike
from rewardsmith.llm_reward_design.grammar.source import names

GOOD, POOR = 0.8, 0.05
"""Success rates from which a design is only tweaked, and up to which it is thrown away."""

FLAT, LOUD = 0.02, 5.0
"""A part is flat if it varies by less than this share of its size, loud if it is this many
times as large as all others together."""

_RESCALE = 3.0


def revised(
    designs: Sequence[Design],
    reflection: Reflection | None,
    reading: Reading,
    sample: int,
    rng: np.random.Generator,
) -> Design:
    """Returns a design after those shown before.

    Args:
        designs: What was tried, the one to improve first; at least one.
        reflection: How training on the first went, if it was trained.
        reading: The task.
        sample: Index in the round; the first follows the advice and adds nothing of its own.
        rng: Draws the rest.
    """
    first = designs[0]
    if reflection is None:
        return _varied(designs, reading, rng)
    if is_stuck(reflection, reading):
        return _another(designs, reading, rng)
    if is_good(reflection, reading):
        is_gentle = sample % 2 == 0
        return tweaked(first, reading, rng, 0.2) if is_gentle else mutated(first, reading, rng)
    advised = remedied(first, reflection, reading)
    if sample == 0 and advised != first:
        return advised
    return _varied((advised, *designs[1:]), reading, rng)


def _another(designs: Sequence[Design], reading: Reading, rng: np.random.Generator) -> Design:
    """Returns a design with little in common: mostly a new one, else one changed in many ways."""
    if rng.random() < 0.8:
        return unlike(designs, reading, rng)
    design = designs[0]
    for _ in range(3):
        design = mutated(design, reading, rng)
    return design


def _varied(designs: Sequence[Design], reading: Reading, rng: np.random.Generator) -> Design:
    """Returns the first design changed once or twice, crossed with another, or a new one."""
    draw = rng.random()
    if draw < 0.3 and len(designs) > 1:
        mate = designs[int(rng.integers(1, len(designs)))]
        return crossed(designs[0], mate, reading, rng)
    if draw < 0.45:
        return unlike(designs, reading, rng)
    once = mutated(designs[0], reading, rng)
    return once if draw < 0.75 else mutated(once, reading, rng)


def remedied(design: Design, reflection: Reflection, reading: Reading) -> Design:
    """Returns the design with flat parts mended or left out and loud parts scaled down."""
    series = _series(design, reflection)
    kept = []
    for part in design:
        if part.key not in series or part.fields == (SUCCESS,) or part.kind == "time":
            kept.append(part)
        elif is_loud(part, series):
            kept.append(_times(part, 1 / _RESCALE))
        elif not is_flat(series[part.key]):
            kept.append(part)
        elif part.gates or part.kind == "gain" or np.any(series[part.key]):
            kept.append(_times(part, _RESCALE))  # its turn may never have come
    return balanced(tuple(kept) or design, reading)


def is_flat(values: FloatArray) -> bool:
    """Tells whether a part hardly changed while the agent learned."""
    return bool(np.ptp(values) <= FLAT * np.abs(values).max(initial=0.0))


def is_loud(part: Part, series: Mapping[object, FloatArray]) -> bool:
    """Tells whether a part drowned all others."""
    sizes = {key: float(np.abs(values).mean()) for key, values in series.items()}
    others = sum(size for key, size in sizes.items() if key != part.key)
    return len(sizes) > 1 and sizes[part.key] > LOUD * others > 0


def is_stuck(reflection: Reflection, reading: Reading) -> bool:
    """Tells whether the task's score never left where it began."""
    score = _finite(reflection.score)
    if score.size == 0:
        return False
    if reading.card.score == "success":
        return bool(score.max() <= POOR)
    return bool(score.max() - score[0] <= POOR * max(np.abs(score).max(), 1e-9))


def is_good(reflection: Reflection, reading: Reading) -> bool:
    """Tells whether the task is solved mostly; no return says so by itself."""
    return reading.card.score == "success" and bool((_finite(reflection.score)[-1:] >= GOOD).any())


def _series(design: Design, reflection: Reflection) -> dict[object, FloatArray]:
    """Returns what each part paid over training, by the part's key."""
    return {
        part.key: values
        for part, name in zip(design, names(design), strict=True)
        if (values := _finite(reflection.parts.get(name, ()))).size
    }


def _finite(values: Sequence[float]) -> FloatArray:
    """Returns the values without those that were not measured."""
    array = np.array(values, dtype=np.float64)
    return array[np.isfinite(array)]


def _times(part: Part, factor: float) -> Part:
    return dataclasses.replace(part, weight=rounded(part.weight * factor))
