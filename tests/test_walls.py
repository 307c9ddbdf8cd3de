"""Lines of sight, sliding and path lengths against brute force."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from rewardsmith.envs.control.point_maze import BOXES, WALLS
from rewardsmith.envs.stateful import BoolArray, FloatArray


def inside(point: FloatArray, margin: float = 0.0) -> BoolArray:
    """Tells which points (2, ...) lie deeper than `margin` inside some wall."""
    x, y = point[..., None]
    left, bottom, right, top = BOXES.T
    deep = np.minimum(np.minimum(x - left, right - x), np.minimum(y - bottom, top - y))
    return np.asarray((deep > margin).any(axis=-1))


def along(start: FloatArray, end: FloatArray, count: int) -> FloatArray:
    """Returns `count` points on each line between points (2, n); (2, n, count)."""
    return start[..., None] + (end - start)[..., None] * np.linspace(0, 1, count)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_sees_equals_sampling_the_line(seed: int) -> None:
    start, end = np.random.default_rng(seed).random((2, 2, 200))
    sees = WALLS.sees(start, end)
    np.testing.assert_array_equal(sees, WALLS.sees(end, start))
    samples = along(start, end, 1000)
    assert not inside(samples[:, sees], margin=1e-6).any()
    grazed = ~inside(samples, margin=-0.002).any(axis=-1)  # clear by more than a sample's reach
    assert sees[grazed].all()


def test_lines_along_a_wall_and_to_its_corners_are_clear() -> None:
    left, right = np.array([[0.1], [0.8]]), np.array([[0.9], [0.8]])
    assert WALLS.sees(left, right).all()  # along the upper edge
    assert WALLS.sees(np.array([[0.5], [0.5]]), np.array([[0.25], [0.7]])).all()
    assert not WALLS.sees(np.array([[0.5], [0.5]]), np.array([[0.25], [0.8]])).any()


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 2.0))
@settings(max_examples=50)
def test_slide_never_enters_or_crosses_a_wall_whatever_the_length(seed: int, reach: float) -> None:
    rng = np.random.default_rng(seed)
    point = rng.random((2, 300))
    point = point[:, ~inside(point)]
    for _ in range(5):
        change = rng.uniform(-reach, reach, point.shape)
        after = WALLS.slide(point, change)
        corner = np.stack((after[0], point[1]))  # x first, then y
        for start, end in ((point, corner), (corner, after)):
            assert not inside(along(start, end, 200)).any()
        assert ((after >= 0.0) & (after <= 1.0)).all()
        assert (np.abs(after - point) <= np.abs(change) + 1e-15).all()
        point = after


def test_slide_moves_freely_where_nothing_is_and_stops_at_what_is() -> None:
    point = np.array([[0.1, 0.53, 0.98, 0.3], [0.1, 0.5, 0.5, 0.68]])
    change = np.array([[0.05, 0.05, 0.05, 0.05], [-0.03, 0.02, 0.0, 0.05]])
    expected = [[0.15, 0.55, 1.0, 0.35], [0.07, 0.52, 0.5, 0.7]]
    np.testing.assert_allclose(WALLS.slide(point, change), expected, rtol=0, atol=1e-12)


def grid_graph(cells: int, reach: int) -> tuple[FloatArray, coo_array]:
    """Joins the free points of a grid by every clear line of up to `reach` cells a side."""
    ticks = np.arange(cells + 1) / cells
    nodes = np.stack(np.meshgrid(ticks, ticks, indexing="ij")).reshape(2, -1)
    number = np.arange(nodes.shape[1]).reshape(cells + 1, cells + 1)
    row, column, length = [], [], []
    for i, j in itertools.product(range(reach + 1), range(-reach, reach + 1)):
        if math.gcd(i, j) != 1:
            continue
        low, high = max(0, -j), cells + 1 - max(0, j)
        start = number[: cells + 1 - i, low:high].ravel()
        end = number[i:, low + j : high + j].ravel()
        samples = along(nodes[:, start], nodes[:, end], 4 * reach)
        clear = ~inside(samples, margin=1e-6).any(axis=-1)
        row.append(start[clear])
        column.append(end[clear])
        length.append(np.full(clear.sum(), math.hypot(i, j) / cells))
    place = (np.concatenate(row), np.concatenate(column))
    return nodes, coo_array((np.concatenate(length), place), shape=(number.size, number.size))


def test_path_length_equals_dijkstra_on_a_fine_grid() -> None:
    nodes, graph = grid_graph(cells=40, reach=6)
    free = np.flatnonzero(~inside(nodes, margin=-1e-9))
    goals = np.random.default_rng(0).choice(free, 12, replace=False)
    found = dijkstra(graph, directed=False, indices=goals)
    for goal, length in zip(goals, found, strict=True):
        end = np.repeat(nodes[:, goal, None], len(free), axis=1)
        exact = WALLS.path_length(nodes[:, free], end, WALLS.onward(end))
        assert (exact <= length[free] + 1e-9).all()
        assert (length[free] <= exact * 1.01 + 1e-9).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_path_length_is_a_distance(seed: int) -> None:
    points = np.random.default_rng(seed).random((2, 90))
    points = points[:, ~inside(points)]
    one, two, three = (points[:, i::3][:, : points.shape[1] // 3] for i in range(3))

    def length(start: FloatArray, end: FloatArray) -> FloatArray:
        return WALLS.path_length(start, end, WALLS.onward(end))

    straight = np.hypot(*(two - one))
    np.testing.assert_allclose(length(one, two), length(two, one), rtol=1e-12)
    assert (length(one, two) >= straight - 1e-12).all()
    assert (length(one, three) <= length(one, two) + length(two, three) + 1e-9).all()
    seen = WALLS.sees(one, two)
    np.testing.assert_allclose(length(one, two)[seen], straight[seen], rtol=1e-12)
    assert (length(one, two)[~seen] > straight[~seen]).all()


def test_path_length_of_the_way_over_the_upper_arm() -> None:
    start, end = np.array([[0.5], [0.5]]), np.array([[0.8], [0.65]])
    over = math.hypot(0.25, 0.2) + 0.1 + 0.4 + math.hypot(0.15, 0.15)
    assert WALLS.path_length(start, end, WALLS.onward(end))[0] == pytest.approx(over)
