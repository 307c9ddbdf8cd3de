"""How fast a quantity grows with the rounds played."""

from __future__ import annotations

import numpy as np

from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray, IntArray


def growth_of(name: str, rounds: IntArray, values: FloatArray) -> float:
    """Returns the slope of ln(mean) against ln(rounds), the exponent a of mean ~ rounds^a.

    Args:
        name: What grows, for the error.
        rounds: Rounds played at the checkpoints, (C,).
        values: The quantity of every run there, (C, n); means that are not positive are left out.

    Raises:
        ConfigError: If there are fewer than two checkpoints of positive mean.

    Example:
        >>> round(growth_of("regret", np.array([1, 4, 16]), np.array([[1.0], [2.0], [4.0]])), 6)
        0.5
    """
    mean = values.mean(axis=1)
    told = mean > 0.0
    if told.sum() < 2:
        raise ConfigError(f"the growth of {name} needs two checkpoints of positive {name}")
    return float(np.polyfit(np.log(rounds[told]), np.log(mean[told]), 1)[0])
