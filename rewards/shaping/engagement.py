"""Pay for engagement: clicks that lead to purchases."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.component import Quantity, Term
from rewardsmith.rewards.transition import Transition


def harmonic_engagement(ctr: ArrayLike, cvr: ArrayLike, weight: float = 1.0) -> FloatArray:
    """Returns 2 weight ctr cvr / (ctr + cvr), weight times their harmonic mean; 0 if both are 0.

    Args:
        ctr: Click-through rates in [0, 1], any shape.
        cvr: Conversion rates in [0, 1], of the same shape.
        weight: Worth of the kind of feedback; in arXiv 2509.03236 2 for an order, 1.5 for one
            of the same category, 1 for a click, 0.5 for a view, 0.2 for not being shown.

    Example:
        >>> float(harmonic_engagement(0.1, 0.02, weight=2.0).round(4))
        0.0667
    """
    clicks, purchases = np.asarray(ctr, dtype=np.float64), np.asarray(cvr, dtype=np.float64)
    total, product = clicks + purchases, 2.0 * weight * clicks * purchases
    return np.divide(product, total, out=np.zeros_like(product), where=total != 0.0)


@dataclass
class HarmonicEngagement(Term):
    """r = 2 weight ctr cvr / (ctr + cvr), high only if clicks and purchases both are.

    Source: arXiv 2509.03236 (OneSearch, preference-aware reward system), whose rates are
    smoothed counts of a log.

    Args:
        ctr: Fact with the click-through rate, in [0, 1].
        cvr: Fact with the conversion rate, in [0, 1].
        weight: Worth of the kind of feedback.

    Raises:
        ConfigError: If the task lacks a fact.

    Example:
        >>> from rewardsmith.envs import EnvCard, Field
        >>> term = HarmonicEngagement()
        >>> term.bind(EnvCard("Shop-v0", "", facts=(Field("ctr", ""), Field("cvr", ""))))
        >>> term(Transition(0, 0, 0, np.zeros(2), np.ones(2, bool), np.zeros(2, bool),
        ...                 info={"ctr": np.array([0.5, 0.9]), "cvr": np.array([0.5, 0.0])}))
        array([0.5, 0. ])
    """

    ctr: str = "ctr"
    cvr: str = "cvr"
    weight: float = 1.0
    _ctr: Quantity = dataclasses.field(init=False, repr=False, compare=False)
    _cvr: Quantity = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._ctr, self._cvr = Quantity(self.ctr), Quantity(self.cvr)

    def bind(self, card: EnvCard) -> None:
        """Looks both facts up on the card."""
        self._ctr.bind(card)
        self._cvr.bind(card)

    def __call__(self, transition: Transition) -> FloatArray:
        """Returns the pay, float64 (n,)."""
        clicks, purchases = (q.scalar(transition.after) for q in (self._ctr, self._cvr))
        return harmonic_engagement(clicks, purchases, self.weight)
