"""Tokens judged by how much they changed the mean outcome of their prefix: TEMPO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.credit.advantage import Advantage
from rewardsmith.rewards.credit.rollouts import Level, Rollouts
from rewardsmith.rewards.credit.segments import centred, divisor, mean_by_key, spread, totals


@dataclass(frozen=True)
class PrefixTree(Advantage):
    """A_t = (R - mean R + d_t) / (std R + epsilon),  d_t = V(s_{t+1}) - V(s_t).

    s_t is the prefix before token t and V(s) the mean return of the group's episodes that
    begin with s; V of the empty prefix is the group's mean, V of a whole episode its own
    return. So d_t is 0 wherever the group's episodes do not part ways. Helps where
    episodes share prefixes: templates, low temperature, tree rollouts. Only tokens the
    policy wrote make the prefix. Source: TEMPO, arXiv 2509.18314.

    Args:
        ddof: Subtracted from the count in the variance.
        epsilon: Added to the standard deviation.
    """

    ddof: int = 1
    epsilon: float = 1e-6

    level: ClassVar[Level] = "token"
    invariant: ClassVar[str] = "the changes of value along an episode sum to R - mean R"

    @property
    def needs(self) -> tuple[str, ...]:
        """Token ids."""
        return ("tokens",)

    def credit(self, rollouts: Rollouts) -> FloatArray:
        """Returns float64 (N,)."""
        gain, scale = self._relative(rollouts)
        key, gain = rollouts.prefix_key, gain[rollouts.token_episode]
        counted = rollouts.counted[rollouts.step]
        after = mean_by_key(gain, key, rollouts.n_tokens, counted)[key]
        after = np.where(rollouts.last_token, gain, after)
        before = np.where(rollouts.token_position == 0, 0.0, np.roll(after, 1))
        return (gain + after - before) / scale[rollouts.token_episode]

    def violation(self, rollouts: Rollouts, credit: FloatArray) -> float:
        """Returns the largest difference of the two sums of an episode."""
        (gain, scale), episode = self._relative(rollouts), rollouts.token_episode
        changes = credit * scale[episode] - gain[episode]
        missed = totals(changes, episode, rollouts.n_episodes) - gain
        written = np.bincount(episode, minlength=rollouts.n_episodes) > 0
        return float(np.abs(missed[written & rollouts.scored]).max(initial=0.0))

    def _relative(self, rollouts: Rollouts) -> tuple[FloatArray, FloatArray]:
        """Returns R - mean R and what to divide by, each (E,)."""
        where = rollouts.group, rollouts.n_groups, rollouts.scored
        gain = centred(rollouts.returns, *where)
        return gain, divisor(spread(gain, *where, self.ddof), self.epsilon)[rollouts.group]
