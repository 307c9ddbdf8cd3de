"""One forward pass over new tokens of several conversations, for any Hugging Face model."""

from __future__ import annotations

import inspect
from typing import Any, Protocol

from torch import Tensor

from rewardsmith.agents.llm.cache import CausalMask, Rows, SlotCache
from rewardsmith.agents.llm.fast_llama import LlamaForward
from rewardsmith.envs.errors import ConfigError


class Forward(Protocol):
    """Encodes new tokens into a `SlotCache` and says what may come after them."""

    def __call__(self, ids: Tensor, positions: Tensor, rows: Rows, width: int) -> Tensor:
        """Runs the model over k rows of the cache.

        Args:
            ids: New tokens, int64 (k, T), padded on the left.
            positions: Their positions in their conversations, int64 (k, T); -1 for padding.
            rows: Their rows in the cache.
            width: One above the largest position.

        Returns:
            Logits after the last token of every row, float32 (k, V).
        """

    def read_weights(self) -> None:
        """Takes note of the weights as they are now; to be called when they may have changed."""


class HuggingFaceForward:
    """Runs the model's own forward pass, with explicit positions and an additive mask.

    Args:
        model: A Hugging Face causal language model.
        cache: Where keys and values go.

    Raises:
        ConfigError: If the model cannot be told positions.
    """

    def __init__(self, model: Any, cache: SlotCache) -> None:
        accepted = inspect.signature(model.forward).parameters
        for needed in ("position_ids", "logits_to_keep"):
            if needed not in accepted:
                raise ConfigError(
                    f"the model type {model.config.model_type!r} takes no {needed}, which "
                    "generation over conversations of different length needs; use a model "
                    "whose forward pass takes it"
                )
        self.model = model
        self.cache = cache
        self.mask = CausalMask(cache.context, model.dtype, model.device)

    def read_weights(self) -> None:
        """Does nothing: the model reads its weights itself."""

    def __call__(self, ids: Tensor, positions: Tensor, rows: Rows, width: int) -> Tensor:
        """Returns the logits after the last token of every row; see `Forward`."""
        self.cache.aim(rows, positions, width)
        output = self.model(
            input_ids=ids,
            position_ids=positions.clamp(min=0),
            attention_mask=self.mask(positions, width),
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return output.logits[:, -1].float()  # type: ignore[no-any-return]


def forward_of(model: Any, cache: SlotCache) -> Forward:
    """Returns the quickest forward pass that suits a model."""
    if LlamaForward.suits(model):
        return LlamaForward(model, cache)
    return HuggingFaceForward(model, cache)
