"""Prompts encoded once for their group: the numbers and gradients of encoding every row."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from language_models import ARCHITECTURES, VOCABULARY, policy
from torch import Tensor

from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.shared_prompts import SharedPrompts
from rewardsmith.agents.llm.token_batch import TokenBatch

POLICIES = {name: policy(name) for name in ARCHITECTURES}


def conversations(seed: int, prompts: int, rows: int, longest: int) -> TokenBatch:
    """Returns random conversations: one of some prompts, then turns and what tools said."""
    torch.manual_seed(seed)
    starts = [torch.randint(VOCABULARY, (int(n),)) for n in torch.randint(1, 9, (prompts,))]
    ids = torch.zeros((rows, 8 + longest), dtype=torch.long)
    attention, written = torch.zeros_like(ids), torch.zeros(ids.shape, dtype=torch.bool)
    for row in range(rows):
        start = starts[int(torch.randint(prompts, ()))]
        rest = torch.randint(VOCABULARY, (int(torch.randint(1, longest + 1, ())),))
        size = len(start) + len(rest)
        ids[row, :size], attention[row, :size] = torch.cat([start, rest]), 1
        written[row, len(start) : size] = torch.rand(len(rest)) < 0.7
        written[row, len(start)] = True
    width = int(attention.sum(1).max())
    return TokenBatch(ids[:, :width], attention[:, :width], written[:, 1:width])


def gradients(model: Policy, logprobs: Tensor, batch: TokenBatch) -> Tensor:
    """Returns the gradient of a weighted sum of what was written."""
    weights = torch.linspace(-1, 1, batch.written.numel()).view(batch.written.shape)
    model.model.zero_grad()
    (logprobs * weights)[batch.written].sum().backward()
    return torch.cat([p.grad.flatten() for p in model.model.parameters() if p.grad is not None])


@pytest.mark.parametrize("name", ARCHITECTURES)
@given(st.integers(0, 2**20), st.integers(1, 3), st.integers(1, 6), st.integers(1, 12))
@settings(max_examples=12)
def test_scores_and_gradients_are_those_of_every_row_by_itself(
    name: str, seed: int, prompts: int, rows: int, longest: int
) -> None:
    model, batch = POLICIES[name], conversations(seed, prompts, rows, longest)
    shared = SharedPrompts(model)
    assert shared.shares
    logprobs, entropies = shared.logprobs(batch, 0.7, want_entropy=True)
    expected = model.logprobs(batch.ids, batch.attention, 0.7, want_entropy=True)
    inside = batch.written
    torch.testing.assert_close(logprobs[inside], expected[0][inside], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(entropies[inside], expected[1][inside], atol=1e-4, rtol=1e-4)
    mine, theirs = (gradients(model, of, batch) for of in (logprobs, expected[0]))
    torch.testing.assert_close(mine, theirs, atol=1e-4 * float(theirs.abs().max()), rtol=1e-3)


@pytest.mark.parametrize("name", ["tiny", "grouped_llama", "qwen2"])
def test_so_are_those_of_many_tokens_by_the_quick_encoder(name: str) -> None:
    model, batch = POLICIES[name], conversations(5, 4, 40, 30)
    shared = SharedPrompts(model)
    assert shared._encoder is not None
    [logprobs], expected = shared.logprobs(batch), model.logprobs(batch.ids, batch.attention)
    inside = batch.written
    torch.testing.assert_close(logprobs[inside], expected[inside], atol=1e-4, rtol=1e-4)
    mine, theirs = (gradients(model, of, batch) for of in (logprobs, expected))
    torch.testing.assert_close(mine, theirs, atol=1e-4 * float(theirs.abs().max()), rtol=1e-3)


@pytest.mark.parametrize("name", ["gpt2", "gpt_neox"])
def test_other_models_encode_by_themselves(name: str) -> None:
    assert SharedPrompts(POLICIES[name])._encoder is None


def test_a_prompt_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shared, batch = SharedPrompts(POLICIES["tiny"]), conversations(0, 1, 6, 4)
    encoded: list[tuple[int, ...]] = []

    def encode(ids: Tensor, *rest: Any) -> Tensor:
        encoded.append(tuple(ids.shape))
        return original(ids, *rest)

    original = shared._encode
    monkeypatch.setattr(shared, "_encode", encode)
    [logprobs] = shared.logprobs(batch)
    prompt = int(batch.written.long().argmax(1)[0]) + 1
    assert encoded == [(1, prompt), (6, batch.ids.shape[1] - prompt)]
    assert not logprobs[~batch.written].any()


def test_where_it_cannot_share_every_row_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    checkpointed = SharedPrompts(policy("tiny", gradient_checkpointing=True))
    assert not checkpointed.shares
    monkeypatch.setattr(SharedPrompts, "_encode", lambda self, ids, *_: ids.float()[..., None])
    broken = SharedPrompts(POLICIES["tiny"])
    assert not broken.shares
    batch = conversations(1, 1, 4, 5)
    expected = POLICIES["tiny"].logprobs(batch.ids, batch.attention)
    for made in (checkpointed, broken):
        torch.testing.assert_close(made.logprobs(batch)[0], expected)
