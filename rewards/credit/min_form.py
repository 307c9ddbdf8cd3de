"""An episode worth its worst step: PURE's min-form returns under a leave-one-out baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np

from rewardsmith.envs.errors import ConfigError, unknown
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray
from rewardsmith.rewards.credit.advantage import Advantage
from rewardsmith.rewards.credit.rollouts import Level, Rollouts
from rewardsmith.rewards.credit.segments import normalise, suffix_sums, totals

Baseline = Literal["token", "step"]


def softmin_pay(
    reward: FloatArray, episode: IntArray, first: IntArray, temperature: float = 0.1
) -> FloatArray:
    """Returns p*_j = w_j p_j with w = softmax(-p / temperature) within every episode, (S,).

    The sum over an episode is close to its least reward, so that good steps cannot pay for
    a bad one. Temperature 0 gives the first least reward all the weight.

    Args:
        reward: Step rewards p in (-1, 1), float64 (S,).
        episode: Episode of every step, sorted int64 (S,).
        first: First step of every episode, int64 (E,).
        temperature: At least 0.

    Example:
        >>> episode, first = np.zeros(3, int), np.zeros(1, int)
        >>> softmin_pay(np.array([0.2, 0.1, 0.3]), episode, first).sum().round(4)
        np.float64(0.1425)
    """
    least = np.minimum.reduceat(reward, first)[episode] if len(reward) else reward
    if temperature > 0:
        weight = np.exp((least - reward) / temperature)
        return reward * weight / totals(weight, episode, len(first))[episode]
    index = np.where(reward == least, np.arange(len(reward)), len(reward))
    chosen = np.zeros(len(reward), dtype=np.bool_)
    chosen[np.minimum.reduceat(index, first) if len(reward) else []] = True
    return np.where(chosen, reward, 0.0)


@dataclass(frozen=True)
class MinForm(Advantage):
    """A_t = sum_{k >= t} (p*_k - b_i n_k): a return close to the least step reward.

    p* is `softmin_pay` of the step rewards, R_i = sum p* of episode i, and the baseline of
    an episode is made of its siblings j alone:

        "token":  b_i = sum_j R_j / sum_j tokens_j,   n_k = the tokens of step k
        "step":   b_i = mean_j R_j / steps_j,         n_k = 1

    Summing step rewards instead is hacked by adding steps. Source: PURE, arXiv 2504.15275.

    Args:
        baseline: "token" or "step".
        temperature: Of the softmin, at least 0; 0 is the strict minimum.
        outcome_weight: Weight of a verdict, at the last step of the signal "outcome" (S,),
            less its siblings' mean; the paper's verdicts are 0 for right and -1 for wrong.

    Raises:
        ConfigError: If the baseline is unknown or the temperature negative.
    """

    baseline: Baseline = "token"
    temperature: float = 0.1
    outcome_weight: float = 0.0

    level: ClassVar[Level] = "step"
    invariant: ClassVar[str] = "the first turn has the episode's return less its baseline"

    def __post_init__(self) -> None:
        if self.baseline not in get_args(Baseline):
            raise unknown("baseline", self.baseline, get_args(Baseline), where="MinForm.baseline")
        if not self.temperature >= 0:
            raise ConfigError(f"MinForm.temperature must be at least 0, got {self.temperature}")

    @property
    def needs(self) -> tuple[str, ...]:
        """Token counts for the token baseline, and verdicts if they are weighed in."""
        tokens = ("tokens",) if self.baseline == "token" else ()
        return (*tokens, "outcome") if self.outcome_weight else tokens

    def credit(self, rollouts: Rollouts) -> FloatArray:
        """Returns float64 (S,)."""
        pay, baseline, size = self._parts(rollouts)
        centred = pay - baseline[rollouts.episode] * size
        centred[rollouts.last] += self._outcomes(rollouts)
        advantage = suffix_sums(centred, rollouts.last)
        return np.where(_compared(rollouts)[rollouts.episode], advantage, 0.0)

    def violation(self, rollouts: Rollouts, credit: FloatArray) -> float:
        """Returns the largest difference at a first turn."""
        pay, baseline, size = self._parts(rollouts)
        n = rollouts.n_episodes
        expected = totals(pay, rollouts.episode, n) + self._outcomes(rollouts)
        expected -= baseline * totals(size, rollouts.episode, n)
        counted = rollouts.scored & _compared(rollouts)
        return float(np.abs(credit[rollouts.first] - expected)[counted].max(initial=0.0))

    def _parts(self, rollouts: Rollouts) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Returns p* (S,), b (E,) and n (S,)."""
        episode, n = rollouts.episode, rollouts.n_episodes
        pay = softmin_pay(rollouts.reward, episode, rollouts.first, self.temperature)
        returns = totals(pay, episode, n)
        if self.baseline == "token":
            size = rollouts.token_counts.astype(np.float64)
            baseline = _ratio_of_siblings(rollouts, returns, totals(size, episode, n))
        else:
            size = np.ones(rollouts.n_steps)
            baseline = _ratio_of_siblings(rollouts, returns / rollouts.lengths, np.ones(n))
        return pay, baseline, size

    def _outcomes(self, rollouts: Rollouts) -> FloatArray:
        """Returns the weighted verdict of every episode, less its siblings' mean, (E,)."""
        if not self.outcome_weight:
            return np.zeros(rollouts.n_episodes)
        verdict = rollouts.signal("outcome", "step")[rollouts.last]
        relative = normalise(verdict, rollouts.group, "leave_one_out", mask=rollouts.scored)
        return self.outcome_weight * relative


def _ratio_of_siblings(rollouts: Rollouts, above: FloatArray, below: FloatArray) -> FloatArray:
    """Returns sum_j above_j / sum_j below_j over the scored siblings j != i, (E,); 0 without."""
    rest = []
    for values in (above, below):
        counted = np.where(rollouts.scored, values, 0.0)
        rest.append(totals(counted, rollouts.group, rollouts.n_groups)[rollouts.group] - counted)
    return np.divide(rest[0], rest[1], out=np.zeros(len(above)), where=rest[1] > 0)


def _compared(rollouts: Rollouts) -> BoolArray:
    """Returns where an episode has a scored sibling, or was sampled alone, bool (E,)."""
    scored = totals(rollouts.scored.astype(np.float64), rollouts.group, rollouts.n_groups)
    size = np.bincount(rollouts.group, minlength=rollouts.n_groups)
    return np.asarray(((scored > 1) | (size == 1))[rollouts.group])
