"""What a policy computed inside when it wrote its turns, for designs that ask.

    hidden     the last layer's state at every token the policy wrote, float32 (L, d)
    attention  the last layer's attention from there, by head, over the conversation up to the
               turn's end, float32 (H, L, N); a row's columns add up to 1

They are facts of a step, for terms that name them in `policy_facts`. Where nobody asks nothing
is computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.rollout import spans
from rewardsmith.agents.llm.token_batch import TokenBatch
from rewardsmith.rewards.episode import Episode, Group
from rewardsmith.rewards.likelihood import ATTENTION, HIDDEN


@torch.no_grad()
def with_states(
    policy: Policy, groups: Sequence[Group], names: Iterable[str], micro_batch: int = 64
) -> list[Group]:
    """Returns the groups with the facts asked for, at every step.

    Args:
        policy: Whose states.
        groups: Episodes that a language model played.
        names: Among other things, the facts asked for.
        micro_batch: Conversations in memory at once.
    """
    wanted = {HIDDEN, ATTENTION} & set(names)
    if not wanted:
        return list(groups)
    episodes = [episode for group in groups for episode in group]
    told: list[Episode] = []
    for start in range(0, len(episodes), micro_batch):
        part = episodes[start : start + micro_batch]
        told += _told(policy, part, wanted)
    rest = iter(told)
    return [replace(group, episodes=tuple(next(rest) for _ in group)) for group in groups]


def _told(policy: Policy, episodes: Sequence[Episode], wanted: set[str]) -> Iterator[Episode]:
    batch = TokenBatch.of(episodes, 0).to(policy.device)
    with _attending(policy.causal_lm, ATTENTION in wanted) as options:
        output = policy.causal_lm.base_model(
            input_ids=batch.ids, attention_mask=batch.attention, use_cache=False, **options
        )
    hidden = output.last_hidden_state.float().cpu().numpy()
    weights = output.attentions[-1].float().cpu().numpy() if ATTENTION in wanted else None
    for row, episode in enumerate(episodes):
        steps, end = [], 0
        for step, span in zip(episode.steps, spans(episode), strict=True):
            start = end + len(span.context)
            end = start + len(span.ids)
            facts: dict[str, Any] = dict(step.info)
            if HIDDEN in wanted:
                facts[HIDDEN] = np.array(hidden[row, start:end])
            if weights is not None:
                facts[ATTENTION] = np.array(weights[row, :, start:end, :end])
            steps.append(replace(step, info=facts))
        yield replace(episode, steps=tuple(steps))


@contextmanager
def _attending(model: Any, wanted: bool) -> Iterator[dict[str, bool]]:
    """Has a model tell its attention, which its fast implementations never hold."""
    usual = model.config._attn_implementation
    if wanted:
        model.set_attn_implementation("eager")
    try:
        yield {"output_attentions": True} if wanted else {}
    finally:
        if wanted:
            model.set_attn_implementation(usual)
