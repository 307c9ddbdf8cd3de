"""The distance between two named quantities, which terms and potentials share."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError, RewardError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.component import Component, Quantity
from rewardsmith.rewards.transition import State


def squared(vectors: FloatArray) -> FloatArray:
    """Returns the squared length of every row of `vectors` (n, k), float64 (n,).

    Column by column: fast on the columns that `Field.read` gives, and the sum's order, so
    its last bit, is the same for one row as for many.
    """
    first, *others = vectors.T
    total: FloatArray = np.square(first)
    for column in others:
        total += column * column
    return total


def norm(difference: FloatArray, order: float) -> FloatArray:
    """Returns the p-norm of every row of `difference` (n, k), float64 (n,).

    Example:
        >>> norm(np.array([[3.0, 4.0]]), 2), norm(np.array([[3.0, 4.0]]), 1)
        (array([5.]), array([7.]))
    """
    if order == 2:
        return np.sqrt(squared(difference))
    return np.asarray(np.linalg.norm(difference, ord=order, axis=1))


def difference(here: FloatArray, there: FloatArray, field: str, target: str) -> FloatArray:
    """Returns `here - there`, each (n, k).

    Raises:
        RewardError: If the two have different widths k, which numpy would broadcast.
    """
    if here.shape != there.shape:
        raise RewardError(
            f"field {field!r} has {here.shape[1]} parts and target {target!r} has "
            f"{there.shape[1]}; a distance needs two quantities of the same kind"
        )
    return here - there


@dataclass
class Separation(Component):
    """The part shared by everything that measures a distance |field - target|_p / scale.

    Args:
        field: Name of an observation field or fact.
        target: Name of the quantity it should reach; None if `field` is already a
            difference or a distance.
        scale: Length that counts as 1, positive.
        order: The p of the norm, at least 1: 2 Euclidean, 1 Manhattan, inf Chebyshev.

    Raises:
        ConfigError: If scale or order is out of range, or the task lacks a field.
    """

    field: str
    target: str | None = None
    scale: float = 1.0
    order: float = 2.0
    _field: Quantity = dataclasses.field(init=False, repr=False, compare=False)
    _target: Quantity | None = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_scale(self.scale, self.order)
        self._field = Quantity(self.field)
        self._target = None if self.target is None else Quantity(self.target)

    def bind(self, card: EnvCard) -> None:
        """Looks both names up on the card."""
        self._field.bind(card)
        if self._target is not None:
            self._target.bind(card)

    def separation(self, state: State) -> FloatArray:
        """Returns |field - target|_p / scale at `state`, float64 (n,)."""
        here = self._field.of(state)
        if self._target is not None:
            here = difference(here, self._target.of(state), self.field, self._target.name)
        length = norm(here, self.order)
        return length if self.scale == 1.0 else length / self.scale


def check_scale(scale: float, order: float) -> None:
    """Raises ConfigError unless `scale` is positive and `order` at least 1."""
    if not scale > 0:
        raise ConfigError(f"scale is a length and must be positive, got {scale}")
    if not order >= 1:
        raise ConfigError(f"order must be at least 1 (2 is Euclidean), got {order}")
