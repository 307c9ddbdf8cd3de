"""A tiny rasteriser: rectangles, discs and strokes with smooth edges, in numpy alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rewardsmith.envs.stateful import FloatArray

Colour = tuple[int, int, int]
"""Red, green and blue, each from 0 to 255."""
Point = tuple[float, float]
"""Row (downwards) and column (to the right), in the canvas's units."""

PAPER: Colour = (245, 243, 238)
GRID: Colour = (226, 222, 212)
INK: Colour = (44, 48, 58)
GREY: Colour = (120, 124, 134)
WHITE: Colour = (255, 255, 255)
BLUE: Colour = (38, 98, 196)
GREEN: Colour = (46, 148, 84)
GOLD: Colour = (226, 170, 22)
BROWN: Colour = (134, 84, 44)
RED: Colour = (214, 60, 36)
ORANGE: Colour = (246, 152, 48)


class Canvas:
    """An RGB picture drawn in the task's own units: grid cells, metres.

    A shape is painted by its signed distance d (in pixels) with coverage clip(1/2 - d, 0, 1),
    so edges that fall between pixels are smooth and edges that fall on them are crisp.

    Args:
        height: Height in units.
        width: Width in units.
        scale: Pixels per unit.
        background: Colour of the empty picture.

    Example:
        >>> canvas = Canvas(1, 2, scale=4, background=WHITE)
        >>> canvas.rectangle((0, 0), (1, 1), RED)
        >>> picture = canvas.picture()
        >>> picture.shape, picture[0, 0].tolist(), picture[0, 7].tolist()
        ((4, 8, 3), [214, 60, 36], [255, 255, 255])
    """

    def __init__(self, height: float, width: float, scale: int, background: Colour) -> None:
        self._scale = scale
        self._pixels = np.empty((round(height * scale), round(width * scale), 3))
        self._pixels[:] = background

    def rectangle(self, top_left: Point, bottom_right: Point, colour: Colour) -> None:
        """Fills the rectangle between two corners."""
        (top, left), (bottom, right) = top_left, bottom_right
        window, row, column = self._window(top, left, bottom, right)
        outside = np.maximum(
            np.abs(row - (top + bottom) / 2) - (bottom - top) / 2,
            np.abs(column - (left + right) / 2) - (right - left) / 2,
        )
        self._paint(window, outside, colour)

    def disc(self, centre: Point, radius: float, colour: Colour) -> None:
        """Fills a disc."""
        self.stroke(centre, centre, 2 * radius, colour)

    def stroke(self, start: Point, end: Point, thickness: float, colour: Colour) -> None:
        """Draws a straight stroke with round ends."""
        radius = thickness / 2
        rows, columns = sorted((start[0], end[0])), sorted((start[1], end[1]))
        window, row, column = self._window(
            rows[0] - radius, columns[0] - radius, rows[1] + radius, columns[1] + radius
        )
        along = (end[0] - start[0], end[1] - start[1])
        length_squared = along[0] ** 2 + along[1] ** 2
        place = (row - start[0]) * along[0] + (column - start[1]) * along[1]
        place = np.clip(place / length_squared, 0, 1) if length_squared else place * 0.0
        distance = np.hypot(row - start[0] - place * along[0], column - start[1] - place * along[1])
        self._paint(window, distance - radius, colour)

    def picture(self) -> NDArray[np.uint8]:
        """Returns what was drawn, uint8 of shape (height * scale, width * scale, 3)."""
        return np.rint(self._pixels).astype(np.uint8)

    def _window(
        self, top: float, left: float, bottom: float, right: float
    ) -> tuple[tuple[slice, slice], FloatArray, FloatArray]:
        """Returns the pixels a shape can touch, and the row and column of their centres."""
        first = np.floor(np.array([top, left]) * self._scale).astype(int) - 1
        last = np.ceil(np.array([bottom, right]) * self._scale).astype(int) + 1
        first, last = (np.clip(edge, 0, self._pixels.shape[:2]) for edge in (first, last))
        row = (np.arange(first[0], last[0])[:, None] + 0.5) / self._scale
        column = (np.arange(first[1], last[1])[None, :] + 0.5) / self._scale
        return (slice(first[0], last[0]), slice(first[1], last[1])), row, column

    def _paint(self, window: tuple[slice, slice], outside: FloatArray, colour: Colour) -> None:
        coverage = np.clip(0.5 - outside * self._scale, 0, 1)[..., None]
        self._pixels[window] += coverage * (np.array(colour) - self._pixels[window])
