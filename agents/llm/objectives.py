"""Losses of language-model policies, on tensors of shape (B, T): B conversations of T tokens.

How tokens are weighted against each other is a setting of its own (`token_weights`), so that
any loss here is a plain weighted sum, and micro-batches add up to the whole batch exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as functional
from torch import Tensor

from rewardsmith.envs.errors import ConfigError

Aggregation = Literal["token_mean", "sequence_mean", "sequence_sum", "constant"]
Ratio = Literal["token", "sequence"]
KL = Literal["k1", "k2", "k3"]


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss and what to report of it.

    Attributes:
        value: To be differentiated, a scalar.
        metrics: Sums by name, weighted as the loss is.
    """

    value: Tensor
    metrics: dict[str, float]

    def __add__(self, other: Loss) -> Loss:
        """Returns the sum, with what either reports."""
        return Loss(self.value + other.value, self.metrics | other.metrics)


def token_weights(mask: Tensor, aggregation: Aggregation, constant: int = 0) -> Tensor:
    """Returns the weight of every token in the loss, float32 (B, T); 0 outside the mask.

    With n_i tokens in conversation i of B:
    token_mean: 1 / sum_j n_j (DAPO, arXiv 2503.14476), so long conversations count more;
    sequence_mean: 1 / (B n_i) (GRPO, arXiv 2402.03300), each conversation counts alike;
    sequence_sum: 1 / B, the gradient of the mean return itself (REINFORCE);
    constant: 1 / (B * constant) (Dr.GRPO, arXiv 2503.20783), no normalisation by length.

    Args:
        mask: True where the policy wrote the token, (B, T).
        aggregation: Which of these.
        constant: Largest number of tokens of a conversation, for "constant".

    Raises:
        ConfigError: If the aggregation is unknown, or "constant" comes without its constant.
    """
    inside = mask.float()
    if aggregation == "token_mean":
        return inside / inside.sum().clamp(min=1.0)
    if aggregation == "sequence_mean":
        return inside / (inside.sum(1, keepdim=True).clamp(min=1.0) * len(mask))
    if aggregation == "sequence_sum":
        return inside / len(mask)
    if aggregation == "constant" and constant >= 1:
        return inside / (len(mask) * constant)
    raise ConfigError(
        f"aggregation must be one of {', '.join(get_args(Aggregation))}, the last with a constant "
        f"of at least 1; got {aggregation!r} and {constant}"
    )


def kl_estimate(logprobs: Tensor, reference: Tensor, estimator: KL) -> Tensor:
    """Returns an estimate of KL(policy || reference) at every sampled token, (B, T).

    With d = ln ref - ln pi: k1 = -d, unbiased; k2 = d^2 / 2; k3 = exp(d) - d - 1, unbiased and
    never negative.

    Example:
        >>> kl_estimate(torch.tensor([0.0]), torch.tensor([0.1]), "k3")
        tensor([0.0052])
    """
    difference = reference - logprobs
    if estimator == "k1":
        return -difference
    if estimator == "k2":
        return 0.5 * difference.square()
    return torch.expm1(difference) - difference


