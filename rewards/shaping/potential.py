"""Potential-based shaping: pay that speeds learning up and leaves the best policy alone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError, RewardError
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray
from rewardsmith.rewards.component import Component, Term
from rewardsmith.rewards.rows import cleared, no_rows
from rewardsmith.rewards.transition import State, Transition


class Potential(Component):
    """How promising a state is, Phi(s): a stateless function of observation and facts."""

    @abstractmethod
    def __call__(self, state: State) -> FloatArray:
        """Returns Phi(s) for the states of n environments, float64 (n,)."""


class DynamicPotential(Component):
    """A potential that changes while the agent learns, Phi(s, t)."""

    @abstractmethod
    def __call__(self, state: State, time: IntArray) -> FloatArray:
        """Returns Phi(s, t), float64 (n,).

        Args:
            state: The states of n environments.
            time: Steps each environment has made since training began, (n,).
        """


@dataclass
class PotentialShaping(Term):
    """F(s, s') = gamma * Phi(s') - Phi(s), with Phi(s') = 0 where the step terminated.

    The shaped problem has Q'(s, a) = Q(s, a) - Phi(s), so every state ranks its actions
    as before and the best policy is unchanged (Ng, Harada and Russell 1999). With a
    `DynamicPotential` the pay is gamma * Phi(s', t + 1) - Phi(s, t), where Phi(s, t) is
    the value it had when s was reached; the same holds (Devlin and Kudenko 2012).

    Why zero at termination and not at truncation. The discounted sum over T steps is

        sum_t gamma^t (gamma Phi(s_{t+1}) - Phi(s_t)) = gamma^T Phi(s_T) - Phi(s_0).

    Nothing follows a terminal state. Were Phi(s_T) kept, ending in one terminal state
    rather than another would be worth gamma^T times the difference of their potentials,
    and the best policy could change; at zero the sum is -Phi(s_0), which no action alters.
    A truncated episode does go on in the learner's eyes: it bootstraps with its estimate
    of V'(s_T) = V(s_T) - Phi(s_T), so that the return from the start becomes

        G + gamma^T Phi(s_T) - Phi(s_0) + gamma^T (V(s_T) - Phi(s_T))
          = G + gamma^T V(s_T) - Phi(s_0),

    again free of the actions. Zeroing Phi(s_T) there would leave the return off by
    -gamma^T Phi(s_T), a charge for being cut off in a promising state.

    Args:
        potential: A `Potential`, a `DynamicPotential`, or a function of `State` -> (n,).
        gamma: Discount in [0, 1]; it must be the learner's own.

    Raises:
        ConfigError: If gamma is out of range.
        RewardError: If the potential returns another shape than (n,).

    Example:
        >>> term = PotentialShaping(lambda state: state.observation[:, 0], gamma=0.5)
        >>> term.reset(np.ones(2, bool))
        >>> term(Transition(np.array([[1.0], [1.0]]), np.zeros(2), np.array([[4.0], [4.0]]),
        ...                 np.zeros(2), np.array([False, True]), np.zeros(2, bool)))
        array([ 1., -1.])
    """

    potential: Potential | DynamicPotential | Callable[[State], Any]
    gamma: float = 0.99
    _previous: FloatArray = field(default_factory=no_rows, init=False, repr=False, compare=False)
    _time: IntArray = field(default_factory=no_rows, init=False, repr=False, compare=False)
    _stale: BoolArray = field(default_factory=no_rows, init=False, repr=False, compare=False)

    state_names = ("_previous", "_time", "_stale")

    def __post_init__(self) -> None:
        if not 0 <= self.gamma <= 1:
            raise ConfigError(f"gamma must be in [0, 1], got {self.gamma}")

    def bind(self, card: EnvCard) -> None:
        """Resolves the field names of the potential."""
        if isinstance(self.potential, Component):
            self.potential.bind(card)

    def reset(self, mask: BoolArray) -> None:
        """Marks the remembered potential of the rows in `mask` (n,) as out of date."""
        self._stale = cleared(self._stale, mask, True)
        if self._previous.size != mask.size:
            self._previous = np.zeros(mask.size)
            self._time = np.zeros(mask.size, dtype=np.int64)

    def __call__(self, transition: Transition) -> FloatArray:
        """Returns the shaping, float64 (n,)."""
        if np.count_nonzero(self._stale):
            self._refresh(transition)
        if isinstance(self.potential, DynamicPotential):
            self._time += transition.active
        following = self._value(transition.after, self._time)
        pay = self.gamma * following - self._previous
        if np.count_nonzero(transition.terminated):
            np.negative(self._previous, out=pay, where=transition.terminated)
        np.copyto(self._previous, following, where=transition.active)
        return pay

    def _refresh(self, transition: Transition) -> None:
        """Evaluates the potential at the start of the rows that begin an episode."""
        rows = np.flatnonzero(self._stale & transition.active)
        if rows.size:
            whole = rows.size == transition.n
            state = transition.before if whole else transition.before.take(rows)
            self._previous[rows] = self._value(state, self._time[rows])
            self._stale[rows] = False

    def _value(self, state: State, time: IntArray) -> FloatArray:
        if isinstance(self.potential, DynamicPotential):
            return one_per_row(self.potential(state, time), state.n)
        return one_per_row(self.potential(state), state.n)


def one_per_row(value: Any, n: int) -> FloatArray:
    """Returns what a potential returned as float64 (n,).

    Raises:
        RewardError: If it has another shape.
    """
    array: FloatArray = np.asarray(value, dtype=np.float64)
    if array.shape != (n,):
        raise RewardError(
            f"the potential returned shape {array.shape}; it must return one value per "
            f"environment, shape ({n},)"
        )
    return array
