"""PointMaze: the point keeps out of the walls, the straight line is a trap, facts are exact."""

from __future__ import annotations

import numpy as np
import pytest
from env_cases import random_actions
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardsmith.envs import EnvError
from rewardsmith.envs.control.point_maze import BOXES, GOAL, START, WALLS, PointMaze
from rewardsmith.envs.stateful import BoolArray, FloatArray


def in_a_wall(position: FloatArray) -> BoolArray:
    """Tells which positions (n, 2) lie inside a wall by more than float32 can blur."""
    x, y = position[:, None].transpose(2, 0, 1)
    left, bottom, right, top = BOXES.T + np.array([[1], [1], [-1], [-1]]) * 1e-6
    return np.asarray(((left < x) & (x < right) & (bottom < y) & (y < top)).any(axis=1))


def success_rate(actions: list[np.ndarray] | None = None) -> float:
    """Plays 500 episodes, straight at the goal unless actions are given."""
    env = PointMaze(500, autoreset_mode=AutoresetMode.DISABLED)
    observation, _ = env.reset(seed=0)
    solved = np.zeros(env.num_envs, dtype=bool)
    for step in range(200):
        ahead = observation[:, 2:4] - observation[:, :2]
        straight = ahead / np.abs(ahead).max(axis=1, keepdims=True).clip(1e-9)
        observation, _, terminated, _, _ = env.step(actions[step] if actions else straight)
        solved |= terminated
        if terminated.any():
            observation, _ = env.reset(options={"reset_mask": terminated})
    return float(solved.mean())


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 1.0), st.sampled_from([0.01, 0.05, 0.1]))
@settings(max_examples=25)
def test_the_point_stays_in_the_square_and_out_of_the_walls(
    seed: int, persistence: float, step_length: float
) -> None:
    env = PointMaze(20, step_length=step_length, goal_radius=1e-9, time_limit=None)
    observation, _ = env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    action = rng.uniform(-1, 1, (20, 2))
    for _ in range(40):
        fresh = rng.random((20, 1)) > persistence
        action = np.where(fresh, rng.uniform(-1.5, 1.5, (20, 2)), action)
        before = observation
        observation, _, terminated, _, _ = env.step(action)
        assert observation in env.observation_space
        assert not in_a_wall(observation[:, :2]).any()
        assert (np.abs(observation - before)[:, :2] <= step_length + 1e-6).all()
        assert not terminated.any()


def test_facts_equal_their_definition() -> None:
    env = PointMaze(300)
    observation, info = env.reset(seed=0)
    for action in random_actions(env, 20):
        point, goal = np.split(observation[:, :4].astype(np.float64).T, 2)
        straight = np.hypot(*(point - goal))
        np.testing.assert_allclose(info["distance"], straight, atol=1e-6)
        path = WALLS.path_length(point, goal, WALLS.onward(goal))
        np.testing.assert_allclose(info["path_distance"], path, atol=1e-5)
        np.testing.assert_array_equal(info["success"], info["distance"] <= env.goal_radius)
        observation, reward, terminated, _, info = env.step(action)
        np.testing.assert_array_equal(terminated, info["success"])
        np.testing.assert_array_equal(reward, terminated)


def test_starts_and_goals_fill_their_regions() -> None:
    observation = PointMaze(4000).reset(seed=0)[0][:, :4]
    for columns, region in ((slice(0, 2), START), (slice(2, 4), GOAL)):
        low, high = observation[:, columns].min(axis=0), observation[:, columns].max(axis=0)
        np.testing.assert_allclose([*low, *high], region, atol=0.002)
    assert np.abs(np.corrcoef(observation.T) - np.eye(4)).max() < 0.06


def test_the_straight_line_and_random_moves_fail_where_the_oracle_succeeds() -> None:
    assert success_rate() == 0.0
    assert success_rate(random_actions(PointMaze(500), 200)) < 0.01


@pytest.mark.parametrize("step_length", [0.01, 0.03, 0.1])
@pytest.mark.parametrize("goal_radius", [0.005, 0.1])
def test_oracle_arrives_as_fast_as_the_way_is_long(step_length: float, goal_radius: float) -> None:
    env = PointMaze(
        200,
        step_length=step_length,
        goal_radius=goal_radius,
        time_limit=None,
        autoreset_mode=AutoresetMode.DISABLED,
    )
    assert env.card.oracle is not None
    observation, info = env.reset(seed=0)
    longest = info["path_distance"].max()
    arrived = np.zeros(200, dtype=bool)
    for _ in range(int((longest + 0.1) / step_length) + 8):
        observation, _, terminated, _, _ = env.step(env.card.oracle(observation))
        arrived |= terminated
        if terminated.any():
            observation, _ = env.reset(options={"reset_mask": terminated})
    assert arrived.all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step_length": 0.0}, r"step_length must be in \(0, 0.1\] metres, got 0.0"),
        ({"step_length": float("nan")}, "step_length must be in"),
        ({"goal_radius": 0.11}, r"goal_radius must be in \(0, 0.1\] metres, got 0.11"),
    ],
)
def test_wrong_options_are_named(options: dict[str, float], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        PointMaze(**options)  # type: ignore[arg-type]
