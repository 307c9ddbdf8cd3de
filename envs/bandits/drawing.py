"""The picture of a bandit: a column per arm, and which was pulled."""

from __future__ import annotations

import numpy as np

from rewardsmith.envs.drawing import BLUE, GOLD, GREEN, GREY, GRID, PAPER, Canvas
from rewardsmith.envs.stateful import FloatArray

_COLUMN, _PLACE, _SCALE, _NARROWEST = 4.0, 0.5, 40, 120


def draw_arms(value: FloatArray, best: int, arm: int, payout: float) -> np.ndarray:
    """Draws one row of a bandit.

    Args:
        value: Height of the column of every arm, (K,), in [0, 1].
        best: The arm whose column is green.
        arm: The arm that was pulled, marked by a disc; none if negative.
        payout: How full the gold disc in the mark is, in [0, 1].

    Returns:
        A picture, uint8 of shape (6 s, s K, 3), of s = 40 pixels to a column; 60 for two arms.
    """
    canvas = Canvas(6, len(value), max(_SCALE, _NARROWEST // len(value)), PAPER)
    for place, height in enumerate(np.clip(value, 0.0, 1.0)):
        colour = GREEN if place == best else GREY
        canvas.rectangle((_PLACE, place + 0.15), (_PLACE + _COLUMN, place + 0.85), GRID)
        top = _PLACE + _COLUMN * (1.0 - height)
        canvas.rectangle((top, place + 0.15), (_PLACE + _COLUMN, place + 0.85), colour)
    if arm >= 0:
        canvas.disc((5.25, arm + 0.5), 0.36, BLUE)
        canvas.disc((5.25, arm + 0.5), 0.3 * float(np.clip(payout, 0.0, 1.0)), GOLD)
    return canvas.picture()
