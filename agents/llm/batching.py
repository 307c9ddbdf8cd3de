"""Which contexts are encoded once, which in one pass, and how they are padded for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rewardsmith.envs.stateful import BoolArray, IntArray

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


def alike(contexts: Mapping[int, IntArray], begins: BoolArray) -> dict[int, list[int]]:
    """Groups slots whose conversations begin with the same tokens: they are encoded once.

    Args:
        contexts: Tokens fed, by slot.
        begins: Whether a slot's conversation begins with them, by slot.

    Returns:
        The slots of each group by its first; a conversation that goes on is a group of its own.

    Example:
        >>> import numpy as np
        >>> fed = {0: np.array([7]), 1: np.array([7, 8]), 2: np.array([7]), 3: np.array([7])}
        >>> alike(fed, np.array([True, True, True, False]))
        {0: [0, 2], 1: [1], 3: [3]}
    """
    groups: dict[int | bytes, list[int]] = {}
    for slot, context in contexts.items():
        groups.setdefault(context.tobytes() if begins[slot] else slot, []).append(slot)
    return {group[0]: group for group in groups.values()}


def padded(contexts: Sequence[IntArray], places: IntArray) -> tuple[IntArray, IntArray]:
    """Returns the ids and positions of k contexts, (k, T) each, padded on the left.

    Args:
        contexts: Tokens of each, at least one.
        places: Position of the first of them, (k,).

    Example:
        >>> padded([np.array([7]), np.array([8, 9])], np.array([4, 0]))[1]
        array([[-1,  4],
               [ 0,  1]])
    """
    ids = np.zeros((len(contexts), max(map(len, contexts))), np.int64)
    positions = np.full_like(ids, -1)
    for row, (context, place) in enumerate(zip(contexts, places, strict=True)):
        ids[row, -len(context) :] = context
        positions[row, -len(context) :] = place + np.arange(len(context))
    return ids, positions
