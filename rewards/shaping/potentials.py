"""Ready-made potentials over named fields, for `PotentialShaping`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError, unknown
from rewardsmith.envs.stateful import FloatArray, IntArray
from rewardsmith.rewards.component import Component, Quantity
from rewardsmith.rewards.shaping.fields import ScaledField
from rewardsmith.rewards.shaping.potential import DynamicPotential, Potential
from rewardsmith.rewards.shaping.separation import Separation, check_scale, difference, norm
from rewardsmith.rewards.transition import State


@dataclass
class NegativeDistance(Separation, Potential):
    """Phi(s) = -|field - target|_p / scale: the nearer, the more promising.

    Args:
        field: Name of an observation field or fact.
        target: Name of the quantity to reach; None if `field` is itself a distance.
        scale: Length that counts as 1, positive.
        order: The p of the norm, at least 1.

    Example:
        >>> from rewardsmith.envs import Field
        >>> potential = NegativeDistance("gap", scale=2.0)
        >>> potential.bind(EnvCard("Line-v0", "", observation=(Field("gap", ""),)))
        >>> potential(State(np.array([[3.0]]), {}, 1))
        array([-1.5])
    """

    def __call__(self, state: State) -> FloatArray:
        """Returns the potential, float64 (n,)."""
        return -self.separation(state)


@dataclass
class FieldPotential(ScaledField, Potential):
    """Phi(s) = scale * field.

    Args:
        field: Name of an observation field or fact; of several parts the norm counts.
        scale: Factor; negative if less is more promising.

    Example:
        >>> from rewardsmith.envs import Field
        >>> potential = FieldPotential("height", scale=0.5)
        >>> potential.bind(EnvCard("Hill-v0", "", observation=(Field("height", ""),)))
        >>> potential(State(np.array([[3.0]]), {}, 1))
        array([1.5])
    """

    def __call__(self, state: State) -> FloatArray:
        """Returns the potential, float64 (n,)."""
        return self.scale * self._field.scalar(state)


@dataclass
class StagedDistance(Potential):
    """Phi(s) = -(way still to go through sub-goals in their order) / scale.

    The way is |position - x_i|_p to the first unfinished target x_i, plus the lengths of
    the legs |x_j - x_{j+1}|_p after it; 0 once all stages are finished. It falls along a
    path that visits the targets in order, and does not jump when a stage is finished at
    its target.

    Args:
        position: Name of the field that holds the agent's position.
        stages: In order, mappings with `target`, a field that holds a position, and
            `done`, a 0/1 field that is true once the stage is finished. The last stage
            may leave `done` out: it is then never finished.
        scale: Length that counts as 1, positive.
        order: The p of the norm, at least 1.

    Raises:
        ConfigError: If there is no stage, a stage lacks its target, or one before the
            last lacks `done`.

    Example:
        >>> from rewardsmith.envs import Field
        >>> potential = StagedDistance("at", [{"target": "key", "done": "has_key"},
        ...                                   {"target": "door"}])
        >>> potential.bind(EnvCard("Corridor-v0", "", observation=tuple(
        ...     Field(name, "", (i, i + 1)) for i, name in enumerate(
        ...         ("at", "key", "has_key", "door")))))
        >>> potential(State(np.array([[0.0, 2.0, 0.0, 7.0], [0.0, 2.0, 1.0, 7.0]]), {}, 2))
        array([-7., -7.])
    """

    position: str
    stages: Sequence[Mapping[str, str | None]]
    scale: float = 1.0
    order: float = 2.0
    _position: Quantity = dataclasses.field(init=False, repr=False, compare=False)
    _targets: list[Quantity] = dataclasses.field(init=False, repr=False, compare=False)
    _done: list[Quantity | None] = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_scale(self.scale, self.order)
        if not self.stages:
            raise ConfigError("StagedDistance needs at least one stage; stages is empty")
        for i, stage in enumerate(self.stages):
            for key in stage:
                if key not in ("target", "done"):
                    raise unknown("key", key, ("target", "done"), where=f"stages[{i}]")
            if not stage.get("target"):
                raise ConfigError(f"stages[{i}] needs a target, the field of a position")
            if not stage.get("done") and i < len(self.stages) - 1:
                raise ConfigError(
                    f"stages[{i}] needs done, a 0/1 field that tells when it is finished; only "
                    "the last stage may leave it out"
                )
        self._position = Quantity(self.position)
        self._targets = [Quantity(str(stage["target"])) for stage in self.stages]
        done = [stage.get("done") for stage in self.stages]
        self._done = [None if name is None else Quantity(name) for name in done]

    def bind(self, card: EnvCard) -> None:
        """Looks every name up on the card."""
        for quantity in (self._position, *self._targets, *self._done):
            if quantity is not None:
                quantity.bind(card)

    def __call__(self, state: State) -> FloatArray:
        """Returns the potential, float64 (n,)."""
        position = self._position.of(state)
        targets = [target.of(state) for target in self._targets]
        to_go, later_legs = np.zeros(state.n), np.zeros(state.n)
        for i in reversed(range(len(targets))):
            if i < len(targets) - 1:
                later_legs = later_legs + norm(targets[i + 1] - targets[i], self.order)
            apart = difference(position, targets[i], self.position, self._targets[i].name)
            here = norm(apart, self.order) + later_legs
            done = self._done[i]
            to_go = here if done is None else np.where(done.scalar(state) > 0.5, to_go, here)
        return -to_go / self.scale


@dataclass
class FadingPotential(DynamicPotential):
    """Phi(s, t) = max(0, 1 - t / horizon) * Phi(s): advice that is gone after a while.

    Unlike a shaping term whose weight is lowered, which changes the best policy until it
    is gone, a fading potential leaves it unchanged throughout (Devlin and Kudenko 2012).

    Args:
        potential: A `Potential`, or a function of `State` -> (n,).
        horizon: Steps of an environment after which nothing is left, at least 1.

    Example:
        >>> potential = FadingPotential(lambda state: state.observation[:, 0], horizon=4)
        >>> potential(State(np.array([[8.0], [8.0]]), {}, 2), np.array([1, 9]))
        array([6., 0.])
    """

    potential: Potential | Callable[[State], Any]
    horizon: int

    def __post_init__(self) -> None:
        if self.horizon < 1:
            raise ConfigError(f"horizon must be at least 1 step, got {self.horizon}")

    def bind(self, card: EnvCard) -> None:
        """Resolves the field names of the potential."""
        if isinstance(self.potential, Component):
            self.potential.bind(card)

    def __call__(self, state: State, time: IntArray) -> FloatArray:
        """Returns the potential, float64 (n,)."""
        left = np.maximum(0.0, 1.0 - time / self.horizon)
        return left * np.asarray(self.potential(state), dtype=np.float64)
