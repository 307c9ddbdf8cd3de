"""`Critic`: what a state is worth, read off the policy's own last hidden states."""

from __future__ import annotations

from typing import TypeGuard

import torch
from torch import Tensor, nn

from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.shared_prompts import SharedPrompts
from rewardsmith.agents.llm.token_batch import TokenBatch
from rewardsmith.envs.errors import ConfigError
from rewardsmith.rewards.credit import Advantage, ValueBased


class ValueHead(nn.Linear):
    """V = w h + b of a hidden state h, in float32; 0 of every state before it has learned.

    Args:
        size: d, numbers of a hidden state.

    Example:
        >>> ValueHead(3)(torch.ones(2, 3))
        tensor([0., 0.], grad_fn=<SelectBackward0>)
    """

    def __init__(self, size: int) -> None:
        super().__init__(size, 1, dtype=torch.float32)
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, states: Tensor) -> Tensor:
        """Returns the values (N,) of states (N, d) of any number type."""
        return super().forward(states.float())[..., 0]


class Critic:
    """A value head on a policy's backbone, and both heads' outputs from one pass over it.

    The value of a token is that of the state it is drawn in, which its log-probability is read
    off too. The backbone is shared: what the values are fitted to moves the policy's weights.
    The head is no part of the policy's model, which stays a plain Hugging Face model.

    Args:
        policy: Whose hidden states.

    Attributes:
        head: The value head.

    Ziegler et al. 2019, arXiv 1909.08593; ReFT, arXiv 2401.08967.
    """

    def __init__(self, policy: Policy) -> None:
        size = int(policy.causal_lm.get_output_embeddings().weight.shape[-1])
        self.head = ValueHead(size).to(policy.device)
        self._scorer = SharedPrompts(policy)

    @classmethod
    def of(cls, policy: Policy, advantage: Advantage) -> Critic | None:
        """Returns the critic that an estimator needs; None if it needs no "value".

        Raises:
            ConfigError: If it needs one and does not say what the values are fitted to.
        """
        return cls(policy) if needs_values(advantage) else None

    def score(
        self, batch: TokenBatch, temperature: float, *, want_entropy: bool = False
    ) -> list[Tensor]:
        """Returns the log-probabilities, with `want_entropy` the entropies, and the values.

        Args:
            batch: Conversations on the policy's device, padded on the right.
            temperature: Above 0.
            want_entropy: Return the entropies too.

        Returns:
            Each float32 (B, L - 1), differentiable; 0 where nothing was written.
        """
        return self._scorer.with_head(batch, self.head, temperature, want_entropy=want_entropy)

    def values(self, batch: TokenBatch) -> Tensor:
        """Returns the value of every token written, float32 (N,), row after row."""
        values: Tensor = self.head(self._scorer.states(batch))
        return values


def needs_values(advantage: Advantage) -> TypeGuard[ValueBased]:
    """Returns whether an estimator needs a critic.

    Raises:
        ConfigError: If it needs one and does not say what the values are fitted to.
    """
    if "value" not in advantage.needs:
        return False
    if not isinstance(advantage, ValueBased):
        raise ConfigError(
            f"{type(advantage).__name__} needs 'value' and says nothing of what values are fitted "
            "to; derive it from rewardsmith.rewards.credit.ValueBased and give it value_targets"
        )
    return True


def explained_variance(values: Tensor, targets: Tensor) -> float:
    """Returns 1 - Var(G - V) / Var(G) of values V for targets G, (N,) each, at most 1.

    0 is what a constant value gets, less is worse than that; 0 too where all targets are equal.

    Example:
        >>> explained_variance(torch.tensor([0.0, 1.0, 1.0]), torch.tensor([0.0, 2.0, 2.0]))
        0.75
    """
    spread = float(targets.var(correction=0)) if len(targets) else 0.0
    return 1.0 - float((targets - values).var(correction=0)) / spread if spread > 0 else 0.0
