"""`Outcomes`: what groups came to, which a sampler keeps them by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.credit import Rollouts
from rewardsmith.rewards.credit.segments import centred, spread
from rewardsmith.rewards.episode import Group


@dataclass(frozen=True)
class Outcomes:
    """What the G groups of a round came to.

    Attributes:
        solved: Share of a group's rollouts that solved the task, float64 (G,).
        spread: Population standard deviation of what a group's scored episodes are paid in all,
            float64 (G,); NaN if none of them is scored.
    """

    solved: FloatArray
    spread: FloatArray

    @classmethod
    def of(cls, groups: Sequence[Group], rollouts: Rollouts) -> Outcomes:
        """Returns what groups came to.

        Args:
            groups: The groups.
            rollouts: The same, paid.
        """
        group, scored, n = rollouts.group, rollouts.scored, len(groups)
        deviation = centred(rollouts.returns, group, n, scored)
        counted = np.bincount(group[scored], minlength=n) > 0
        return cls(
            solved=np.array([np.mean([episode.success for episode in g]) for g in groups]),
            spread=np.where(counted, spread(deviation, group, n, scored, ddof=0), np.nan),
        )
