"""The forward pass of Llama-architecture models over a `SlotCache`, at little cost per call.

A decode step of a small model is mostly the cost of calling kernels. This pass calls few: what
is multiplied with one vector lies side by side in one matrix. It gives the same tokens as the
model's own forward pass. Architecture: Touvron et al. 2023, arXiv:2302.13971, with grouped
queries (Ainslie et al. 2023, arXiv:2305.13245).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn
from transformers import LlamaForCausalLM, Qwen2ForCausalLM

from rewardsmith.agents.llm.cache import CausalMask, Rows, SlotCache

_ROTATIONS = ("default", "linear", "llama3", "yarn")
"""Rotary embeddings whose angles depend on the position alone."""

_Linear = tuple[Tensor, Tensor | None]


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
        if type(model) not in (LlamaForCausalLM, Qwen2ForCausalLM):
            return False
        projections = [module for module in model.modules() if hasattr(module, "in_features")]
        return (
            all(type(projection) is nn.Linear for projection in projections)
            and model.config.rope_parameters["rope_type"] in _ROTATIONS
        )

    @torch.no_grad()
    def read_weights(self) -> None:
        """Lays the weights side by side as they are now; see `Forward`."""
        inner = self.model.model
        self.embedding = inner.embed_tokens.weight
        self.layers = [_Layer.of(layer, i) for i, layer in enumerate(inner.layers)]
        self.norm = _Norm.of(inner.norm)
        self.head = _linear_of(self.model.lm_head)

    def __call__(self, ids: Tensor, positions: Tensor, rows: Rows, width: int) -> Tensor:
        """Returns the logits after the last token of every row; see `Forward`."""
        self.cache.aim(rows, positions, width)
        rotation = self.rotation[positions]  # (k, T, 1, D / 2)
        mask = self.mask(positions, width)
        x = functional.embedding(ids.flatten(), self.embedding)
        for layer in self.layers[:-1]:
            x = layer(x, rotation, mask, self.cache, queries=ids.shape[1])
        x = self.layers[-1](x, rotation, mask, self.cache, queries=1)
        return functional.linear(self.norm(x), *self.head).float()


@dataclass(frozen=True, slots=True)
class _Norm:
    """x / sqrt(mean x^2 + epsilon) * w, over d numbers."""

    weight: Tensor
    epsilon: float
    scaled: Tensor  # sqrt(d) w
    floor: Tensor  # sqrt(d epsilon)

    @classmethod
    def of(cls, module: Any) -> _Norm:
        weight, epsilon, root = module.weight, module.variance_epsilon, len(module.weight) ** 0.5
        return cls(weight, epsilon, weight * root, weight.new_tensor(root * epsilon**0.5))

    def __call__(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or x.dtype is not torch.float32:
            return functional.rms_norm(x, self.weight.shape, self.weight, self.epsilon)
        # On a CPU, fewer kernels: |x|^2 + d epsilon is d (mean x^2 + epsilon).
        size: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        return (x / size.hypot(self.floor)).mul_(self.scaled)


@dataclass(frozen=True, slots=True)
class _Layer:
    """One decoder layer: its weights, and what it does to T tokens in each of k rows."""

    index: int
    groups: int
    head_size: int
    scale: float
    attention_norm: _Norm
    heads: _Linear  # queries, keys and values
    output: _Linear
    feed_norm: _Norm
    gate_up: _Linear
    down: _Linear
    activation: Any

    @classmethod
    def of(cls, layer: Any, index: int) -> _Layer:
        attention, feed = layer.self_attn, layer.mlp
        size = attention.head_dim
        return cls(
            index,
            attention.k_proj.out_features // size,
            size,
            attention.scaling,
            _Norm.of(layer.input_layernorm),
            _side_by_side(
                _in_pairs(attention.q_proj, size),
                _in_pairs(attention.k_proj, size),
                _linear_of(attention.v_proj),
            ),
            _linear_of(attention.o_proj),
            _Norm.of(layer.post_attention_layernorm),
            _side_by_side(_linear_of(feed.gate_proj), _linear_of(feed.up_proj)),
            _linear_of(feed.down_proj),
            feed.act_fn,
        )

    def __call__(
        self, x: Tensor, rotation: Tensor, mask: Tensor, cache: SlotCache, queries: int
    ) -> Tensor:
        """Takes (k T, d) to (k queries, d): the last tokens of every row."""
        k, _, length, _ = mask.shape
        h = functional.linear(self.attention_norm(x), *self.heads)
        turned, value = _split(h.view(k, length, -1, self.head_size), self.groups)
        query, key = _split(_rotate(turned, rotation), self.groups)
        keys, values = cache.update(key.transpose(1, 2), value.transpose(1, 2), self.index)
        if queries < length:
            x = x.view(k, length, -1)[:, -queries:].flatten(0, 1)
            query, mask = query[:, -queries:], mask[:, :, -queries:]
        mixed = _attend(query, keys, values, mask, self.scale)
        x = functional.linear(mixed, *self.output).add_(x)
        gate, up = functional.linear(self.feed_norm(x), *self.gate_up).chunk(2, -1)
        return functional.linear(self.activation(gate).mul_(up), *self.down).add_(x)


def _attend(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor, scale: float) -> Tensor:
    """Attention of queries (k, T, H, D) over (k, G, width, D); returns (k T, H D)."""
    k, length, heads, _ = query.shape
    groups = keys.shape[1]
    attention = functional.scaled_dot_product_attention
    if length > 1:
        keys, values = (part.repeat_interleave(heads // groups, dim=1) for part in (keys, values))
        mixed = attention(query.transpose(1, 2), keys, values, attn_mask=mask, scale=scale)
        return mixed.transpose(1, 2).flatten(2).flatten(0, 1)
    query = query.view(k, groups, heads // groups, -1)  # heads of a group query one sequence
    mask = mask.expand(-1, groups, -1, -1)
    if query.device.type != "cpu":
        return attention(query, keys, values, attn_mask=mask, scale=scale).reshape(k, -1)
    query, keys, values, mask = (part.flatten(0, 1) for part in (query, keys, values, mask))
    scores = torch.baddbmm(mask, query, keys.transpose(1, 2), alpha=scale)  # here twice as fast
    return (scores.softmax(-1) @ values).view(k, -1)


def _split(heads: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Splits the last `groups` heads off (k, T, heads, D)."""
    return heads[:, :, :-groups], heads[:, :, -groups:]


def _rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Turns every pair of neighbours in (k, T, heads, D) by its angle."""
    pairs = torch.view_as_complex(x.float().view(*x.shape[:3], -1, 2))
    return torch.view_as_real(pairs * rotation).flatten(-2).type_as(x)


def _in_pairs(projection: nn.Linear, head_size: int) -> _Linear:
    """Reorders the rows of a projection so that the numbers of a head turned together meet.

    Number i of a head is turned together with number i + D / 2 in Hugging Face's layout. Queries
    and keys in the same order have the same products.
    """

    def ordered(rows: Tensor) -> Tensor:
        halves = rows.view(-1, 2, head_size // 2, *rows.shape[1:])
        return halves.transpose(1, 2).flatten(0, 2)

    weight, bias = _linear_of(projection)
    return ordered(weight), None if bias is None else ordered(bias)


def _side_by_side(*projections: _Linear) -> _Linear:
    weights = [weight for weight, _ in projections]
    biases = [bias for _, bias in projections if bias is not None]
    return torch.cat(weights), torch.cat(biases) if biases else None


def _linear_of(module: Any) -> _Linear:
    return module.weight, module.bias
