"""The value of zero-sum matrix games: what either side can make sure of by mixing its actions."""

from __future__ import annotations

import numpy as np

from rewardsmith.envs.bandits.knapsack_lp import lp_mixes
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray


def game_value(payoff: FloatArray) -> FloatArray:
    """Returns the value max_x min_b (x^T A)_b of every game, (n,), by linear programming.

    With payoffs brought to [1, 2] the value v is positive, and 1 / v is the largest sum of
    y >= 0 with A y <= 1: the column player's best mix, divided by v. As v is at least 1, that
    is the program of `lp_mixes` with a reward of 1 for every column, solved for all games at
    once.

    Args:
        payoff: What the row player earns, (n, A, B).

    Raises:
        ConfigError: If the payoff is no finite (n, A, B) array.

    Example:
        >>> game_value(np.array([[[3.0, 1.0], [0.0, 2.0]]])).round(9)
        array([1.5])

    von Neumann 1928; Dantzig 1951, A proof of the equivalence of the programming problem and
    the game problem.
    """
    payoff = checked_payoff(payoff)
    low, width = low_and_width(payoff)
    consumption = ((payoff - low) / width + 1.0).transpose(0, 2, 1)
    mix = lp_mixes(np.ones(consumption.shape[:2]), consumption, budget_per_round=1.0)
    unit = np.clip(1.0 / mix.sum(axis=1) - 1.0, 0.0, 1.0)  # rounding may leave -1e-16
    return np.asarray(low[:, 0, 0] + width[:, 0, 0] * unit)


def low_and_width(payoff: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Returns the least payoff of every game and the width of its payoffs, (n, 1, 1) each.

    The width of a game whose payoffs are all the same counts as 1.
    """
    low = payoff.min(axis=(1, 2), keepdims=True)
    width = payoff.max(axis=(1, 2), keepdims=True) - low
    return low, np.where(width > 0.0, width, 1.0)


def checked_payoff(payoff: FloatArray) -> FloatArray:
    """Returns the payoff of n games as float64.

    Raises:
        ConfigError: If it is no finite (n, A, B) array.
    """
    array = np.asarray(payoff, dtype=np.float64)
    if array.ndim != 3 or 0 in array.shape or not np.isfinite(array).all():
        raise ConfigError(
            "payoff must be finite numbers of shape (n, A, B), one matrix per game, got shape "
            f"{array.shape}"
        )
    return array
