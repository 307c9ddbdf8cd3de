"""Bounding what step scores can add up to: clip, and delta."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import BoolArray, FloatArray
from rewardsmith.rewards.component import Transform
from rewardsmith.rewards.rows import cleared, no_rows
from rewardsmith.rewards.transition import Transition


@dataclass
class Clip(Transform):
    """r' = min(max(r - offset, low), high).

    With `offset=eta, high=0` this is Clip of arXiv 2410.15115: a step scored eta or more
    gets nothing and a worse one is charged the difference, so that no return can be grown
    by adding harmless steps. Choose eta such that most right steps exceed it.

    Args:
        low: Least pay.
        high: Largest pay.
        offset: Subtracted before clipping.

    Raises:
        ConfigError: If low exceeds high.

    Example:
        >>> step = Transition(0, 0, 0, np.zeros(3), np.zeros(3, bool), np.zeros(3, bool))
        >>> Clip(offset=0.5, high=0.0)(np.array([0.9, 0.4, 0.8]), step)
        array([ 0. , -0.1,  0. ])
    """

    low: float = -np.inf
    high: float = np.inf
    offset: float = 0.0

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ConfigError(f"Clip.low must not exceed high, got {self.low} and {self.high}")

    def __call__(self, reward: FloatArray, transition: Transition) -> FloatArray:
        """Returns the clipped pay, float64 (n,)."""
        return np.clip(reward - self.offset, self.low, self.high)


@dataclass
class Delta(Transform):
    """r'_k = r_k - r_{k+1}, with r'_{K-1} = r_{K-1}, and 0 on the last step K.

    For step scores r_1 .. r_{K-1} of an episode that ends with an answer in step K, whose
    own score is not used. The sum from step k on telescopes to r_k, whatever the number of
    steps, so repeating a step gains nothing. The best form of arXiv 2410.15115 is `Clip`
    followed by `Delta`.

    r'_k needs the next score. Online it is paid on step k + 1: r_{k-1} - r_k on step k,
    r_{K-1} on the last; `place` puts it on step k.

    Example:
        >>> steps = [Transition(0, 0, 0, np.zeros(1), np.array([k == 3]), np.zeros(1, bool))
        ...          for k in range(4)]
        >>> Delta().place(np.array([0.9, 0.4, 0.8, 0.0]), steps)
        array([ 0.5, -0.4,  0.8,  0. ])
    """

    _previous: FloatArray = field(default_factory=no_rows, init=False, repr=False, compare=False)
    _first: BoolArray = field(default_factory=no_rows, init=False, repr=False, compare=False)

    state_names = ("_previous", "_first")

    def reset(self, mask: BoolArray) -> None:
        """Forgets the previous score where `mask` (n,) is true."""
        self._previous = cleared(self._previous, mask, 0.0)
        self._first = cleared(self._first, mask, True)

    def __call__(self, reward: FloatArray, transition: Transition) -> FloatArray:
        """Returns the previous step's pay, float64 (n,)."""
        pay = self._previous - np.where(transition.done | self._first, 0.0, reward)
        np.copyto(self._previous, reward, where=transition.active)
        self._first &= ~transition.active
        return pay

    def place(self, reward: FloatArray, transitions: list[Transition]) -> FloatArray:
        """Returns the pay of one finished episode on its own steps, (T,)."""
        scores = np.append(reward[:-1], [0.0, 0.0])
        return np.asarray(scores[:-1] - scores[1:])
