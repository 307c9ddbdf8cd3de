"""A combiner in which being relevant outweighs being clicked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.combine.roles import check_roles
from rewardsmith.rewards.component import Combiner
from rewardsmith.rewards.transition import Transition


@dataclass
class RelevanceFirstSum(Combiner):
    """R = l1 CTR + l2 CVR + l3 CTCVR + amplification l4 relevance, with CTCVR = CTR CVR.

    Popular items are clicked whatever was asked for. Amplified tenfold, relevance is met
    first, and engagement chooses among what is relevant. The paper predicts CTCVR by a tower
    of its own; here it is the product that it stands for.

    Source: arXiv 2509.03236 (OneSearch, reward score).

    Args:
        ctr: Term with the click-through rate.
        cvr: Term with the conversion rate, purchases per click.
        relevance: Term with the relevance.
        weights: l1 to l4.
        amplification: Factor on relevance.

    Raises:
        ConfigError: If there are not four weights, or the design's terms are not these three.

    Example:
        >>> import numpy as np
        >>> step = Transition(0, 0, 0, np.zeros(2), np.zeros(2, bool), np.zeros(2, bool))
        >>> values = {"ctr": np.array([0.9, 0.2]), "cvr": np.array([0.0, 0.5]),
        ...           "relevance": np.array([0.0, 0.8])}
        >>> RelevanceFirstSum()(values, step)
        array([0.9, 8.8])
    """

    ctr: str = "ctr"
    cvr: str = "cvr"
    relevance: str = "relevance"
    weights: Sequence[float] = (1.0, 1.0, 1.0, 1.0)
    amplification: float = 10.0

    def __post_init__(self) -> None:
        if len(self.weights) != 4:
            raise ConfigError(
                "RelevanceFirstSum.weights must be four numbers, for CTR, CVR, CTCVR and "
                f"relevance; got {self.weights!r}"
            )

    def check(self, names: Iterable[str]) -> None:
        """Raises ConfigError unless the terms are ctr, cvr and relevance."""
        check_roles((self.ctr, self.cvr, self.relevance), names, "RelevanceFirstSum")

    def __call__(self, values: Mapping[str, FloatArray], transition: Transition) -> FloatArray:
        """Returns the combined pay, float64 (n,)."""
        ctr, cvr, relevance = values[self.ctr], values[self.cvr], values[self.relevance]
        click, purchase, both, relevant = self.weights
        engagement = click * ctr + purchase * cvr + both * ctr * cvr
        return engagement + self.amplification * relevant * relevance
