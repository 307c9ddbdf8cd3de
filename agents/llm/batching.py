"""What is encoded once, what in one pass, and how it is padded for that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rewardsmith.envs.stateful import BoolArray, IntArray

_TOKENS = 2**15
"""Most tokens of one pass, padding included: bounds its memory."""

_PADDING, _SHARE = 256, 1 / 8
"""Tokens of padding that a pass may hold: so many, about what a pass of its own costs a small
model, or this share of the others, if that is more."""


def batches(sizes: Sequence[int], rows: int | None = None) -> list[list[int]]:
    """Groups conversations by their length, so that little padding is computed.

    Args:
        sizes: Tokens of each.
        rows: Most conversations of a pass; None for any number.

    Returns:
        Indices into `sizes` of each pass, short ones first; those of equal size in their order.

    Example:
        >>> batches([900, 20, 1000, 30]), batches([5, 5, 5], rows=2)
        ([[1, 3], [0, 2]], [[0, 1], [2]])
    """
    groups: list[list[int]] = []
    tokens = 0
    for index in np.argsort(sizes, kind="stable").tolist():
        size, held = sizes[index], len(groups[-1]) if groups else 0
        padded, tokens = size * (held + 1), tokens + size
        wasteful = padded - tokens > max(_PADDING, _SHARE * tokens) or padded > _TOKENS
        if not groups or wasteful or held == rows:
            groups.append([])
            tokens = size
        groups[-1].append(index)
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
