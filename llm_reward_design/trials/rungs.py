"""Successive halving: all programs are trained a little, the better ones for longer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rewardsmith.envs.errors import ConfigError

T = TypeVar("T")


@dataclass(frozen=True)
class Rung:
    """One stage of successive halving.

    Attributes:
        index: Which, from 0.
        steps: Training steps of each program in it.
    """

    index: int
    steps: int


def rungs(steps: int, count: int, keep: float) -> tuple[Rung, ...]:
    """Returns `count` rungs, the last of `steps` steps, each `keep` times as long as the next.

    Raises:
        ConfigError: If a number is out of range.

    Example:
        >>> [rung.steps for rung in rungs(80_000, 3, 0.5)]
        [20000, 40000, 80000]
    """
    if not isinstance(count, int) or count < 1:
        raise ConfigError(f"search.rungs must be a whole number of at least 1, got {count!r}")
    if not 0 < keep <= 1:
        raise ConfigError(f"search.keep must be in (0, 1], got {keep!r}")
    return tuple(
        Rung(index, max(1, round(steps * keep ** (count - 1 - index)))) for index in range(count)
    )


def survivors(items: Sequence[T], score: Callable[[T], float], keep: float) -> list[T]:
    """Returns the best share `keep` of the items, and those level with the last of them.

    Ties are not broken: a stage at whose end all score the same has told nothing.

    Example:
        >>> survivors([3, 9, 4, 7], float, 0.5), survivors([0, 0, 0, 0], float, 0.5)
        ([9, 7], [0, 0, 0, 0])
    """
    if not items:
        return []
    count = max(1, math.floor(len(items) * keep + 0.5))
    least = sorted(map(score, items), reverse=True)[count - 1]
    return [item for item in items if score(item) >= least]
