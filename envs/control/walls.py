"""Walls in the unit square: sliding along them, seeing past them, shortest ways round them."""

from __future__ import annotations

import numpy as np

from rewardsmith.envs.stateful import BoolArray, FloatArray

_GRAZE = 1e-9
"""A line that cuts a wall by less than this still passes (units of the square)."""


class Walls:
    """Axis-aligned boxes in the unit square, and the points where shortest paths bend.

    A shortest path among polygons is a chain of straight lines that bends only at their
    corners (Lozano-Perez and Wesley 1979, doi:10.1145/359156.359164), so the lengths of
    the ways between corners, found once, make every path length a closed form.

    Args:
        boxes: Left, bottom, right and top of each wall, (m, 4). Boxes that touch must
            overlap, for a line may pass between two that only meet.
        corners: Where paths may bend, (k, 2).

    Example:
        >>> walls = Walls(np.array([[0.4, 0.0, 0.6, 0.5]]), np.array([[0.4, 0.5], [0.6, 0.5]]))
        >>> start, end = np.array([[0.1, 0.1]]), np.array([[0.9, 0.1]])
        >>> walls.sees(start, end), walls.path_length(start, end, walls.onward(end))
        (array([False]), array([1.2]))
        >>> walls.slide(np.array([[0.38, 0.1]]), np.array([[0.05, 0.05]])).round(2)
        array([[0.4 , 0.15]])
    """

    def __init__(self, boxes: FloatArray, corners: FloatArray) -> None:
        self.boxes = boxes
        self.corners = corners
        self._centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        self._half = (boxes[:, 2:] - boxes[:, :2]) / 2 - _GRAZE
        between = self._line(corners[:, None], corners[None])
        for bend in range(len(corners)):  # Floyd-Warshall
            between = np.minimum(between, between[:, bend, None] + between[None, bend])
        self._between = between

    def sees(self, start: FloatArray, end: FloatArray) -> BoolArray:
        """Tells whether the line between two points (..., 2) crosses no wall; (...).

        A line and a box are apart if some axis separates them: x, y or the line's normal.
        """
        x, y = np.moveaxis((start + end)[..., None, :] / 2 - self._centre, -1, 0)
        u, v = np.moveaxis((end - start)[..., None, :] / 2, -1, 0)
        width, height = self._half.T
        right, up = np.abs(u), np.abs(v)
        apart = (np.abs(x) >= width + right) | (np.abs(y) >= height + up)
        apart |= np.abs(u * y - v * x) >= width * up + height * right
        return np.asarray(apart.all(axis=-1))

    def slide(self, position: FloatArray, change: FloatArray) -> FloatArray:
        """Moves points (n, 2) by `change` (n, 2), first along x, then along y.

        What a wall or the border blocks is lost; the rest of the move goes on along it.
        """
        x, y = position.T
        x = self._reach(x, x + change[:, 0], y, axis=0)
        y = self._reach(y, y + change[:, 1], x, axis=1)
        return np.stack((x, y), axis=1)

    def onward(self, goal: FloatArray) -> FloatArray:
        """Returns the length of the shortest way from every corner to `goal` (n, 2); (n, k)."""
        last = self._line(self.corners, goal[:, None])
        return np.asarray((self._between + last[:, None]).min(axis=-1))

    def path_length(self, position: FloatArray, goal: FloatArray, onward: FloatArray) -> FloatArray:
        """Returns the length of the shortest way from `position` to `goal`, each (n, 2); (n,).

        Args:
            position: Where the way starts, outside every wall.
            goal: Where it ends.
            onward: What `onward(goal)` returned, (n, k).
        """
        direct = self._line(position, goal)
        bent = (self._line(position[:, None], self.corners) + onward).min(axis=-1)
        return np.minimum(direct, bent)

    def first_bend(self, position: FloatArray, goal: FloatArray, reached: float) -> FloatArray:
        """Returns where a shortest way heads first, (n, 2): the goal or a corner.

        Args:
            position: Where the way starts, (n, 2).
            goal: Where it ends, (n, 2).
            reached: A corner nearer than this counts as passed.
        """
        first = self._line(position[:, None], self.corners)
        first = np.where(first < reached, np.inf, first)
        best = self.corners[(first + self.onward(goal)).argmin(axis=-1)]
        return np.asarray(np.where(self.sees(position, goal)[:, None], goal, best))

    def _line(self, start: FloatArray, end: FloatArray) -> FloatArray:
        """Returns the straight distance where the points see each other, else infinity."""
        return np.where(self.sees(start, end), np.linalg.norm(start - end, axis=-1), np.inf)

    def _reach(
        self, start: FloatArray, end: FloatArray, across: FloatArray, axis: int
    ) -> FloatArray:
        """Clips a move along one axis to the free stretch about its start; (n,)."""
        near, far = self.boxes[:, axis], self.boxes[:, axis + 2]
        low, high = self.boxes[:, 1 - axis], self.boxes[:, 3 - axis]
        here = start[:, None]
        beside = (low < across[:, None]) & (across[:, None] < high)
        ahead = np.where(beside & (here <= near), near, 1.0).min(axis=1)
        behind = np.where(beside & (here >= far), far, 0.0).max(axis=1)
        return np.clip(end, behind, ahead)
