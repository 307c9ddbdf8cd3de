"""A group reward in which brevity pays more where the question is hard."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from rewardsmith.envs.errors import ConfigError, unknown
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.credit.group_reward import GroupReward
from rewardsmith.rewards.credit.rollouts import PAY, Rollouts
from rewardsmith.rewards.credit.segments import mean_by_key, totals


@dataclass
class DifficultyBonus(GroupReward):
    """R_i = R_i + alpha * o_i * c_i * d, with d = 1 - mean_j o_j over the group.

    o is what the outcome term pays, c the conciseness paid on the same step; d, the difficulty
    of the question, counts scored episodes alone. After `ConcisenessBonus` with the same alpha,
    which pays o [1 + alpha c s], an episode has o [1 + alpha c (s + d)] in all. Source: CRF,
    arXiv 2511.09158; d as the group's share of wrong answers is ours.

    Args:
        outcome: Term that is 1 for a right answer, 0 else.
        conciseness: Term with the conciseness, in [0, 1], on the same step.
        alpha: Weight of the bonus, at least 0.

    Raises:
        ConfigError: If alpha is below 0, or the design has no such term.

    Example:
        >>> import numpy as np
        >>> signals = {"pay/outcome": np.array([1.0, 0.0]), "pay/conciseness": np.array([0.8, 0.9])}
        >>> rollouts = Rollouts(np.zeros(2, int), np.ones(2, bool), np.arange(2),
        ...                     reward=np.array([1.4, 0.0]), signals=signals)
        >>> DifficultyBonus()(rollouts, ["question"])
        array([1.6, 0. ])
    """

    outcome: str = "outcome"
    conciseness: str = "conciseness"
    alpha: float = 0.5

    def __post_init__(self) -> None:
        if not self.alpha >= 0:
            raise ConfigError(f"DifficultyBonus.alpha must be at least 0, got {self.alpha}")

    def check(self, names: Iterable[str]) -> None:
        """Raises ConfigError unless the design has both terms."""
        known = list(names)
        for name in (self.outcome, self.conciseness):
            if name not in known:
                raise unknown("term", name, known, where="DifficultyBonus")

    def __call__(self, rollouts: Rollouts, prompts: Sequence[Hashable]) -> FloatArray:
        """Returns the new returns, float64 (E,)."""
        outcome = rollouts.signal(PAY + self.outcome, "step")
        concise = outcome * rollouts.signal(PAY + self.conciseness, "step")
        right = totals(outcome, rollouts.episode, rollouts.n_episodes)
        solved = mean_by_key(right, rollouts.group, rollouts.n_groups, rollouts.scored)
        bonus = totals(concise, rollouts.episode, rollouts.n_episodes)
        return rollouts.returns + self.alpha * bonus * (1.0 - solved[rollouts.group])
