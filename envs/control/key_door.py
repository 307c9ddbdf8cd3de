"""`KeyDoor-v0`: fetch the key, open the door, reach the goal; paid at the goal alone."""

from __future__ import annotations

import functools

import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.control import glyphs
from rewardsmith.envs.control.finite import FiniteEnv
from rewardsmith.envs.control.key_room import (
    CARRYING,
    OPENED,
    SEARCHING,
    Layout,
    shortest,
    starts,
    tables,
)
from rewardsmith.envs.drawing import GRID, INK, PAPER, Canvas
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.stateful import IntArray

SIZES = range(6, 33)


class KeyDoor(FiniteEnv):
    """A grid room split by a wall: fetch the key, pass the door, reach the goal.

    r = 1 on reaching the goal, which ends the episode, else 0; lava ends it with 0. Walking
    onto the key takes it, walking into the door with the key opens it; without the key the
    door is a wall. The agent starts on a random free cell of the key's side, which draws
    from the row's stream. The layout is fixed for a size; see `Layout`.

    Observation, float32 of shape (14 + 2 size,) in [0, 1]: agent, key, door and goal as
    (row, column) / (size - 1), has_key, door_open, lava in the cell above, right, below and
    left, then the agent's row and column one-hot. Action: 0 up, 1 right, 2 down, 3 left.

    Args:
        num_envs: Number of rows n.
        size: Side of the grid in cells, 6 to 32.
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.

    Raises:
        EnvError: If an argument is out of range.

    Example:
        >>> env = KeyDoor(3)
        >>> observation, info = env.reset(seed=0)
        >>> observation.shape, info["has_key"].tolist()
        ((3, 30), [False, False, False])
        >>> env.card.field("key").read(observation)[0]
        array([1., 0.])
        >>> env.step(env.card.oracle(observation))[1]  # nothing is paid before the goal
        array([0., 0., 0.])

    The task follows DoorKey of MiniGrid (Chevalier-Boisvert et al. 2023, arXiv 2306.13831).
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        size: int = 8,
        time_limit: int | None = 100,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        if size not in SIZES:
            raise EnvError(
                f"size must be a whole number of cells from {SIZES[0]} to {SIZES[-1]}, got {size!r}"
            )
        self.layout = Layout(int(size))
        self.card = _card(self.layout, time_limit)
        self._starts = starts(self.layout)
        super().__init__(
            tables(self.layout),
            num_envs,
            time_limit=time_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )

    def _spawn(self, rows: IntArray) -> None:
        self.state[rows] = self._starts[self.streams.integers(rows, len(self._starts))]

    def _draw(self, row: int) -> np.ndarray:
        stage, cell = divmod(int(self.state[row]), self.layout.size**2)
        return _picture(self.layout, stage, divmod(cell, self.layout.size))


single = functools.partial(SingleEnv, KeyDoor)


# ---- The card -------------------------------------------------------------------------


def _oracle(layout: Layout, observation: np.ndarray) -> IntArray:
    """Reads the state off observations (n, 14 + 2 size) and takes the shortest path."""
    place = np.rint(observation[:, :2] * (layout.size - 1)).astype(np.int64)
    stage = np.rint(observation[:, 8] + observation[:, 9]).astype(np.int64)
    state = stage * layout.size**2 + place[:, 0] * layout.size + place[:, 1]
    return np.asarray(shortest(layout)[state])


def _card(layout: Layout, time_limit: int | None) -> EnvCard:
    last, size = layout.size - 1, layout.size

    def column(name: str, meaning: str, start: int, count: int) -> Field:
        return Field(name, meaning, (start, start + count), low=0.0, high=1.0)

    def place(name: str, start: int) -> Field:
        return column(name, f"row and column of the {name}, each divided by {last}", start, 2)

    def fact(name: str, meaning: str) -> Field:
        return Field(name, meaning, low=0.0, high=1.0)

    return EnvCard(
        id="rewardsmith/KeyDoor-v0",
        goal="Fetch the key, open the locked door with it and reach the goal behind the wall, "
        "without stepping into lava.",
        observation=(
            place("agent", 0),
            place("key", 2),
            place("door", 4),
            place("goal", 6),
            column("has_key", "1 once the key was taken", 8, 1),
            column("door_open", "1 once the door was opened", 9, 1),
            column("lava_near", "lava in the cell above, right, below, left", 10, 4),
            column("row_code", "one-hot row of the agent", 14, size),
            column("column_code", "one-hot column of the agent", 14 + size, size),
        ),
        action=(Field("move", "0 up, 1 right, 2 down, 3 left", low=0, high=3),),
        facts=(
            fact("success", "the goal is reached"),
            fact("has_key", "the key was taken"),
            fact("door_open", "the door was opened"),
            fact("in_lava", "the agent died in lava"),
        ),
        success="The agent stands on the goal.",
        time_limit=time_limit,
        oracle=functools.partial(_oracle, layout),
        human_design="Besides the task's reward, pay once each for taking the key and opening "
        "the door, and charge a little for every step.",
        source="After DoorKey of MiniGrid (Chevalier-Boisvert et al. 2023, arXiv 2306.13831).",
    )


# ---- The picture ----------------------------------------------------------------------


def _picture(layout: Layout, stage: int, agent: tuple[int, int]) -> np.ndarray:
    canvas = Canvas(layout.size, layout.size, 32, GRID)
    for row, column in np.ndindex(layout.size, layout.size):
        canvas.rectangle((row, column), (row + 0.97, column + 0.97), PAPER)
    canvas.rectangle((0, layout.wall), (layout.size, layout.wall + 1), INK)
    for place in layout.lava:
        glyphs.lava(canvas, *place)
    glyphs.door(canvas, *layout.door, is_open=stage == OPENED)
    glyphs.goal(canvas, *layout.goal)
    if stage == SEARCHING:
        glyphs.key(canvas, *layout.key)
    glyphs.agent(canvas, *agent)
    if stage == CARRYING:
        glyphs.key(canvas, agent[0] + 0.25, agent[1] + 0.25, size=0.5)
    return canvas.picture()
