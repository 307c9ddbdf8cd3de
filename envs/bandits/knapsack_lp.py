"""The linear program that bounds what any player of bandits with knapsacks can earn."""

from __future__ import annotations

import numpy as np

from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.stateful import FloatArray, IntArray

_TINY = 1e-12


def lp_value(rewards: FloatArray, consumption: FloatArray, budget_per_round: float) -> float:
    """Returns the largest mean reward per round of a mix of arms that keeps to the budget.

    max over x >= 0, sum_a x_a <= 1 of sum_a x_a r_a, subject to sum_a x_a c_ai <= B / T for
    every resource i; what is left of sum x is idle time. No player earns more than T times
    this in expectation.

    Args:
        rewards: Mean reward r of every arm, (K,).
        consumption: Mean consumption c of every resource by every arm, (K, d), at least 0.
        budget_per_round: B / T, positive.

    Raises:
        EnvError: If the shapes disagree, a consumption is negative or the budget not positive.

    Example:
        >>> lp_value(np.array([1.0, 1.0]), np.eye(2), budget_per_round=0.5)
        1.0

    Badanidiyuru, Kleinberg and Slivkins 2013, arXiv 1305.2545; Slivkins 2019,
    arXiv 1904.07272, section 10.2.
    """
    return lp_mix(rewards, consumption, budget_per_round)[1]


def lp_mix(
    rewards: FloatArray, consumption: FloatArray, budget_per_round: float
) -> tuple[FloatArray, float]:
    """Returns the best mix x of arms, (K,), and its value; see `lp_value`."""
    rewards, consumption = np.asarray(rewards, float), np.asarray(consumption, float)
    if rewards.ndim != 1 or consumption.ndim != 2 or len(consumption) != len(rewards):
        raise EnvError(
            "rewards must have shape (K,) and consumption (K, d), got shapes "
            f"{rewards.shape} and {consumption.shape}"
        )
    if not (consumption >= 0.0).all():
        raise EnvError(f"consumption must be at least 0, got {consumption.min():g}")
    if not budget_per_round > 0.0:
        raise EnvError(f"budget_per_round must be positive, got {budget_per_round:g}")
    mix = lp_mixes(rewards[None], consumption[None], budget_per_round)[0]
    return mix, float(rewards @ mix)


def lp_mixes(rewards: FloatArray, consumption: FloatArray, budget_per_round: float) -> FloatArray:
    """Returns the best mix of arms for each of n programs at once, (n, K); see `lp_value`.

    The simplex method from x = 0, which keeps to every budget, with Bland's rule, under which
    it cannot go round in circles. A mix has at most d + 1 arms.

    Args:
        rewards: r, (n, K), finite.
        consumption: c, (n, K, d), at least 0.
        budget_per_round: B / T, positive.

    Example:
        >>> lp_mixes(np.array([[1.0, 0.6]]), np.array([[[1.0], [0.5]]]), 0.75)
        array([[0.5, 0.5]])
    """
    n, arms, resources = consumption.shape
    rows, limits = np.arange(n), resources + 1
    # Columns: arms, a slack for every limit, the limit. The last row prices the columns.
    table = np.zeros((n, limits + 1, arms + limits + 1))
    table[:, :resources, :arms] = consumption.transpose(0, 2, 1)
    table[:, resources, :arms] = 1.0
    table[:, np.arange(limits), arms + np.arange(limits)] = 1.0
    table[:, :resources, -1], table[:, resources, -1] = budget_per_round, 1.0
    table[:, -1, :arms] = -rewards
    basis = np.tile(arms + np.arange(limits), (n, 1))
    while rows.size:
        helps = table[rows, -1, :-1] < -_TINY
        rows = rows[helps.any(axis=1)]
        if rows.size:
            _pivot(table, basis, rows, helps[helps.any(axis=1)].argmax(axis=1))
    level = np.zeros((n, arms + limits))
    np.put_along_axis(level, basis, table[:, :-1, -1], axis=1)
    return np.maximum(level[:, :arms], 0.0)  # rounding may leave -1e-18 where limits tie


def _pivot(table: FloatArray, basis: IntArray, rows: IntArray, entering: IntArray) -> None:
    """Brings a column of each of `rows` into its basis, in place."""
    part = table[rows]
    each = np.arange(rows.size)
    column = part[each, :, entering]
    rising = column[:, :-1] > _TINY
    ratio = np.where(rising, part[:, :-1, -1], np.inf) / np.where(rising, column[:, :-1], 1.0)
    tied = ratio <= ratio.min(axis=1, keepdims=True) + _TINY
    leaving = np.where(tied, basis[rows], basis.max() + 1).argmin(axis=1)
    pivot = part[each, leaving] / column[each, leaving][:, None]
    part -= column[:, :, None] * pivot[:, None, :]
    part[each, leaving] = pivot
    table[rows], basis[rows, leaving] = part, entering
