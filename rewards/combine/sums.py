"""Combiners that weigh terms against each other without a gate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from rewardsmith.envs.errors import unknown
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.component import Combiner
from rewardsmith.rewards.transition import Transition


@dataclass
class WeightedSum(Combiner):
    """R = sum_k w_k r_k; a term without a weight counts with weight 1.

    Args:
        weights: Weight by term name.

    Example:
        >>> step = Transition(0, 0, 0, np.zeros(1), np.zeros(1, bool), np.zeros(1, bool))
        >>> WeightedSum({"b": 0.5})({"a": np.array([1.0]), "b": np.array([4.0])}, step)
        array([3.])
    """

    weights: Mapping[str, float] = field(default_factory=dict)

    def check(self, names: Iterable[str]) -> None:
        """Raises ConfigError if a weight belongs to no term."""
        known = list(names)
        for name in self.weights:
            if name not in known:
                raise unknown("term", name, known, where="WeightedSum.weights")

    def __call__(self, values: Mapping[str, FloatArray], transition: Transition) -> FloatArray:
        """Returns the weighted sum, float64 (n,)."""
        total = np.zeros(transition.n)
        for name, value in values.items():
            weight = self.weights.get(name, 1.0)
            total += value if weight == 1.0 else weight * value
        return total
