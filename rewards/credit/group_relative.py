"""Whole episodes compared with their group or batch: GRPO, Dr.GRPO, RLOO, REINFORCE++, NSR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np

from rewardsmith.envs.errors import ConfigError, RewardError, unknown
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.credit.advantage import Advantage
from rewardsmith.rewards.credit.rollouts import Level, Rollouts
from rewardsmith.rewards.credit.segments import imbalance, normalise, suffix_sums

Scale = Literal["std", "none"]

_ROUNDING = 1e-9


def check_scale(scale: str, owner: str) -> None:
    """Raises ConfigError if `scale` is neither "std" nor "none"."""
    if scale not in get_args(Scale):
        raise unknown("scale", scale, get_args(Scale), where=f"{owner}.scale")


@dataclass(frozen=True)
class GroupRelative(Advantage):
    """A_i = (R_i - mean_j R_j) / (std_j R_j + epsilon) over the group of episode i.

    The advantage of GRPO (arXiv 2402.03300) and of DAPO (arXiv 2503.14476). With
    `scale="none"` that of Dr.GRPO (arXiv 2503.20783), A_i = R_i - mean R, which does not
    overweigh very easy and very hard starts. A group in which all returns are equal teaches
    nothing. A group of one keeps A = R.

    Args:
        scale: "std" or "none".
        ddof: 1 as in TRL and verl, 0 as in the paper's formula.
        epsilon: Added to the standard deviation.

    Raises:
        ConfigError: If the scale is unknown.

    Example:
        >>> rollouts = Rollouts(np.zeros(4, int), np.ones(4, bool), np.arange(4),
        ...                     reward=np.array([1.0, 0.0, 0.0, 0.0]))
        >>> GroupRelative()(rollouts).round(4)
        array([ 1.5, -0.5, -0.5, -0.5])
    """

    scale: Scale = "std"
    ddof: int = 1
    epsilon: float = 1e-6

    level: ClassVar[Level] = "episode"
    invariant: ClassVar[str] = "the advantages of a group sum to 0"

    def __post_init__(self) -> None:
        check_scale(self.scale, "GroupRelative")

    def credit(self, rollouts: Rollouts) -> FloatArray:
        """Returns float64 (E,)."""
        return normalise(
            rollouts.returns,
            rollouts.group,
            "zscore" if self.scale == "std" else "mean",
            ddof=self.ddof,
            epsilon=self.epsilon,
            mask=rollouts.scored,
        )

    def violation(self, rollouts: Rollouts, credit: FloatArray) -> float:
        """Returns the largest |sum| of a group."""
        return imbalance(credit, rollouts.group, rollouts.n_groups, rollouts.scored)


@dataclass(frozen=True)
class LeaveOneOut(Advantage):
    """A_i = R_i - mean_{j != i} R_j = G / (G - 1) * (R_i - mean R): RLOO (arXiv 2402.14740).

    The baseline does not depend on the episode it is taken from, so the policy gradient
    stays unbiased. A group of one keeps A = R.

    Example:
        >>> rollouts = Rollouts(np.zeros(4, int), np.ones(4, bool), np.arange(4),
        ...                     reward=np.array([1.0, 0.0, 0.0, 1.0]))
        >>> LeaveOneOut()(rollouts).round(4)
        array([ 0.6667, -0.6667, -0.6667,  0.6667])
    """

    level: ClassVar[Level] = "episode"
    invariant: ClassVar[str] = "the advantages of a group sum to 0"

    def credit(self, rollouts: Rollouts) -> FloatArray:
        """Returns float64 (E,)."""
        return normalise(rollouts.returns, rollouts.group, "leave_one_out", mask=rollouts.scored)

    def violation(self, rollouts: Rollouts, credit: FloatArray) -> float:
        """Returns the largest |sum| of a group."""
        return imbalance(credit, rollouts.group, rollouts.n_groups, rollouts.scored)


@dataclass(frozen=True)
class BatchWhitened(Advantage):
    """Returns per token, whitened over all tokens of the batch: REINFORCE++ (arXiv 2501.03262).

        r_t = 1[t is the episode's last token] R - kl_weight * (log pi - log pi_ref)_t
        G_t = sum_{s >= t} gamma^(s-t) r_s,   A = (G - mean G) / (std G + epsilon)

    One scale for the whole batch: a hard start's rare success is not blown up by its own
    group's spread. With `baseline=True` the group's mean is taken from R first.

    Args:
        baseline: Whether to subtract the group's mean return.
        kl_weight: Price of a nat away from the reference policy, at least 0; if positive,
            the signals "logprob" and "reference_logprob" are needed.
        gamma: Discount per token, in [0, 1].
        ddof: Subtracted from the count in the variance.
        epsilon: Added to the standard deviation.

    Raises:
        ConfigError: If kl_weight is negative.
    """

    baseline: bool = False
    kl_weight: float = 0.0
    gamma: float = 1.0
    ddof: int = 1
    epsilon: float = 1e-6

    level: ClassVar[Level] = "token"
    invariant: ClassVar[str] = "the advantages of all tokens of the batch sum to 0"

    def __post_init__(self) -> None:
        if not self.kl_weight >= 0:
            raise ConfigError(f"BatchWhitened.kl_weight must be at least 0, got {self.kl_weight}")

    @property
    def needs(self) -> tuple[str, ...]:
        """Tokens; with a KL price their log-probabilities."""
        return ("tokens", "logprob", "reference_logprob") if self.kl_weight else ("tokens",)

    def credit(self, rollouts: Rollouts) -> FloatArray:
        """Returns float64 (N,)."""
        returns, last = rollouts.returns, np.flatnonzero(rollouts.last_token)
        counted = rollouts.counted[rollouts.step]
        if self.baseline:
            returns = normalise(returns, rollouts.group, "mean", mask=rollouts.scored)
        reward = np.zeros(rollouts.n_tokens)
        reward[last] = returns[rollouts.token_episode[last]]
        if self.kl_weight:
            logprob, reference = (
                rollouts.signal(name, "token") for name in ("logprob", "reference_logprob")
            )
            reward -= self.kl_weight * np.where(counted, logprob - reference, 0.0)
        return normalise(
            suffix_sums(reward, last, self.gamma),
            np.zeros(rollouts.n_tokens, dtype=np.int64),
            ddof=self.ddof,
            epsilon=self.epsilon,
            mask=counted,
        )

    def violation(self, rollouts: Rollouts, credit: FloatArray) -> float:
        """Returns |sum| over the batch."""
        return imbalance(credit, np.zeros(len(credit), dtype=np.int64), 1)


@dataclass(frozen=True)
class SignedOutcome(Advantage):
    """A = positive * R - negative * (1 - R) for a verdict R in [0, 1]; no baseline, no group.

    Source: arXiv 2506.01347 (The Surprising Effectiveness of Negative Reinforcement).
    (1, 0) is its PSR, which reinforces right answers alone; (0, 1) its NSR, which pushes
    wrong answers down and frees their mass for the others in proportion to the prior, so
    that variety lasts; (0.1, 1), the default, its W-REINFORCE. On-policy under plain
    gradient ascent they differ by a constant baseline only; the effect takes several clipped
    updates per batch or an adaptive optimiser.

    Args:
        positive: Weight of a right answer.
        negative: Weight of a wrong one.

    Raises:
        RewardError: If a return is not in [0, 1].

    Example:
        >>> rollouts = Rollouts(np.zeros(2, int), np.ones(2, bool), np.arange(2),
        ...                     reward=np.array([1.0, 0.0]))
        >>> SignedOutcome()(rollouts)
        array([ 0.1, -1. ])
    """

    positive: float = 0.1
    negative: float = 1.0

    level: ClassVar[Level] = "episode"
    invariant: ClassVar[str] = "every advantage lies between -negative and positive"

    def credit(self, rollouts: Rollouts) -> FloatArray:
        """Returns float64 (E,)."""
        verdict = rollouts.returns
        bad = np.flatnonzero((verdict < -_ROUNDING) | (verdict > 1 + _ROUNDING))
        if bad.size:
            raise RewardError(
                f"SignedOutcome needs returns in [0, 1], episode {bad[0]} has {verdict[bad[0]]:g}; "
                "pay 1 for a right answer and 0 for a wrong one"
            )
        return self.positive * verdict - self.negative * (1.0 - verdict)

    def violation(self, rollouts: Rollouts, credit: FloatArray) -> float:
        """Returns the largest excess over either end."""
        return float(np.maximum(credit - self.positive, -self.negative - credit).max(initial=0.0))
