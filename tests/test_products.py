"""Products by oneDNN: the numbers and gradients of PyTorch's own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as functional
from torch import Tensor

from rewardsmith.agents.llm import products
from rewardsmith.agents.llm.products import MANY_ROWS, linear


def made(rows: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """Returns x (n, 7), W (5, 7) and b (5,)."""
    random = torch.Generator().manual_seed(rows)
    shapes = (rows, 7), (5, 7), (5,)
    return [torch.randn(shape, generator=random, dtype=dtype) for shape in shapes]


@pytest.mark.parametrize("rows", [0, 1, MANY_ROWS - 1, MANY_ROWS, 3 * MANY_ROWS])
@pytest.mark.parametrize("has_bias", [True, False])
def test_values_and_gradients_are_those_of_pytorch(rows: int, has_bias: bool) -> None:
    parts = [part.requires_grad_() for part in made(rows)][: 2 + has_bias]
    for weigh in (torch.sin, torch.ravel):  # the gradient of a bare sum is one number in memory
        ours, theirs = linear(*parts), functional.linear(*parts)
        torch.testing.assert_close(ours, theirs)
        pair = (torch.autograd.grad(weigh(y).sum(), parts) for y in (ours, theirs))
        for here, there in zip(*pair, strict=True):
            torch.testing.assert_close(here, there, atol=1e-4, rtol=1e-4)


def test_transposed_parts_are_multiplied_too() -> None:
    x, weight, _ = made(MANY_ROWS)
    torch.testing.assert_close(
        linear(x.t().contiguous().t(), weight.t().contiguous().t()), x @ weight.t()
    )


def test_a_frozen_weight_gets_no_gradient() -> None:
    x, weight, _ = made(MANY_ROWS)
    linear(x.requires_grad_(), weight).sum().backward()
    torch.testing.assert_close(x.grad, weight.sum(0).expand_as(x))
    assert weight.grad is None


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_number_types_are_left_to_pytorch(dtype: torch.dtype) -> None:
    parts = made(MANY_ROWS, dtype)
    assert torch.equal(linear(*parts), functional.linear(*parts))


def test_without_onednn_all_is_left_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_HAS_ONEDNN", False)
    monkeypatch.setattr(products, "_product", None)
    parts = made(MANY_ROWS)
    assert torch.equal(linear(*parts), functional.linear(*parts))
