"""A combiner in which one bad value spoils all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.component import Combiner
from rewardsmith.rewards.transition import Transition


@dataclass
class Product(Combiner):
    """R = prod_k r_k, for scores in [0, 1] that must all be high.

    Do not use it for values of mixed sign: two penalties would multiply to a prize.

    Example:
        >>> step = Transition(0, 0, 0, np.zeros(1), np.zeros(1, bool), np.zeros(1, bool))
        >>> Product()({"right": np.array([1.0]), "short": np.array([0.25])}, step)
        array([0.25])
    """

    def __call__(self, values: Mapping[str, FloatArray], transition: Transition) -> FloatArray:
        """Returns the product, float64 (n,)."""
        product = np.ones(transition.n)
        for value in values.values():
            product *= value
        return product
