"""A combiner in which brevity pays only where the answer is right."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.combine.roles import check_roles
from rewardsmith.rewards.component import Combiner
from rewardsmith.rewards.transition import Transition


@dataclass
class ConcisenessBonus(Combiner):
    """R = outcome * [1 + alpha * conciseness * s], with s = exp(-c / horizon).

    c counts the steps paid before this one, of all environments together. Since the bonus
    multiplies, "short and wrong" earns nothing, where a penalty on length that is added lets the
    length collapse. How hard the question is adds to s where groups are played, see
    `rewardsmith.rewards.credit.DifficultyBonus`.

    Source: CRF, arXiv 2511.09158. The form is the paper's; the annealing and its values are ours.

    Args:
        outcome: Term that is 1 for a right answer, 0 else.
        conciseness: Term with the conciseness, in [0, 1], on the same step.
        alpha: Weight of the bonus, at least 0.
        horizon: Steps over which s falls by e, positive; inf keeps it at 1.

    Raises:
        ConfigError: If a number is out of range, or the design's terms are not the named ones.

    Example:
        >>> step = Transition(0, 0, 0, np.zeros(2), np.ones(2, bool), np.zeros(2, bool))
        >>> values = {"outcome": np.array([1.0, 0.0]), "conciseness": np.array([0.8, 0.9])}
        >>> ConcisenessBonus()(values, step)
        array([1.4, 0. ])
    """

    outcome: str = "outcome"
    conciseness: str = "conciseness"
    alpha: float = 0.5
    horizon: float = math.inf
    _count: int = field(default=0, init=False, repr=False, compare=False)

    state_names = ("_count",)
    row_independent = False

    def __post_init__(self) -> None:
        if not self.alpha >= 0:
            raise ConfigError(f"ConcisenessBonus.alpha must be at least 0, got {self.alpha}")
        if not self.horizon > 0:
            raise ConfigError(f"ConcisenessBonus.horizon must be positive, got {self.horizon}")

    def check(self, names: Iterable[str]) -> None:
        """Raises ConfigError unless the terms are the named ones."""
        check_roles([self.outcome, self.conciseness], names, "ConcisenessBonus")

    def __call__(self, values: Mapping[str, FloatArray], transition: Transition) -> FloatArray:
        """Returns the combined pay, float64 (n,)."""
        s = math.exp(-self._count / self.horizon)
        self._count += int(np.count_nonzero(transition.active))
        return values[self.outcome] * (1.0 + self.alpha * values[self.conciseness] * s)
