"""The rasteriser covers what it should."""

from __future__ import annotations

import math

import numpy as np

from rewardsmith.envs.drawing import INK, WHITE, Canvas
from rewardsmith.envs.stateful import FloatArray


def coverage(canvas: Canvas) -> FloatArray:
    """Returns how much of each pixel is ink, (height, width) in [0, 1]."""
    red = canvas.picture()[..., 0].astype(np.float64)
    return (WHITE[0] - red) / (WHITE[0] - INK[0])


def test_rectangle_on_pixel_edges_is_crisp() -> None:
    canvas = Canvas(2, 3, 10, WHITE)
    canvas.rectangle((0.5, 1), (2, 2.2), INK)
    expected = np.zeros((20, 30))
    expected[5:20, 10:22] = 1.0
    np.testing.assert_array_equal(coverage(canvas), expected)


def test_disc_and_stroke_have_their_area() -> None:
    disc, stroke = Canvas(1, 1, 200, WHITE), Canvas(1, 1, 200, WHITE)
    disc.disc((0.45, 0.55), 0.3, INK)
    stroke.stroke((0.2, 0.3), (0.8, 0.7), 0.1, INK)
    assert math.isclose(coverage(disc).mean(), math.pi * 0.09, rel_tol=0.003)
    area = 0.1 * math.hypot(0.6, 0.4) + math.pi * 0.05**2
    assert math.isclose(coverage(stroke).mean(), area, rel_tol=0.003)
    row, column = np.average(np.argwhere(coverage(disc) > 0.5), axis=0)
    assert abs(row - 89.5) < 0.5
    assert abs(column - 109.5) < 0.5


def test_what_lies_beyond_the_border_is_left_out() -> None:
    canvas = Canvas(1, 1, 20, WHITE)
    canvas.disc((0, 0), 0.5, INK)
    canvas.disc((3, 3), 0.5, INK)
    canvas.rectangle((-2, 0.9), (-1, 5), INK)
    ink = coverage(canvas)
    assert math.isclose(ink.mean(), math.pi / 16, rel_tol=0.02)
    assert ink[10:, 10:].max() == 0.0
