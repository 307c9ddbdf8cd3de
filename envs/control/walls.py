"""Walls in the unit square: sliding along them, seeing past them, shortest ways round them."""

from __future__ import annotations

import numpy as np

from rewardsmith.envs.stateful import BoolArray, FloatArray

_GRAZE = 1e-9
"""A line that cuts a wall by less than this still passes (units of the square)."""


class Walls:
    """Axis-aligned boxes in the unit square, and the points where shortest paths bend.

    A shortest path among polygons is a chain of straight lines that bends only at their
    corners (Lozano-Perez and Wesley 1979, doi:10.1145/359156.359164), so with the ways
    between corners measured once, every path length is a closed form.

    Points are arrays (2, ...) with x before y: numpy is several times faster where the long
    axis of the rows comes last.

    Args:
        boxes: Left, bottom, right and top of each wall, (m, 4). Boxes that touch must
            overlap, for a line may pass between two that only meet.
        corners: Where paths may bend, (k, 2).

    Example:
        >>> walls = Walls(np.array([[0.4, 0.0, 0.6, 0.5]]), np.array([[0.4, 0.5], [0.6, 0.5]]))
        >>> start, end = np.array([[0.1], [0.1]]), np.array([[0.9], [0.1]])
        >>> walls.sees(start, end), walls.path_length(start, end, walls.onward(end))
        (array([False]), array([1.8]))
        >>> walls.slide(np.array([[0.38], [0.1]]), np.array([[0.05], [0.05]])).round(2).T
        array([[0.4 , 0.15]])
    """

    def __init__(self, boxes: FloatArray, corners: FloatArray) -> None:
        self.boxes = boxes
        self.corners = corners.T[:, :, None]  # Shape (2, k, 1)
        between = self._line(self.corners, corners.T[:, None])
        for bend in range(len(corners)):  # Floyd-Warshall
            between = np.minimum(between, between[:, bend, None] + between[None, bend])
        self._between = between

    def sees(self, start: FloatArray, end: FloatArray) -> BoolArray:
        """Tells whether the line between two points (2, ...) crosses no wall; (...).

        A line and a box are apart if some axis separates them: x, y or the line's normal.
        """
        x, y = (start + end) / 2
        u, v = (end - start) / 2
        right, up = np.abs(u), np.abs(v)
        clear = np.ones(x.shape, dtype=np.bool_)
        for box in self.boxes:
            width, height = (box[2:] - box[:2]) / 2 - _GRAZE
            dx, dy = x - (box[0] + box[2]) / 2, y - (box[1] + box[3]) / 2
            apart = (np.abs(dx) >= width + right) | (np.abs(dy) >= height + up)
            clear &= apart | (np.abs(u * dy - v * dx) >= width * up + height * right)
        return clear

    def slide(self, point: FloatArray, change: FloatArray) -> FloatArray:
        """Moves points (2, n) by `change` (2, n), first along x, then along y.

        What a wall or the border blocks is lost; the rest of the move goes on along it.
        """
        x, y = point
        x = self._reach(x, x + change[0], y, axis=0)
        y = self._reach(y, y + change[1], x, axis=1)
        return np.stack((x, y))

    def onward(self, goal: FloatArray) -> FloatArray:
        """Returns the length of the shortest way from every corner to `goal` (2, n); (k, n)."""
        last = self._line(self.corners, goal[:, None])
        return np.asarray((self._between[:, :, None] + last).min(axis=1))

    def path_length(self, point: FloatArray, goal: FloatArray, onward: FloatArray) -> FloatArray:
        """Returns the length of the shortest way from `point` to `goal`, each (2, n); (n,).

        Args:
            point: Where the way starts, outside every wall.
            goal: Where it ends.
            onward: What `onward(goal)` returned, (k, n).
        """
        bent = (self._line(point[:, None], self.corners) + onward).min(axis=0)
        return np.minimum(self._line(point, goal), bent)

    def first_bend(self, point: FloatArray, goal: FloatArray, passed: float) -> FloatArray:
        """Returns where a shortest way heads first, a corner or the goal itself; (2, n).

        Args:
            point: Where the way starts, (2, n).
            goal: Where it ends, (2, n).
            passed: A corner nearer than this is behind.
        """
        first = self._line(point[:, None], self.corners)
        first = np.where(first < passed, np.inf, first)
        best = self.corners[:, (first + self.onward(goal)).argmin(axis=0), 0]
        return np.where(self.sees(point, goal), goal, best)

    def _line(self, start: FloatArray, end: FloatArray) -> FloatArray:
        """Returns the straight distance where the points see each other, else infinity."""
        return np.where(self.sees(start, end), np.hypot(*(end - start)), np.inf)

    def _reach(
        self, start: FloatArray, end: FloatArray, across: FloatArray, axis: int
    ) -> FloatArray:
        """Clips a move along one axis to the free stretch about its start; (n,)."""
        behind, ahead = np.zeros(len(start)), np.ones(len(start))
        for box in self.boxes:
            beside = (box[1 - axis] < across) & (across < box[3 - axis])
            near, far = box[axis], box[axis + 2]
            ahead = np.where(beside & (start <= near), np.minimum(ahead, near), ahead)
            behind = np.where(beside & (start >= far), np.maximum(behind, far), behind)
        return np.clip(end, behind, ahead)
