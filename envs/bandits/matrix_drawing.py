"""The picture of a matrix game: the payoffs, how each action fared, what the opponent is up to."""

from __future__ import annotations

import numpy as np

from rewardsmith.envs.bandits.arms import NO_ARM
from rewardsmith.envs.drawing import BLUE, GOLD, GREEN, GREY, GRID, PAPER, RED, WHITE, Canvas
from rewardsmith.envs.stateful import FloatArray

_BAR, _GAP = 1.6, 0.08


def draw_game(
    payoff: FloatArray, fared: FloatArray, mix: FloatArray, played: int, column: int
) -> np.ndarray:
    """Draws one row of a matrix game.

    Args:
        payoff: The payoffs, (A, B) in [0, 1]; a cell is the bluer the more it pays.
        fared: Mean payoff of every action so far, (A,), as bars on the left; the best is green.
        mix: The opponent's next mix of columns, (B,), as red bars on top.
        played: The action played, none if negative; with `column` it marks a cell in gold.
        column: The column that the opponent played.

    Returns:
        A picture, uint8 of shape (40 (A + 2), 40 (B + 2), 3).
    """
    rows, columns = payoff.shape
    canvas = Canvas(rows + 2.0, columns + 2.0, 40, PAPER)
    for (i, j), pay in np.ndenumerate(payoff):
        red, green, blue = (
            round(light + float(pay) * (dark - light))
            for light, dark in zip(WHITE, BLUE, strict=True)
        )
        top, left = i + 2 + _GAP, j + 2 + _GAP
        end = (i + 3 - _GAP, j + 3 - _GAP)
        canvas.rectangle((top, left), end, (red, green, blue))
    for i, height in enumerate(fared):
        top, bottom, right = i + 2.2, i + 2.8, 0.2 + _BAR
        canvas.rectangle((top, 0.2), (bottom, right), GRID)
        colour = GREEN if i == fared.argmax() else GREY
        canvas.rectangle((top, right - _BAR * float(height)), (bottom, right), colour)
    for j, chance in enumerate(mix):
        left, right, bottom = j + 2.2, j + 2.8, 0.2 + _BAR
        canvas.rectangle((0.2, left), (bottom, right), GRID)
        canvas.rectangle((bottom - _BAR * float(chance), left), (bottom, right), RED)
    if played != NO_ARM:
        canvas.disc((played + 2.5, column + 2.5), 0.2, GOLD)
    return canvas.picture()
