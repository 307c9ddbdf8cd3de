"""Which way leads to success: sub-goals in their order, each with the flag that it is done."""

from __future__ import annotations

from dataclasses import dataclass

from rewardsmith.llm_reward_design.grammar import words
from rewardsmith.llm_reward_design.grammar.reading import Measure, Reading

_SURE = 0.5
"""Weight from which a distance is taken for a part of the way at all."""

_NEAR_BEST = 0.05
"""Weight, as a share of the likeliest distance's, from which another may be a leg too."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A leg of the way.

    Attributes:
        distance: What gets shorter on it.
        done: The flag that goes up at its end; None for the last leg.
        gates: Flags that are up or down while it lasts.
    """

    distance: Measure
    done: Measure | None
    gates: tuple[tuple[str, bool], ...]


def stages(reading: Reading) -> tuple[Stage, ...]:
    """Returns the legs of a task, in the order in which its sentence or its card names them.

    A flag belongs to the distance whose aim shares a word with it: `has_key` to the distance
    of agent and key. What is left of the likely distances is the last leg. Where an aim
    itself is what moves next, as in fingertip to object and object to goal, all are legs
    without a flag. Empty if the task has no distance.
    """
    legs, rest = _flagged(reading)
    found: list[Stage] = []
    passed: tuple[tuple[str, bool], ...] = ()
    for distance, flag in legs:
        name = flag.fields[0]
        found.append(Stage(distance, flag, (*passed, (name, False))))
        passed = ((name, True),)
    if not legs:
        last = _chain(rest)
    else:
        starts = {_start(distance) for distance, _ in legs}
        last = [d for d in rest if len(d.fields) == 1 or _start(d) in starts][:1]
    found += [Stage(distance, None, passed) for distance in last]
    return tuple(found)


def _flagged(reading: Reading) -> tuple[list[tuple[Measure, Measure]], list[Measure]]:
    """Returns distances with the flags of their ends, in their turn, and what is left over."""
    rest = [distance for distance in reading.distances if distance.weight >= _SURE]
    legs: list[tuple[Measure, Measure]] = []
    for flag in (flag for flag in reading.flags if flag.sign > 0):
        aims = [d for d in rest if _aim(d) & words.content(flag.fields[0])]
        if aims:
            legs.append((aims[0], flag))
            rest = [d for d in rest if not _aim(d) & _aim(aims[0])]
    return sorted(legs, key=lambda leg: _turn(reading, leg[0])), rest


def _chain(distances: list[Measure]) -> list[Measure]:
    """Returns the likeliest distance, behind those nearly as likely that lead up to its start."""
    if not distances:
        return []
    best = distances[0]
    near = [d for d in distances[1:] if d.weight >= _NEAR_BEST * best.weight]
    return [*(d for d in near if _aim(d) & words.content(_start(best))), best]


def _aim(distance: Measure) -> frozenset[str]:
    """Returns the words of what a distance leads to."""
    if len(distance.fields) == 2:
        return words.content(distance.fields[1])
    return words.content(distance.fields[0].rpartition("_to_")[2])


def _start(distance: Measure) -> str:
    return distance.fields[0].partition("_to_")[0]


def _turn(reading: Reading, distance: Measure) -> tuple[float, int]:
    """Returns where the task's sentence first speaks of what a distance leads to, then the card."""
    told = words.place_in(reading.story, " ".join(_aim(distance)))
    return told, list(reading.states).index(distance.fields[-1])
