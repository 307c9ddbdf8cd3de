"""A restored snapshot continues exactly as the environment it was taken of."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from env_cases import NAMES, assert_equal, make, make_single, random_actions
from gymnasium.vector import AutoresetMode

from rewardsmith.envs import BatchEnv

N, LIMIT = 4, 9


def advance(env: BatchEnv, actions: list[np.ndarray]) -> list[Any]:
    """Returns all that the actions lead to; finished rows are reset by mask where needed."""
    seen: list[Any] = []
    for action in actions:
        seen.append(env.step(action))
        done = seen[-1][2] | seen[-1][3]
        if env.autoreset_mode is AutoresetMode.DISABLED and done.any():
            seen.append(env.reset(options={"reset_mask": done}))
    return seen


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", AutoresetMode)
def test_batch_continues_exactly(name: str, mode: AutoresetMode) -> None:
    env = make(name, N, time_limit=LIMIT, autoreset_mode=mode)
    actions = random_actions(env, LIMIT + 54)
    env.reset(seed=5)
    shown = advance(env, actions[: LIMIT + 4])[-1][0]
    snapshot, facts = env.snapshot(), env._facts()
    stored = pickle.dumps(snapshot)
    continued = advance(env, actions[LIMIT + 4 :])
    assert pickle.dumps(snapshot) == stored

    assert_equal(env.restore(snapshot), shown)
    assert_equal(advance(env, actions[LIMIT + 4 :]), continued)
    other = make(name, N, time_limit=LIMIT, autoreset_mode=mode)  # never reset
    assert_equal(other.restore(pickle.loads(stored)), shown)
    assert_equal(other._facts(), facts)
    assert_equal(advance(other, actions[LIMIT + 4 :]), continued)


@pytest.mark.parametrize("name", NAMES)
def test_snapshot_right_after_an_end_keeps_the_pending_reset(name: str) -> None:
    env = make(name, N, time_limit=3)
    actions = random_actions(env, 20)
    env.reset(seed=5)
    advance(env, actions[:3])
    assert env.done.any()
    snapshot = env.snapshot()
    continued = advance(env, actions[3:])
    env.restore(snapshot)
    assert_equal(advance(env, actions[3:]), continued)


@pytest.mark.parametrize("name", NAMES)
def test_single_view_continues_exactly(name: str) -> None:
    env = make_single(name, time_limit=LIMIT)
    actions = [action[0] for action in random_actions(make(name), 50)]

    def play() -> list[Any]:
        seen: list[Any] = []
        for action in actions:
            seen.append(env.step(action))
            if seen[-1][2] or seen[-1][3]:
                seen.append(env.reset())
        return seen

    shown, _ = env.reset(seed=5)
    snapshot = pickle.loads(pickle.dumps(env.snapshot()))
    continued = play()
    assert_equal(env.restore(snapshot), shown)
    assert_equal(play(), continued)
