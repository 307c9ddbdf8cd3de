"""KeyDoor against a plain reading of its map, its oracle against plain search, its trap."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import pytest
from env_cases import random_actions
from gymnasium.vector import AutoresetMode

from rewardsmith.envs import EnvError
from rewardsmith.envs.control.finite import steps_to
from rewardsmith.envs.control.key_door import SIZES, KeyDoor
from rewardsmith.envs.control.key_room import Layout, shortest, starts, tables

MAP = """
. . . . # G . .
. . . . # . . .
. . . . # . . L
. L . . # . . .
. . L . # L . .
. . . . # . . .
. . . . D . . .
K . L . # . . .
"""
ROOM = [line.split() for line in MAP.strip().splitlines()]
SIZE = len(ROOM)
MOVES = {0: (-1, 0), 1: (0, 1), 2: (1, 0), 3: (0, -1)}


@dataclass(frozen=True)
class Place:
    """A state of the task, played by reading the map."""

    row: int
    column: int
    has_key: bool = False
    door_open: bool = False

    @property
    def thing(self) -> str:
        return ROOM[self.row][self.column]

    @property
    def is_over(self) -> bool:
        return self.thing in "GL"

    def play(self, action: int) -> Place:
        row, column = self.row + MOVES[action][0], self.column + MOVES[action][1]
        if self.is_over or not (0 <= row < SIZE and 0 <= column < SIZE):
            return self
        thing = ROOM[row][column]
        if thing == "#" or (thing == "D" and not self.has_key):
            return self
        return Place(row, column, self.has_key or thing == "K", self.door_open or thing == "D")

    def steps_to_goal(self) -> int:
        queue, seen = deque([(self, 0)]), {self}
        while queue:
            place, steps = queue.popleft()
            if place.thing == "G":
                return steps
            for after in {place.play(action) for action in MOVES} - seen:
                seen.add(after)
                queue.append((after, steps + 1))
        raise AssertionError("the goal cannot be reached")


STARTS = [
    Place(row, column) for row in range(SIZE) for column in range(4) if ROOM[row][column] == "."
]


def place_of(observation: np.ndarray) -> Place:
    """Reads the reference state off one observation (30,)."""
    row, column = np.rint(observation[:2] * (SIZE - 1)).astype(int).tolist()
    return Place(row, column, bool(observation[8]), bool(observation[9]))


def test_the_map_is_the_documented_one() -> None:
    documented = Layout.__doc__
    assert documented is not None
    assert MAP.strip() == "\n".join(
        line.strip() for line in documented.splitlines() if line.strip()[:2] in (". ", "K ")
    )


def test_episodes_start_on_every_free_cell_before_the_wall() -> None:
    observation, _ = KeyDoor(2000).reset(seed=0)
    found = {place_of(row) for row in observation}
    assert found == set(STARTS)


def test_steps_equal_the_reference() -> None:
    env = KeyDoor(64, time_limit=None, autoreset_mode=AutoresetMode.DISABLED)
    assert env.card.oracle is not None
    observation, _ = env.reset(seed=1)
    rng, stages, ends = np.random.default_rng(1), set(), 0
    for action in random_actions(env, 300):
        guided = rng.random(64) < 0.7
        action = np.where(guided, env.card.oracle(observation), action)
        expected = [place_of(row).play(int(a)) for row, a in zip(observation, action, strict=True)]
        observation, reward, terminated, truncated, info = env.step(action)
        assert [place_of(row) for row in observation] == expected
        assert terminated.tolist() == [place.is_over for place in expected]
        assert reward.tolist() == [float(place.thing == "G") for place in expected]
        assert info["success"].tolist() == [place.thing == "G" for place in expected]
        assert info["in_lava"].tolist() == [place.thing == "L" for place in expected]
        assert info["has_key"].tolist() == [place.has_key for place in expected]
        assert info["door_open"].tolist() == [place.door_open for place in expected]
        assert not truncated.any()
        stages |= {(place.has_key, place.door_open) for place in expected}
        if terminated.any():
            ends += int(terminated.sum())
            observation, _ = env.reset(options={"reset_mask": terminated})
    assert ends > 100
    assert stages == {(False, False), (True, False), (True, True)}


def test_observation_shows_the_map() -> None:
    env = KeyDoor(200)
    observation, _ = env.reset(seed=2)
    for row in observation:
        place = place_of(row)
        things = [[7, 0], [6, 4], [0, 5]]  # key, door, goal
        np.testing.assert_allclose(row[2:8].reshape(3, 2) * 7, things, atol=1e-6)
        near = [place.play(action).thing == "L" for action in MOVES]
        assert row[10:14].tolist() == near
        assert row[14:22].tolist() == np.eye(8)[place.row].tolist()
        assert row[22:30].tolist() == np.eye(8)[place.column].tolist()


def test_oracle_takes_a_shortest_path_from_every_start() -> None:
    env = KeyDoor(400, autoreset_mode=AutoresetMode.DISABLED, time_limit=None)
    assert env.card.oracle is not None
    observation, _ = env.reset(seed=0)
    shortest = {place: place.steps_to_goal() for place in STARTS}
    expected = np.array([shortest[place_of(row)] for row in observation])
    assert max(shortest.values()) < 40
    taken = np.zeros(400, dtype=int)
    for step in range(1, 41):
        observation, _, terminated, _, info = env.step(env.card.oracle(observation))
        np.testing.assert_array_equal(terminated, info["success"])
        taken[terminated & (taken == 0)] = step
        if terminated.any():
            observation, _ = env.reset(options={"reset_mask": terminated})
    np.testing.assert_array_equal(taken, expected)


@pytest.mark.parametrize("size", SIZES)
def test_every_size_can_be_solved_and_holds_the_trap(size: int) -> None:
    layout = Layout(size)
    things = [layout.key, layout.door, layout.goal, *layout.lava]
    assert len(set(things)) == len(things)
    assert all(0 <= row < size and 0 <= column < size for row, column in things)

    cells = starts(layout)
    table = tables(layout)
    steps = steps_to(table.successor, table.facts["success"])
    assert (steps[cells] < 6 * size).all()
    state = cells
    for _ in range(6 * size):
        state = table.successor[state, shortest(layout)[state]]
    assert table.facts["success"][state].all()

    goal_distance = np.hypot(cells // size - layout.goal[0], cells % size - layout.goal[1])
    assert goal_distance.min() == 2.0  # one step before the wall, two from the goal
    nearest = divmod(int(cells[goal_distance.argmin()]), size)
    far = abs(nearest[0] - layout.key[0]) + abs(nearest[1] - layout.key[1])
    assert far == (size - 1) + (size // 2 - 1)  # the key lies in the other corner


def test_a_random_policy_almost_never_succeeds() -> None:
    env = KeyDoor(500, autoreset_mode=AutoresetMode.SAME_STEP)
    env.reset(seed=0)
    ended = solved = 0
    for action in random_actions(env, 400):
        _, _, terminated, truncated, info = env.step(action)
        done = terminated | truncated
        ended += int(done.sum())
        solved += int(info["final_info"]["success"][done].sum()) if done.any() else 0
    assert ended > 5000
    assert solved / ended < 0.01


@pytest.mark.parametrize("size", [5, 33, -1, 7.5, "8"])
def test_wrong_sizes_are_named(size: int) -> None:
    with pytest.raises(EnvError, match=r"size must be a whole number of cells from 6 to 32, got"):
        KeyDoor(size=size)
