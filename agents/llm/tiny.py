"""A small Llama-architecture model and a character tokenizer, made on the spot: no download."""

from __future__ import annotations

import string

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from rewardsmith.envs.errors import ConfigError

TAGS = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<answer>", "</answer>")
"""Tags of the turn protocol, one token each; they stay in decoded text."""

_PAD, _UNKNOWN, _END = "<|pad|>", "<|unknown|>", "<|end|>"
_ROLES = ("system", "user", "assistant", "tool")
_CHARACTERS = "\n" + "".join(sorted(set(string.printable) - set(string.whitespace) | {" "}))
_CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + (message['content'] or '') }}"
    "{% for call in message['tool_calls'] or [] %}"
    "{{ '<tool_call>' + call['function'] | tojson + '</tool_call>' }}"
    "{% endfor %}"
    "{{ '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)

_RESPONSE_TEMPLATE = {  # How `parse_response` of transformers reads a turn, for TRL's tool calls
    "defaults": {"role": "assistant"},
    "start_anchor": "<|assistant|>",
    "fields": {
        "tool_calls": {
            "open": "<tool_call>",
            "close": "</tool_call>",
            "repeats": True,
            "content": "json",
            "transform": {"type": "function", "function": "{content}"},
        },
        "content": {"close": "<|end|>", "content": "text"},
    },
}


def character_tokenizer() -> PreTrainedTokenizerFast:
    r"""Makes a Hugging Face tokenizer of one token per character.

    The vocabulary holds the 95 printable ASCII characters, the newline, the turn protocol's
    tags, and the chat template's marks; anything else becomes `<|unknown|>`. It saves, loads
    and renders chats as any other tokenizer does.

    Example:
        >>> tokenizer = character_tokenizer()
        >>> ids = tokenizer("<answer>7</answer>").input_ids
        >>> len(ids), tokenizer.decode(ids)
        (3, '<answer>7</answer>')
    """
    marks = (_PAD, _UNKNOWN, _END, *(f"<|{role}|>" for role in _ROLES))
    vocabulary = {token: i for i, token in enumerate((*marks, *TAGS, *_CHARACTERS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=_UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in marks])
    tokenizer.add_tokens([AddedToken(tag, normalized=False) for tag in TAGS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=_PAD,
        unk_token=_UNKNOWN,
        eos_token=_END,
        chat_template=_CHAT_TEMPLATE,
        response_template=_RESPONSE_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def tiny_model(
    tokenizer: PreTrainedTokenizerFast,
    *,
    hidden: int = 64,
    layers: int = 2,
    heads: int = 4,
    key_value_heads: int | None = None,
    context: int = 1024,
    seed: int = 0,
) -> LlamaForCausalLM:
    """Makes a Llama-architecture model with random weights, float32 on the CPU.

    Args:
        tokenizer: Gives the size of the vocabulary and the ids of its marks.
        hidden: Width of the residual stream; the feed-forward layers are twice as wide.
        layers: Number of decoder layers.
        heads: Attention heads; must divide `hidden` into heads of even width.
        key_value_heads: Heads that keys and values have, shared by the attention heads; must
            divide them. By default as many; with one the cache is small, but numbers are
            copied badly.
        context: Most tokens a conversation may have.
        seed: Seed of the weights; torch's own random state is left as it is.

    Raises:
        ConfigError: If the heads do not divide the width, or each other.
    """
    if hidden % (2 * heads):
        raise ConfigError(
            f"hidden={hidden} does not split into {heads} heads of even width; make it a "
            f"multiple of {2 * heads}"
        )
    key_value_heads = key_value_heads or heads
    if heads % key_value_heads:
        raise ConfigError(f"key_value_heads={key_value_heads} must divide heads={heads}")
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=key_value_heads,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    model.train(False)
    return model
