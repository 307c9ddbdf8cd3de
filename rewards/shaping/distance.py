"""Pay for being near a target, and for getting nearer to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from rewardsmith.envs.errors import unknown
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.component import Term
from rewardsmith.rewards.shaping.separation import Separation
from rewardsmith.rewards.transition import Transition

Kernel = Literal["linear", "exponential"]


@dataclass
class Distance(Separation, Term):
    """Pays for nearness after the step, with d' = |field - target|_p / scale at s'.

        linear:       r = -d'
        exponential:  r = exp(-d')

    This is the naive dense reward: an agent may prefer to linger near the target rather
    than to finish (with the exponential form always, once finishing ends the pay). Use
    `PotentialShaping(NegativeDistance(...))` where the best policy must not change.

    Args:
        field: Name of an observation field or fact.
        target: Name of the quantity to reach; None if `field` is itself a distance.
        scale: Length that counts as 1, positive.
        order: The p of the norm, at least 1.
        kernel: "linear" with values in (-inf, 0], or "exponential" with values in (0, 1].

    Example:
        >>> from rewardsmith.envs import EnvCard, Field
        >>> term = Distance("gap", scale=2.0)
        >>> term.bind(EnvCard("Line-v0", "", observation=(Field("gap", ""),)))
        >>> term(Transition(np.array([[4.0]]), 0, np.array([[3.0]]), np.zeros(1),
        ...                 np.zeros(1, bool), np.zeros(1, bool)))
        array([-1.5])
    """

    kernel: Kernel = "linear"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kernel not in get_args(Kernel):
            raise unknown("kernel", self.kernel, get_args(Kernel), where="Distance")

    def __call__(self, transition: Transition) -> FloatArray:
        """Returns the pay, float64 (n,)."""
        negative = -self.separation(transition.after)
        return negative if self.kernel == "linear" else np.exp(negative)


@dataclass
class Progress(Separation, Term):
    """Pays for getting nearer: r = (d(s) - d(s')) / scale with d = |field - target|_p.

    Undiscounted, an episode's pay telescopes to (d(s_0) - d(s_T)) / scale, so that going
    to and fro earns nothing; discounted, prefer `PotentialShaping`, which also leaves the
    best policy as it is.

    Args:
        field: Name of an observation field or fact.
        target: Name of the quantity to reach; None if `field` is itself a distance.
        scale: Length that counts as 1, positive.
        order: The p of the norm, at least 1.

    Example:
        >>> from rewardsmith.envs import EnvCard, Field
        >>> term = Progress("gap")
        >>> term.bind(EnvCard("Line-v0", "", observation=(Field("gap", ""),)))
        >>> term(Transition(np.array([[4.0]]), 0, np.array([[3.5]]), np.zeros(1),
        ...                 np.zeros(1, bool), np.zeros(1, bool)))
        array([0.5])
    """

    def __call__(self, transition: Transition) -> FloatArray:
        """Returns the pay, float64 (n,)."""
        return self.separation(transition.before) - self.separation(transition.after)
