"""Sums, means and normalisation over the rows that share a key: what every estimator is made of.

Rows are episodes, steps or tokens of a whole batch in one flat array; a key (M,) of small
integers says which rows belong together: a group, a state, a tree node, a prefix.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rewardsmith.envs.errors import unknown
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray

Mode = Literal["mean", "zscore", "leave_one_out", "none"]
Singleton = Literal["keep", "zero"]
Hash = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def totals(values: FloatArray | float, key: IntArray, n: int) -> FloatArray:
    """Returns the sum of the values (M,), or of one value, under each of `n` keys, (n,).

    Example:
        >>> totals(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 0]), 3)
        array([5., 0., 2.])
    """
    sums = np.zeros(n)
    np.add.at(sums, key, values)  # quicker than np.bincount
    return sums


def mean_by_key(
    values: FloatArray, key: IntArray, n: int, mask: BoolArray | None = None
) -> FloatArray:
    """Returns the mean of the counted values (M,) under each key, (n,); 0 where none counts.

    With returns as values, the Monte-Carlo value of a state, a prefix or a tree node.

    Example:
        >>> mean_by_key(np.array([1.0, 0.0, 1.0]), np.array([0, 0, 1]), 2)
        array([0.5, 1. ])
    """
    values, key = _counted(values, key, mask)
    count = totals(1.0, key, n)
    return totals(values, key, n) / np.maximum(count, 1.0, out=count)


def centred(values: FloatArray, key: IntArray, n: int, mask: BoolArray | None = None) -> FloatArray:
    """Returns the values (M,) less the mean of the counted ones under their key, (M,).

    Differences are taken from one of the values first, so that equal values become exactly
    0, whatever rounding does to their mean.

    Args:
        values: float64 (M,).
        key: int64 (M,), in 0..n-1.
        n: Number of keys.
        mask: Rows that count, bool (M,); by default all. The others have no meaning.

    Example:
        >>> centred(np.array([0.1, 0.1, 0.1, 3.0]), np.array([0, 0, 0, 1]), 2)
        array([0., 0., 0., 0.])
    """
    anchor = np.zeros(n)
    known, their_key = _counted(values, key, mask)
    anchor[their_key] = known
    deviation = values - anchor.take(key)
    deviation -= mean_by_key(deviation, key, n, mask).take(key)
    return deviation


def spread(
    deviation: FloatArray, key: IntArray, n: int, mask: BoolArray | None = None, ddof: int = 1
) -> FloatArray:
    """Returns the standard deviation under each key, (n,), from deviations (M,); 0 of one row.

    Args:
        deviation: What `centred` returned, float64 (M,).
        key: int64 (M,), in 0..n-1.
        n: Number of keys.
        mask: Rows that count, bool (M,); by default all.
        ddof: Subtracted from the count: 1 as in torch, 0 for the population.

    Example:
        >>> spread(np.array([-1.0, 1.0, 0.0]), np.array([0, 0, 1]), 2, ddof=0)
        array([1., 0.])
    """
    deviation, key = _counted(deviation, key, mask)
    count = np.bincount(key, minlength=n)
    return np.sqrt(totals(deviation * deviation, key, n) / np.maximum(count - ddof, 1))


def divisor(std: FloatArray, epsilon: float) -> FloatArray:
    """Returns std + epsilon, and 1 where that is 0."""
    scale = std + epsilon
    return np.where(scale > 0, scale, 1.0)


def normalise(
    values: FloatArray,
    key: IntArray,
    mode: Mode = "zscore",
    *,
    ddof: int = 1,
    epsilon: float = 1e-6,
    mask: BoolArray | None = None,
    singleton: Singleton = "keep",
) -> FloatArray:
    """Compares every value with the others under its key.

        "mean":           v - mean
        "zscore":         (v - mean) / (std + epsilon)
        "leave_one_out":  v - mean of the others = m / (m - 1) * (v - mean), of m values
        "none":           v

    A key of one row has nobody to compare with: its value stays as it is (mean := 0,
    std := 1) or becomes 0. A row whose siblings all fell out of `mask` becomes 0 either way.

    Args:
        values: float64 (M,).
        key: int64 (M,), from 0.
        mode: One of the above.
        ddof: Subtracted from the count in the variance: 1 as in torch, 0 for the population.
        epsilon: Added to the standard deviation.
        mask: Rows that count, bool (M,); the others become 0.
        singleton: "keep" or "zero".

    Returns:
        float64 (M,).

    Example:
        >>> normalise(np.array([1.0, 0.0, 0.0, 1.0]), np.zeros(4, int), ddof=0, epsilon=0)
        array([ 1., -1., -1.,  1.])
    """
    if mode not in get_args(Mode):
        raise unknown("mode", mode, get_args(Mode), where="normalise")
    if mask is not None and mask.all():
        mask = None
    compared = values
    if mode != "none" and len(values):
        n = int(key.max()) + 1
        compared = centred(values, key, n, mask)
        if mode == "zscore":
            compared /= divisor(spread(compared, key, n, mask, ddof), epsilon)[key]
        elif mode == "leave_one_out":
            count = np.bincount(key if mask is None else key[mask], minlength=n)
            compared *= (count / np.maximum(count - 1, 1))[key]
        if singleton == "keep":
            alone = np.bincount(key, minlength=n) == 1
            compared = np.where(alone[key], values, compared)
    return compared if mask is None else np.where(mask, compared, 0.0)


def suffix_sums(values: FloatArray, last: IntArray, gamma: float = 1.0) -> FloatArray:
    """Returns G_t = sum_{k >= t} gamma^(k-t) v_k within every segment, (M,).

    Windows of 1, 2, 4, ... rows are joined until they reach every segment's end: as many
    passes as the longest segment has binary digits, and no padding.

    Args:
        values: float64 (M,), segment after segment; finite.
        last: Index of the last row of every segment, int64.
        gamma: Discount, in [0, 1].

    Example:
        >>> suffix_sums(np.array([0.0, 4.0, 1.0]), np.array([1, 2]), 0.5)
        array([2., 4., 1.])
    """
    sums, decay, reach = values.copy(), np.full(len(values), gamma), 1
    decay[last] = 0.0
    longest = int(np.diff(last, prepend=-1).max(initial=0))
    while reach < longest:  # decay: what a row after the window counts; 0 past a segment's end
        sums[:-reach] += decay[: len(sums) - reach] * sums[reach:]
        half, reach = reach, 2 * reach
        if reach < longest:
            decay = decay[:-half] * decay[half:]
    return sums


def imbalance(values: FloatArray, key: IntArray, n: int, mask: BoolArray | None = None) -> float:
    """Returns the largest |sum| of the values over keys of two counted rows or more."""
    values, key = _counted(values, key, mask)
    shared = np.bincount(key, minlength=n) > 1
    return float(np.abs(totals(values, key, n)[shared]).max(initial=0.0))


def joint_key(first: IntArray, second: IntArray) -> IntArray:
    """Returns for every pair (first, second), (M,) each, the number of a row with an equal pair.

    Equal pairs get one and the same number, in 0..M-1: a key, found by a hash table into
    which all rows are put at once. Pairs are told apart by the 64 bits of first * GOLDEN +
    second, so that small integers and 64-bit hashes can stand on either side.

    Example:
        >>> joint_key(np.array([0, 0, 1]), np.array([7, 7, 7]))
        array([1, 1, 2])
    """
    word = _unsigned(first) * _GOLDEN
    word += _unsigned(second)
    word *= _FIRST
    bits = len(word).bit_length() + 2
    table = np.empty(1 << bits, dtype=np.int64)

    def entered(rows: IntArray, mixed: Hash) -> IntArray:
        """Puts rows into their slots; returns the row that each finds there."""
        slot = (mixed >> np.uint64(64 - bits)).view(np.int64)
        table[slot] = rows
        return table.take(slot)

    key = entered(np.arange(len(word)), word)
    rows = np.flatnonzero(word.take(key) != word)
    mixed = word[rows]
    while rows.size:  # those that share a slot with others than their equals try again
        mixed = _scramble(mixed)
        key[rows] = entered(rows, mixed)
        apart = word[key[rows]] != word[rows]
        rows, mixed = rows[apart], mixed[apart]
    return key


def prefix_hashes(ids: IntArray, position: IntArray) -> IntArray:
    """Returns a 64-bit key of every token's prefix in its segment, itself included, (N,).

    h_t = sum_{s <= t} hash(s, id_s) modulo 2^64: equal prefixes have equal keys, whatever
    segment they stand in. (A polynomial rolling hash modulo 2^64 has known collisions.)

    Args:
        ids: Token ids, int64 (N,).
        position: Index of every token in its segment, 0, 1, ... and again from 0, int64 (N,).

    Example:
        >>> h = prefix_hashes(np.array([5, 6, 5, 7]), np.array([0, 1, 0, 1]))
        >>> bool(h[0] == h[2]), bool(h[1] == h[3])
        (True, False)
    """
    own = _scramble(_scramble(_unsigned(position)) ^ _unsigned(ids))
    running = np.cumsum(own, dtype=np.uint64)
    before = running - own
    start = np.flatnonzero(position == 0)
    return (running - np.repeat(before[start], np.diff(start, append=len(ids)))).view(np.int64)


def _counted(
    values: FloatArray, key: IntArray, mask: BoolArray | None
) -> tuple[FloatArray, IntArray]:
    return (values, key) if mask is None or mask.all() else (values[mask], key[mask])


def _unsigned(numbers: IntArray) -> Hash:
    return numbers.astype(np.int64, copy=False).view(np.uint64)


def _scramble(bits: Hash) -> Hash:
    """Mixes 64-bit words one to one (the finaliser of SplitMix64; Steele et al. 2014)."""
    bits = bits + _GOLDEN
    bits ^= bits >> np.uint64(30)
    bits *= _FIRST
    bits ^= bits >> np.uint64(27)
    bits *= _SECOND
    bits ^= bits >> np.uint64(31)
    return bits
