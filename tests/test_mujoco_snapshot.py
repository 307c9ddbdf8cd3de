"""Snapshots of environments by others: what was restored goes on bit for bit."""

from __future__ import annotations

import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from external_cases import Case, cases

from rewardsmith.envs import EnvCard, EnvError
from rewardsmith.envs.external import (
    can_snapshot,
    make_external,
    make_external_vec,
    restore,
    snapshot,
)
from rewardsmith.rewards import RewardDesign, RewardWrapper, Transition

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")

TASKS: dict[str, dict[str, Any]] = {
    "Reacher-v5": {},
    "Hopper-v5": {},
    "Pusher-v5": {},
    "MountainCarContinuous-v0": {"max_episode_steps": 40},
    # Reads body positions before it steps; those lag one substep behind the joint state.
    "Ant-v5": {"max_episode_steps": 40},
    "CartPole-v1": {},
    "FrozenLake-v1": {},
}


def flat(value: Any) -> list[Any]:
    """Flattens whatever a step returned into bytes, to be compared bit for bit."""
    if isinstance(value, dict):
        return [part for key in sorted(value) for part in (key, *flat(value[key]))]
    if isinstance(value, list | tuple):
        return [part for item in value for part in flat(item)]
    array = np.asarray(value)
    if array.dtype == object:
        return [part for item in array.ravel() for part in (flat(item) if item is not None else [])]
    return [array.dtype.str, array.shape, array.tobytes()]


def drive(env: gym.vector.VectorEnv[Any, Any, Any], actions: list[Any]) -> list[list[Any]]:
    return [flat(env.step(action)) for action in actions]


@pytest.mark.parametrize("mode", ["SameStep", "NextStep"])
@pytest.mark.parametrize("env_id", TASKS)
def test_a_fresh_vector_goes_on_exactly_as_the_saved_one(env_id: str, mode: str) -> None:
    env = make_external_vec(env_id, 2, autoreset_mode=mode, **TASKS[env_id])
    env.reset(seed=3)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(237)]
    drive(env, actions[:37])
    saved = pickle.dumps(snapshot(env))
    expected = [env.step(action) for action in actions[37:]]
    assert sum(int((step[2] | step[3]).sum()) for step in expected) >= 2, "no episode ended"

    fresh = make_external_vec(env_id, 2, autoreset_mode=mode, **TASKS[env_id])
    restore(fresh, pickle.loads(saved))
    assert drive(fresh, actions[37:]) == [flat(step) for step in expected]


@pytest.mark.parametrize("case", cases())
def test_a_task_goes_on_exactly_as_saved_under_its_oracle(case: Case) -> None:
    def make() -> gym.vector.SyncVectorEnv:
        return make_external_vec(
            case.env_id, 2, task=case.task, autoreset_mode="SameStep", max_episode_steps=25
        )

    def drive_on(env: gym.vector.SyncVectorEnv, observation: Any) -> list[list[Any]]:
        env.action_space.seed(0)
        steps = []
        for _ in range(30):
            action = oracle(observation) if oracle else env.action_space.sample()
            steps.append(env.step(action))
            observation = steps[-1][0]
        return [flat(step) for step in steps]

    env = make()
    oracle = EnvCard.of(env).oracle
    observation, _ = env.reset(seed=3)
    for _ in range(15):
        observation = env.step(oracle(observation) if oracle else env.action_space.sample())[0]
    observation = observation.copy()
    saved = pickle.dumps(snapshot(env))
    expected = drive_on(env, observation)
    for other in (make(), env):
        restore(other, pickle.loads(saved))
        assert drive_on(other, observation) == expected


@pytest.mark.parametrize("env_id", ["Reacher-v5", "Hopper-v5", "MountainCarContinuous-v0"])
def test_a_used_single_environment_can_be_put_back_again_and_again(env_id: str) -> None:
    env = make_external(env_id)
    env.reset(seed=1)
    env.action_space.seed(1)
    actions = [env.action_space.sample() for _ in range(12)]
    env.step(actions[0])
    saved = snapshot(env)
    before = pickle.dumps(saved)
    runs = []
    for _ in range(3):
        restore(env, saved)
        runs.append([flat(env.step(action)) for action in actions])
        env.reset()
    assert runs[0] == runs[1] == runs[2]
    assert pickle.dumps(saved) == before


