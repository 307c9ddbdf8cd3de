"""A group reward for reasoning that makes the gold answer likely, and for saying so shortly."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from rewardsmith.envs.errors import ConfigError, RewardError, unknown
from rewardsmith.envs.stateful import FloatArray, IntArray
from rewardsmith.rewards.credit.group_reward import GroupReward
from rewardsmith.rewards.credit.rollouts import PAY, Rollouts
from rewardsmith.rewards.credit.segments import totals

REFERENCE_GOLD, REASONING = "reference_gold_avglogprob", "reasoning_tokens"
"""Signals (S,) that are known at an episode's last step: the mean log-probability of the gold
answer's tokens under a reference policy, and the tokens that the policy wrote before it."""


def reasoning_perplexity(avglogprob: FloatArray, tokens: FloatArray) -> FloatArray:
    """Returns P = exp(-l / N), N = max(1, 1 + log10 |z|), of shape (E,); at least 1.

    Args:
        avglogprob: l, the mean log-probability of the answer's tokens after the reasoning, (E,).
        tokens: |z|, the length of the reasoning, (E,).

    Example:
        >>> reasoning_perplexity(np.array([-2.0, -2.0]), np.array([1.0, 10.0])).round(4)
        array([7.3891, 2.7183])
    """
    return np.asarray(np.exp(-avglogprob / (1.0 + np.log10(np.maximum(tokens, 1.0)))))


@dataclass
class PerplexityRanks(GroupReward):
    """R_i = R_i + 1[F_i] (reasoning * (n - rank_i) / n + efficiency * E_i).

    Compared are the n members of the group whose format is right, F = 1: rank is the place,
    from 0, of P_i among their reasoning perplexities, lowest first and ties in order; and
    E_i = #{j: |z_i| < |z_j| and P_i < P_j} / (n - 1), or 0 if n < 2, is the share of the others
    that are longer and worse. The others keep what the design pays, so let it pay the format.

    P is that of the gold answer after the reasoning z, see `reasoning_perplexity`, under the
    trainer's reference policy: no verifier and no sampled answer are needed. An episode without
    a gold answer is not compared. Source: NOVER, arXiv 2505.16022.

    Args:
        format: Term that pays above 0 where the format is right.
        reasoning: Weight of the rank, at least 0.
        efficiency: Weight of E, at least 0.

    Raises:
        ConfigError: If a weight is below 0, or the design has no such term.

    Example:
        >>> ranks = PerplexityRanks()
        >>> ranks.bonus(np.array([1.2, 1.5, 1.1]), np.array([20, 30, 40])).round(4)
        array([1.1667, 0.3333, 1.    ])
    """

    format: str = "format"
    reasoning: float = 1.0
    efficiency: float = 1.0

    def __post_init__(self) -> None:
        for name in ("reasoning", "efficiency"):
            if not getattr(self, name) >= 0:
                value = getattr(self, name)
                raise ConfigError(f"PerplexityRanks.{name} must be at least 0, got {value}")

    @property
    def needs(self) -> tuple[str, ...]:
        """The gold answer's log-probability under the reference, and the reasoning's length."""
        return (REFERENCE_GOLD, REASONING)

    def check(self, names: Iterable[str]) -> None:
        """Raises ConfigError unless the design has the format's term."""
        if self.format not in (known := list(names)):
            raise unknown("term", self.format, known, where="PerplexityRanks.format")

    def __call__(self, rollouts: Rollouts, prompts: Sequence[Hashable]) -> FloatArray:
        """Returns the new returns, float64 (E,).

        Raises:
            RewardError: If the rollouts lack a signal that it needs.
        """
        if not set(self.needs) <= rollouts.signals.keys():
            raise RewardError(
                "PerplexityRanks needs a reference policy's probabilities of the gold answer, "
                "which these rollouts lack; use agent=nover"
            )
        logprob = rollouts.signal(REFERENCE_GOLD, "step")[rollouts.last]
        tokens = rollouts.signal(REASONING, "step")[rollouts.last]
        form = rollouts.signal(PAY + self.format, "step")
        right = totals(form, rollouts.episode, rollouts.n_episodes) > 0
        compared = np.flatnonzero(right & rollouts.scored & np.isfinite(logprob))
        perplexity = reasoning_perplexity(logprob, tokens)
        returns = rollouts.returns.copy()
        for group in range(rollouts.n_groups):
            members = compared[rollouts.group[compared] == group]
            returns[members] += self.bonus(perplexity[members], tokens[members])
        return returns

    def bonus(self, perplexity: FloatArray, tokens: FloatArray | IntArray) -> FloatArray:
        """Returns what n members with the right format get, float64 (n,), from P and |z|, (n,)."""
        n = len(perplexity)
        rank = np.empty(n)
        rank[np.argsort(perplexity, kind="stable")] = np.arange(n)
        better = perplexity[:, None] < perplexity
        beaten = (better & (tokens[:, None] < tokens)).sum(axis=1)
        ranked, shorter = (n - rank) / max(n, 1), beaten / max(n - 1, 1)
        return np.asarray(self.reasoning * ranked + self.efficiency * shorter)
