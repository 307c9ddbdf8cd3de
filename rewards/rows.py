"""Per-row state of a component: arrays with one entry per environment."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.envs.stateful import BoolArray


def no_rows() -> NDArray[Any]:
    """Returns the state array of a component that was never reset, shape (0,)."""
    return np.zeros(0)


def cleared(array: NDArray[Any], mask: BoolArray, value: float) -> NDArray[Any]:
    """Returns a state array (..., n) that holds `value` where `mask` (n,) is true.

    The array is changed in place, or made anew, filled with `value` and of its type, if
    the number of rows is another one.

    Example:
        >>> state = cleared(no_rows(), np.array([True, True]), 0.0)
        >>> state += 3.0
        >>> cleared(state, np.array([True, False]), 0.0)
        array([0., 3.])
    """
    if array.shape[-1] != mask.size:
        return np.full((*array.shape[:-1], mask.size), value)
    np.copyto(array, value, where=mask)
    return array
