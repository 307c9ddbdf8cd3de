"""Small language models of several architectures, made on the spot, for the tests."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.tiny import character_tokenizer, tiny_model

VOCABULARY = 109
CONTEXT = 64
ARCHITECTURES = ("tiny", "grouped_llama", "qwen2", "gpt2", "gpt_neox")

_SHAPE = {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2,
          "num_attention_heads": 4, "intermediate_size": 48, "max_position_embeddings": CONTEXT,
          "bos_token_id": None, "eos_token_id": 2}  # fmt: skip


def policy(architecture: str, **options: Any) -> Policy:
    """Returns a policy on the CPU with random weights large enough to have opinions."""
    return Policy(model(architecture), character_tokenizer(), device="cpu", **options)


def model(architecture: str) -> Any:
    """Returns a small model with random weights."""
    if architecture == "tiny":
        made: Any = tiny_model(character_tokenizer(), hidden=32, context=CONTEXT)
    else:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            made = _made(architecture)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim > 1:
                parameter.mul_(8.0)
    return made


def _made(architecture: str) -> Any:
    if architecture == "grouped_llama":
        shape = _SHAPE | {"num_key_value_heads": 2, "head_dim": 16}
        rotation = {"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0,
                    "high_freq_factor": 4.0, "original_max_position_embeddings": 16}  # fmt: skip
        config = LlamaConfig(**shape, attention_bias=True, mlp_bias=True, rope_parameters=rotation)
        return LlamaForCausalLM(config)
    if architecture == "qwen2":
        return Qwen2ForCausalLM(Qwen2Config(**_SHAPE, num_key_value_heads=2))
    if architecture == "gpt_neox":
        return GPTNeoXForCausalLM(GPTNeoXConfig(**_SHAPE))
    shape = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT}
    return GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, **shape, eos_token_id=2))