@dataclass(frozen=True)
class ClippedObjective:
    """The clipped policy-gradient loss, with a penalty on leaving a reference policy.

        -sum_t w_t [ min(rho A, clip(rho, 1 - clip_low, 1 + clip_high) A) - kl KL_t + entropy H_t ]

    with rho = pi / pi_old of a token, or of all its conversation's tokens with
    ratio="sequence" (RLOO, arXiv 2402.14740, as TRL has it); w are `token_weights`.

    Args:
        clip_low: Largest fall of the ratio that is rewarded, in (0, 1].
        clip_high: Largest rise; 0.28 beside 0.2 is DAPO's clip-higher.
        kl: Coefficient of the divergence from the reference policy; 0 needs no reference.
        kl_estimator: "k1", "k2" or "k3".
        entropy: Coefficient of the entropy bonus.
        ratio: "token" or "sequence".

    Raises:
        ConfigError: If a setting is out of range.

    Schulman et al. 2017, arXiv 1707.06347.
    """

    clip_low: float = 0.2
    clip_high: float = 0.2
    kl: float = 0.0
    kl_estimator: KL = "k3"
    entropy: float = 0.0
    ratio: Ratio = "token"

    def __post_init__(self) -> None:
        if not (0.0 < self.clip_low <= 1.0 and self.clip_high > 0.0):
            raise ConfigError(
                f"clip_low must be in (0, 1] and clip_high above 0, got {self.clip_low} and "
                f"{self.clip_high}"
            )
        if self.kl < 0.0:
            raise ConfigError(f"kl must be at least 0, got {self.kl}")
        if self.kl_estimator not in get_args(KL) or self.ratio not in get_args(Ratio):
            raise ConfigError(
                f"kl_estimator must be one of {get_args(KL)} and ratio one of {get_args(Ratio)}, "
                f"got {self.kl_estimator!r} and {self.ratio!r}"
            )

    def __call__(
        self,
        logprobs: Tensor,
        old: Tensor,
        advantages: Tensor,
        weights: Tensor,
        reference: Tensor | None = None,
        entropies: Tensor | None = None,
    ) -> Loss:
        """Returns the loss of a (micro-)batch.

        Args:
            logprobs: ln pi of every token, (B, T), with gradient.
            old: ln pi_old, (B, T).
            advantages: A, (B, T).
            weights: w, (B, T); 0 on tokens the policy did not write, whose other entries
                do not matter then.
            reference: ln of the reference policy, (B, T); needed if `kl` is above 0.
            entropies: H with gradient, (B, T); needed if `entropy` is not 0.
        """
        inside = weights > 0
        log_ratio = torch.where(inside, logprobs - old, 0.0)
        if self.ratio == "sequence":
            log_ratio = log_ratio.sum(1, keepdim=True).expand_as(logprobs)
        ratio = log_ratio.exp()
        clipped = ratio.clamp(1.0 - self.clip_low, 1.0 + self.clip_high)
        loss = -torch.minimum(ratio * advantages, clipped * advantages)
        metrics = {
            "clip_fraction": _sum((clipped * advantages < ratio * advantages) * weights),
            "old_kl": _sum((torch.expm1(-log_ratio) + log_ratio) * weights),
        }
        if reference is not None:
            divergence = kl_estimate(logprobs, reference, self.kl_estimator)
            loss = loss + self.kl * divergence
            metrics["reference_kl"] = _sum(divergence * weights)
        if entropies is not None:
            loss = loss - self.entropy * entropies
        return Loss((torch.where(inside, loss, 0.0) * weights).sum(), metrics)


@dataclass(frozen=True)
class ValueObjective:
    """The clipped squared error of a critic's values.

        coefficient / 2 * sum_t w_t max[ (V - G)^2, (V_old + clip(V - V_old, -c, c) - G)^2 ]

    with G the targets and c = `clip`. Beyond c from where it was a value is pulled back alone,
    never further on, as the ratio of `ClippedObjective` is; see Engstrom et al. 2020, arXiv
    2005.12729, for what that does.

    Args:
        coefficient: Above 0; 5 is ReFT's, arXiv 2401.08967.
        clip: Above 0, in units of pay.

    Raises:
        ConfigError: If a setting is out of range.
    """

    coefficient: float = 5.0
    clip: float = 0.2

    def __post_init__(self) -> None:
        for name in ("coefficient", "clip"):
            if not getattr(self, name) > 0:
                raise ConfigError(
                    f"value_objective.{name} must be above 0, got {getattr(self, name)}"
                )

    def __call__(self, values: Tensor, old: Tensor, targets: Tensor, weights: Tensor) -> Loss:
        """Returns the loss of a (micro-)batch.

        Args:
            values: V of every token, (B, T), with gradient.
            old: V_old, (B, T).
            targets: G, (B, T).
            weights: w, (B, T); 0 on tokens the policy did not write.
        """
        clipped = old + (values - old).clamp(-self.clip, self.clip)
        plain, held = (values - targets).square(), (clipped - targets).square()
        loss = 0.5 * (torch.where(weights > 0, torch.maximum(plain, held), 0.0) * weights).sum()
        metrics = {
            "value_loss": float(loss.detach()),
            "value_clip_fraction": _sum((held > plain) * weights),
        }
        return Loss(self.coefficient * loss, metrics)


def likelihood_loss(logprobs: Tensor, weights: Tensor) -> Tensor:
    """Returns -sum_t w_t ln pi(token t), a scalar: supervised fine-tuning on given tokens."""
    return -(torch.where(weights > 0, logprobs, 0.0) * weights).sum()


def preference_loss(
    chosen: Tensor,
    rejected: Tensor,
    chosen_reference: Tensor,
    rejected_reference: Tensor,
    beta: float,
) -> Tensor:
    """Returns the DPO loss, a scalar.

        -mean ln sigmoid( beta [ ln pi/ref (chosen) - ln pi/ref (rejected) ] )

    Args:
        chosen: ln pi of the whole chosen answers, (P,).
        rejected: ln pi of the rejected ones, (P,).
        chosen_reference: The same under the reference policy, (P,).
        rejected_reference: (P,).
        beta: How far the policy may leave the reference; smaller is further.

    Rafailov et al. 2023, arXiv 2305.18290.

    Example:
        >>> same = torch.zeros(2)
        >>> preference_loss(same, same, same, same, beta=0.1)
        tensor(0.6931)
    """
    margin = (chosen - chosen_reference) - (rejected - rejected_reference)
    return -functional.logsigmoid(beta * margin).mean()


def _sum(values: Tensor) -> float:
    return float(values.detach().sum())
