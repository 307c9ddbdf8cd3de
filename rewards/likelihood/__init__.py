"""Likelihood: rewards read off a policy's own probabilities. No torch: the trainer scores."""

from rewardsmith.rewards.likelihood.facts import ATTENTION, HIDDEN, policy_facts
from rewardsmith.rewards.likelihood.reference import (
    BARE_GOLD_LOGPROBS,
    GOLD_LOGPROBS,
    Kind,
    ReferenceLikelihood,
    likelihood,
    likelihood_terms,
)

__all__ = [
    "ATTENTION",
    "BARE_GOLD_LOGPROBS",
    "GOLD_LOGPROBS",
    "HIDDEN",
    "Kind",
    "ReferenceLikelihood",
    "likelihood",
    "likelihood_terms",
    "policy_facts",
]
