"""`FiniteEnv`: a task with finitely many states, stepped by looking its tables up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from rewardsmith.envs.batch import BatchEnv, Info
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Tables:
    """A deterministic task with S states and A actions, written out.

    Attributes:
        successor: The state that action a leads to from state s, int64 (S, A).
        reward: What that step pays, float64 (S, A).
        terminal: Where the task has ended, bool (S,); a terminal state leads to itself.
        observation: What the agent sees, float32 in [0, 1], (S, d).
        facts: The card's facts by name, each (S,).
    """

    successor: IntArray
    reward: FloatArray
    terminal: BoolArray
    observation: NDArray[np.float32]
    facts: Mapping[str, np.ndarray]


class FiniteEnv(BatchEnv):
    """Steps `n` rows of a finite task with one table lookup per output.

    A subclass sets `card`, passes its tables, and writes `_spawn`, which puts the start
    states into `self.state`.

    Args:
        tables: The task.
        num_envs: Number of rows n.
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.
    """

    state_names = ("state",)

    def __init__(
        self,
        tables: Tables,
        num_envs: int,
        *,
        time_limit: int | None,
        autoreset_mode: AutoresetMode | str,
        render_mode: str | None,
    ) -> None:
        self.tables = tables
        self._actions = tables.successor.shape[1]
        # One flat index is several times faster to look up than a pair of indices.
        self._successor, self._reward = tables.successor.ravel(), tables.reward.ravel()
        self.single_observation_space = gym.spaces.Box(
            0.0, 1.0, tables.observation.shape[1:], np.float32
        )
        self.single_action_space = gym.spaces.Discrete(self._actions)
        super().__init__(
            num_envs,
            time_limit=time_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
        self.state = np.zeros(self.num_envs, dtype=np.int64)

    def _advance(self, action: np.ndarray) -> tuple[FloatArray, BoolArray]:
        move = self.state * self._actions + action
        self.state = self._successor.take(move)
        return self._reward.take(move), self.tables.terminal.take(self.state)

    def _observe(self) -> np.ndarray:
        return self.tables.observation.take(self.state, axis=0)

    def _facts(self) -> Info:
        return {name: table.take(self.state) for name, table in self.tables.facts.items()}


def steps_to(successor: IntArray, target: BoolArray) -> FloatArray:
    """Returns the least number of steps from every state to a target state, float64 (S,).

    d(s) = 0 at targets, else 1 + min_a d(successor(s, a)); infinite where none is reachable.
    The action `steps_to(...)[successor].argmin(axis=1)` follows a shortest path.

    Args:
        successor: int64 (S, A).
        target: bool (S,).

    Example:
        >>> line = np.array([[0, 1], [0, 2], [1, 2]])  # three places; actions left and right
        >>> steps_to(line, np.array([False, False, True]))
        array([2., 1., 0.])
    """
    steps = np.where(target, 0.0, np.inf)
    while True:
        shorter = np.minimum(steps, 1.0 + steps[successor].min(axis=1))
        if np.array_equal(shorter, steps):
            return steps
        steps = shorter
