"""Bringing rewards to unit scale by running statistics."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from rewardsmith.envs.errors import ConfigError, unknown
from rewardsmith.envs.stateful import BoolArray, FloatArray
from rewardsmith.rewards.component import Transform
from rewardsmith.rewards.rows import cleared, no_rows
from rewardsmith.rewards.transition import Transition

By = Literal["return", "reward"]


@dataclass
class Normalise(Transform):
    """Divides by a running standard deviation, of discounted returns or of rewards.

        by="return":  r' = r / sqrt(Var[G] + epsilon),  G_t = gamma * G_{t-1} + r_t
        by="reward":  r' = (r - E[r]) / sqrt(Var[r] + epsilon)

    clipped to [-clip, clip]. Statistics run over the active rows of all environments
    together, with this step included, and start from mean 0 and variance 1 at the weight
    of 1e-4 samples, as in Gymnasium and Stable-Baselines3. "return" keeps the sign of a
    reward; "reward" moves its zero, which in an episode of varying length is a pay for
    (or against) staying alive.

    G starts at 0 with every episode: the convention of Stable-Baselines3's `VecNormalize`.
    (Gymnasium's `NormalizeReward` agrees where it resets its return as well: within an
    episode, and after truncations under same-step autoreset.)

    Source: reward scaling, arXiv 2005.12729 (Implementation Matters in Deep Policy
    Gradients).

    Args:
        by: "return" or "reward".
        gamma: Discount of the return, in [0, 1].
        epsilon: Added to the variance, positive.
        clip: Largest size of the result, positive; inf does not clip.

    Raises:
        ConfigError: If a parameter is out of range.

    Example:
        >>> step = Transition(0, 0, 0, np.zeros(2), np.zeros(2, bool), np.zeros(2, bool))
        >>> normalise = Normalise(by="reward")
        >>> normalise.reset(np.ones(2, bool))
        >>> normalise(np.array([1.0, 3.0]), step).round(2)
        array([-1.,  1.])
    """

    by: By = "return"
    gamma: float = 0.99
    epsilon: float = 1e-8
    clip: float = 10.0
    _returns: FloatArray = field(default_factory=no_rows, init=False, repr=False, compare=False)
    _mean: float = field(default=0.0, init=False, repr=False, compare=False)
    _variance: float = field(default=1.0, init=False, repr=False, compare=False)
    _count: float = field(default=1e-4, init=False, repr=False, compare=False)

    state_names = ("_returns", "_mean", "_variance", "_count")
    row_independent = False

    def __post_init__(self) -> None:
        if self.by not in get_args(By):
            raise unknown("statistic", self.by, get_args(By), where="Normalise.by")
        if not 0 <= self.gamma <= 1:
            raise ConfigError(f"Normalise.gamma must be in [0, 1], got {self.gamma}")
        for name in ("epsilon", "clip"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"Normalise.{name} must be positive, got {getattr(self, name)}")

    def reset(self, mask: BoolArray) -> None:
        """Restarts the return of the rows where `mask` (n,) is true; statistics go on."""
        self._returns = cleared(self._returns, mask, 0.0)

    def __call__(self, reward: FloatArray, transition: Transition) -> FloatArray:
        """Returns the normalised pay, float64 (n,)."""
        active, sample, centre = transition.active, reward, 0.0
        if self.by == "return":
            np.copyto(self._returns, self.gamma * self._returns + reward, where=active)
            sample = self._returns
        count = np.count_nonzero(active)
        if count:
            self._update(sample if count == active.size else sample[active])
        if self.by == "reward":
            centre = self._mean
        pay = (reward - centre) / math.sqrt(self._variance + self.epsilon)
        np.maximum(pay, -self.clip, out=pay)
        return np.minimum(pay, self.clip, out=pay)

    def _update(self, sample: FloatArray) -> None:
        """Joins the moments of `sample` (m,) to the running ones (Chan et al. 1979)."""
        mean = float(sample.sum()) / sample.size
        deviation = sample - mean
        squares = float(deviation @ deviation)
        delta, total = mean - self._mean, self._count + sample.size
        between = delta * delta * self._count * sample.size / total
        self._variance = (self._variance * self._count + squares + between) / total
        self._mean += delta * sample.size / total
        self._count = total
