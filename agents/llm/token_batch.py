"""Episodes as padded tensors, and flat per-token arrays laid out in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rewardsmith.agents.llm.rollout import spans
from rewardsmith.envs.stateful import FloatArray, IntArray
from rewardsmith.rewards.episode import Episode


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """B conversations of up to L tokens, padded on the right.

    Attributes:
        ids: Token ids, int64 (B, L).
        attention: 1 for a token and 0 for padding, int64 (B, L).
        written: Where the *next* token was written by the policy, bool (B, L - 1): the places
            whose log-probabilities enter a loss. What the environment said is never among them.
    """

    ids: Tensor
    attention: Tensor
    written: Tensor

    @classmethod
    def of(cls, episodes: Sequence[Episode], pad: int) -> TokenBatch:
        """Joins the turns of each episode, in the order their tokens have in `Rollouts`."""
        rows = []
        for episode in episodes:
            pieces: list[IntArray] = []
            flags: list[IntArray] = []
            for span in spans(episode):
                pieces += [span.context, span.ids]
                flags += [np.zeros(len(span.context), np.int64), np.ones(len(span.ids), np.int64)]
            rows.append((np.concatenate(pieces), np.concatenate(flags)))
        shape = len(rows), max(len(ids) for ids, _ in rows)
        ids, attention, own = np.full(shape, pad), np.zeros(shape, np.int64), np.zeros(shape, bool)
        for row, (tokens, flag) in enumerate(rows):
            ids[row, : len(tokens)], attention[row, : len(tokens)] = tokens, 1
            own[row, : len(tokens)] = flag
        return cls(torch.from_numpy(ids), torch.from_numpy(attention), torch.from_numpy(own[:, 1:]))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> Tensor:
        """Tokens of every conversation, int64 (B,)."""
        return self.attention.sum(1)

    def lay_out(self, values: FloatArray) -> Tensor:
        """Returns per-token values (N,), row after row, in their places, float32 (B, L - 1)."""
        laid = torch.zeros(self.written.shape)
        laid[self.written] = torch.from_numpy(np.asarray(values, dtype=np.float32))
        return laid

    def take(self, rows: Tensor) -> TokenBatch:
        """Returns some rows, without the padding that none of them needs."""
        longest = int(self.lengths[rows].max())
        return TokenBatch(
            self.ids[rows, :longest],
            self.attention[rows, :longest],
            self.written[rows, : longest - 1],
        )

    def to(self, device: torch.device) -> TokenBatch:
        """Returns the batch on a device."""
        return TokenBatch(self.ids.to(device), self.attention.to(device), self.written.to(device))
