"""Reasoning credited by how likely it makes the gold answer: JEPO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rewardsmith.envs.errors import RewardError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.credit.advantage import Advantage
from rewardsmith.rewards.credit.rollouts import Level, Rollouts
from rewardsmith.rewards.credit.segments import mean_by_key


@dataclass(frozen=True)
class JensenBound(Advantage):
    """A_i = log mean_j exp(L_j) - log mean_{j != i} exp(L_j), L_j = log pi(answer | episode j).

    How much episode i tightens the group's lower bound on the log-probability of the gold
    answer. L is the signal "gold_logprob" (S,), in nats, at the episode's last step: the
    answer's log-probability after what the policy wrote there. What the design pays is
    not read. An episode without siblings gets 0. Source: JEPO, as in arXiv 2602.03979
    (Likelihood-Based Reward Designs for General LLM Reasoning).

    Raises:
        RewardError: If a log-probability is not finite.

    Example:
        >>> rollouts = Rollouts(np.zeros(2, int), np.ones(2, bool), np.arange(2), np.zeros(2),
        ...                     signals={"gold_logprob": np.log([0.125, 0.5])})
        >>> JensenBound()(rollouts).round(5)
        array([-0.47   ,  0.91629])
    """

    level: ClassVar[Level] = "episode"
    invariant: ClassVar[str] = "exp(-A) has mean 1 over a group"

    @property
    def needs(self) -> tuple[str, ...]:
        """The log-probability of the gold answer."""
        return ("gold_logprob",)

    def credit(self, rollouts: Rollouts) -> FloatArray:
        """Returns float64 (E,)."""
        gold = rollouts.signal("gold_logprob", "step")[rollouts.last]
        bad = np.flatnonzero(rollouts.scored & ~np.isfinite(gold))
        if bad.size:
            raise RewardError(
                f"signals: 'gold_logprob' is {gold[bad[0]]} for episode {bad[0]}; give finite "
                "log-probabilities, or scored=False where there is no gold answer"
            )
        order = np.argsort(rollouts.group, kind="stable")
        order = order[rollouts.scored[order]]
        group = rollouts.group[order]
        count = np.bincount(group, minlength=rollouts.n_groups)
        place = np.arange(len(order)) - (np.cumsum(count) - count)[group]
        table = np.full((rollouts.n_groups, int(count.max(initial=0)) + 2), -np.inf)
        table[group, place + 1] = gold[order]
        # The sum without i is made of what stands before and after i: taking exp(L_i) off the
        # whole sum would leave nothing but rounding where i is by far the likeliest.
        before = np.logaddexp.accumulate(table, axis=1)
        after = np.logaddexp.accumulate(table[:, ::-1], axis=1)[:, ::-1]
        whole = before[group, -1] - np.log(count[group])
        others = np.logaddexp(before[group, place], after[group, place + 2])
        advantage = np.zeros(rollouts.n_episodes)
        several = count[group] > 1
        rest = others[several] - np.log(count[group][several] - 1)
        advantage[order[several]] = whole[several] - rest
        return advantage

    def violation(self, rollouts: Rollouts, credit: FloatArray) -> float:
        """Returns the largest |mean exp(-A) - 1| of a group."""
        group, n = rollouts.group, rollouts.n_groups
        mean = mean_by_key(np.exp(-credit), group, n, rollouts.scored)
        return float(np.abs(mean - 1.0)[group[rollouts.scored]].max(initial=0.0))
