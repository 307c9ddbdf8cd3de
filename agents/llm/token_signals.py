"""What is known of every token a policy wrote once a batch is played: scored in one pass each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise

import numpy as np
import torch
from torch import Tensor

from rewardsmith.agents.llm import distributed
from rewardsmith.agents.llm.batching import batches
from rewardsmith.agents.llm.probes import Signals
from rewardsmith.agents.llm.token_batch import TokenBatch
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.episode import Group

REFERENCE, VALUE = "reference_logprob", "value"
"""Signals with an entry per token: its log-probability under the reference policy, and what the
state it was drawn in is worth."""

Scorer = Callable[[TokenBatch], Tensor]
"""Gives every token written in some conversations a number, (N,), row after row."""


@torch.no_grad()
def token_signals(
    groups: Sequence[Group],
    scorers: Mapping[str, Scorer],
    device: torch.device,
    micro_batch: int = 64,
) -> Signals:
    """Scores every token that was written in a batch; of several processes each scores its share.

    Args:
        groups: Finished episodes by start, written by a language model.
        scorers: Who scores, by signal.
        device: Where they do.
        micro_batch: Conversations in memory at once.

    Returns:
        The signals by name, per group and episode (tokens of the episode,).
    """
    batch = TokenBatch.of([episode for group in groups for episode in group], pad=0)
    mine = torch.tensor(distributed.share(range(len(batch))), dtype=torch.int64)
    signals: Signals = {}
    for name, scorer in scorers.items():
        own: list[FloatArray] = [np.zeros(0)] * len(mine)
        for part in batches(batch.lengths[mine].tolist(), micro_batch):
            scores = _by_row(scorer, batch.take(mine[part]).to(device))
            for place, values in zip(part, scores, strict=True):
                own[place] = values
        rest = iter(distributed.gather(own))
        signals[name] = [[next(rest) for _ in group] for group in groups]
    return signals


def _by_row(scorer: Scorer, piece: TokenBatch) -> list[FloatArray]:
    """Returns the scores of each conversation's tokens, float64."""
    scores = scorer(piece).double().cpu().numpy()
    ends = accumulate(piece.written.sum(1).tolist(), initial=0)
    return [scores[start:end] for start, end in pairwise(ends)]
