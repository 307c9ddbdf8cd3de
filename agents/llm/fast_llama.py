"""The forward pass of Llama-architecture models over a `SlotCache`, at little cost per call.

A decode step of a small model is mostly the cost of calling kernels. This pass calls few: what
is multiplied with one vector lies side by side in one matrix. It gives the same tokens as the
model's own forward pass. Architecture: Touvron et al. 2023, arXiv:2302.13971, with grouped
queries (Ainslie et al. 2023, arXiv:2305.13245).
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor

from rewardsmith.agents.llm.cache import CausalMask, Rows, SlotCache
from rewardsmith.agents.llm.llama_layers import Layer, Linear, Norm, few_kernels, is_plain

_LOG2_E = math.log2(math.e)

_SMALL_HEAD, _MOST_SCORES = 32, 2**22
"""Width of a head, and attention scores in memory, up to which plain products are faster."""


class LlamaForward:
    """Per layer: x += Attention(RMSNorm(x)); x += W_d(act(W_g h) * W_u h) with h = RMSNorm(x).

    Args:
        model: A model that `suits` approves of.
        cache: Where keys and values go.
    """

    def __init__(self, model: Any, cache: SlotCache) -> None:
        self.model, self.cache = model, cache
        self.read_weights()
        positions = torch.arange(cache.context, device=model.device)
        cos, sin = model.model.rotary_emb(positions.float(), positions[None])
        half = cos.shape[-1] // 2
        self.rotation = torch.complex(cos, sin)[0, :, None, :half]  # (C, 1, D / 2)
        self.mask = CausalMask(cache.context, model.dtype, model.device)

    @staticmethod
    def suits(model: Any) -> bool:
        """Tells whether a model is plain enough: no adapters, quantisation or moving angles."""
        return is_plain(model)

    @torch.no_grad()
    def read_weights(self) -> None:
        """Lays the weights side by side as they are now; see `Forward`."""
        inner = self.model.model
        self.embedding = inner.embed_tokens.weight
        self.layers = [Layer.of(layer, i) for i, layer in enumerate(inner.layers)]
        self.norm = Norm.of(inner.norm)
        self.head = Linear.of(self.model.lm_head, after=self.norm)

    def __call__(self, ids: Tensor, positions: Tensor, rows: Rows, width: int) -> Tensor:
        """Returns the logits after the last token of every row; see `Forward`."""
        self.cache.aim(rows, positions, width)
        rotation = self.rotation[positions]  # (k, T, 1, D / 2)
        mask = self.mask(positions, width)
        x = functional.embedding(ids.flatten(), self.embedding)
        for layer in self.layers[:-1]:
            x = self._layer(layer, x, rotation, mask, ids.shape[1])
        x = self._layer(self.layers[-1], x, rotation, mask, 1)
        return self.head(_normed(x, self.norm)).float()

    def _layer(
        self, layer: Layer, x: Tensor, rotation: Tensor, mask: Tensor, queries: int
    ) -> Tensor:
        """Takes (k T, d), which is overwritten, to (k queries, d): the last tokens of every row."""
        k, _, length, _ = mask.shape
        heads = layer.heads(_normed(x, layer.attention_norm)).view(k, length, -1, layer.head_size)
        _rotate(heads[:, :, : -layer.sizes[2]], rotation)
        query, key, value = torch.split(heads, list(layer.sizes), 2)
        keys, values = self.cache.slot_layers[layer.index].write(key, value)
        if queries < length:
            x = x.view(k, length, -1)[:, -queries:].flatten(0, 1)
            query, mask = query[:, -queries:], mask[:, :, -queries:]
        x = layer.output.onto(x, _attend(query, keys, values, mask, layer.scale))
        gate, up = layer.gate_up(_normed(x, layer.feed_norm)).chunk(2, -1)
        return layer.down.onto(x, layer.activation(gate).mul_(up))


def _normed(x: Tensor, norm: Norm) -> Tensor:
    if not few_kernels(x):
        return functional.rms_norm(x, norm.weight.shape, norm.weight, norm.epsilon)
    size: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x / size.hypot(norm.floor)


def _attend(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor, scale: float) -> Tensor:
    """Attention of queries (k, T, H, D) over (k, G, width, D); returns (k T, H D)."""
    k, length, heads, size = query.shape
    groups, width = keys.shape[1:3]
    few = size <= _SMALL_HEAD and k * heads * length * width <= _MOST_SCORES
    if few and few_kernels(query):
        return _products(query, keys, values, mask, scale)
    if length == 1:  # heads of a group query one sequence
        query, mask = query.view(k, groups, -1, size), mask.expand(-1, groups, -1, -1)
    else:
        query = query.transpose(1, 2)
        keys, values = (part.repeat_interleave(heads // groups, 1) for part in (keys, values))
    mixed = functional.scaled_dot_product_attention(
        query, keys, values, attn_mask=mask, scale=scale
    )
    return mixed.reshape(k, heads, length, size).transpose(1, 2).reshape(k * length, -1)


def _products(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor, scale: float) -> Tensor:
    """The same by matrix products, and with powers of two in place of e."""
    k, length, heads, size = query.shape
    groups, width = keys.shape[1:3]
    query = query.view(k, length, groups, -1, size).transpose(1, 2).reshape(k * groups, -1, size)
    keys, values = keys.flatten(0, 1), values.flatten(0, 1)
    scores = mask[..., None, :].expand(-1, groups, -1, heads // groups, -1)
    scores = scores.clone(memory_format=torch.contiguous_format).view(k * groups, -1, width)
    scores.baddbmm_(query, keys.transpose(1, 2), alpha=scale * _LOG2_E)
    scores.sub_(scores.amax(-1, keepdim=True)).exp2_()
    mixed = scores.bmm(values).div_(scores.sum(-1, keepdim=True))
    return mixed.view(k, groups, length, -1).transpose(1, 2).reshape(k * length, -1)


def _rotate(x: Tensor, rotation: Tensor) -> None:
    """Turns every pair of neighbours in (k, T, heads, D) by its angle, in place."""
    pairs = torch.view_as_complex(x.float().view(*x.shape[:3], -1, 2))
    pairs.mul_(rotation)
    if x.dtype is not torch.float32:
        x.copy_(torch.view_as_real(pairs).flatten(-2))
