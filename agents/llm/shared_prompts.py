"""`SharedPrompts`: log-probabilities of conversations, each different prompt encoded once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from rewardsmith.agents.llm.llama_encoder import LlamaEncoder
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.token_batch import TokenBatch

_TOLERANCE = 1e-3


class SharedPrompts:
    """Scores what a policy wrote, as `Policy.logprobs` does, with less work.

    The members of a group begin with the same tokens, which depend on nothing that follows:
    they are encoded once, and their keys and values serve every member, in the backward pass
    too. With G rollouts of P + T tokens that is P + G T tokens of work in place of G (P + T).
    Only what the policy wrote is scored.

    Where that cannot be done it scores as `Policy.logprobs`: with gradient checkpointing, which
    allows no cache, and for models whose cache does not give the same numbers.

    Args:
        policy: The language model.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        model = policy.causal_lm
        self._encoder = LlamaEncoder(model) if LlamaEncoder.suits(model) else None
        self.shares = not policy.gradient_checkpointing and self._agrees()

    def logprobs(
        self, batch: TokenBatch, temperature: float = 1.0, *, want_entropy: bool = False
    ) -> list[Tensor]:
        """Returns log-probabilities (B, L - 1), and with `want_entropy` entropies (B, L - 1).

        Args:
            batch: Conversations on the policy's device, padded on the right.
            temperature: Above 0.
            want_entropy: Return the entropies too.

        Returns:
            As of `Policy.logprobs` where `batch.written` is true, float32; else of no meaning.
        """
        lengths = _prompt_lengths(batch)
        owner, first = _equal_prompts(batch, lengths)
        if not self.shares or len(first) == len(batch):
            return self._apart(batch, temperature, want_entropy)
        hidden = self._states(batch, lengths, owner, first)
        targets = batch.ids[:, 1:][batch.written]
        laid = []
        for part in self.policy._score(hidden, targets, temperature, want_entropy):
            empty = part.new_zeros(batch.written.shape)
            laid.append(empty.masked_scatter(batch.written, part))
        return laid

    def with_head(
        self,
        batch: TokenBatch,
        head: nn.Module,
        temperature: float = 1.0,
        *,
        want_entropy: bool = False,
    ) -> list[Tensor]:
        """Returns what `logprobs` does and, last, what a head makes of the states; one pass.

        Args:
            batch: As for `logprobs`.
            head: From the last hidden states (N, d) in which tokens were drawn to (N,).
            temperature: Above 0.
            want_entropy: Return the entropies too.
        """
        states, targets = self.states(batch), batch.ids[:, 1:][batch.written]
        scores = self.policy._score(states, targets, temperature, want_entropy)
        empty = torch.zeros(batch.written.shape, device=batch.ids.device)
        return [empty.masked_scatter(batch.written, part) for part in (*scores, head(states))]

    def states(self, batch: TokenBatch) -> Tensor:
        """Returns the last hidden state in which every token was drawn, (N, d), row after row."""
        lengths = _prompt_lengths(batch)
        owner, first = _equal_prompts(batch, lengths)
        if not self.shares or len(first) == len(batch):
            return self.policy._hidden(batch.ids, batch.attention)[:, :-1][batch.written]
        return self._states(batch, lengths, owner, first)

    def _apart(self, batch: TokenBatch, temperature: float, want_entropy: bool) -> list[Tensor]:
        ids, attention = batch.ids, batch.attention
        if want_entropy:
            return list(self.policy.logprobs(ids, attention, temperature, want_entropy=True))
        return [self.policy.logprobs(ids, attention, temperature)]

    def _states(self, batch: TokenBatch, lengths: Tensor, owner: Tensor, first: Tensor) -> Tensor:
        """Returns the last hidden states in which tokens were drawn, (N, d), row after row."""
        longest, device = int(lengths.max()), batch.ids.device
        back = torch.arange(longest, device=device) - longest + lengths[first, None]  # (U, P)
        prompts = batch.ids[first].gather(1, back.clamp(min=0))
        cache: Any = DynamicCache(config=self.policy.causal_lm.config)
        inside = (back >= 0).long()
        ends = self._encode(prompts, inside, back.clamp(min=0), cache)[:, -1]
        cache.reorder_cache(owner)
        forward = torch.arange(int(batch.attention.sum(1).sub(lengths).max()), device=device)
        places = lengths[:, None] + forward  # (B, T), of what follows the prompt
        last = batch.ids.shape[1] - 1
        rest = batch.ids.gather(1, places.clamp(max=last))
        mask = batch.attention.gather(1, places.clamp(max=last)) * (places <= last)
        after = self._encode(rest, torch.cat([inside[owner], mask], 1), places, cache)
        row, column = torch.nonzero(batch.written, as_tuple=True)
        beyond = column - lengths[row]  # -1 at the end of the prompt
        where = len(ends) + row * len(forward) + beyond
        where = torch.where(beyond < 0, owner[row], where)
        return torch.cat([ends, after.flatten(0, 1)]).index_select(0, where)

    def _encode(self, ids: Tensor, mask: Tensor, positions: Tensor, cache: Any) -> Tensor:
        if self._encoder is not None:
            return self._encoder(ids, mask, positions, cache)
        encoded: Tensor = self.policy.causal_lm.base_model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        return encoded

    @torch.no_grad()
    def _agrees(self) -> bool:
        """Whether sharing gives the numbers of `Policy.logprobs` on a small batch."""
        self.shares = True
        size = min(8, self.policy.causal_lm.config.vocab_size)
        ids = torch.arange(6).repeat(3, 1) % size
        ids[2, :3] = torch.arange(3).flip(0) % size
        ids[1, 4] = size - 1
        written = torch.tensor([[False, True, True, True, True]] * 2 + [[False] * 3 + [True] * 2])
        batch = TokenBatch(ids, torch.ones_like(ids), written).to(self.policy.device)
        try:
            [shared], [apart] = self.logprobs(batch), self._apart(batch, 1.0, False)
        except (TypeError, ValueError, AttributeError, RuntimeError, NotImplementedError):
            return False
        inside = batch.written
        return torch.allclose(shared[inside], apart[inside], rtol=_TOLERANCE, atol=_TOLERANCE)


def _prompt_lengths(batch: TokenBatch) -> Tensor:
    """Returns the number of tokens before the first that the policy wrote, int64 (B,)."""
    return batch.written.long().argmax(1) + 1


def _equal_prompts(batch: TokenBatch, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the prompt of every row, (B,), numbered, and the first row of each prompt, (U,)."""
    numbers: dict[bytes, int] = {}
    first: list[int] = []
    owner = []
    for row, (ids, length) in enumerate(
        zip(batch.ids.cpu().numpy(), lengths.tolist(), strict=True)
    ):
        key = ids[:length].tobytes()
        if key not in numbers:
            numbers[key] = len(first)
            first.append(row)
        owner.append(numbers[key])
    device = batch.ids.device
    return torch.tensor(owner, device=device), torch.tensor(first, device=device)
