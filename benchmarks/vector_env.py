"""R1: our numpy-vectorised environments against Gymnasium's loop over single ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import SyncVectorEnv
from protocol import Contest, Outcome, Race, Side, Skipped, Target

from rewardsmith.envs.control import key_door, point_maze
from rewardsmith.envs.control.key_room import Layout, starts, tables
from rewardsmith.envs.streams import Streams

TARGETS = {8: 2.0, 64: 15.0, 1024: 120.0}
TIME_LIMIT = 100


class PlainKeyDoor(gym.Env[np.ndarray, Any]):
    """KeyDoor as fast as one writes it for a single environment: Python lists, no numpy.

    Only a reset draws from the row's own `Streams`, so that it starts where ours does.
    """

    def __init__(self) -> None:
        layout = Layout(8)
        table = tables(layout)
        self.successor, self.reward = table.successor.tolist(), table.reward.tolist()
        self.terminal, self.observation = table.terminal.tolist(), list(table.observation)
        self.facts = [
            {name: value[state].item() for name, value in table.facts.items()}
            for state in range(len(self.terminal))
        ]
        self.starts = starts(layout)
        self.streams, self.row = Streams(1), np.zeros(1, dtype=np.int64)
        self.observation_space = gym.spaces.Box(0.0, 1.0, table.observation.shape[1:], np.float32)
        self.action_space = gym.spaces.Discrete(4)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        if seed is not None:
            self.streams.seed(self.row, np.array([seed]))
        self.state = int(self.starts[self.streams.integers(self.row, len(self.starts))[0]])
        self.elapsed = 0
        return self.observation[self.state], self.facts[self.state].copy()

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        reward = self.reward[self.state][action]
        self.state = self.successor[self.state][action]
        self.elapsed += 1
        terminated = self.terminal[self.state]
        truncated = self.elapsed >= TIME_LIMIT and not terminated
        facts = self.facts[self.state].copy()
        return self.observation[self.state], reward, terminated, truncated, facts


def contests(quick: bool) -> Iterator[Contest | Skipped]:
    rng = np.random.default_rng(0)
    for n, bound in ({8: TARGETS[8]} if quick else TARGETS).items():
        # Long enough to time ours, short enough to wait for theirs.
        many, few = (TIME_LIMIT, TIME_LIMIT) if quick else (max(32, 16384 // n), max(8, 2048 // n))
        moves = rng.integers(4, size=(many, n))
        pushes = rng.uniform(-1.0, 1.0, (few, n, 2)).astype(np.float32)
        for name, batch, single, actions, target in (
            ("`KeyDoor`", key_door.KeyDoor, key_door.single, moves, bound),
            ("`PointMaze`", point_maze.PointMaze, point_maze.single, pushes, bound),
            ("`KeyDoor`, theirs in plain Python", key_door.KeyDoor, PlainKeyDoor, moves, 1.0),
        ):
            yield Contest(
                f"{name}, {n:,} envs",
                _player(batch(n), actions),
                _player(SyncVectorEnv([single] * n), actions),
                Target("faster", target),
            )


def _player(env: Any, actions: np.ndarray) -> Side:
    """Plays the actions (T, n, ...) in a row of episodes that goes on from run to run."""
    facts = [name for name in env.reset(seed=0)[1] if name[0] != "_"]

    def run() -> Outcome:
        steps = [env.step(action) for action in actions]
        observation, reward, terminated, truncated, info = zip(*steps, strict=True)
        return {
            "observation": observation,
            "reward": reward,
            "terminated": terminated,
            "truncated": truncated,
        } | {name: [i[name] for i in info] for name in facts}

    return Side(run)


RACE = Race(
    "R1",
    "Vectorised environments",
    """\
Steps per second of `KeyDoor` and `PointMaze` with all environments in one numpy batch, against
Gymnasium's `SyncVectorEnv`, which steps single environments in a loop. The single environment
is the same code at a batch of one, which numpy makes slow; so `KeyDoor` also races against one
written for a single environment in plain Python, where the target is not to be slower. Same
seeds and actions; observations, rewards, ends and facts of every step are equal, bit for
bit.""",
    contests,
)
