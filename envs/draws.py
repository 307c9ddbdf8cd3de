"""Several draws per row in one array expression."""

from __future__ import annotations

import numpy as np

from rewardsmith.envs.stateful import FloatArray, IntArray
from rewardsmith.envs.streams import Streams

_UNIFORMS_PER_NORMAL = 2


def uniforms(streams: Streams, rows: IntArray, count: int) -> FloatArray:
    """Returns what `count` calls of `streams.uniform(rows)` give, as (k, count).

    Example:
        >>> streams, again = Streams(2), Streams(2)
        >>> rows = np.arange(2)
        >>> one_by_one = np.stack([streams.uniform(rows) for _ in range(3)], axis=1)
        >>> bool((uniforms(again, rows, 3) == one_by_one).all())
        True
    """
    wide = _fan_out(streams, rows, count, 1)
    return wide.uniform(np.arange(wide.key.size)).reshape(rows.size, count)


def normals(streams: Streams, rows: IntArray, count: int) -> FloatArray:
    """Returns what `count` calls of `streams.normal(rows)` give, as (k, count)."""
    wide = _fan_out(streams, rows, count, _UNIFORMS_PER_NORMAL)
    return wide.normal(np.arange(wide.key.size)).reshape(rows.size, count)


def _fan_out(streams: Streams, rows: IntArray, count: int, stride: int) -> Streams:
    """Moves the streams of `rows` on by count * stride; returns a stream for every draw."""
    wide = Streams(rows.size * count)
    ahead = np.arange(count, dtype=np.uint64) * np.uint64(stride)
    wide.key = np.repeat(streams.key[rows], count)
    wide.counter = (streams.counter[rows, None] + ahead).ravel()
    streams.counter[rows] += np.uint64(count * stride)
    return wide
