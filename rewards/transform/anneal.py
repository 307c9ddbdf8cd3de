"""A weight on the reward that changes as training goes on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from rewardsmith.envs.errors import ConfigError, unknown
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.component import Transform
from rewardsmith.rewards.transition import Transition

Shape = Literal["linear", "cosine", "step"]


@dataclass
class Anneal(Transform):
    """r' = w(c / horizon) * r, with c the environment steps paid before this one.

    With x = c / horizon, held at 1 after the horizon:

        linear:  w = start + (end - start) * x
        cosine:  w = end + (start - end) * (1 + cos(pi * x)) / 2
        step:    w = start while x < 1, then end

    Steps of all environments count together. In a nested design this fades out one term;
    for shaping by a potential use `FadingPotential`, which never changes the best policy.

    Args:
        horizon: Environment steps until `end` is reached, at least 1.
        start: First weight.
        end: Last weight.
        shape: "linear", "cosine" or "step".

    Raises:
        ConfigError: If the horizon is below 1, or the shape is unknown.

    Example:
        >>> step = Transition(0, 0, 0, np.zeros(2), np.zeros(2, bool), np.zeros(2, bool))
        >>> anneal = Anneal(horizon=4)
        >>> [anneal(np.ones(2), step).tolist() for _ in range(3)]
        [[1.0, 1.0], [0.5, 0.5], [0.0, 0.0]]
    """

    horizon: int
    start: float = 1.0
    end: float = 0.0
    shape: Shape = "linear"
    _count: int = field(default=0, init=False, repr=False, compare=False)

    state_names = ("_count",)
    row_independent = False

    def __post_init__(self) -> None:
        if self.horizon < 1:
            raise ConfigError(f"Anneal.horizon must be at least 1 step, got {self.horizon}")
        if self.shape not in get_args(Shape):
            raise unknown("shape", self.shape, get_args(Shape), where="Anneal")

    @property
    def weight(self) -> float:
        """The weight of the next step."""
        x = min(self._count / self.horizon, 1.0)
        if self.shape == "step":
            return self.start if x < 1.0 else self.end
        left = 1.0 - x if self.shape == "linear" else 0.5 * (1.0 + math.cos(math.pi * x))
        return self.end + (self.start - self.end) * left

    def __call__(self, reward: FloatArray, transition: Transition) -> FloatArray:
        """Returns the weighted pay, float64 (n,)."""
        pay = self.weight * reward
        self._count += int(np.count_nonzero(transition.active))
        return pay
