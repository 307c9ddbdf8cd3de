"""`best_permutation`: the list of items that is worth most to someone who reads it in order."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray

MANY_ITEMS = 512
"""Number of items from which it pays to discard the hopeless ones before sorting."""


def list_value(
    lists: IntArray, attraction: FloatArray, value: FloatArray, fallback: FloatArray | float
) -> FloatArray:
    """Returns what ordered lists of items are worth.

    Item a is taken with probability u(a) when it is reached, which ends the reading:
    f(A) = sum_i [prod_{j<i} (1 - u(A_j))] u(A_i) w(A_i) + [prod_i (1 - u(A_i))] w_0.

    Args:
        lists: Items, int64 (..., m); entries of N or more are empty places.
        attraction: u, (..., N), in [0, 1].
        value: w, (..., N).
        fallback: w_0, what it is worth that nothing is taken, (...).

    Returns:
        f, float64 (...). Leading axes broadcast.

    Example:
        >>> u, w = np.array([0.5, 0.9, 0.2, 0.4]), np.array([1.0, 0.6, 2.0, 0.1])
        >>> round(float(list_value(np.array([2, 0]), u, w, 0.2)), 3)
        0.88
    """
    items = attraction.shape[-1]
    empty, index = lists >= items, np.minimum(lists, items - 1)
    taken = np.where(empty, 0.0, _pick(attraction, index))
    worth = _pick(value, index)
    total = np.broadcast_to(np.asarray(fallback, dtype=np.float64), taken.shape[:-1])
    for place in reversed(range(lists.shape[-1])):
        total = total + taken[..., place] * (worth[..., place] - total)
    return total


def best_permutation(
    attraction: FloatArray,
    value: FloatArray,
    fallback: FloatArray | float,
    length: int,
    min_items: int = 1,
) -> tuple[IntArray, FloatArray]:
    """Finds the list of at most m different items with the highest `list_value`.

    The best order of any set is that of falling w; items with w > w_0 help, or at least do no
    harm, and the others never help. With the J helpful ones sorted so, d = w - w_0 and
    G_0 = 0, the gain over w_0 of the best k among items i, i+1, ... is
    G_k(i) = max(G_k(i+1), u_i d_i + (1 - u_i) G_{k-1}(i+1)),  a running maximum from the back
    for every k. Cost: O(N log N + N m), free of loops over items.

    The list has min(m, J) items. If J = 0 it is the single item of the highest u d, or empty
    where `min_items` is 0. Ties go to items of higher w.

    Args:
        attraction: u, (..., N), in [0, 1].
        value: w, (..., N), finite.
        fallback: w_0, (...) or a number.
        length: m, 1 to N.
        min_items: 1 or 0.

    Returns:
        The lists, int64 (..., m), whose unused places at the end hold N, and their values,
        float64 (...).

    Raises:
        EnvError: If shapes disagree, u is outside [0, 1], w is not finite, or `length` or
            `min_items` is out of range.

    Example:
        >>> u, w = np.array([0.5, 0.9, 0.2, 0.4]), np.array([1.0, 0.6, 2.0, 0.1])
        >>> items, worth = best_permutation(u, w, 0.2, length=2)
        >>> items, round(float(worth), 3)
        (array([2, 0]), 0.88)

    BestPerm in Du, Srikant and Chen 2024, Cascading Reinforcement Learning, arXiv 2401.08961.
    """
    fallback = np.asarray(fallback, dtype=np.float64)
    _check(attraction, value, fallback, length, min_items)
    shape, items = attraction.shape[:-1], attraction.shape[-1]
    chance = attraction.reshape(-1, items)
    surplus = (value - fallback[..., None]).reshape(-1, items)
    lists, gain = _best_lists(chance, surplus, length)
    bare = lists[:, 0] == items
    if min_items and bare.any():
        least_harm = chance[bare] * surplus[bare]
        lists[bare, 0] = least_harm.argmax(axis=1)
        gain[bare] = least_harm.max(axis=1)
    return lists.reshape(*shape, length), fallback + gain.reshape(shape)


def every_list(items: int, length: int) -> IntArray:
    """Returns all ordered lists of 1 to m different items, int64 (|A|, m), padded with N.

    |A| = sum_{k=1..m} N! / (N - k)!.

    Example:
        >>> every_list(2, 2)
        array([[0, 2],
               [1, 2],
               [0, 1],
               [1, 0]])
    """
    check_length(items, length)
    parts = []
    for size in range(1, length + 1):
        part = np.array(list(permutations(range(items), size)), dtype=np.int64)
        parts.append(np.pad(part, ((0, 0), (0, length - size)), constant_values=items))
    return np.concatenate(parts)


def check_length(items: int, length: int) -> None:
    """Raises EnvError unless a list of `length` different items exists."""
    if not 1 <= length <= items:
        raise EnvError(
            f"the list length must be from 1 to the number of items, {items}, got {length}"
        )


# ---- The search -----------------------------------------------------------------------


def _best_lists(
    chance: FloatArray, surplus: FloatArray, length: int
) -> tuple[IntArray, FloatArray]:
    """Returns lists (b, m), padded with N, and their gains (b,), from u and d (b, N)."""
    batch, items = chance.shape
    candidates = _candidates(chance, surplus, length) if items >= MANY_ITEMS else None
    if candidates is not None:
        surplus = np.take_along_axis(surplus, candidates, axis=1)
        chance = np.take_along_axis(chance, candidates, axis=1)
    helpful = (surplus > 0.0).sum(axis=1)
    most = int(helpful.max())
    order = np.argsort(-surplus, axis=1)[:, :most]
    useless = np.arange(most) >= helpful[:, None]
    places, gain = _search(
        np.where(useless, 0.0, np.take_along_axis(chance, order, axis=1)),
        np.take_along_axis(surplus, order, axis=1),
        min(length, most),
    )
    if candidates is not None:
        order = np.take_along_axis(candidates, order, axis=1)
    lists = np.full((batch, length), items, dtype=np.int64)
    lists[:, : places.shape[1]] = np.take_along_axis(
        np.where(useless, items, order), places, axis=1
    )
    return lists, gain


def _candidates(chance: FloatArray, surplus: FloatArray, length: int) -> IntArray | None:
    """Returns the items that can be in a best list, (b, C); None if too many to be of use."""
    items = chance.shape[1]
    keep = surplus > 0.0
    if 4 * keep.sum(axis=1).max() > items:
        keep &= ~_replaceable(chance, surplus, length)
    most = int(keep.sum(axis=1).max())
    if 4 * most > items or most == 0:
        return None
    if len(keep) == 1:
        return np.flatnonzero(keep)[None, :]
    return np.argpartition(~keep, most - 1, axis=1)[:, :most]


def _replaceable(chance: FloatArray, surplus: FloatArray, length: int) -> BoolArray:
    """Tells which items a best list can do without, (b, N).

    Take any m items, with u >= a and d >= b each. An item with u <= a and d <= b that is not
    among them is never needed: a list with it lacks one of the m, which can replace it.
    """
    first = chance.shape[1] - length
    score = np.where(surplus > 0.0, chance * surplus, -np.inf)
    anchors = np.argpartition(score, first, axis=1)[:, first:]
    least_chance = np.take_along_axis(chance, anchors, axis=1).min(axis=1, keepdims=True)
    least_surplus = np.take_along_axis(surplus, anchors, axis=1).min(axis=1, keepdims=True)
    needless: BoolArray = (chance <= least_chance) & (surplus <= least_surplus)
    np.put_along_axis(needless, anchors, False, axis=1)
    return needless


def _search(chance: FloatArray, surplus: FloatArray, size: int) -> tuple[IntArray, FloatArray]:
    """Returns the best k of J sorted items, (b, k), and their gains (b,), from u, d (b, J).

    Of G_k only the places from which k items are left are kept, i = 0, ..., J - k.
    """
    batch, items = chance.shape
    passed, taken = 1.0 - chance, chance * surplus
    gains, firsts = [np.zeros((batch, items + 1))], []
    for _ in range(size):
        rest = gains[-1][:, 1:]
        first = passed[:, : rest.shape[1]] * rest
        first += taken[:, : rest.shape[1]]
        gain = np.empty_like(first)
        np.maximum.accumulate(first[:, ::-1], axis=1, out=gain[:, ::-1])
        gains.append(gain)
        firsts.append(first)
    chosen = np.empty((batch, size), dtype=np.int64)
    start, rows = np.zeros(batch, dtype=np.int64), np.arange(batch)
    for slot in range(size):
        gain, first = gains[size - slot], firsts[size - slot - 1]
        best = first >= gain[rows, start][:, None]
        best &= np.arange(first.shape[1]) >= start[:, None]
        chosen[:, slot] = best.argmax(axis=1)
        start = chosen[:, slot] + 1
    return chosen, gains[-1][:, 0]


def _pick(table: FloatArray, index: IntArray) -> FloatArray:
    """Returns table[..., index] with leading axes broadcast."""
    shape = np.broadcast_shapes(table.shape[:-1], index.shape[:-1])
    table = np.broadcast_to(table, (*shape, table.shape[-1]))
    index = np.broadcast_to(index, (*shape, index.shape[-1]))
    return np.take_along_axis(table, index, axis=-1)


def _check(
    attraction: FloatArray, value: FloatArray, fallback: FloatArray, length: int, min_items: int
) -> None:
    if attraction.shape != value.shape or attraction.ndim == 0:
        raise EnvError(
            f"attraction and value must have one shape (..., N), got {attraction.shape} and "
            f"{value.shape}"
        )
    if fallback.shape not in ((), attraction.shape[:-1]):
        raise EnvError(
            f"fallback must be a number or of shape {attraction.shape[:-1]}, got {fallback.shape}"
        )
    check_length(attraction.shape[-1], length)
    if min_items not in (0, 1):
        raise EnvError(f"min_items must be 0 or 1, got {min_items}")
    check_probabilities("attraction", attraction)
    if not (np.isfinite(value).all() and np.isfinite(fallback).all()):
        raise EnvError("value and fallback must be finite; remove the NaN or infinite entries")


def check_probabilities(name: str, array: FloatArray) -> None:
    """Raises EnvError, naming the first wrong entry, unless all are in [0, 1]."""
    wrong: BoolArray = ~((array >= 0.0) & (array <= 1.0))
    if wrong.any():
        place = [int(i) for i in np.argwhere(wrong)[0]]
        raise EnvError(
            f"{name} must be probabilities in [0, 1], got {array[tuple(place)]} at {place}"
        )
