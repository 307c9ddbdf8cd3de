"""Gymnasium-Robotics' Fetch tasks: flat observations, the suite's own success and reward."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from external_cases import Case, cases, needs_suite

from rewardsmith.envs import EnvCard

pytestmark = [
    *needs_suite("FetchReach-v4"),
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning"),
]

CASES = cases("FetchReach-v4", "FetchPush-v4")


@pytest.mark.parametrize("case", CASES)
def test_observation_reward_and_success_are_the_suites(case: Case) -> None:
    env = case.make()
    dense = gym.make(case.env_id.replace("-v4", "Dense-v4"))
    oracle = case.preset.card.oracle
    assert oracle is not None
    observation, info = env.reset(seed=7)
    theirs, _ = dense.reset(seed=7)
    for _ in range(50):
        np.testing.assert_array_equal(
            observation, np.concatenate([theirs["desired_goal"], theirs["observation"]])
        )
        action = oracle(observation[None])[0]
        observation, reward, *_, info = env.step(action)
        theirs, dense_reward, *_, told = dense.step(action)
        distance = np.linalg.norm(theirs["achieved_goal"] - theirs["desired_goal"])
        assert info["original_reward"] == dense_reward == pytest.approx(-distance)
        assert info["success"] == bool(told["is_success"])
        assert reward == float(told["is_success"])
    assert info["success"]


@pytest.mark.parametrize("case", CASES)
def test_facts_agree_with_the_fields(case: Case) -> None:
    env = case.make()
    env.action_space.seed(1)
    card = EnvCard.of(env)
    env.reset(seed=1)
    for _ in range(20):
        observation, *_, info = env.step(env.action_space.sample())
        read = {f.name: f.read(observation[None])[0] for f in card.observation}
        thing = "gripper" if case.task == "reach" else "object"
        offset = read[f"{thing}_position"] - read["target_position"]
        assert info[f"{thing}_to_target"] == pytest.approx(offset)
        if case.task == "push":
            assert info["gripper_to_object"] == pytest.approx(-read["object_from_gripper"])


@pytest.mark.parametrize(("case", "share"), [(Case("FetchReach-v4", "reach"), 1.0),
                                             (Case("FetchPush-v4", "push"), 0.85)])  # fmt: skip
def test_scripted_policies_solve_most_starts(case: Case, share: float) -> None:
    env = case.make()
    oracle: Any = case.preset.card.oracle
    wins = 0
    for seed in range(20):
        observation, info = env.reset(seed=seed)
        for _ in range(50):
            observation, *_, info = env.step(oracle(observation[None])[0])
        wins += info["success"]
    assert wins >= share * 20


@pytest.mark.parametrize("case", CASES)
def test_random_actions_hardly_ever_succeed(case: Case) -> None:
    env = case.make()
    env.action_space.seed(0)
    gifts = wins = 0
    for seed in range(40):
        _, info = env.reset(seed=seed)
        gifts += info["success"]
        for _ in range(50):
            *_, info = env.step(env.action_space.sample())
        wins += info["success"]
    assert wins <= gifts + 1
    assert gifts <= 4
