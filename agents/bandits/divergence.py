"""The Bernoulli divergence and its inverse, solved for whole arrays at once."""

from __future__ import annotations

import numpy as np

from rewardsmith.envs.stateful import FloatArray

_STEPS = 3
_TINY = 1e-300


def bernoulli_divergence(p: FloatArray, q: FloatArray) -> FloatArray:
    """Returns kl(p, q) = p ln(p / q) + (1 - p) ln((1 - p) / (1 - q)), with 0 ln 0 = 0.

    Example:
        >>> bernoulli_divergence(np.array([0.0, 0.5]), np.array([0.5, 0.5])).round(4)
        array([0.6931, 0.    ])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        one = np.where(p > 0.0, p * np.log(p / q), 0.0)
        other = np.where(p < 1.0, (1.0 - p) * np.log((1.0 - p) / (1.0 - q)), 0.0)
    return np.asarray(one + other)


def bernoulli_upper(p: FloatArray, level: FloatArray) -> FloatArray:
    """Returns max{q in [p, 1] : kl(p, q) <= level}, to within 1e-8.

    In y = -ln(1 - q) the divergence is convex and nearly linear for large y, so Newton's
    method started above the root falls to it without ever passing it. It starts at the
    smallest of these upper bounds, from kl(p, q) >= (q - p)^2 / (2 v) with v the largest
    x (1 - x) for x in [p, q]: v <= 1/4, v <= q, and v <= p (1 - p) if p >= 1/2; and
    y = (level + H(p)) / (1 - p) with H the entropy, as p ln q <= 0.

    Args:
        p: Observed means in [0, 1], any shape.
        level: Divergence allowed, at least 0, of the same shape.

    Example:
        >>> q = bernoulli_upper(np.array([0.0, 0.2, 1.0]), np.array([0.1, 0.1, 0.1]))
        >>> q.round(4)
        array([0.0952, 0.41  , 1.    ])

    Garivier and Cappe 2011, arXiv 1102.2490.
    """
    rest = np.maximum(1.0 - p, _TINY)
    entropy = -(p * np.log(np.maximum(p, _TINY)) + rest * np.log(rest))
    target = level + entropy  # kl(p, q) = level  <=>  rest * y - p ln(1 - e^-y) = target
    variance = np.where(p >= 0.5, p * rest, 0.25)
    width = np.minimum(np.sqrt(2.0 * variance * level), level + np.sqrt(level * (level + 2.0 * p)))
    start = np.minimum(-np.log(np.maximum(rest - width, _TINY)), target / rest)
    y = np.maximum(start, -np.log(rest))
    for _ in range(_STEPS):
        left = np.exp(-y)
        q = np.maximum(1.0 - left, _TINY)
        slope = rest - p * left / q
        excess = rest * y - p * np.log(q) - target
        y = y - np.where(slope > 1e-12, excess / np.maximum(slope, 1e-12), 0.0)
    return np.asarray(np.clip(-np.expm1(-y), p, 1.0))
