"""The forward pass of Llama-architecture models over a `SlotCache`, at little cost per call.

A decode step of a small model is mostly Python between kernels. This pass reads the
parameters of the Hugging Face model in place, so training is seen, and gives the same tokens
as the model's own forward pass. Architecture: Touvron et al. 2023, arXiv:2302.13971, with
grouped queries (Ainslie et al. 2023, arXiv:2305.13245).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn
from transformers import LlamaForCausalLM, Qwen2ForCausalLM

from rewardsmith.agents.llm.cache import Rows, SlotCache, causal_mask

_ROTATIONS = ("default", "linear", "llama3", "yarn")
"""Rotary embeddings whose angles depend on the position alone."""

_Linear = tuple[Tensor, Tensor | None]


class LlamaForward:
    """Per layer: x += Attention(RMSNorm(x)); x += W_d(act(W_g h) * W_u h) with h = RMSNorm(x).

    Args:
        model: A model that `suits` approves of. Its parameters may change in place, but not
            be replaced.
        cache: Where keys and values go.
    """

    def __init__(self, model: Any, cache: SlotCache) -> None:
        inner = model.model
        self.cache = cache
        self.embedding = inner.embed_tokens.weight
        self.layers = [_Layer.of(layer, i) for i, layer in enumerate(inner.layers)]
        self.norm = _Norm.of(inner.norm)
        self.head = _linear_of(model.lm_head)
        positions = torch.arange(cache.context, device=self.embedding.device)
        cos, sin = inner.rotary_emb(self.embedding, positions[None])
        sin[..., : sin.shape[-1] // 2] *= -1  # the sign of rotate_half, taken into the table
        self.rotation = torch.stack([cos[0], sin[0]], dim=1)  # (C, 2, D)

    @staticmethod
    def suits(model: Any) -> bool:
        """Tells whether a model is plain enough: no adapters, quantisation or moving angles."""
        if type(model) not in (LlamaForCausalLM, Qwen2ForCausalLM):
            return False
        projections = [module for module in model.modules() if hasattr(module, "in_features")]
        return (
            all(type(projection) is nn.Linear for projection in projections)
            and model.config.rope_parameters["rope_type"] in _ROTATIONS
        )

    def __call__(self, ids: Tensor, positions: Tensor, rows: Rows, width: int) -> Tensor:
        """Returns the logits after the last token of every row; see `Forward`."""
        self.cache.aim(rows, positions, width)
        positions = positions.clamp(min=0)
        rotation = self.rotation[positions]  # (k, T, 2, D)
        mask = causal_mask(positions, width, self.rotation.dtype)
        x = functional.embedding(ids, self.embedding)
        for layer in self.layers[:-1]:
            x = layer(x, rotation, mask, self.cache)
        x = self.layers[-1](x, rotation, mask, self.cache, queries=1)
        return functional.linear(self.norm(x[:, -1]), *self.head).float()


@dataclass(frozen=True, slots=True)
class _Norm:
    weight: Tensor
    epsilon: float

    @classmethod
    def of(cls, module: Any) -> _Norm:
        return cls(module.weight, module.variance_epsilon)

    def __call__(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, self.weight.shape, self.weight, self.epsilon)


@dataclass(frozen=True, slots=True)
class _Layer:
    """One decoder layer: its parameters, and what it does to (k, T, width of the model)."""

    index: int
    head_size: int
    scale: float
    attention_norm: _Norm
    query: _Linear
    key: _Linear
    value: _Linear
    output: _Linear
    feed_norm: _Norm
    gate: _Linear
    up: _Linear
    down: _Linear
    activation: Any

    @classmethod
    def of(cls, layer: Any, index: int) -> _Layer:
        attention, feed = layer.self_attn, layer.mlp
        return cls(
            index,
            attention.head_dim,
            attention.scaling,
            _Norm.of(layer.input_layernorm),
            _linear_of(attention.q_proj),
            _linear_of(attention.k_proj),
            _linear_of(attention.v_proj),
            _linear_of(attention.o_proj),
            _Norm.of(layer.post_attention_layernorm),
            _linear_of(feed.gate_proj),
            _linear_of(feed.up_proj),
            _linear_of(feed.down_proj),
            feed.act_fn,
        )

    def __call__(
        self, x: Tensor, rotation: Tensor, mask: Tensor, cache: SlotCache, queries: int = 0
    ) -> Tensor:
        """Returns the layer's output for the last `queries` tokens of every row, 0 for all."""
        h = self.attention_norm(x)
        cos, sin = rotation[:, :, None].unbind(3)  # (k, T, 1, D) each
        key = _rotate(self._heads(h, self.key), cos, sin).transpose(1, 2)
        value = self._heads(h, self.value).transpose(1, 2)
        keys, values = cache.update(key, value, self.index)
        x, h, cos, sin = (part[:, -queries:] for part in (x, h, cos, sin))
        query = _rotate(self._heads(h, self.query), cos, sin).transpose(1, 2)
        mixed = _attend(query, keys, values, mask[:, :, -queries:], self.scale)
        x = x + functional.linear(mixed, *self.output)
        h = self.feed_norm(x)
        gate = self.activation(functional.linear(h, *self.gate))
        return x + functional.linear(gate.mul_(functional.linear(h, *self.up)), *self.down)

    def _heads(self, h: Tensor, projection: _Linear) -> Tensor:
        return functional.linear(h, *projection).view(*h.shape[:2], -1, self.head_size)


def _attend(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor, scale: float) -> Tensor:
    """Attention of queries (k, H, T, D) over (k, G, width, D); returns (k, T, H D)."""
    k, heads, length, size = query.shape
    groups, width = keys.shape[1:3]
    attention = functional.scaled_dot_product_attention
    if length > 1:
        keys, values = (part.repeat_interleave(heads // groups, dim=1) for part in (keys, values))
        mixed = attention(query, keys, values, attn_mask=mask, scale=scale)
        return mixed.transpose(1, 2).flatten(2)
    query = query.reshape(k, groups, -1, size)  # heads of a group are queries of one sequence
    if query.device.type != "cpu":
        mixed = attention(query, keys, values, attn_mask=mask, scale=scale)
    else:  # where two batched products are twice as fast
        products = (query * scale).flatten(0, 1) @ keys.flatten(0, 1).transpose(1, 2)
        products.view(k, -1, width).add_(mask[:, 0])
        mixed = products.softmax(-1) @ values.flatten(0, 1)
    return mixed.reshape(k, 1, -1)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)


def _linear_of(module: Any) -> _Linear:
    return module.weight, module.bias
