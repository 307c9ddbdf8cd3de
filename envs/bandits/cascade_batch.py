"""`CascadeBatch`: what environments share in which a user reads a list of items."""

from __future__ import annotations

from typing import ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.bandits.cascade import click_position, without_repeats
from rewardsmith.envs.batch import BatchEnv, Info
from rewardsmith.envs.card import Field
from rewardsmith.envs.drawing import BLUE, GREY, GRID, PAPER, Canvas
from rewardsmith.envs.stateful import FloatArray, IntArray

TIE = 1e-9
"""Regret below which a list counts as a best one."""


class CascadeBatch(BatchEnv):
    """Shows `n` users a list each; the first item that attracts one is clicked.

    An action, (m,), lists items; one that was listed before is passed over, so that every
    action of `MultiDiscrete([N] * m)` is a list of 1 to m different items.

    A subclass sets `card` and `single_observation_space`, calls `_show` in `_advance` and
    `_hide` in `_spawn`, and adds `_click_facts` to its facts.

    Args:
        items: N.
        list_length: m.
        num_envs: Number of rows n.
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.
    """

    state_names: ClassVar[tuple[str, ...]] = ("shown", "position", "item", "regret")

    def __init__(
        self,
        items: int,
        list_length: int,
        num_envs: int,
        *,
        time_limit: int | None,
        autoreset_mode: AutoresetMode | str,
        render_mode: str | None,
    ) -> None:
        self.items, self.list_length = items, list_length
        self.single_action_space = gym.spaces.MultiDiscrete([items] * list_length)
        super().__init__(
            num_envs,
            time_limit=time_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
        self.shown = np.full((num_envs, list_length), items, dtype=np.int64)
        self.position = np.full(num_envs, list_length, dtype=np.int64)
        self.item = np.full(num_envs, items, dtype=np.int64)
        self.regret = np.zeros(num_envs)

    def _show(self, action: np.ndarray, attraction: FloatArray) -> None:
        """Draws where the lists (n, m) are clicked by users of attraction (n, N)."""
        self.shown = without_repeats(action.astype(np.int64), self.items)
        rows = self._rows[:, None]
        chance = np.pad(attraction, ((0, 0), (0, 1)))[rows, self.shown]
        self.position = click_position(chance, self.streams.uniform(self._rows))
        self.item = np.pad(self.shown, ((0, 0), (0, 1)), constant_values=self.items)[
            self._rows, self.position
        ]

    def _hide(self, rows: IntArray) -> None:
        """Forgets what was shown in the rows (k,) and what became of it."""
        self.shown[rows] = self.item[rows] = self.items
        self.position[rows] = self.list_length
        self.regret[rows] = 0.0

    def _click_facts(self) -> Info:
        return {
            "position": self.position.copy(),
            "item": self.item.copy(),
            "regret": self.regret.copy(),
        }

    def _list_picture(self, row: int, attraction: FloatArray) -> np.ndarray:
        """Returns a bar for the attraction (N,) of every item, numbered by place if shown."""
        canvas = Canvas(self.list_length + 5, max(self.items, 4), 32, PAPER)
        for item, chance in enumerate(attraction):
            colour = BLUE if item == self.item[row] else GREY
            canvas.rectangle((0.5, item + 0.15), (4.5, item + 0.85), GRID)
            canvas.rectangle((4.5 - 4.0 * chance, item + 0.15), (4.5, item + 0.85), colour)
        for place, item in enumerate(self.shown[row]):
            if item < self.items:
                colour = BLUE if place == self.position[row] else GREY
                canvas.disc((5.0 + place, item + 0.5), 0.3, colour)
        return canvas.picture()


def action_field(items: int) -> Field:
    """Returns the card's field for an action of `CascadeBatch`."""
    return Field("list", "items in the order they are shown", low=0.0, high=items - 1)


def click_fields(items: int, list_length: int, most: float) -> tuple[Field, ...]:
    """Returns the card's fields for `_click_facts`, given the largest regret of a step."""
    return (
        Field("position", f"clicked place of the list, {list_length} if none",
              low=0.0, high=list_length),
        Field("item", f"clicked item, {items} if none", low=0.0, high=items),
        Field("regret", "value of a best list - value of the shown one", low=0.0, high=most),
    )  # fmt: skip
