"""A random stream per environment, drawn for all environments in one numpy call.

Numpy's generators give one stream; a batch of environments needs one *each*, so that
environment i of a batch sees the numbers it would see alone. Stream i is the splitmix64
sequence (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195): the k-th draw is a
hash of `key[i] + k * golden`, which makes a whole batch one array expression and the
state two integers per environment.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rewardsmith.envs.stateful import FloatArray, IntArray, Stateful

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_S30, _S27, _S31, _S11 = (np.uint64(s) for s in (30, 27, 31, 11))
_UNIT = 2.0**-53


def mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Returns the splitmix64 finaliser of `x`, a bijection of 64-bit integers."""
    x = (x ^ (x >> _S30)) * _MIX[0]
    x = (x ^ (x >> _S27)) * _MIX[1]
    return x ^ (x >> _S31)


class Streams(Stateful):
    """One independent random stream for each of `n` environments.

    Equal seeds give equal streams whatever the batch around them, and `state_dict`
    restores a stream exactly.

    Example:
        >>> batch, alone = Streams(3), Streams(1)
        >>> batch.seed(np.arange(3), np.array([5, 6, 7])); alone.seed(np.arange(1), np.array([6]))
        >>> bool(batch.uniform(np.arange(3))[1] == alone.uniform(np.arange(1))[0])
        True
    """

    state_names = ("key", "counter")

    def __init__(self, n: int) -> None:
        self.key = np.zeros(n, dtype=np.uint64)
        self.counter = np.zeros(n, dtype=np.uint64)

    def seed(self, rows: IntArray, seeds: IntArray) -> None:
        """Restarts the streams of `rows` (k,) from the non-negative integer `seeds` (k,)."""
        self.key[rows] = mix(seeds.astype(np.uint64) + _GOLDEN)
        self.counter[rows] = 0

    def uniform(self, rows: IntArray) -> FloatArray:
        """Draws one number in [0, 1) from the stream of each of `rows`; returns shape (k,)."""
        self.counter[rows] += np.uint64(1)
        bits = mix(self.key[rows] + self.counter[rows] * _GOLDEN)
        return (bits >> _S11).astype(np.float64) * _UNIT

    def give_back(self, rows: IntArray, draws: int) -> None:
        """Undoes the last `draws` draws from each of `rows`."""
        self.counter[rows] -= np.uint64(draws)

    def integers(self, rows: IntArray, high: int) -> IntArray:
        """Draws one integer in [0, high) per row; the bias is below high / 2**53."""
        return (self.uniform(rows) * high).astype(np.int64)

    def normal(self, rows: IntArray) -> FloatArray:
        """Draws one standard normal number per row (Box-Muller); returns shape (k,)."""
        radius = np.sqrt(-2.0 * np.log1p(-self.uniform(rows)))
        return np.asarray(radius * np.cos(2.0 * np.pi * self.uniform(rows)))
