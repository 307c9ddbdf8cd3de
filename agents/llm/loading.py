"""Hugging Face models by name, and low-rank adapters for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from rewardsmith.envs.errors import ConfigError


def pretrained(name: str) -> tuple[Any, Any]:
    """Returns the causal language model and the tokenizer of a folder or hub name.

    Raises:
        ConfigError: If there is no such model.
    """
    with _explained(name):
        model = AutoModelForCausalLM.from_pretrained(name, dtype="auto")
        return model, AutoTokenizer.from_pretrained(name)


def tokenizer_of(name: str) -> Any:
    """Returns the tokenizer of a folder or hub name, without reading the model's weights.

    Raises:
        ConfigError: If there is no such model.
    """
    with _explained(name):
        AutoConfig.from_pretrained(name)
        return AutoTokenizer.from_pretrained(name)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turns what transformers raises for a model that is not there into one sentence."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"cannot load the model {name!r}: {reason} Give a folder or hub name of a Hugging "
            "Face causal language model, or 'tiny' for one made on the spot."
        ) from error


def with_lora(model: Any, rank: int) -> Any:
    """Returns the model with low-rank adapters on every linear layer, the rest frozen.

    W x becomes W x + 2 B A x with A (rank, in) and B (out, rank), B starting at zero
    (Hu et al. 2021, arXiv:2106.09685).

    Raises:
        ConfigError: If `peft` is missing, or the rank is below 1.
    """
    try:
        import peft
    except ImportError as error:
        raise ConfigError(
            f"lora_rank={rank} needs the package peft; install it with `pip install peft`, or "
            "leave lora_rank out"
        ) from error
    if rank < 1:
        raise ConfigError(f"lora_rank must be at least 1, got {rank}")
    config = peft.LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    return peft.get_peft_model(model, config)
