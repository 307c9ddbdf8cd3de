"""Prior distributions from which a task draws the means of its arms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rewardsmith.envs.draws import uniforms
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.stateful import FloatArray, IntArray
from rewardsmith.envs.streams import Streams

Prior = Sequence[float] | Sequence[Sequence[float]]
"""[a, b] of one Beta distribution for every arm, or such a pair per arm."""


def beta_prior(prior: Prior, arms: int) -> FloatArray:
    """Returns both parameters of the Beta prior of every arm, (K, 2).

    Args:
        prior: [a, b], both positive, for every arm; or such a pair per arm.
        arms: Number of arms K.

    Raises:
        EnvError: If it is neither.

    Example:
        >>> beta_prior([2, 1], arms=3)
        array([[2., 1.],
               [2., 1.],
               [2., 1.]])
    """
    try:
        given = np.asarray(prior, dtype=np.float64)
    except (TypeError, ValueError):
        given = np.empty(0)
    pairs = given.ndim in (1, 2) and given.shape[-1] == 2
    if not (pairs and ((given > 0.0) & (given < np.inf)).all()):
        raise EnvError(
            f"prior must be the two positive parameters of a Beta distribution, or such a pair "
            f"per arm, got {prior}"
        )
    if given.ndim == 2 and len(given) != arms:
        raise EnvError(f"prior has {len(given)} pairs for {arms} arms; give one pair, or {arms}")
    return np.broadcast_to(given, (arms, 2))


def betas(streams: Streams, rows: IntArray, prior: FloatArray) -> FloatArray:
    """Draws the mean of every arm from its Beta prior (K, 2) for each of `rows`, (k, K).

    Uniform numbers go through the inverse of the distribution function, one to an arm.
    """
    from scipy.special import betaincinv  # slow to import, and needed by few tasks

    return np.asarray(betaincinv(*prior.T, uniforms(streams, rows, len(prior))))
