"""The linear program that bounds what any player of bandits with knapsacks can earn."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.stateful import FloatArray


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
    resources = consumption.shape[1]
    found = linprog(
        -rewards,
        A_ub=np.vstack([consumption.T, np.ones(len(rewards))]),
        b_ub=np.append(np.full(resources, budget_per_round), 1.0),
        bounds=(0.0, None),
    )
    return np.asarray(found.x), -float(found.fun)