def test_body_positions_come_back_as_they_were() -> None:
    env = make_external("Reacher-v5")
    env.reset(seed=0)
    env.step(np.array([1.0, -1.0], dtype=np.float32))
    data: Any = env.unwrapped.data  # type: ignore[attr-defined]
    saved, positions = snapshot(env), data.xpos.copy()
    env.step(np.array([-1.0, 1.0], dtype=np.float32))
    assert (data.xpos != positions).any()
    restore(env, saved)
    np.testing.assert_array_equal(data.xpos, positions)


def test_the_time_limit_is_part_of_the_state() -> None:
    env = make_external("Reacher-v5", max_episode_steps=5)
    env.reset(seed=0)
    still = np.zeros(2, dtype=np.float32)
    for _ in range(4):
        env.step(still)
    saved = snapshot(env)
    fresh = make_external("Reacher-v5", max_episode_steps=5)
    restore(fresh, saved)
    assert fresh.step(still)[3] is True


def test_render_mode_stays_that_of_the_target() -> None:
    env = make_external("CartPole-v1")
    env.reset(seed=0)
    target = gym.make("CartPole-v1", render_mode="rgb_array")
    restore(target, snapshot(env))
    assert target.render_mode == "rgb_array"


def own_reward(transition: Transition) -> np.ndarray:
    return transition.before.fact("original_reward")[:, 0]


def test_wrappers_with_state_of_their_own_are_included() -> None:
    def make() -> gym.Env[Any, Any]:
        return RewardWrapper(make_external("Reacher-v5"), RewardDesign({"last": own_reward}))

    env, fresh = make(), make()
    env.reset(seed=0)
    push = np.array([1.0, 0.5], dtype=np.float32)
    env.step(push)
    restore(fresh, snapshot(env))
    assert fresh.step(push)[1] == env.step(push)[1] != 0.0


def test_environments_of_the_suite_save_themselves() -> None:
    def make() -> gym.vector.SyncVectorEnv:
        rows = [lambda: gym.make("rewardsmith/KeyDoor-v0")] * 2
        return gym.vector.SyncVectorEnv(rows, autoreset_mode="SameStep")

    env, fresh = make(), make()
    env.reset(seed=0)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(100)]
    drive(env, actions[:10])
    restore(fresh, pickle.loads(pickle.dumps(snapshot(env))))
    assert drive(env, actions[10:]) == drive(fresh, actions[10:])


class Opaque(gym.Env[np.ndarray, np.int64]):
    """Holds an object of which nothing is known."""

    observation_space = gym.spaces.Box(0.0, 1.0, (1,))
    action_space = gym.spaces.Discrete(2)

    def __init__(self) -> None:
        self.world = object()


def test_unknown_objects_are_refused() -> None:
    assert not can_snapshot(Opaque())
    with pytest.raises(EnvError, match=r"Opaque\.world holds a object, whose state cannot be"):
        snapshot(Opaque())
    assert not can_snapshot(gym.vector.SyncVectorEnv([Opaque, Opaque]))


def test_another_environment_is_refused() -> None:
    saved = snapshot(make_external("Reacher-v5"))
    with pytest.raises(EnvError, match="was taken of SparseTask, but here stands TimeLimit"):
        restore(gym.make("Reacher-v5"), saved)
    with pytest.raises(EnvError, match="was taken of ReacherEnv, but here stands HopperEnv"):
        restore(make_external("Hopper-v5"), saved)


def test_another_number_of_rows_is_refused() -> None:
    saved = snapshot(make_external_vec("CartPole-v1", 2))
    with pytest.raises(EnvError, match="holds 2 environments, this one 3; make it with num_envs=2"):
        restore(make_external_vec("CartPole-v1", 3), saved)
