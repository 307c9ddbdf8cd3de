"""Walls in the unit square: sliding along them, seeing past them, shortest ways round them."""

from __future__ import annotations

import numpy as np

from rewardsmith.envs.stateful import BoolArray, FloatArray

_GRAZE = 1e-6
"""How much narrower than built a wall is to the eye, so that a point which float32 has
rounded into a wall still sees out (units of the square)."""


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
        (array([False]), array([1.2]))
        >>> walls.slide(np.array([[0.38], [0.1]]), np.array([[0.05], [0.05]])).round(2).T
        array([[0.4 , 0.15]])
    """

    def __init__(self, boxes: FloatArray, corners: FloatArray) -> None:
        self.boxes = boxes
        self.corners = corners.T[:, :, None]  # Shape (2, k, 1)
        between = self._line(self.corners, corners.T[:, None])
        for bend in range(len(corners)):  # Floyd-Warshall
            between = np.minimum(between, between[:, bend, None] + between[None, bend])
        self._between = between[:, :, None]

    def sees(self, start: FloatArray, end: FloatArray) -> BoolArray:
        """Tells whether the line between two points (2, ...) crosses no wall; (...).

        A line and a box are apart if some axis separates them: x, y or the line's normal.
        """
        x, y = start + end  # twice the middle, as every length here is doubled
        u, v = end - start
        right, up = np.abs(u), np.abs(v)
        clear = np.ones(x.shape, dtype=np.bool_)
        for box in self.boxes:
            width, height = box[2:] - box[:2] - _GRAZE
            dx, dy = x - (box[0] + box[2]), y - (box[1] + box[3])
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
        """Returns the length of the shortest way to `goal` (2, n) from every bend, (k + 1, n).

        The bends are the k corners and, last, the goal itself.
        """
        last = self._line(self.corners, goal[:, None])
        return np.concatenate(((self._between + last).min(axis=1), np.zeros((1, goal.shape[1]))))

    def path_length(self, point: FloatArray, goal: FloatArray, onward: FloatArray) -> FloatArray:
        """Returns the length of the shortest way from `point` to `goal`, each (2, n); (n,).

        Args:
            point: Where the way starts, outside every wall.
            goal: Where it ends.
            onward: What `onward(goal)` returned, (k + 1, n).
        """
        return np.asarray((self._line(point[:, None], self._bends(goal)) + onward).min(axis=0))

    def first_bend(self, point: FloatArray, goal: FloatArray, passed: float) -> FloatArray:
        """Returns where a shortest way heads first, a corner or the goal itself; (2, n).

        Args:
            point: Where the way starts, (2, n).
            goal: Where it ends, (2, n).
            passed: A corner nearer than this is behind.
        """
        bends = self._bends(goal)
        first = self._line(point[:, None], bends)
        first[:-1][first[:-1] < passed] = np.inf
        best = (first + self.onward(goal)).argmin(axis=0)
        return np.asarray(bends[:, best, np.arange(len(best))])

    def _bends(self, goal: FloatArray) -> FloatArray:
        corners = np.broadcast_to(self.corners, (*self.corners.shape[:2], goal.shape[1]))
        return np.concatenate((corners, goal[:, None]), axis=1)

    def _line(self, start: FloatArray, end: FloatArray) -> FloatArray:
        """Returns the straight distance where the points see each other, else infinity."""
        u, v = end - start
        return np.where(self.sees(start, end), np.sqrt(u * u + v * v), np.inf)

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
