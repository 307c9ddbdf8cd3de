"""`DeepSea-v0`: sink N rows, moving right at every one of them, to find a treasure."""

from __future__ import annotations

import functools

import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.control import glyphs
from rewardsmith.envs.control.finite import FiniteEnv, Tables
from rewardsmith.envs.drawing import Canvas, Colour
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.stateful import IntArray

SIZES = range(2, 51)
WATER: Colour = (120, 178, 222)
DEEP: Colour = (84, 144, 200)
SAND: Colour = (232, 208, 150)


class DeepSea(FiniteEnv):
    """An N x N sea: every step sinks one row and moves one column to the left or right.

    r = -move_cost / N for a move to the right, and +1 for the one out of the last row's last
    column, where the treasure lies. All N moves must go right to find it, so a random policy
    succeeds once in 2**N episodes, and each step towards it costs. The best return is
    1 - move_cost. An episode lasts N steps and terminates. Nothing is random.

    Observation, float32 of shape (2 + N * N,) in [0, 1]: row / N, column / N, and the cell
    one-hot, which is all zero on the sea floor (row N); the treasure lies at row N, column N.
    On the way to it row = column. Action: 0 left, 1 right; with a `mapping_seed` the two are
    swapped in about half of the cells, in all rows and episodes the same.

    Args:
        num_envs: Number of rows n.
        size: N, 2 to 50.
        move_cost: Price of N moves to the right, at least 0.
        mapping_seed: Draws the cells in which the actions are swapped; None swaps none.
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.

    Raises:
        EnvError: If an argument is out of range.

    Example:
        >>> env = DeepSea(size=4)
        >>> observation, _ = env.reset(seed=0)
        >>> [float(env.step(np.array([1]))[1][0]) for _ in range(4)]
        [-0.0025, -0.0025, -0.0025, 0.9975]

    Osband et al. 2019, Behaviour Suite for Reinforcement Learning, arXiv 1908.03568.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        size: int = 10,
        move_cost: float = 0.01,
        mapping_seed: int | None = None,
        time_limit: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        if size not in SIZES:
            raise EnvError(
                f"size must be a whole number from {SIZES[0]} to {SIZES[-1]}, got {size!r}"
            )
        if not 0.0 <= move_cost < np.inf:
            raise EnvError(f"move_cost must be finite and at least 0, got {move_cost}")
        if mapping_seed is not None and mapping_seed < 0:
            raise EnvError(f"mapping_seed must be a non-negative integer, got {mapping_seed}")
        self.size = int(size)
        self.card = _card(self.size, mapping_seed, time_limit)
        super().__init__(
            _tables(self.size, move_cost, mapping_seed),
            num_envs,
            time_limit=time_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )

    def _spawn(self, rows: IntArray) -> None:
        self.state[rows] = 0

    def _draw(self, row: int) -> np.ndarray:
        depth, column = np.rint(self.tables.observation[self.state[row], :2] * self.size)
        return _picture(self.size, float(depth), float(column))


single = functools.partial(SingleEnv, DeepSea)


# ---- The tables: state = row * N + column, then the treasure --------------------------


@functools.cache
def _rightward(size: int, mapping_seed: int | None) -> IntArray:
    """Returns the action that moves right in each cell, int64 (size, size)."""
    if mapping_seed is None:
        return np.ones((size, size), dtype=np.int64)
    return np.random.default_rng(mapping_seed).integers(2, size=(size, size))


@functools.cache
def _tables(size: int, move_cost: float, mapping_seed: int | None) -> Tables:
    """Writes the task out over N * N cells, the N places of the sea floor and the treasure."""
    cells, treasure = size * size, (size + 1) * size
    states = treasure + 1
    row, column = np.divmod(np.arange(states), size)
    row[treasure] = column[treasure] = size
    right = np.zeros((states, 2), dtype=np.bool_)
    right[np.arange(cells), _rightward(size, mapping_seed).ravel()] = True

    finds = (row == size - 1) & (column == size - 1)
    target = np.clip(column[:, None] + np.where(right, 1, -1), 0, size - 1)
    successor = np.where(right & finds[:, None], treasure, (row[:, None] + 1) * size + target)
    successor[cells:] = np.arange(cells, states)[:, None]

    one_hot = np.eye(states, cells)
    return Tables(
        successor=successor,
        reward=right * (finds[:, None] - move_cost / size),
        terminal=row == size,
        observation=np.column_stack((row / size, column / size, one_hot)).astype(np.float32),
        facts={"success": np.arange(states) == treasure},
    )


# ---- The card -------------------------------------------------------------------------


def _oracle(size: int, mapping_seed: int | None, observation: np.ndarray) -> IntArray:
    """Moves right, from observations (n, 2 + N * N); any action will do on the sea floor."""
    cell = np.rint(observation[:, :2] * size).astype(np.int64).clip(0, size - 1)
    return np.asarray(_rightward(size, mapping_seed)[cell[:, 0], cell[:, 1]])


def _card(size: int, mapping_seed: int | None, time_limit: int | None) -> EnvCard:
    return EnvCard(
        id="rewardsmith/DeepSea-v0",
        goal="Find the treasure at the far right of the sea floor by moving right in every row, "
        "although each move to the right costs a little.",
        observation=(
            Field("row", f"row, divided by {size}", (0, 1), low=0.0, high=1.0),
            Field("column", f"column, divided by {size}", (1, 2), low=0.0, high=1.0),
            Field("cell_code", "one-hot cell", (2, 2 + size * size), low=0.0, high=1.0),
        ),
        action=(Field("move", "0 left, 1 right, unless swapped in this cell", low=0.0, high=1.0),),
        facts=(Field("success", "the treasure is found", low=0.0, high=1.0),),
        success="The treasure is found at the end of the episode.",
        time_limit=time_limit,
        oracle=functools.partial(_oracle, size, mapping_seed),
        human_design="Besides the task's reward, pay every step by how far right it is.",
        source="Osband et al. 2019, bsuite, arXiv 1908.03568.",
    )


# ---- The picture ----------------------------------------------------------------------


def _picture(size: int, depth: float, column: float) -> np.ndarray:
    canvas = Canvas(size + 1, size + 1, 32, WATER)
    for row in range(size):
        canvas.rectangle((row, 0), (row + 0.97, row + 0.97), DEEP)
    canvas.rectangle((size, 0), (size + 1, size + 1), SAND)
    glyphs.treasure(canvas, size, size)
    glyphs.agent(canvas, depth, column)
    return canvas.picture()
