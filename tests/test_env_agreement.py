"""A row of a batch behaves as the single environment of its seed, in every autoreset mode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from env_cases import NAMES, assert_equal, make, make_single, random_actions, values
from gymnasium.vector import AutoresetMode

from rewardsmith.envs import BatchEnv, SingleEnv

N, STEPS, SEED, LIMIT = 3, 60, 11, 7
Pair = tuple[BatchEnv, list[SingleEnv]]


def make_pair(name: str, mode: AutoresetMode) -> Pair:
    """Makes a batch and the single environments that should equal its rows, all reset."""
    batch = make(name, N, time_limit=LIMIT, autoreset_mode=mode)
    singles = [make_single(name, time_limit=LIMIT) for _ in range(N)]
    observation, info = batch.reset(seed=SEED)
    for row, single in enumerate(singles):
        assert_row(observation, info, row, single.reset(seed=SEED + row))
    return batch, singles


def assert_row(
    observation: np.ndarray, info: dict[str, Any], row: int, expected: tuple[Any, Any]
) -> None:
    """Holds that a row of a batch shows an observation and info of a single environment."""
    assert_equal(observation[row], expected[0])
    assert expected[1].keys() == {key for key, _ in values(info)}
    for key, value in values(info):
        np.testing.assert_array_equal(value[row], expected[1][key])


@pytest.mark.parametrize("name", NAMES)
def test_next_step(name: str) -> None:
    batch, singles = make_pair(name, AutoresetMode.NEXT_STEP)
    done, ends = np.zeros(N, dtype=bool), 0
    for action in random_actions(batch, STEPS):
        observation, reward, terminated, truncated, info = batch.step(action)
        for row, single in enumerate(singles):
            if done[row]:
                shown, facts = single.reset()
                paid = [0.0, False, False]
            else:
                shown, *paid, facts = single.step(action[row])
            assert_row(observation, info, row, (shown, facts))
            assert [reward[row], terminated[row], truncated[row]] == paid
        done = terminated | truncated
        ends += int(done.sum())
    assert ends > N


@pytest.mark.parametrize("name", NAMES)
def test_same_step(name: str) -> None:
    batch, singles = make_pair(name, AutoresetMode.SAME_STEP)
    ends = 0
    for action in random_actions(batch, STEPS):
        observation, reward, terminated, truncated, info = batch.step(action)
        done = terminated | truncated
        assert ("final_obs" in info) == ("final_info" in info) == done.any()
        for row, single in enumerate(singles):
            shown, *paid, facts = single.step(action[row])
            assert [reward[row], terminated[row], truncated[row]] == paid
            if done[row]:
                assert_row(info["final_obs"], info["final_info"], row, (shown, facts))
                shown, facts = single.reset()
            assert_row(observation, info, row, (shown, facts))
        if done.any():
            assert_equal(info["_final_obs"], done)
            assert_equal(info["_final_info"], done)
        ends += int(done.sum())
    assert ends > N


@pytest.mark.parametrize("name", NAMES)
def test_disabled(name: str) -> None:
    batch, singles = make_pair(name, AutoresetMode.DISABLED)
    ends = 0
    for action in random_actions(batch, STEPS):
        observation, reward, terminated, truncated, info = batch.step(action)
        for row, single in enumerate(singles):
            shown, *paid, facts = single.step(action[row])
            assert [reward[row], terminated[row], truncated[row]] == paid
            assert_row(observation, info, row, (shown, facts))
        done = terminated | truncated
        ends += int(done.sum())
        if done.any():
            before = observation
            observation, info = batch.reset(options={"reset_mask": done})
            assert_equal(observation[~done], before[~done])
            for row in np.flatnonzero(done).tolist():
                assert_row(observation, info, row, singles[row].reset())
            assert_equal(info["_success"], done)
    assert ends > N
