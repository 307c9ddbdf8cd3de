"""The weights of Llama-architecture models, what is multiplied with one vector side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM, Qwen2ForCausalLM

from rewardsmith.agents.llm.products import MANY_ROWS, linear

_ROTATIONS = ("default", "linear", "llama3", "yarn")
"""Rotary embeddings whose angles depend on the position alone."""


def is_plain(model: Any) -> bool:
    """Tells whether a model is plain enough: no adapters, quantisation or moving angles."""
    if type(model) not in (LlamaForCausalLM, Qwen2ForCausalLM):
        return False
    projections = [module for module in model.modules() if hasattr(module, "in_features")]
    return (
        all(type(projection) is nn.Linear for projection in projections)
        and model.config.rope_parameters["rope_type"] in _ROTATIONS
    )


def few_kernels(x: Tensor) -> bool:
    """Whether the kernels made for few calls are worth it: float32 on a CPU."""
    return x.device.type == "cpu" and x.dtype is torch.float32


@dataclass(frozen=True, slots=True)
class Norm:
    """x / sqrt(mean x^2 + epsilon) * w, over d numbers.

    Where few kernels are worth it that is x / sqrt(|x|^2 + floor^2) here, and the factors sqrt(d) w
    stand in the weights of what comes next.

    Attributes:
        weight: w, (d,).
        epsilon: Keeps the root above 0.
        scaled: sqrt(d) w.
        floor: sqrt(d epsilon).
    """

    weight: Tensor
    epsilon: float
    scaled: Tensor
    floor: Tensor

    @classmethod
    def of(cls, module: Any) -> Norm:
        """Takes the weight of a model's norm."""
        weight, epsilon, root = module.weight, module.variance_epsilon, len(module.weight) ** 0.5
        return cls(weight, epsilon, weight * root, weight.new_tensor(root * epsilon**0.5))


@dataclass(frozen=True, slots=True)
class Linear:
    """x W^T + b, for x (n, d).

    Attributes:
        weight: W, (o, d).
        bias: b, (o,), or None.
    """

    weight: Tensor
    bias: Tensor | None

    @classmethod
    def of(cls, *modules: Any, after: Norm | None = None) -> Linear:
        """Takes the weights of one projection or of several side by side, and a norm's factors."""
        biases = [module.bias for module in modules if module.bias is not None]
        weight, bias = modules[0].weight, modules[0].bias
        if len(modules) > 1:
            weight = torch.cat([module.weight for module in modules])
            bias = torch.cat(biases) if biases else None
        if after is not None and few_kernels(weight):
            weight = weight * after.scaled
        return cls(weight, bias)

    def __call__(self, x: Tensor) -> Tensor:
        """Returns x W^T + b, (n, o)."""
        return linear(x, self.weight, self.bias)

    def onto(self, total: Tensor, x: Tensor) -> Tensor:
        """Adds x W^T + b to `total` (n, o), in place."""
        if len(x) >= MANY_ROWS or self.bias is not None:
            return total.add_(self(x))
        return total.addmm_(x, self.weight.t())


@dataclass(frozen=True, slots=True)
class Layer:
    """The weights of a decoder layer.

    Attributes:
        index: Its number.
        head_size: Numbers of a head, D.
        sizes: How many heads query, are keys, and are values.
        scale: Factor of the attention's scores.
        attention_norm: Before attention.
        heads: Makes queries, keys and values, in this order.
        output: After attention.
        feed_norm: Before the feed-forward layer.
        gate_up: Makes gate and values of the feed-forward layer.
        down: After it.
        activation: Of the gate.
    """

    index: int
    head_size: int
    sizes: tuple[int, int, int]
    scale: float
    attention_norm: Norm
    heads: Linear
    output: Linear
    feed_norm: Norm
    gate_up: Linear
    down: Linear
    activation: Any

    @classmethod
    def of(cls, layer: Any, index: int) -> Layer:
        """Takes the weights of a model's layer, with gradients where those are recorded."""
        attention, feed = layer.self_attn, layer.mlp
        size = attention.head_dim
        queries, keys = (p.out_features // size for p in (attention.q_proj, attention.k_proj))
        query, key = (_in_pairs(p, size) for p in (attention.q_proj, attention.k_proj))
        norms = Norm.of(layer.input_layernorm), Norm.of(layer.post_attention_layernorm)
        return cls(
            index,
            size,
            (queries, keys, keys),
            attention.scaling,
            norms[0],
            Linear.of(query, key, attention.v_proj, after=norms[0]),
            Linear.of(attention.o_proj),
            norms[1],
            Linear.of(feed.gate_proj, feed.up_proj, after=norms[1]),
            Linear.of(feed.down_proj),
            feed.act_fn,
        )


def _in_pairs(projection: Any, head_size: int) -> Linear:
    """Reorders the rows of a projection so that the numbers of a head turned together meet.

    Number i of a head is turned together with number i + D / 2 in Hugging Face's layout. Queries
    and keys in the same order have the same products.
    """

    def ordered(rows: Tensor) -> Tensor:
        halves = rows.view(-1, 2, head_size // 2, *rows.shape[1:])
        return halves.transpose(1, 2).flatten(0, 2)

    weight, bias = projection.weight, projection.bias
    return Linear(ordered(weight), None if bias is None else ordered(bias))
