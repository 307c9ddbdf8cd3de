"""What every card says is so: fields, ranges, facts, the oracle."""

from __future__ import annotations

import pickle
from itertools import chain

import numpy as np
import pytest
from env_cases import NAMES, make, make_single, play, values
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.card import fact

N = 5
WITH_ORACLE = [name for name in NAMES if make(name).card.oracle is not None]


@pytest.mark.parametrize("name", NAMES)
def test_card_describes_the_task(name: str) -> None:
    env = make(name, time_limit=17)
    card = env.card
    assert card.id == f"rewardsmith/{name}"
    assert card.time_limit == 17
    assert all((card.goal, card.success, card.human_design, card.source, card.action))
    assert all(field.name in card.describe() for field in (*card.observation, *card.facts))
    assert pickle.loads(pickle.dumps(card)).describe() == card.describe()
    assert make_single(name, time_limit=17).card.describe() == card.describe()


@pytest.mark.parametrize("name", NAMES)
def test_observation_fields_cover_every_column_once_and_keep_their_ranges(name: str) -> None:
    env = make(name, N, time_limit=10)
    width = env.single_observation_space.shape
    assert width is not None
    columns = [range(*field.columns or (0, 0)) for field in env.card.observation]
    assert list(chain(*columns)) == list(range(width[0]))
    for observation, *_ in play(env, 60, seed=0):
        for field in env.card.observation:
            read = field.read(observation)
            assert ((read >= field.low) & (read <= field.high)).all(), field.name


@pytest.mark.parametrize("name", NAMES)
def test_facts_are_there_at_reset_and_every_step_and_keep_their_ranges(name: str) -> None:
    env = make(name, N, time_limit=10)
    for seen in play(env, 60, seed=0):
        info = seen[-1]
        assert {key for key, _ in values(info)} == {field.name for field in env.card.facts}
        assert info["success"].dtype == np.bool_
        for field in env.card.facts:
            assert info[f"_{field.name}"].all()
            assert info[field.name].shape[0] == N
            read = fact(info, field.name, N)
            assert ((read >= field.low) & (read <= field.high)).all(), field.name


@pytest.mark.parametrize("name", NAMES)
def test_nothing_has_succeeded_at_reset(name: str) -> None:
    assert not make(name, 50).reset(seed=0)[1]["success"].any()


@pytest.mark.parametrize("name", WITH_ORACLE)
def test_oracle_solves_every_episode(name: str) -> None:
    env = make(name, 50, autoreset_mode=AutoresetMode.SAME_STEP)
    assert env.card.oracle is not None
    observation, _ = env.reset(seed=0)
    ended = solved = 0
    while ended < 200:
        action = env.card.oracle(observation)
        assert action in env.action_space
        observation, _, terminated, truncated, info = env.step(action)
        done = terminated | truncated
        if done.any():
            ended += int(done.sum())
            solved += int(info["final_info"]["success"][done].sum())
    assert solved == ended
