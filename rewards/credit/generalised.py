"""Tokens credited against a learned value: generalised advantage estimation."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray
from rewardsmith.rewards.credit.advantage import Advantage
from rewardsmith.rewards.credit.rollouts import Level, Rollouts
from rewardsmith.rewards.credit.segments import imbalance, normalise, suffix_sums


class ValueBased(Advantage):
    """Base of the estimators that compare with a learned value, the signal "value" (N,).

    The value of a token is that of the state it is drawn in, before it is known. Who learns
    the values is told what they should have been.
    """

    @abstractmethod
    def value_targets(self, rollouts: Rollouts) -> FloatArray:
        """Returns what the value of every token is fitted to, float64 (N,); 0 where not scored."""


@dataclass(frozen=True)
class GeneralisedAdvantage(ValueBased):
    """A_t = sum_{k >= t} (gamma lambda)^(k-t) delta_k over the tokens written in an episode.

        delta_t = r_t + gamma V_{t+1} - V_t,   V = 0 after the last token
        r_t     = pay of the step whose last token t is - kl_weight * (log pi - log pi_ref)_t
        A       = (A - mean A) / (std A + epsilon) over all tokens of the batch, if `whiten`

    Lambda trades variance for bias: at 1 the advantage is the return less the value, whose
    errors then cost variance alone; at 0 the one-step error of the value. The value is fitted
    to A_t + V_t as they were before whitening. What a step without tokens is paid comes with
    the last token before it.

    Source: Schulman et al. 2016, arXiv 1506.02438; over tokens, with the divergence from the
    reference policy as a price inside the reward, as PPO in ReFT, arXiv 2401.08967.

    Args:
        gamma: Discount per token, in [0, 1].
        gae_lambda: Lambda, in [0, 1].
        kl_weight: Price of a nat away from the reference policy, at least 0; if positive, the
            signals "logprob" and "reference_logprob" are needed.
        whiten: Whether to whiten over the batch.
        ddof: Subtracted from the count in the variance.
        epsilon: Added to the standard deviation.

    Raises:
        ConfigError: If an argument is out of range.

    Example:
        >>> rollouts = Rollouts(np.zeros(1, int), np.ones(1, bool), np.zeros(1, int),
        ...                     reward=np.ones(1), step=np.zeros(3, int), ids=np.arange(3),
        ...                     signals={"value": np.array([0.5, 0.5, 0.8])})
        >>> method = GeneralisedAdvantage(gae_lambda=0.5, whiten=False)
        >>> method(rollouts), method.value_targets(rollouts)
        (array([0.2, 0.4, 0.2]), array([0.7, 0.9, 1. ]))
    """

    gamma: float = 1.0
    gae_lambda: float = 0.95
    kl_weight: float = 0.0
    whiten: bool = True
    ddof: int = 1
    epsilon: float = 1e-6

    level: ClassVar[Level] = "token"
    invariant: ClassVar[str] = (
        "whitened advantages sum to 0 over the batch; others, less gamma lambda times the next "
        "one, are the errors of the value"
    )

    def __post_init__(self) -> None:
        for name in ("gamma", "gae_lambda"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(
                    f"GeneralisedAdvantage.{name} must be in [0, 1], got {getattr(self, name)}"
                )
        if not self.kl_weight >= 0:
            raise ConfigError(
                f"GeneralisedAdvantage.kl_weight must be at least 0, got {self.kl_weight}"
            )

    @property
    def needs(self) -> tuple[str, ...]:
        """Tokens and their values; with a KL price their log-probabilities too."""
        prices = ("logprob", "reference_logprob") if self.kl_weight else ()
        return ("tokens", "value", *prices)

    def credit(self, rollouts: Rollouts) -> FloatArray:
        """Returns float64 (N,)."""
        advantage = self._raw(rollouts)
        if not self.whiten:
            return advantage
        return normalise(
            advantage,
            np.zeros(rollouts.n_tokens, dtype=np.int64),
            ddof=self.ddof,
            epsilon=self.epsilon,
            mask=_counted(rollouts),
        )

    def value_targets(self, rollouts: Rollouts) -> FloatArray:
        """Returns A_t + V_t with A before whitening, float64 (N,); 0 where not scored."""
        return self._raw(rollouts) + _values(rollouts)

    def violation(self, rollouts: Rollouts, credit: FloatArray) -> float:
        """Returns |sum| over the batch, or the largest difference from an error of the value."""
        if self.whiten:
            return imbalance(credit, np.zeros(len(credit), dtype=np.int64), 1)
        error = credit - self.gamma * self.gae_lambda * _following(credit, rollouts)
        return float(np.abs(error - self._errors(rollouts)).max(initial=0.0))

    def _raw(self, rollouts: Rollouts) -> FloatArray:
        """Returns the advantages before whitening, (N,); 0 where not scored."""
        last = np.flatnonzero(rollouts.last_token)
        return suffix_sums(self._errors(rollouts), last, self.gamma * self.gae_lambda)

    def _errors(self, rollouts: Rollouts) -> FloatArray:
        """Returns delta of every token, (N,); 0 where not scored."""
        value = _values(rollouts)
        error = _pay(rollouts) + self.gamma * _following(value, rollouts) - value
        if self.kl_weight:
            logprob, reference = (
                rollouts.signal(name, "token") for name in ("logprob", "reference_logprob")
            )
            error -= self.kl_weight * np.where(_counted(rollouts), logprob - reference, 0.0)
        return error


def _counted(rollouts: Rollouts) -> BoolArray:
    """Returns whether the episode of every token is scored, bool (N,)."""
    return rollouts.counted[rollouts.step]


def _values(rollouts: Rollouts) -> FloatArray:
    """Returns V of every token, (N,); 0 where not scored."""
    return np.where(_counted(rollouts), rollouts.signal("value", "token"), 0.0)


def _following(values: FloatArray, rollouts: Rollouts) -> FloatArray:
    """Returns what the next token of the episode has, (N,); 0 at the last."""
    return np.where(rollouts.last_token, 0.0, np.append(values[1:], 0.0))


def _pay(rollouts: Rollouts) -> FloatArray:
    """Returns what every token is paid, (N,): at the last that was written by a step's end."""
    token: IntArray = np.cumsum(rollouts.token_counts) - 1
    written = rollouts.token_episode[token.clip(min=0)] == rollouts.episode
    written &= token >= 0
    pay = np.zeros(rollouts.n_tokens)
    np.add.at(pay, token[written], rollouts.reward[written])
    return pay
