"""Turns compared with the group's other turns: GRPO's process form, MatchTIR's dual level, IGPO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np

from rewardsmith.envs.errors import RewardError, unknown
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray
from rewardsmith.rewards.credit.advantage import Advantage
from rewardsmith.rewards.credit.group_relative import GroupRelative
from rewardsmith.rewards.credit.rollouts import Level, Rollouts
from rewardsmith.rewards.credit.segments import imbalance, normalise, suffix_sums

Gain = Literal["difference", "log"]
Together = Literal["joint", "separate"]


@dataclass(frozen=True)
class ProcessRelative(Advantage):
    """A_t = sum_{k >= t} gamma^(k-t) z_k, z the z-scores of all step rewards of the group.

    GRPO with process supervision (arXiv 2402.03300, section 4.1.3).

    Args:
        gamma: Discount, in [0, 1]; the paper sums undiscounted.
        ddof: Subtracted from the count in the variance.
        epsilon: Added to the standard deviation.

    Example:
        >>> rollouts = Rollouts(np.zeros(2, int), np.ones(2, bool), np.array([0, 0, 1]),
        ...                     reward=np.array([1.0, 0.0, 0.5]))
        >>> ProcessRelative()(rollouts).round(4)
        array([ 0., -1.,  0.])
    """

    gamma: float = 1.0
    ddof: int = 1
    epsilon: float = 1e-6

    level: ClassVar[Level] = "step"
    invariant: ClassVar[str] = "the normalised rewards of a group's turns sum to 0"

    def credit(self, rollouts: Rollouts) -> FloatArray:
        """Returns float64 (S,)."""
        relative = normalise(
            rollouts.reward,
            rollouts.step_group,
            ddof=self.ddof,
            epsilon=self.epsilon,
            mask=rollouts.counted,
            singleton="zero",
        )
        return suffix_sums(relative, rollouts.last, self.gamma)

    def violation(self, rollouts: Rollouts, credit: FloatArray) -> float:
        """Returns the largest |sum| of a group, the suffix sums undone."""
        return _turn_imbalance(rollouts, credit, self.gamma)


@dataclass(frozen=True)
class DualLevel(Advantage):
    """A_t = (A^episode + A^turn_t) / 2: the whole episode, and the rest of it from turn t.

        A^episode = z-score of R over the group
        A^turn_t  = z-score of G_t = sum_{k >= t} gamma^(k-t) r_k over the group's episodes
                    that have a turn t

    Source: MatchTIR, arXiv 2601.10712. What has nobody to compare with keeps its value.

    Args:
        gamma: Discount of the turn returns, in [0, 1].
        ddof: Subtracted from the count in the variance.
        epsilon: Added to the standard deviation.
    """

    gamma: float = 0.9
    ddof: int = 1
    epsilon: float = 1e-6

    level: ClassVar[Level] = "step"
    invariant: ClassVar[str] = "what turn t adds to the episodes of a group sums to 0"

    def credit(self, rollouts: Rollouts) -> FloatArray:
        """Returns float64 (S,)."""
        turns = normalise(
            suffix_sums(rollouts.reward, rollouts.last, self.gamma),
            self._turn_key(rollouts)[0],
            ddof=self.ddof,
            epsilon=self.epsilon,
            mask=rollouts.counted,
        )
        return (self._episodes(rollouts) + turns) / 2.0

    def violation(self, rollouts: Rollouts, credit: FloatArray) -> float:
        """Returns the largest |sum| of a turn."""
        turns = 2.0 * credit - self._episodes(rollouts)
        return imbalance(turns, *self._turn_key(rollouts), rollouts.counted)

    def _episodes(self, rollouts: Rollouts) -> FloatArray:
        whole = GroupRelative(ddof=self.ddof, epsilon=self.epsilon)
        return rollouts.to_steps("episode", whole.credit(rollouts))

    def _turn_key(self, rollouts: Rollouts) -> tuple[IntArray, int]:
        longest = int(rollouts.lengths.max(initial=1))
        key = rollouts.step_group * longest + rollouts.position
        return key, rollouts.n_groups * longest


@dataclass(frozen=True)
class InformationGain(Advantage):
    """Turns paid by how much they raise the belief in the gold answer: IGPO (arXiv 2510.14967).

        r_t = p_t - p_{t-1}            (gain="difference")
        r_t = log p_t - log p_{t-1}    (gain="log")     for every turn but the last
        r_T = R, the episode's return
        A_t = sum_{k >= t} gamma^(k-t) z_k

    z are z-scores over all turns of the group ("joint"), or of the gains and of the
    outcomes apart ("separate"), which does not care about their scales. Groups whose
    episodes all fail, in which `GroupRelative` is 0, still teach here.

    The signal "belief" (S,) is p before each turn: (the geometric mean of) the probability
    of the gold answer's tokens given what the policy has seen so far.

    Args:
        together: "joint" or "separate".
        gain: "difference" or "log".
        gamma: Discount, in [0, 1].
        ddof: Subtracted from the count in the variance.
        epsilon: Added to the standard deviation.

    Raises:
        ConfigError: If a choice is unknown.
        RewardError: If "log" meets a belief that is not positive.
    """

    together: Together = "joint"
    gain: Gain = "difference"
    gamma: float = 1.0
    ddof: int = 0
    epsilon: float = 1e-6

    level: ClassVar[Level] = "step"
    invariant: ClassVar[str] = "the normalised rewards of a group's turns sum to 0"

    def __post_init__(self) -> None:
        for name, known in (("together", get_args(Together)), ("gain", get_args(Gain))):
            if getattr(self, name) not in known:
                raise unknown(name, getattr(self, name), known, where="InformationGain")

    @property
    def needs(self) -> tuple[str, ...]:
        """The belief before every turn."""
        return ("belief",)

    def credit(self, rollouts: Rollouts) -> FloatArray:
        """Returns float64 (S,)."""
        counted, closing = rollouts.counted, np.zeros(rollouts.n_steps, np.bool_)
        closing[rollouts.last] = True
        reward = np.where(
            closing, rollouts.to_steps("episode", rollouts.returns), self._gains(rollouts)
        )
        if self.together == "joint":
            relative = self._relative(rollouts, reward, counted)
        else:
            relative = self._relative(rollouts, reward, counted & closing)
            relative += self._relative(rollouts, reward, counted & ~closing)
        return suffix_sums(relative, rollouts.last, self.gamma)

    def violation(self, rollouts: Rollouts, credit: FloatArray) -> float:
        """Returns the largest |sum| of a group, the suffix sums undone."""
        return _turn_imbalance(rollouts, credit, self.gamma)

    def _gains(self, rollouts: Rollouts) -> FloatArray:
        """Returns the gain of every turn (S,); that of an episode's last has no meaning."""
        belief = rollouts.signal("belief", "step")
        if self.gain == "log":
            bad = np.flatnonzero(rollouts.counted & ~(belief > 0))
            if bad.size:
                raise RewardError(
                    f"signals: 'belief' is {belief[bad[0]]} at step {bad[0]}; its logarithm "
                    "needs positive probabilities; use gain='difference'"
                )
            belief = np.log(np.where(rollouts.counted, belief, 1.0))
        return np.append(belief[1:], 0.0) - belief

    def _relative(self, rollouts: Rollouts, reward: FloatArray, mask: BoolArray) -> FloatArray:
        return normalise(
            reward,
            rollouts.step_group,
            ddof=self.ddof,
            epsilon=self.epsilon,
            mask=mask,
            singleton="zero",
        )


def _turn_imbalance(rollouts: Rollouts, credit: FloatArray, gamma: float) -> float:
    """Returns the largest |sum over a group| of z_t = A_t - gamma * A_{t+1}."""
    following = np.append(credit[1:], 0.0)
    following[rollouts.last] = 0.0
    relative, group = credit - gamma * following, rollouts.step_group
    return imbalance(relative, group, rollouts.n_groups, rollouts.counted)
