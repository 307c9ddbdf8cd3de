"""The reference policy: a copy of the policy as training began, which may follow it slowly."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch

from rewardsmith.agents.llm.policy import Policy
from rewardsmith.envs.errors import ConfigError


@dataclass(frozen=True)
class ReferenceSync:
    """reference <- mix * policy + (1 - mix) * reference, weight by weight, now and then.

    Source: TR-DPO, arXiv 2404.09656, as NOVER, arXiv 2505.16022, uses it.

    Args:
        every: Updates of the policy from one time to the next, at least 1.
        mix: Share of the policy, in (0, 1].

    Raises:
        ConfigError: If a number is out of range.
    """

    every: int = 100
    mix: float = 0.6

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ConfigError(f"reference_sync.every must be at least 1, got {self.every}")
        if not 0 < self.mix <= 1:
            raise ConfigError(f"reference_sync.mix must be in (0, 1], got {self.mix}")

    @torch.no_grad()
    def __call__(self, reference: Policy, policy: Policy, updates: int) -> None:
        """Brings the reference nearer to the policy if it is time.

        Args:
            reference: A `frozen_copy` of the policy; changed in place.
            policy: What is trained.
            updates: How often it was updated so far.
        """
        if updates % self.every:
            return
        weights = zip(reference.model.parameters(), policy.model.parameters(), strict=True)
        for kept, trained in weights:
            kept.lerp_(trained, self.mix)


def frozen_copy(policy: Policy) -> Policy:
    """Returns a policy with the same weights, which no update changes."""
    model = copy.deepcopy(policy.model)
    return Policy(model, policy.tokenizer, device=policy.device, dtype=model.dtype)
