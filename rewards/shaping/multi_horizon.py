"""Pay for what the user wants next, and for what comes after it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError, RewardError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.component import Quantity, Term
from rewardsmith.rewards.transition import Transition


@dataclass
class MultiHorizonReward(Term):
    """R = r_1 + delta r_2 + ... + delta^(J-1) r_J, r_j for meeting the j-th next item.

    A recommendation that misses the very next item but names a later one is wrong by little;
    J = 1 pays the next item alone.

    Source: arXiv 2508.15308 (REG4Rec, multi-step reward augmentation); delta and J are not
    told there.

    Args:
        hits: Fact with r_1, r_2, ..., at least J of them.
        horizon: J, at least 1.
        delta: Factor per step ahead, in [0, 1].

    Raises:
        ConfigError: If an argument is out of range or the task has no such fact.
        RewardError: If the fact has fewer than J parts.

    Example:
        >>> from rewardsmith.envs import EnvCard, Field
        >>> term = MultiHorizonReward(horizon=3, delta=0.5)
        >>> term.bind(EnvCard("Shop-v0", "", facts=(Field("hits_ahead", ""),)))
        >>> term(Transition(0, 0, 0, np.zeros(1), np.ones(1, bool), np.zeros(1, bool),
        ...                 info={"hits_ahead": np.array([[1, 0, 1]])}))
        array([1.25])
    """

    hits: str = "hits_ahead"
    horizon: int = 3
    delta: float = 0.5
    _hits: Quantity = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.horizon < 1:
            raise ConfigError(f"horizon must be at least 1 item, got {self.horizon}")
        if not 0.0 <= self.delta <= 1.0:
            raise ConfigError(f"delta must be in [0, 1], got {self.delta}")
        self._hits = Quantity(self.hits)

    def bind(self, card: EnvCard) -> None:
        """Looks the fact up on the card."""
        self._hits.bind(card)

    def __call__(self, transition: Transition) -> FloatArray:
        """Returns the pay, float64 (n,)."""
        hits = self._hits.of(transition.after)
        if hits.shape[1] < self.horizon:
            raise RewardError(
                f"fact {self.hits!r} tells of {hits.shape[1]} items ahead, horizon asks for "
                f"{self.horizon}; lower the horizon, or have the task tell more (option ahead)"
            )
        discount = self.delta ** np.arange(self.horizon)
        return np.asarray((hits[:, : self.horizon] * discount).sum(axis=1))
