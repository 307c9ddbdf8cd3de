"""The things that stand in grid worlds, each drawn into one cell of a `Canvas`."""

from __future__ import annotations

from itertools import pairwise

from rewardsmith.envs.drawing import (
    BLUE,
    BROWN,
    GOLD,
    GREEN,
    ORANGE,
    PAPER,
    RED,
    WHITE,
    Canvas,
    Point,
)


def agent(canvas: Canvas, row: float, column: float) -> None:
    """Draws the agent, a blue disc, into the cell whose upper left corner is given."""
    canvas.disc((row + 0.5, column + 0.5), 0.34, BLUE)


def key(canvas: Canvas, row: float, column: float, size: float = 1.0) -> None:
    """Draws a golden key, `size` cells wide."""

    def at(down: float, right: float) -> Point:
        return row + down * size, column + right * size

    canvas.stroke(at(0.5, 0.4), at(0.5, 0.84), 0.1 * size, GOLD)
    canvas.stroke(at(0.5, 0.66), at(0.66, 0.66), 0.1 * size, GOLD)
    canvas.stroke(at(0.5, 0.82), at(0.7, 0.82), 0.1 * size, GOLD)
    canvas.disc(at(0.5, 0.3), 0.19 * size, GOLD)
    canvas.disc(at(0.5, 0.3), 0.09 * size, PAPER)


def door(canvas: Canvas, row: float, column: float, *, is_open: bool) -> None:
    """Draws a brown door with a golden lock, or its open frame."""
    canvas.rectangle((row, column), (row + 1, column + 1), BROWN)
    if is_open:
        canvas.rectangle((row + 0.15, column), (row + 0.85, column + 1), PAPER)
    else:
        canvas.disc((row + 0.5, column + 0.25), 0.1, GOLD)


def goal(canvas: Canvas, row: float, column: float) -> None:
    """Draws a white flag on green."""
    canvas.rectangle((row, column), (row + 1, column + 1), GREEN)
    canvas.stroke((row + 0.2, column + 0.3), (row + 0.85, column + 0.3), 0.08, WHITE)
    canvas.rectangle((row + 0.2, column + 0.3), (row + 0.52, column + 0.78), WHITE)


def lava(canvas: Canvas, row: float, column: float) -> None:
    """Draws orange waves on red."""
    canvas.rectangle((row, column), (row + 1, column + 1), RED)
    for height in (0.36, 0.6, 0.84):
        crests = [(row + height - 0.12 * (i % 2), column + 0.14 + 0.18 * i) for i in range(5)]
        for start, end in pairwise(crests):
            canvas.stroke(start, end, 0.08, ORANGE)


def treasure(canvas: Canvas, row: float, column: float) -> None:
    """Draws a golden chest with brown bands."""
    canvas.rectangle((row + 0.3, column + 0.15), (row + 0.85, column + 0.85), GOLD)
    canvas.rectangle((row + 0.48, column + 0.15), (row + 0.54, column + 0.85), BROWN)
    canvas.rectangle((row + 0.46, column + 0.44), (row + 0.64, column + 0.56), BROWN)
