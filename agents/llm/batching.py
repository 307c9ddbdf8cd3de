"""Which contexts are encoded in one padded pass."""

from __future__ import annotations

from collections.abc import Mapping

from rewardsmith.envs.stateful import IntArray

_TOKENS = 2**15
"""Most tokens of one pass, padding included: bounds its memory."""

_PADDING = 256
"""Most of them that are padding: a pass of its own costs a small model about as much."""


def batches(unread: Mapping[int, IntArray]) -> list[list[int]]:
    """Groups slots by how much each has to encode, so that little padding is encoded.

    Args:
        unread: Tokens to encode, by slot.

    Returns:
        Slots of each pass, short contexts first.

    Example:
        >>> import numpy as np
        >>> sizes = {0: 900, 1: 20, 2: 1000, 3: 30}
        >>> batches({slot: np.zeros(size, np.int64) for slot, size in sizes.items()})
        [[1, 3], [0, 2]]
    """
    groups: list[list[int]] = []
    tokens = 0
    for slot in sorted(unread, key=lambda slot: len(unread[slot])):
        size = len(unread[slot])
        padded = size * (len(groups[-1]) + 1) if groups else 0
        if not groups or padded - tokens - size > _PADDING or padded > _TOKENS:
            groups.append([])
            tokens = 0
        groups[-1].append(slot)
        tokens += size
    return groups
