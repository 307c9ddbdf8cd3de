"""`Settings`: how a language-model policy is trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

from rewardsmith.agents.llm.objectives import Aggregation, ClippedObjective, ValueObjective
from rewardsmith.agents.llm.reference import ReferenceSync
from rewardsmith.agents.llm.samplers import Prompts, UniformPrompts
from rewardsmith.agents.llm.sampling import Sampling
from rewardsmith.agents.llm.tree_rollout import TreeSettings
from rewardsmith.envs.errors import ConfigError, unknown
from rewardsmith.rewards.credit import Advantage, GroupRelative


@dataclass(frozen=True)
class Settings:
    """How a policy is trained.

    Attributes:
        advantage: Who gets how much credit.
        objective: The loss.
        value_objective: The loss of the critic, which is there if the advantage needs values.
        aggregation: How tokens weigh in it, see `token_weights`.
        prompts: Which tasks are played, and how often.
        prompts_per_batch: Tasks of a batch.
        group_size: Rollouts of each, on average.
        sampling: How tokens are drawn.
        epochs: Passes over a batch.
        minibatches: Optimiser steps of a pass.
        micro_batch: Conversations in memory at once.
        learning_rate: Of AdamW, at the start; a run of the `train` job lets it fall to a tenth.
        weight_decay: Of AdamW.
        max_grad_norm: Gradients are scaled down to this norm.
        system: Whether the task's instructions are said first.
        tree: How rollouts branch; None for `group_size` separate ones of each task.
        reward_gradient: Coefficient of the gradient through a likelihood reward itself, see
            `LikelihoodObjective`; 0 for none. Both parts of the gradient are on one scale with the
            aggregation "sequence_sum".
        train_answers: Whether answers are trained on too, from their opening tag on. Where the pay
            does not read what the policy answered they would add noise and nothing else.
        reference_sync: How the reference policy follows the policy; None keeps it as it was when
            training began.

    Raises:
        ConfigError: If a number is out of range.
    """

    advantage: Advantage = field(default_factory=GroupRelative)
    objective: ClippedObjective = field(default_factory=ClippedObjective)
    value_objective: ValueObjective = field(default_factory=ValueObjective)
    aggregation: Aggregation = "sequence_mean"
    prompts: Prompts = field(default_factory=UniformPrompts)
    prompts_per_batch: int = 8
    group_size: int = 8
    sampling: Sampling = field(default_factory=Sampling)
    epochs: int = 1
    minibatches: int = 1
    micro_batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    system: bool = False
    tree: TreeSettings | None = None
    reward_gradient: float = 0.0
    train_answers: bool = True
    reference_sync: ReferenceSync | None = None

    def __post_init__(self) -> None:
        if self.aggregation not in get_args(Aggregation):
            raise unknown("aggregation", self.aggregation, get_args(Aggregation))
        for name in ("prompts_per_batch", "group_size", "epochs", "minibatches", "micro_batch"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("learning_rate", "max_grad_norm"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be above 0, got {getattr(self, name)}")
