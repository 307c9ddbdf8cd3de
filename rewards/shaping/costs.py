"""The task's own reward, and what a step costs: time, energy, jerkiness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.component import Term
from rewardsmith.rewards.transition import Transition


@dataclass
class TaskReward(Term):
    """r = the environment's own reward.

    Example:
        >>> step = Transition(0, 0, 0, np.array([2.0]), np.zeros(1, bool), np.zeros(1, bool))
        >>> TaskReward()(step)
        array([2.])
    """

    def __call__(self, transition: Transition) -> FloatArray:
        """Returns the environment's reward, float64 (n,)."""
        return transition.reward


@dataclass
class TimeCost(Term):
    """r = -cost at every step, so that sooner is better.

    Args:
        cost: Price of one step, at least 0.

    Example:
        >>> step = Transition(0, 0, 0, np.zeros(1), np.zeros(1, bool), np.zeros(1, bool))
        >>> TimeCost(0.5)(step)
        array([-0.5])
    """

    cost: float = 0.01

    def __call__(self, transition: Transition) -> FloatArray:
        """Returns -cost for every environment, float64 (n,)."""
        return np.full(transition.n, -self.cost)
