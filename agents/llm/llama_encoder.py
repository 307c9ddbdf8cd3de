"""The forward pass of Llama-architecture models that training goes through, of few kernels."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor

from rewardsmith.agents.llm.llama_layers import Layer, Norm, is_plain


class LlamaEncoder:
    """Gives the last hidden states of a model's own forward pass, and their gradients.

    Args:
        model: A model that `suits` approves of.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    @staticmethod
    def suits(model: Any) -> bool:
        """Tells whether a model is plain and of the kind that gains: float32 on a CPU."""
        kind = model.device.type, model.dtype
        return is_plain(model) and kind == ("cpu", torch.float32)

    def __call__(self, ids: Tensor, mask: Tensor, positions: Tensor, cache: Any) -> Tensor:
        """Encodes tokens after those in a cache.

        Args:
            ids: Tokens, int64 (k, T).
            mask: 1 for a token and 0 for padding, those in the cache included, (k, W).
            positions: Of the tokens in their conversations, int64 (k, T).
            cache: A `DynamicCache` of Hugging Face transformers, which is appended to.

        Returns:
            The last hidden states, (k, T, d).
        """
        inner = self.model.model
        with torch.no_grad():
            cos, sin = inner.rotary_emb(inner.embed_tokens.weight, positions)
            rotation = torch.complex(cos, sin)[:, :, None, : cos.shape[-1] // 2]
            hidden = _hidden(mask, ids.shape[1])
        x = inner.embed_tokens(ids.flatten())
        for index, layer in enumerate(inner.layers):
            x = _layer(Layer.of(layer, index), x, rotation, hidden, cache)
        last = Norm.of(inner.norm)
        return (_normed(x, last) * last.scaled).view(*ids.shape, -1)


def _layer(layer: Layer, x: Tensor, rotation: Tensor, hidden: Tensor, cache: Any) -> Tensor:
    """Takes (k T, d) to (k T, d)."""
    k, length = rotation.shape[:2]
    queries, groups, _ = layer.sizes
    heads = layer.heads(_normed(x, layer.attention_norm)).view(k, length, -1, layer.head_size)
    turned, value = torch.split(heads, [queries + groups, groups], 2)
    pairs = torch.view_as_complex(turned.view(k, length, queries + groups, -1, 2)) * rotation
    query, key = torch.split(torch.view_as_real(pairs).flatten(-2), [queries, groups], 2)
    keys, values = cache.update(key.transpose(1, 2), value.transpose(1, 2), layer.index)
    mixed = functional.scaled_dot_product_attention(
        query.transpose(1, 2),
        _repeated(keys, queries // groups),
        _repeated(values, queries // groups),
        attn_mask=hidden,
        scale=layer.scale,
    )
    x = x + layer.output(mixed.transpose(1, 2).reshape(k * length, -1))
    gate, up = layer.gate_up(_normed(x, layer.feed_norm)).chunk(2, -1)
    return x + layer.down(layer.activation(gate) * up)


def _repeated(heads: Tensor, share: int) -> Tensor:
    """Repeats every head (k, G, W, D) for those that query it, without a copy where G is 1."""
    return heads[:, :, None].expand(-1, -1, share, -1, -1).flatten(1, 2)


def _hidden(mask: Tensor, length: int) -> Tensor:
    """0 where one of the last T tokens attends to a column, else the least number, (k, 1, T, W)."""
    width = mask.shape[1]
    seen = torch.ones(length, width, dtype=torch.bool).tril(width - length)
    seen = seen & mask.bool()[:, None, None]
    return torch.where(seen, 0.0, torch.finfo(torch.float32).min)


def _normed(x: Tensor, norm: Norm) -> Tensor:
    normed: Tensor = _RMSNorm.apply(x, norm.floor)  # type: ignore[no-untyped-call]
    return normed


class _RMSNorm(torch.autograd.Function):
    """x / sqrt(|x|^2 + floor^2)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, floor: Tensor) -> Tensor:
        size: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True).hypot(floor)
        normed = x / size
        ctx.save_for_backward(normed, size)
        return normed

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        normed, size = ctx.saved_tensors
        along = (gradient * normed).sum(-1, keepdim=True)
        return gradient.addcmul(normed, along, value=-1).div_(size), None
