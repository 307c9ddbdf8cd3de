"""What bandits share: checks of their arms, fields of their cards, the oracle of fixed ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rewardsmith.envs.card import Field
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.stateful import FloatArray, IntArray

NO_ARM = -1
"""Stands for the arm pulled before the first round."""


def last_reward_field(low: float = 0, high: float = 1) -> Field:
    """Returns the observation field of the last reward, between `low` and `high`."""
    what = "what the last pull paid, 0 at the start"
    return Field("last_reward", what, (0, 1), low=low, high=high)


def arm_field(arms: int) -> Field:
    """Returns the action field of K = `arms` arms."""
    return Field("arm", "which arm to pull", low=0.0, high=arms - 1)


def always(action: int | IntArray, observation: np.ndarray) -> IntArray:
    """Plays the same arm, or the same list or path (m,), in each of n rows, (n,) or (n, m).

    Example:
        >>> always(3, np.zeros((2, 1)))
        array([3, 3])
    """
    return np.repeat(np.asarray(action, dtype=np.int64)[None], len(observation), axis=0)


def check_arms(arms: int) -> None:
    """Says that there are too few arms to choose from.

    Raises:
        EnvError: If there are fewer than 2.
    """
    if arms < 2:
        raise EnvError(f"a bandit needs at least 2 arms, got {arms}")


def given_means(
    name: str,
    means: Sequence[float] | None,
    arms: int | None,
    ends: tuple[float, float] | None = None,
) -> FloatArray | None:
    """Returns the option called `name` as an array, or None where means are to be drawn.

    Raises:
        EnvError: If it is no list of finite numbers between `ends`, or disagrees with `arms`.
    """
    if means is None:
        return None
    given = np.asarray(means, dtype=np.float64)
    low, high = ends or (-np.finfo(np.float64).max, np.finfo(np.float64).max)
    if given.ndim != 1 or not ((given >= low) & (given <= high)).all():
        kind = "finite numbers" if ends is None else f"numbers in [{low:g}, {high:g}]"
        raise EnvError(f"{name} must be a list of {kind}, got {given}")
    if arms is not None and arms != len(given):
        raise EnvError(f"arms is {arms} but {name} has {len(given)} entries; leave arms out")
    return given


def count_arms(arms: int | None, given: FloatArray | None) -> int:
    """Returns the number of arms, 10 unless something says otherwise.

    Raises:
        EnvError: If it is below 2.
    """
    count = len(given) if given is not None else 10 if arms is None else arms
    check_arms(count)
    return count
