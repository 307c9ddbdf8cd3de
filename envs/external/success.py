"""`Threshold`: a task counts as solved while a named quantity is past a bound."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError, unknown
from rewardsmith.envs.stateful import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class Threshold:
    """Holds where a quantity q has reached a bound: q >= above, or q <= below.

    A single number is compared as it is, sign included; a quantity of several components
    by its Euclidean norm. The bound itself counts as reached, NaN never does.

    Args:
        field: Name of an observation field or of a fact on the task's card.
        above: Least value that counts, in the unit of the field.
        below: Largest value that counts. Exactly one of `above` and `below` is given.

    Raises:
        ConfigError: If not exactly one bound is given, or it is not a finite number.

    Example:
        >>> near = Threshold("fingertip_to_target", below=0.05)
        >>> near.holds(np.array([[0.03, -0.04], [0.3, 0.4]]))
        array([ True, False])
        >>> Threshold("height")
        Traceback (most recent call last):
        rewardsmith.envs.errors.ConfigError: success on 'height' needs exactly one of above \
and below, got above=None, below=None
    """

    field: str
    above: float | None = None
    below: float | None = None

    def __post_init__(self) -> None:
        given: list[Any] = [bound for bound in (self.above, self.below) if bound is not None]
        if len(given) != 1:
            raise ConfigError(
                f"success on {self.field!r} needs exactly one of above and below, "
                f"got above={self.above!r}, below={self.below!r}"
            )
        if not isinstance(given[0], Real) or not math.isfinite(given[0]):
            raise ConfigError(
                f"success on {self.field!r}: the bound must be a finite number, got {given[0]!r}"
            )

    def holds(self, value: FloatArray) -> BoolArray:
        """Tells for each of n values (n, k), with k components, whether it is past the bound."""
        scalar = value[:, 0] if value.shape[1] == 1 else np.linalg.norm(value, axis=1)
        low = -np.inf if self.above is None else self.above
        high = np.inf if self.below is None else self.below
        return (low <= scalar) & (scalar <= high)

    def describe(self, card: EnvCard) -> str:
        """Returns the predicate in words, with the unit of the field.

        Raises:
            ConfigError: If the card has no such field; the message lists the nearest names.
        """
        field = card.field(self.field)
        columns = field.columns or (0, 1)
        norm = "norm of " if columns[1] - columns[0] > 1 else ""
        bound = f">= {self.above:g}" if self.above is not None else f"<= {self.below:g}"
        return f"{norm}{self.field} {bound} {field.unit}".rstrip()


Success: TypeAlias = Threshold | Mapping[str, Any] | Sequence[Threshold | Mapping[str, Any]]
"""A success predicate as a user writes it; of several thresholds all must hold."""


def thresholds(success: object) -> tuple[Threshold, ...]:
    """Reads a success predicate, such as `{field: x_position, above: 2.0}` from YAML.

    Args:
        success: A `Success`, or what a user wrote in its place.

    Raises:
        ConfigError: If a key is unknown or missing, or there is no threshold at all.

    Example:
        >>> thresholds({"field": "x_position", "above": 2.0})
        (Threshold(field='x_position', above=2.0, below=None),)
    """
    if isinstance(success, Threshold):
        return (success,)
    if isinstance(success, Mapping):
        return (_from_mapping(success),)
    if isinstance(success, str) or not isinstance(success, Sequence) or not success:
        raise ConfigError(
            "success must be {field: NAME, above: NUMBER}, {field: NAME, below: NUMBER}, or a "
            f"list of these that must all hold, got {success!r}"
        )
    return tuple(threshold for item in success for threshold in thresholds(item))


def _from_mapping(config: Mapping[str, Any]) -> Threshold:
    keys = [field.name for field in dataclasses.fields(Threshold)]
    for key in config:
        if key not in keys:
            raise unknown("key", key, keys, where="success")
    if not isinstance(config.get("field"), str):
        raise ConfigError(f"success needs 'field', the name of a quantity, got {dict(config)!r}")
    return Threshold(**config)
