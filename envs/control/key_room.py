"""The room of `KeyDoor-v0`: where things stand, and its rules written out as tables."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rewardsmith.envs.control.finite import Tables, steps_to
from rewardsmith.envs.stateful import IntArray

MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))
"""Row and column change of the actions up, right, down and left."""
SEARCHING, CARRYING, OPENED = range(3)
"""The stages: no key yet, key in hand with the door shut, door open."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things stand in a square grid of `size` x `size` cells, row 0 at the top.

    The goal touches the wall from behind, so that the cells before the wall at its height
    are near it as the crow flies; the key lies in the opposite corner, the door low in the
    wall. At size 8 (# wall, D door, K key, G goal, L lava):

        . . . . # G . .
        . . . . # . . .
        . . . . # . . L
        . L . . # . . .
        . . L . # L . .
        . . . . # . . .
        . . . . D . . .
        K . L . # . . .
    """

    size: int

    @property
    def wall(self) -> int:
        """Column of the wall."""
        return self.size // 2

    @property
    def key(self) -> tuple[int, int]:
        """Row and column of the key."""
        return self.size - 1, 0

    @property
    def door(self) -> tuple[int, int]:
        """Row and column of the door."""
        return self.size - 2, self.wall

    @property
    def goal(self) -> tuple[int, int]:
        """Row and column of the goal."""
        return 0, self.wall + 1

    @property
    def lava(self) -> tuple[tuple[int, int], ...]:
        """Rows and columns of the lava cells, three before the wall and two behind it."""
        middle = self.wall
        return (
            (middle - 1, 1),
            (middle, middle - 2),
            (self.size - 1, middle - 2),
            (middle, middle + 1),
            (middle - 2, self.size - 1),
        )

    def cell(self, place: tuple[int, int]) -> int:
        """Returns the number of the cell at (row, column), counted along the rows."""
        return place[0] * self.size + place[1]


@functools.cache
def tables(layout: Layout) -> Tables:
    """Writes the task out; state = stage * size**2 + cell."""
    cells = layout.size**2
    cell, stage = np.tile(np.arange(cells), 3), np.repeat(np.arange(3), cells)
    goal = cell == layout.cell(layout.goal)
    lava = np.isin(cell, [layout.cell(place) for place in layout.lava])
    terminal = goal | lava
    successor = np.stack([_move(layout, stage, cell, move) for move in MOVES], axis=1)
    successor[terminal] = np.flatnonzero(terminal)[:, None]
    return Tables(
        successor=successor,
        reward=(goal[successor] & ~terminal[:, None]).astype(np.float64),
        terminal=terminal,
        observation=_observation(layout, stage, cell),
        facts={
            "success": goal,
            "has_key": stage >= CARRYING,
            "door_open": stage == OPENED,
            "in_lava": lava,
        },
    )


def _move(layout: Layout, stage: IntArray, cell: IntArray, move: tuple[int, int]) -> IntArray:
    """Returns the state one move leads to, from every state (S,)."""
    row = np.clip(cell // layout.size + move[0], 0, layout.size - 1)
    column = np.clip(cell % layout.size + move[1], 0, layout.size - 1)
    target = row * layout.size + column
    is_key, is_door = target == layout.cell(layout.key), target == layout.cell(layout.door)
    blocked = (column == layout.wall) & ~(is_door & (stage >= CARRYING))
    takes, opens = is_key & (stage == SEARCHING), is_door & (stage == CARRYING)
    target = np.where(blocked, cell, target)
    return np.asarray((stage + takes + opens) * layout.size**2 + target)


def _observation(layout: Layout, stage: IntArray, cell: IntArray) -> NDArray[np.float32]:
    """Returns what the agent sees in every state; the columns are named on the card."""
    row, column = np.divmod(cell, layout.size)
    things = np.ravel((layout.key, layout.door, layout.goal))
    places = np.column_stack((row, column, np.tile(things, (len(cell), 1))))
    lava = np.zeros((layout.size + 2, layout.size + 2))  # with a margin beyond the border
    lava[tuple(np.transpose(layout.lava) + 1)] = 1.0
    columns = (
        places / (layout.size - 1),
        stage >= CARRYING,
        stage == OPENED,
        *(lava[row + 1 + down, column + 1 + right] for down, right in MOVES),
        np.eye(layout.size)[row],
        np.eye(layout.size)[column],
    )
    return np.column_stack(columns).astype(np.float32)


def starts(layout: Layout) -> IntArray:
    """Returns the free cells before the wall, key and lava left out, int64 (k,)."""
    cell = np.arange(layout.size**2)
    taken = [layout.cell(place) for place in (layout.key, *layout.lava)]
    return np.flatnonzero((cell % layout.size < layout.wall) & ~np.isin(cell, taken))


@functools.cache
def shortest(layout: Layout) -> IntArray:
    """Returns the first action of a shortest path to the goal from every state, (S,)."""
    table = tables(layout)
    left = steps_to(table.successor, table.facts["success"])
    return np.asarray(left[table.successor].argmin(axis=1))
