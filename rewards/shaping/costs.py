"""The task's own reward, and what a step costs: time, energy, jerkiness."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rewardsmith.envs.errors import RewardError
from rewardsmith.envs.stateful import BoolArray, FloatArray
from rewardsmith.rewards.component import Term
from rewardsmith.rewards.rows import cleared, no_rows
from rewardsmith.rewards.shaping.separation import squared
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


@dataclass
class EnergyCost(Term):
    """r = -cost * |a|^2, for continuous actions.

    Args:
        cost: Price of one unit of squared action, at least 0.

    Raises:
        RewardError: If the actions are discrete.

    Example:
        >>> step = Transition(0, np.array([[3.0, 4.0]]), 0, np.zeros(1),
        ...                   np.zeros(1, bool), np.zeros(1, bool))
        >>> EnergyCost(0.1)(step)
        array([-2.5])
    """

    cost: float = 0.01

    def __call__(self, transition: Transition) -> FloatArray:
        """Returns the pay, float64 (n,)."""
        action = _continuous(transition, "EnergyCost")
        return -self.cost * squared(action)


@dataclass
class SmoothnessCost(Term):
    """r = -cost * |a_t - a_{t-1}|^2, for continuous actions; 0 on an episode's first step.

    The pay depends on the previous action, which an agent that sees only the present
    observation cannot know; keep the cost small.

    Args:
        cost: Price of one unit of squared change, at least 0.

    Raises:
        RewardError: If the actions are discrete.

    Example:
        >>> term = SmoothnessCost(0.5)
        >>> term.reset(np.ones(1, bool))
        >>> [float(term(Transition(0, np.array([[a]]), 0, np.zeros(1),
        ...                        np.zeros(1, bool), np.zeros(1, bool)))[0])
        ...  for a in (7.0, 9.0)]
        [-0.0, -2.0]
    """

    cost: float = 0.01
    _previous: FloatArray = field(default_factory=no_rows, init=False, repr=False, compare=False)
    _first: BoolArray = field(default_factory=no_rows, init=False, repr=False, compare=False)

    state_names = ("_previous", "_first")

    def reset(self, mask: BoolArray) -> None:
        """Forgets the previous action where `mask` (n,) is true."""
        self._first = cleared(self._first, mask, True)

    def __call__(self, transition: Transition) -> FloatArray:
        """Returns the pay, float64 (n,)."""
        action = _continuous(transition, "SmoothnessCost")
        if self._previous.shape != action.shape:
            self._previous = action.copy()
        change = np.where(self._first[:, None], 0.0, action - self._previous)
        np.copyto(self._previous, action, where=transition.active[:, None])
        self._first &= ~transition.active
        return -self.cost * squared(change)


def _continuous(transition: Transition, term: str) -> FloatArray:
    action = np.asarray(transition.action)
    if action.dtype.kind != "f":
        raise RewardError(
            f"{term} needs continuous actions, got {action.dtype} (a discrete space); use "
            "TimeCost to price a step, or a function of transition.action to price one action"
        )
    return action.reshape(transition.n, -1).astype(np.float64, order="F", copy=False)
