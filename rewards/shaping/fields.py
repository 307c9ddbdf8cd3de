"""Pay read straight off a named field or fact."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.component import Component, Quantity, Term
from rewardsmith.rewards.transition import Transition


@dataclass
class GoalBonus(Term):
    """r = bonus on every step after which `fact` is true, else 0.

    A task that goes on after success pays the bonus on every step in which the fact
    still holds.

    Args:
        bonus: Pay for a step that ends with the fact true.
        fact: Name of a 0/1 fact or observation field.

    Raises:
        ConfigError: If the task has no such fact.

    Example:
        >>> from rewardsmith.envs import EnvCard, Field
        >>> term = GoalBonus(5.0)
        >>> term.bind(EnvCard("Line-v0", "", facts=(Field("success", ""),)))
        >>> term(Transition(0, 0, 0, np.zeros(2), np.ones(2, bool), np.zeros(2, bool),
        ...                 info={"success": np.array([True, False])}))
        array([5., 0.])
    """

    bonus: float = 1.0
    fact: str = "success"
    _fact: Quantity = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._fact = Quantity(self.fact)

    def bind(self, card: EnvCard) -> None:
        """Looks the fact up on the card."""
        self._fact.bind(card)

    def __call__(self, transition: Transition) -> FloatArray:
        """Returns the pay, float64 (n,)."""
        return np.asarray(
            self.bonus * (self._fact.scalar(transition.after) > 0.5), dtype=np.float64
        )


@dataclass
class ScaledField(Component):
    """The part shared by everything that is scale * a named quantity.

    Args:
        field: Name of an observation field or fact; of several parts the norm counts.
        scale: Factor.

    Raises:
        ConfigError: If the task has no such field.
    """

    field: str
    scale: float = 1.0
    _field: Quantity = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._field = Quantity(self.field)

    def bind(self, card: EnvCard) -> None:
        """Looks the field up on the card."""
        self._field.bind(card)


@dataclass
class FieldReward(ScaledField, Term):
    """r = scale * field, read at the successor.

    Use it for a reward that the task reports as a fact, such as the score of a judge or
    the reward of a wrapped environment.

    Args:
        field: Name of an observation field or fact; of several parts the norm counts.
        scale: Factor.

    Raises:
        ConfigError: If the task has no such field.

    Example:
        >>> from rewardsmith.envs import EnvCard, Field
        >>> term = FieldReward("judge", scale=0.5)
        >>> term.bind(EnvCard("Essay-v0", "", facts=(Field("judge", ""),)))
        >>> term(Transition(0, 0, 0, np.zeros(2), np.ones(2, bool), np.zeros(2, bool),
        ...                 info={"judge": np.array([0.8, -0.2])}))
        array([ 0.4, -0.1])
    """

    def __call__(self, transition: Transition) -> FloatArray:
        """Returns the pay, float64 (n,)."""
        return self.scale * self._field.scalar(transition.after)


@dataclass
class FieldChange(ScaledField, Term):
    """r = scale * (field at s' - field at s): pays a rise of the field, charges a fall.

    Undiscounted, an episode's pay telescopes to scale * (field at the end - at the start),
    so that raising and lowering it in turn earns nothing.

    Args:
        field: Name of an observation field or fact; of several parts the norm counts.
        scale: Factor.

    Raises:
        ConfigError: If the task has no such field.

    Example:
        >>> from rewardsmith.envs import EnvCard, Field
        >>> term = FieldChange("has_key", scale=0.5)
        >>> term.bind(EnvCard("Room-v0", "", observation=(Field("has_key", ""),)))
        >>> term(Transition(np.array([[0.0], [1.0]]), 0, np.array([[1.0], [1.0]]), np.zeros(2),
        ...                 np.zeros(2, bool), np.zeros(2, bool)))
        array([0.5, 0. ])
    """

    def __call__(self, transition: Transition) -> FloatArray:
        """Returns the pay, float64 (n,)."""
        rise = self._field.scalar(transition.after) - self._field.scalar(transition.before)
        return self.scale * rise
