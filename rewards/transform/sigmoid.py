"""Squashing a reward around the rewards of reference responses."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.component import Quantity, Transform
from rewardsmith.rewards.transition import Transition


def sigmoid(x: FloatArray) -> FloatArray:
    """Returns 1 / (1 + exp(-x)), without overflow.

    Example:
        >>> sigmoid(np.array([-1000.0, 0.0]))
        array([0. , 0.5])
    """
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


@dataclass
class CenteredSigmoid(Transform):
    """r' = mean over m of sigmoid(k (r - ref_m)), in [0, 1]: preference as reward.

    With k = 1 and a reward fitted by Bradley-Terry, r' is the probability of being
    preferred to the reference responses. It is steep where learning starts and flat where
    a proxy reward is most wrong, at its extremes, which delays over-optimisation.

    Every step of the stream is mapped, a step that pays 0 too; use it where each step
    carries the score of a whole response.

    Source: arXiv 2502.18770 (Reward Shaping to Mitigate Reward Hacking in RLHF).

    Args:
        reference: ref: a number, a list of M numbers, or the name of a fact that holds
            the rewards of M reference responses per row; M = 1 is enough.
        steepness: k, positive.

    Raises:
        ConfigError: If there is no reference, or steepness is not positive.

    Example:
        >>> step = Transition(0, 0, 0, np.zeros(2), np.ones(2, bool), np.zeros(2, bool))
        >>> CenteredSigmoid([0.0, 1.0, 3.0])(np.array([2.0, -99.0]), step).round(5)
        array([0.62693, 0.     ])
    """

    reference: float | Sequence[float] | str
    steepness: float = 1.0
    _fact: Quantity | None = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.steepness > 0:
            raise ConfigError(f"steepness must be positive, got {self.steepness}")
        if isinstance(self.reference, Sequence) and not len(self.reference):
            raise ConfigError("CenteredSigmoid.reference is empty; give at least one")
        self._fact = Quantity(self.reference) if isinstance(self.reference, str) else None

    def bind(self, card: EnvCard) -> None:
        """Looks the fact up on the card."""
        if self._fact is not None:
            self._fact.bind(card)

    def __call__(self, reward: FloatArray, transition: Transition) -> FloatArray:
        """Returns the squashed pay, float64 (n,)."""
        if self._fact is not None:
            references = self._fact.of(transition.after)
        else:
            references = np.atleast_1d(np.asarray(self.reference, dtype=np.float64))
        squashed = sigmoid(self.steepness * (reward[:, None] - references))
        return np.asarray(squashed.mean(axis=1))
