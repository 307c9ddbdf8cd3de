"""`linear`: x W^T + b by the quicker of two libraries, with gradients."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor

MANY_ROWS = 192
"""Rows from which oneDNN, whose calls cost more, is the quicker one."""


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Returns x W^T + b, as `torch.nn.functional.linear` does.

    PyTorch multiplies float32 numbers on a CPU by MKL, which does not use all that processors
    of other makers than Intel offer: there oneDNN takes half the time.

    Args:
        x: Shape (n, d).
        weight: W, shape (o, d).
        bias: b, shape (o,), or None for 0.

    Returns:
        Shape (n, o).
    """
    if len(x) < MANY_ROWS or not _suits_onednn(x):
        return functional.linear(x, weight, bias)
    product: Tensor = _Product.apply(x, weight)  # type: ignore[no-untyped-call]
    return product if bias is None else product + bias


class _Product(torch.autograd.Function):
    """x W^T."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        gradient = gradient.contiguous()  # that of a sum is one number, seen many times
        wanted = ctx.needs_input_grad
        of_x = _product(gradient, weight.t()) if wanted[0] else None
        return of_x, _product(x.t(), gradient.t()).t() if wanted[1] else None


def _product(x: Tensor, weight: Tensor) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")
    return product


def _suits_onednn(x: Tensor) -> bool:
    return _HAS_ONEDNN and x.device.type == "cpu" and x.dtype is torch.float32


_HAS_ONEDNN = hasattr(torch.ops.mkldnn, "_linear_pointwise")
"""The call is not a public one: without it all is left to PyTorch."""
