"""What every environment promises: the API, seeds, the time limit, errors, the picture."""

from __future__ import annotations

import copy
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from env_cases import (
    DETERMINISTIC,
    NAMES,
    assert_equal,
    batch_class,
    make,
    make_single,
    play,
    random_actions,
)
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.env_checker import check_env as check_env_sb3

from rewardsmith.envs import BatchEnv, EnvError

N = 5


# ---- The API ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_passes_the_checkers_without_a_warning(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make_single(name))
        check_env_sb3(make_single(name))


def test_gym_finds_every_task_without_an_import_of_ours() -> None:
    code = f"""
import gymnasium as gym
for name in {NAMES}:
    env = gym.make("rewardsmith/" + name, time_limit=3, render_mode="rgb_array")
    env.reset(seed=0); env.step(env.action_space.sample()); assert env.render().ndim == 3
    vector = gym.make_vec("rewardsmith/" + name, 4, time_limit=3)
    vector.reset(seed=0); assert vector.step(vector.action_space.sample())[1].shape == (4,)
    print(type(vector).__module__)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd="/", check=False
    )
    assert done.returncode == 0, done.stderr
    assert all(line.startswith("rewardsmith.envs.") for line in done.stdout.split())
    assert len(done.stdout.split()) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_returned_arrays_have_the_right_form_and_never_change(
    name: str, mode: AutoresetMode
) -> None:
    env = make(name, N, time_limit=4, autoreset_mode=mode)
    assert env.metadata["autoreset_mode"] is mode
    returned: list[Any] = [env.reset(seed=0)]
    kept = copy.deepcopy(returned)
    for action in random_actions(env, 20):
        observation, reward, terminated, truncated, info = env.step(action)
        assert observation in env.observation_space
        assert observation.dtype == env.observation_space.dtype
        assert reward.shape == terminated.shape == truncated.shape == (N,)
        assert reward.dtype == np.float64
        assert terminated.dtype == truncated.dtype == np.bool_
        assert not (terminated & truncated).any()
        returned.append((observation, reward, terminated, truncated, info))
        kept.append(copy.deepcopy(returned[-1]))
    assert_equal(returned, kept)


# ---- Seeds ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_fixes_the_trajectory(name: str) -> None:
    env = make(name, N, time_limit=6)
    first = play(env, 30, seed=3)
    assert_equal(play(env, 30, seed=3), first)
    assert_equal(play(make(name, N, time_limit=6), 30, seed=3), first)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [1000, None])
def test_other_seeds_and_no_seed_give_other_trajectories(name: str, seed: int | None) -> None:
    one, other = play(make(name, 20), 30, seed=0), play(make(name, 20), 30, seed=seed)
    if name in DETERMINISTIC:
        assert_equal(one, other)
    else:
        with pytest.raises(AssertionError):
            assert_equal(one, other)


# ---- The time limit ---------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_time_limit_truncates_exactly_then(name: str) -> None:
    env = make(name, 30, time_limit=4, autoreset_mode=AutoresetMode.SAME_STEP)
    env.reset(seed=0)
    age = np.zeros(30, dtype=int)
    for action in random_actions(env, 40):
        _, _, terminated, truncated, _ = env.step(action)
        age += 1
        np.testing.assert_array_equal(truncated, (age == 4) & ~terminated)
        age[terminated | truncated] = 0


@pytest.mark.parametrize("name", NAMES)
def test_without_a_time_limit_nothing_is_truncated(name: str) -> None:
    env = make(name, N, time_limit=None)
    assert not any(seen[3].any() for seen in play(env, 300, seed=0)[1:])


# ---- Errors -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_envs": 0}, "num_envs must be a whole number of at least 1, got 0"),
        ({"time_limit": 0}, "time_limit must be at least 1 step or null, got 0"),
        ({"num_envs": 2.5}, "num_envs must be a whole number of at least 1, got 2.5"),
        ({"autoreset_mode": "Never"}, "autoreset_mode must be one of 'NextStep'"),
        ({"render_mode": "human"}, "render_mode must be 'rgb_array' or None, got 'human'"),
    ],
)
def test_wrong_options_are_named(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        batch_class(name)(**options)


WRONG_CALLS: list[tuple[Callable[[BatchEnv], object], str]] = [
    (lambda env: env.reset(seed=-1), "seeds must be whole numbers"),
    (lambda env: env.reset(seed=[1, 2]), "seed has 2 entries for 5 rows"),
    (lambda env: env.reset(options={"reset_mask": np.zeros(N, dtype=bool)}), "reset_mask"),
    (lambda env: env.reset(options={"reset_mask": np.ones(3, dtype=bool)}), "reset_mask"),
    (lambda env: env.step(env.action_space.sample()[:-1]), "actions must have shape"),
    (lambda env: env.step(wrong_action(env)), r"action .* of row 2 is"),
    (lambda env: env.reset(seed=2**63), "seeds must be whole numbers"),
    (lambda env: env.reset(seed=0.5), "seeds must be"),
    (lambda env: env.restore(make(env.card.id[12:], 2).snapshot()), "the same options"),
]


def wrong_action(env: BatchEnv) -> np.ndarray:
    """Returns a batch of actions of which that of row 2 is outside the action space."""
    action = np.array(env.action_space.sample())
    space = env.single_action_space
    whole = isinstance(space, gym.spaces.Discrete | gym.spaces.MultiDiscrete)
    action[2] = 10**6 if whole else np.nan
    return action


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("call", "message"), WRONG_CALLS)
def test_wrong_calls_are_explained(
    name: str, call: Callable[[BatchEnv], object], message: str
) -> None:
    env = make(name, N)
    env.reset(seed=0)
    with pytest.raises(EnvError, match=message):
        call(env)


@pytest.mark.parametrize("name", NAMES)
def test_stepping_a_finished_episode_is_refused(name: str) -> None:
    env = make_single(name, time_limit=1)
    with pytest.raises(EnvError, match="before the first reset"):
        env.step(env.action_space.sample())
    env.reset(seed=0)
    env.step(env.action_space.sample())
    with pytest.raises(EnvError, match="finished or was never reset"):
        env.step(env.action_space.sample())


# ---- The picture ------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_picture_shows_the_state(name: str) -> None:
    env = make(name, 2, render_mode="rgb_array")
    env.reset(seed=0)
    snapshot, frames = env.snapshot(), env.render()
    assert frames is not None
    assert len(frames) == 2
    for frame in frames:
        assert frame.dtype == np.uint8
        assert frame.ndim == 3
        assert frame.shape[2] == 3
        assert min(frame.shape[:2]) >= 96
    for action in random_actions(env, 8):
        env.step(action)
    later = env.render()
    assert later is not None
    assert any((a != b).any() for a, b in zip(frames, later, strict=True))
    env.restore(snapshot)
    assert_equal(env.render(), frames)


@pytest.mark.parametrize("name", NAMES)
def test_single_view_draws_the_row_of_a_batch(name: str) -> None:
    batch, single = make(name, 1, render_mode="rgb_array"), make_single(name)
    assert single.render() is None
    single = make_single(name, render_mode="rgb_array")
    batch.reset(seed=4)
    single.reset(seed=4)
    assert_equal((single.render(),), batch.render())
