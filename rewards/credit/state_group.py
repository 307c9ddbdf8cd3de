"""Steps compared with others taken in the same state: GiGPO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.credit.advantage import Advantage
from rewardsmith.rewards.credit.group_relative import GroupRelative, Scale, check_scale
from rewardsmith.rewards.credit.rollouts import Level, Rollouts
from rewardsmith.rewards.credit.segments import imbalance, mean_by_key, normalise, suffix_sums


@dataclass(frozen=True)
class StateGroups(Advantage):
    """Group-in-group advantages: A_t = A^episode + step_weight * A^step_t.

        A^episode = R - mean R over the group's episodes (/ std)
        A^step_t  = G_t - mean G over the group's steps taken in the same state (/ std)
        G_t       = sum_{k >= t} gamma^(k-t) r_k

    Steps of several episodes, or of one that comes back, that start from one state are
    compared with each other. A state met once gives A^step = 0; with no state met twice
    this is `GroupRelative`. Source: GiGPO, arXiv 2505.10978.

    Args:
        gamma: Discount of the step returns, in [0, 1].
        step_weight: Weight of the step part.
        scale: "none", the paper's mean_norm, or "std", its mean_std_norm.
        ddof: Subtracted from the count in the variance.
        epsilon: Added to the standard deviation.

    Raises:
        ConfigError: If the scale is unknown.
    """

    gamma: float = 0.95
    step_weight: float = 1.0
    scale: Scale = "none"
    ddof: int = 1
    epsilon: float = 1e-6

    level: ClassVar[Level] = "step"
    invariant: ClassVar[str] = "what steps add to their episodes sums to 0 over every state"

    def __post_init__(self) -> None:
        check_scale(self.scale, "StateGroups")

    @property
    def needs(self) -> tuple[str, ...]:
        """The state of every step."""
        return ("state",)

    def credit(self, rollouts: Rollouts) -> FloatArray:
        """Returns float64 (S,)."""
        steps = self._steps(rollouts)
        steps *= self.step_weight
        steps += self._episodes(rollouts)
        return steps

    def violation(self, rollouts: Rollouts, credit: FloatArray) -> float:
        """Returns the largest |sum| of a state."""
        added = credit - self._episodes(rollouts)
        return imbalance(added, rollouts.state_key, rollouts.n_steps, rollouts.counted)

    def _steps(self, rollouts: Rollouts) -> FloatArray:
        returns = suffix_sums(rollouts.reward, rollouts.last, self.gamma)
        key, counted = rollouts.state_key, rollouts.counted
        if self.scale == "none":
            return returns - mean_by_key(returns, key, rollouts.n_steps, counted).take(key)
        return normalise(
            returns, key, ddof=self.ddof, epsilon=self.epsilon, mask=counted, singleton="zero"
        )

    def _episodes(self, rollouts: Rollouts) -> FloatArray:
        whole = GroupRelative(self.scale, self.ddof, self.epsilon)
        return rollouts.to_steps("episode", whole.credit(rollouts))
