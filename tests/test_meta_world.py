"""MetaWorld's tasks: seeds, the suite's own success and reward, what is kept from rewards."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from external_cases import Case, cases, needs_suite

from rewardsmith.envs import ConfigError, EnvCard
from rewardsmith.envs.external import make_external, make_external_vec
from rewardsmith.envs.external.meta_world import ID, TIME_LIMIT

pytestmark = [
    *needs_suite(ID),
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning"),
]

CASES = cases(ID)
IMPERFECT = {"door_open": 0.9, "peg_insert_side": 0.8}
"""Share of starts that a scripted policy solves at least, where that is not all."""


def seeded(case: Case, seed: int) -> tuple[gym.Env[Any, Any], np.ndarray]:
    """Returns the suite's own environment, made to draw from a seed, and its observation."""
    bare = case.bare()
    task: Any = bare.unwrapped
    task._freeze_rand_vec, task.seeded_rand_vec = False, True
    task.seed(seed)
    return bare, bare.reset()[0]


@pytest.mark.parametrize("case", CASES)
def test_observation_reward_and_success_are_the_suites(case: Case) -> None:
    env, (bare, theirs) = case.make(), seeded(case, 5)
    oracle: Any = case.preset.card.oracle
    ours, info = env.reset(seed=5)
    np.testing.assert_array_equal(ours, theirs)
    outcomes = set()
    for _ in range(TIME_LIMIT):
        action = oracle(ours[None])[0]
        ours, reward, *_, truncated, info = env.step(action)
        theirs, original, *_, told = bare.step(action)
        np.testing.assert_array_equal(ours, theirs)
        assert info["original_reward"] == original
        assert info["success"] == bool(told["success"])
        assert reward == told["success"]
        outcomes.add(info["success"])
    assert truncated
    assert outcomes == {False, True}


@pytest.mark.parametrize("case", CASES)
def test_parts_of_the_human_reward_are_kept_from_other_rewards(case: Case) -> None:
    env = case.make()
    _, at_reset = env.reset(seed=0)
    *_, info = env.step(np.zeros(4, dtype=np.float32))
    facts = {fact.name for fact in EnvCard.of(env).facts}
    own = {"hand_to_target", "object_to_target", "near_object", "grasp_success"}
    assert facts <= {*own, "original_reward", "success"}
    assert at_reset.keys() == info.keys() == facts


@pytest.mark.parametrize("case", CASES)
def test_no_episode_starts_solved_and_each_starts_anew(case: Case) -> None:
    env = case.make()
    starts = []
    for seed in range(6):
        observation, info = env.reset(seed=seed)
        assert env.observation_space.contains(observation)
        assert not info["success"]
        distance = case.preset.success[0]
        assert info[distance.field] > distance.below  # type: ignore[operator]
        starts.append(tuple(observation[[4, 5, 36, 37, 38]]))
    assert len(set(starts)) == 6
    assert tuple(env.reset(seed=2)[0][[4, 5, 36, 37, 38]]) == starts[2]
    assert tuple(env.reset()[0][[4, 5, 36, 37, 38]]) != starts[2]


def test_without_a_seed_two_environments_differ() -> None:
    first, second = (Case(ID, "push").make().reset()[0] for _ in range(2))
    assert (first[36:] != second[36:]).any()


def test_the_global_generator_is_left_alone() -> None:
    state = np.random.get_state()[1].copy()  # type: ignore[index] # noqa: NPY002
    env = Case(ID, "push").make()
    env.reset(seed=0)
    env.reset()
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # type: ignore[index] # noqa: NPY002


@pytest.mark.parametrize("case", CASES)
def test_scripted_policies_hold_their_success(case: Case) -> None:
    n = 20
    env = make_external_vec(ID, n, task=case.task, autoreset_mode="Disabled")
    oracle: Any = case.preset.card.oracle
    observation, _ = env.reset(seed=0)
    for _ in range(TIME_LIMIT):
        before = observation.copy()
        action = oracle(observation)
        np.testing.assert_array_equal(observation, before)  # some scripts write into theirs
        observation, *_, info = env.step(action)
    assert info["success"].mean() >= IMPERFECT.get(case.task, 1.0)


@pytest.mark.parametrize("case", CASES)
def test_random_actions_hardly_ever_succeed(case: Case) -> None:
    env = case.make()
    env.action_space.seed(0)
    wins = 0
    for seed in range(4):
        env.reset(seed=seed)
        for _ in range(TIME_LIMIT):
            *_, info = env.step(env.action_space.sample())
        wins += info["success"]
    assert wins <= (2 if case.task == "drawer_close" else 0)


@pytest.mark.parametrize("case", CASES)
def test_fields_are_what_they_say(case: Case) -> None:
    env = case.make()
    card, task = EnvCard.of(env), env.unwrapped
    closing = np.array([0.5, 0.5, -0.5, 1.0], dtype=np.float32)
    observations = [env.reset(seed=1)[0], *(env.step(closing)[0] for _ in range(5))]

    def read(name: str, step: int = -1) -> np.ndarray:
        return card.field(name).read(observations[step][None])[0]

    assert read("hand_position") == pytest.approx(task.get_endeff_pos())  # type: ignore[attr-defined]
    assert read("object_position") == pytest.approx(task._get_pos_objects())  # type: ignore[attr-defined]
    assert read("target_position") == pytest.approx(task._target_pos)  # type: ignore[attr-defined]
    assert read("gripper_opening") < read("gripper_opening", 0)
    for field in ("hand_position", "gripper_opening", "object_position", "object_rotation"):
        assert read(f"previous_{field}") == pytest.approx(read(field, -2))
    norm = np.linalg.norm(read("object_rotation"))
    assert norm == pytest.approx(0.0 if "zeros" in card.field("object_rotation").description else 1)


def test_another_task_than_the_card_describes_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"env_name='push-v3' contradicts the card of .* reach"):
        make_external(ID, task="reach", env_name="push-v3")
    with pytest.raises(ConfigError, match=r"unknown task 'pikc_place' in .*; did you mean 'pick_p"):
        make_external(ID, task="pikc_place")


def test_benchmarks_of_the_suite_can_be_made_by_their_ids() -> None:
    env = make_external("Meta-World/MT1", env_name="reach-v3", seed=0)
    assert EnvCard.of(env).score == "return"
    assert env.reset()[0].shape == (39,)
