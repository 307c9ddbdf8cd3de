"""Potential-based advice on actions: the potential speaks of a state *and* an action."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import BoolArray, FloatArray
from rewardsmith.rewards.component import Component, Term
from rewardsmith.rewards.rows import cleared, no_rows
from rewardsmith.rewards.shaping.potential import one_per_row
from rewardsmith.rewards.transition import Batch, State, Transition


class ActionPotential(Component):
    """How promising an action is in a state, Phi(s, a): a stateless function."""

    @abstractmethod
    def __call__(self, state: State, action: Batch) -> FloatArray:
        """Returns Phi(s, a) for the states and actions of n environments, float64 (n,)."""


@dataclass
class LookBackAdvice(Term):
    """F_t = Phi(s_t, a_t) - Phi(s_{t-1}, a_{t-1}) / gamma, for action-dependent advice.

    The first step of an episode has no second part, and a terminal step no first part
    (equivalently: what would be owed next is settled at once). The discounted sum over an
    episode that terminates is then 0, and over a truncated one gamma^(T-1) Phi(s_{T-1},
    a_{T-1}).

    The best action stays the best action: what is owed, Phi(s_{t-1}, a_{t-1}) / gamma,
    was fixed a step ago, and Phi(s_t, a_t) is taken back, discounted, on the next step;
    so Q'(s_t, a) = Q(s_t, a) - owed, the same shift for every a. The shift depends on the
    past, which a learner sees as noise in its values. Source: Wiewiora, Cottrell and
    Elkan 2003.

    Args:
        potential: An `ActionPotential`, or a function (state, action) -> (n,).
        gamma: Discount in (0, 1]; it must be the learner's own.

    Raises:
        ConfigError: If gamma is out of range.
        RewardError: If the potential returns another shape than (n,).

    Example:
        >>> term = LookBackAdvice(lambda state, action: action, gamma=0.5)
        >>> term.reset(np.ones(1, bool))
        >>> [float(term(Transition(0, np.array([a]), 0, np.zeros(1), np.array([a == 3.0]),
        ...                        np.zeros(1, bool)))[0]) for a in (1.0, 2.0, 3.0)]
        [1.0, 0.0, -4.0]
    """

    potential: ActionPotential | Callable[[State, Batch], Any]
    gamma: float = 0.99
    _owed: FloatArray = field(default_factory=no_rows, init=False, repr=False, compare=False)

    state_names: ClassVar[tuple[str, ...]] = ("_owed",)

    def __post_init__(self) -> None:
        if not 0 < self.gamma <= 1:
            raise ConfigError(f"gamma must be in (0, 1], got {self.gamma}")

    def bind(self, card: EnvCard) -> None:
        """Resolves the field names of the potential."""
        if isinstance(self.potential, Component):
            self.potential.bind(card)

    def reset(self, mask: BoolArray) -> None:
        """Forgets what is owed where `mask` (n,) is true."""
        self._owed = cleared(self._owed, mask, 0.0)

    def __call__(self, transition: Transition) -> FloatArray:
        """Returns the advice, float64 (n,)."""
        advice = self._advice(transition)
        pay = np.where(transition.terminated, 0.0, advice) - self._owed
        np.copyto(self._owed, advice / self.gamma, where=transition.active)
        return pay

    def _advice(self, transition: Transition) -> FloatArray:
        value = self.potential(transition.before, transition.action)
        return one_per_row(value, transition.n)


@dataclass
class LookAheadAdvice(LookBackAdvice):
    """F_t = gamma * Phi(s_{t+1}, a_{t+1}) - Phi(s_t, a_t), for action-dependent advice.

    The terminal step pays -Phi(s_t, a_t). The next action is known a step later only, so
    online F_t is paid on step t + 1, divided by gamma; `place` puts it on step t. In both
    forms the discounted sum over an episode that terminates is -Phi(s_0, a_0); the last
    F_t of a truncated episode is left out, as its next action is never chosen.

    This shifts every action's value by its own advice, Q'(s, a) = Q(s, a) - Phi(s, a), so
    the agent must act by the largest Q' + Phi. Paid late, that holds for the first action
    of an episode alone: every later one was advised and is owed for as in
    `LookBackAdvice`, where the greedy action needs no correction. Use `LookBackAdvice`
    for learners that cannot add Phi, such as policy gradients. Source: Wiewiora, Cottrell
    and Elkan 2003.

    Args:
        potential: An `ActionPotential`, or a function (state, action) -> (n,).
        gamma: Discount in (0, 1]; it must be the learner's own.

    Raises:
        ConfigError: If gamma is out of range.
        RewardError: If the potential returns another shape than (n,).

    Example:
        >>> term = LookAheadAdvice(lambda state, action: action, gamma=0.5)
        >>> steps = [Transition(0, np.array([a]), 0, np.zeros(1), np.array([a == 3.0]),
        ...                     np.zeros(1, bool)) for a in (1.0, 2.0, 3.0)]
        >>> term.reset(np.ones(1, bool))
        >>> [float(term(step)[0]) for step in steps]
        [0.0, 0.0, -4.0]
        >>> term.place(steps)
        array([ 0. , -0.5, -3. ])
    """

    _first: BoolArray = field(default_factory=no_rows, init=False, repr=False, compare=False)

    state_names = ("_owed", "_first")

    def reset(self, mask: BoolArray) -> None:
        """Forgets what is owed where `mask` (n,) is true."""
        super().reset(mask)
        self._first = cleared(self._first, mask, True)

    def __call__(self, transition: Transition) -> FloatArray:
        """Returns the advice on the previous action, float64 (n,)."""
        advice = self._advice(transition)
        owed = np.where(self._first, advice, self._owed)
        pay = np.where(transition.terminated, 0.0, advice) - owed
        np.copyto(self._owed, advice / self.gamma, where=transition.active)
        self._first &= ~transition.active
        return pay

    def place(self, transitions: list[Transition]) -> FloatArray:
        """Returns F_t on step t, (T,)."""
        advice = np.array([self._advice(step)[0] for step in transitions])
        pay: FloatArray = self.gamma * np.append(advice[1:], 0.0) - advice
        if not transitions[-1].terminated[0]:
            pay[-1] = 0.0
        return pay
