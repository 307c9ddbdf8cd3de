"""`Update`: one optimiser step is the same however its conversations are spread over passes."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.settings import Settings
from rewardsmith.agents.llm.token_batch import TokenBatch
from rewardsmith.agents.llm.update import Lesson, Update, rate

PROMPT = 4
POLICY = Policy.load("tiny", device="cpu", hidden=16, layers=1)


def lesson(sizes: list[int], seed: int = 0) -> Lesson:
    """Returns conversations of these many tokens, the prompts of neighbours alike."""
    random = torch.Generator().manual_seed(seed)
    shape = len(sizes), max(sizes)
    ids = torch.randint(13, 100, shape, generator=random)
    ids[1::2, :PROMPT] = ids[: len(sizes) // 2 * 2 : 2, :PROMPT]
    attention = (torch.arange(shape[1]) < torch.tensor(sizes)[:, None]).long()
    written = (attention[:, 1:] > 0) & (torch.arange(1, shape[1]) >= PROMPT)
    batch = TokenBatch(ids, attention, written)
    old, advantages = (torch.randn(written.shape, generator=random) for _ in range(2))
    return Lesson(batch, -4.0 + 0.1 * old, advantages, written.float())


def updated(what: Lesson, micro_batch: int) -> tuple[Policy, dict[str, float]]:
    """Returns a policy that took one step, its gradient still there, and what that reported."""
    policy = copy.deepcopy(POLICY)
    made = Update(policy, None, Settings(micro_batch=micro_batch), longest=100)
    return policy, made(what, np.random.default_rng(0), number=20)


def gradients(policy: Policy) -> Iterator[torch.Tensor]:
    for parameter in policy.model.parameters():
        assert parameter.grad is not None
        yield parameter.grad


@given(sizes=st.lists(st.integers(PROMPT + 1, 60), min_size=2, max_size=8),
       micro_batch=st.integers(1, 8), seed=st.integers(0, 99))  # fmt: skip
@settings(max_examples=15, deadline=None)
def test_passes_of_any_size_leave_the_same_gradient(
    sizes: list[int], micro_batch: int, seed: int
) -> None:
    what = lesson(sizes, seed)
    (whole, told), (parts, again) = updated(what, 64), updated(what, micro_batch)
    for mine, theirs in zip(gradients(whole), gradients(parts), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)
    assert told == pytest.approx(again, abs=1e-4)


def test_one_long_conversation_does_not_pad_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[tuple[int, int]] = []
    usual = Update._loss

    def seen(self: Update, piece: Lesson) -> object:
        passes.append(tuple(piece.batch.ids.shape))
        return usual(self, piece)

    monkeypatch.setattr(Update, "_loss", seen)
    updated(lesson([20, 21, 20, 500, 22, 20, 21, 22]), 64)
    assert passes == [(7, 22), (1, 500)]


def test_the_learning_rate_rises_and_falls() -> None:
    assert [rate(number, 0.0) for number in (1, 10, 20, 100)] == [0.05, 0.5, 1.0, 1.0]
    assert [rate(100, played) for played in (0.5, 0.95, 1.0)] == [0.5, pytest.approx(0.1), 0.1]
