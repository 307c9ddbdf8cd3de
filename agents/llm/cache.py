"""`SlotCache`: the keys and values of many conversations of different length, in fixed tensors."""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache, DynamicLayer

from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import IntArray

Rows = slice | torch.Tensor
"""Rows of a cache: some that lie next to each other, or an index of any, int64 (k,)."""


class SlotCache(Cache):  # type: ignore[misc]
    """A key-value cache of one row per conversation, written in place and never copied.

    A row holds the keys and values of the token at position p in column p, so that the
    causal mask is `column <= position` whatever the lengths of the rows. The last column
    takes what padding writes and is never read. The rows in use lie next to each other, and
    a forward pass sees views of them.

    Args:
        config: The model's configuration.
        rows: Conversations held at once.
        context: Most tokens of a conversation, C.

    Raises:
        ConfigError: If the model keeps another state than keys and values of all its past
            tokens: sliding windows shorter than the context, or recurrent layers.
    """

    def __init__(self, config: Any, rows: int, context: int) -> None:
        for layer in DynamicCache(config=config).layers:
            window = getattr(layer, "sliding_window", context)
            if not isinstance(layer, DynamicLayer) or window < context:
                raise ConfigError(
                    f"the model type {config.model_type!r} has layers that do not attend to all "
                    f"{context} tokens of a context ({type(layer).__name__}); use a model with "
                    "full attention, or a context no longer than its sliding window"
                )
        self.slot_layers = [SlotLayer(self, rows, context) for _ in range(config.num_hidden_layers)]
        super().__init__(layers=list(self.slot_layers))
        self.context = context
        self.rows: Rows = slice(0, 0)
        self.cells = (torch.zeros(0, 1, dtype=torch.int64),) * 2  # row and column of new tokens
        self.width = 0

    def aim(self, rows: Rows, positions: torch.Tensor, width: int) -> None:
        """Says where the next forward pass writes and what it reads.

        Args:
            rows: The k rows of its batch; those of a slice are read in place, others copied.
            positions: Position of every token of the batch, int64 (k, T); -1 for padding.
            width: Columns it may attend to, above every position.
        """
        device = positions.device
        each = (
            torch.arange(rows.start, rows.stop, device=device) if isinstance(rows, slice) else rows
        )
        self.cells = each[:, None], positions  # column -1 is the last
        self.rows, self.width = rows, width

    def copy(self, sources: IntArray, targets: IntArray, length: int) -> None:
        """Copies the first `length` columns of some rows onto as many others."""
        for tensor in self._tensors():
            tensor[targets, :, :length] = tensor[sources, :, :length]

    def swap(self, a: int, b: int, length: int) -> None:
        """Swaps the first `length` columns of two rows."""
        for tensor in self._tensors():
            first, second = tensor[a, :, :length], tensor[b, :, :length]
            kept = first.clone()
            first.copy_(second)
            second.copy_(kept)

    def _tensors(self) -> list[torch.Tensor]:
        both = [tensor for layer in self.slot_layers for tensor in (layer.keys, layer.values)]
        return [tensor for tensor in both if tensor is not None]


class SlotLayer(CacheLayerMixin):  # type: ignore[misc]
    """One layer of a `SlotCache`: keys and values of shape (rows, heads, C + 1, head width)."""

    def __init__(self, cache: SlotCache, rows: int, context: int) -> None:
        super().__init__()
        self.cache = cache
        self.shape = (rows, context + 1)

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Allocates the tensors, once the width and kind of keys and values are seen."""
        rows, columns = self.shape
        for name, states in (("keys", key_states), ("values", value_states)):
            heads, size = states.shape[1], states.shape[3]
            setattr(self, name, states.new_zeros(rows, heads, columns, size))
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Writes new keys and values (k, heads, T, size) where the cache aims.

        Returns:
            Keys and values of the batch's rows so far, (k, heads, width, size).
        """
        return self.write(key_states.transpose(1, 2), value_states.transpose(1, 2))

    def write(self, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Does what `update` does with keys and values (k, T, heads, size)."""
        if not self.is_initialized:
            self.lazy_initialization(keys.transpose(1, 2), values.transpose(1, 2))
        assert self.keys is not None
        assert self.values is not None
        cache = self.cache
        for held, new in ((self.keys, keys), (self.values, values)):
            held.transpose(1, 2).index_put_(cache.cells, new)
        read = (cache.rows, slice(None), slice(cache.width))
        return self.keys[read], self.values[read]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Returns the number of columns read and where they start."""
        return self.cache.width, 0

    def get_seq_length(self) -> int:
        """Returns the number of columns read; the rows' own lengths are told by position."""
        return self.cache.width

    def get_max_length(self) -> int:
        """Returns the most tokens of a conversation."""
        return self.cache.context


class CausalMask:
    """What is added to attention scores: 0 up to a token's own position, else the least number.

    The rows of all positions are windows of one strip of zeros and least numbers.

    Args:
        context: Most tokens of a conversation, C.
        dtype: Number type of the scores.
        device: Where they are.

    Example:
        >>> mask = CausalMask(8, torch.float32, torch.device("cpu"))
        >>> mask(torch.tensor([[0, 1]]), 3)[0, 0] == 0
        tensor([[ True, False, False],
                [ True,  True, False]])
    """

    def __init__(self, context: int, dtype: torch.dtype, device: torch.device) -> None:
        self._strip = torch.zeros(2 * context, dtype=dtype, device=device)
        self._strip[context:] = torch.finfo(dtype).min
        self._first = context - 1  # where the window of position 0 begins

    def __call__(self, positions: torch.Tensor, width: int) -> torch.Tensor:
        """Returns the mask (k, 1, T, width) of tokens at positions (k, T), at most C - 1."""
        return self._strip.unfold(0, width, 1)[self._first - positions][:, None]
