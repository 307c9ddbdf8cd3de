"""Hopper and Ant: what counts as forward, as a jump and as a flip."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from external_cases import Case, cases

from rewardsmith.envs import EnvCard
from rewardsmith.envs.external.sparse import SparseTask

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")

FLIPS = [Case("Hopper-v5", "flip"), Case("Ant-v5", "flip")]
EPISODES = 30


def put(env: SparseTask, **places: float | list[float]) -> Any:
    """Resets the task and puts it into a pose: entries of qpos and qvel such as z or spin."""
    env.reset(seed=0)
    task: Any = env.unwrapped
    index: dict[str, tuple[str, int]] = (
        {"x": ("qpos", 0), "z": ("qpos", 1), "angle": ("qpos", 2), "spin": ("qvel", 2)}
        if task.model.nq == 6
        else {"x": ("qpos", 0), "z": ("qpos", 2), "spin": ("qvel", 4), "roll": ("qvel", 3),
              "yaw": ("qvel", 5)}
    )  # fmt: skip
    pose = {"qpos": task.data.qpos.copy(), "qvel": task.data.qvel.copy()}
    for name, value in places.items():
        array, column = index[name]
        pose[array][column] = value
    task.set_state(pose["qpos"], pose["qvel"])
    return task


def still(env: gym.Env[Any, Any]) -> np.ndarray:
    return np.zeros(env.action_space.shape or (), dtype=np.float32)


@pytest.mark.parametrize("case", cases("Hopper-v5", "Ant-v5"))
def test_random_torques_never_succeed(case: Case) -> None:
    env = case.make()
    env.action_space.seed(0)
    for seed in range(EPISODES):
        _, info = env.reset(seed=seed)
        done = False
        while not done:
            assert not info["success"]
            *_, terminated, truncated, info = env.step(env.action_space.sample())
            done = terminated or truncated


@pytest.mark.parametrize(
    ("case", "below", "above"),
    [
        (Case("Hopper-v5", "jump"), {"z": 1.36}, {"z": 1.45}),
        (Case("Ant-v5", "jump"), {"z": 1.9}, {"z": 2.1}),
        (Case("Ant-v5", "forward"), {"x": 4.9}, {"x": 5.1}),
    ],
)
def test_a_threshold_parts_success_from_failure(
    case: Case, below: dict[str, float], above: dict[str, float]
) -> None:
    env = case.make()
    outcomes = []
    for pose in (below, above):
        put(env, **pose)
        _, reward, terminated, _, info = env.step(still(env))
        outcomes.append((reward, terminated, info["success"]))
    assert outcomes == [(0.0, False, False), (1.0, True, True)]


def test_an_ant_on_its_back_has_not_run() -> None:
    env = Case("Ant-v5", "forward").make()
    task = put(env, x=6.0)
    position = task.data.qpos.copy()
    position[3:7] = [0.0, 1.0, 0.0, 0.0]
    task.set_state(position, task.data.qvel.copy())
    *_, info = env.step(still(env))
    assert info["x_position"] > 5.0
    assert info["upright"] == pytest.approx(-1.0, abs=0.1)
    assert not info["success"]


@pytest.mark.parametrize("case", [Case("Hopper-v5", "jump"), Case("Ant-v5", "jump")])
def test_airborne_is_the_absence_of_contacts(case: Case) -> None:
    env = case.make(terminate_on_success=False)
    put(env, z=3.0)
    flags = []
    for _ in range(90):
        *_, terminated, truncated, info = env.step(still(env))
        flags.append(info["airborne"])
        assert flags[-1] == float(env.unwrapped.data.ncon == 0)  # type: ignore[attr-defined]
        if terminated or truncated:
            break
    assert flags[0] == 1.0


@pytest.mark.parametrize("case", FLIPS)
@pytest.mark.parametrize("spin", [9.0, -9.0])
def test_a_full_turn_in_the_air_is_a_flip(case: Case, spin: float) -> None:
    env = case.make()
    task = put(env, z=8.0, spin=spin)
    angle, done, steps = 0.0, False, 0
    while not done:
        _, reward, terminated, truncated, info = env.step(still(env))
        angle = float(np.linalg.norm(info["turned"]))
        done, steps = terminated or truncated, steps + 1
        assert task.data.ncon == 0 or info["success"]
        assert info["success"] == (angle >= 2 * math.pi)
    assert (reward, terminated) == (1.0, True)
    assert np.sign(info["turned"][1]) == np.sign(spin)
    assert 2 * math.pi <= angle < 2 * math.pi + 0.7


def test_the_angle_of_the_hopper_is_its_joint() -> None:
    env = Case("Hopper-v5", "flip").make()
    task = put(env, z=8.0, spin=9.0)
    start, lag = float(task.data.qpos[2]), 0.02  # bodies lag one of four substeps behind joints
    for _ in range(50):
        *_, info = env.step(still(env))
        assert info["turned"][1] == pytest.approx(float(task.data.qpos[2]) - start, abs=lag)
        assert abs(info["turned"][0]) < 1e-9
    assert info["turned"][1] > 2.0


def test_spinning_like_a_top_is_no_flip() -> None:
    env = Case("Ant-v5", "flip").make()
    put(env, z=8.0, yaw=9.0)
    for _ in range(20):
        *_, info = env.step(still(env))
        assert np.linalg.norm(info["turned"]) < 0.8


@pytest.mark.parametrize("case", FLIPS)
def test_touching_the_floor_ends_a_turn(case: Case) -> None:
    env = case.make()
    task = put(env, z=2.0, spin=3.0)
    turned = []
    touched = False
    for _ in range(100):
        *_, terminated, truncated, info = env.step(still(env))
        turned.append(float(np.linalg.norm(info["turned"])))
        geoms = {task.model.geom(int(g)).name for g in task.data.contact.geom.ravel()} - {"floor"}
        if geoms - ({"foot_geom"} if case.env_id == "Hopper-v5" else set()):
            assert turned[-1] == 0.0
            touched = True
        if terminated or truncated:
            break
    assert touched
    assert max(turned) > 1.0


def test_the_foot_may_touch_the_floor() -> None:
    env = Case("Hopper-v5", "flip").make()
    env.reset(seed=0)
    task: Any = env.unwrapped
    start, contacts = float(task.data.qpos[2]), 0
    for _ in range(30):
        *_, info = env.step(still(env))
        contacts += task.data.ncon
        assert info["turned"][1] == pytest.approx(float(task.data.qpos[2]) - start, abs=0.02)
    assert contacts > 0
    assert info["turned"][1] != 0.0


def test_the_flip_pays_the_published_reward() -> None:
    env = Case("Hopper-v5", "flip").make()
    env.reset(seed=0)
    env.action_space.seed(0)
    for _ in range(50):
        action = env.action_space.sample()
        ob, *_, info = env.step(action)
        torques = sum(action[i] * ob[8 + i] for i in range(3))
        expected = -ob[7] * (1.0 + 0.3 * ob[0] + 0.1 * torques + 0.05 * -ob[5])
        assert info["original_reward"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("case", "written"),
    [
        (Case("Hopper-v5", "forward"), True),
        (Case("Hopper-v5", "flip"), True),
        (Case("Hopper-v5", "jump"), False),
        (Case("Ant-v5", "forward"), True),
        (Case("Ant-v5", "jump"), False),
        (Case("Ant-v5", "flip"), False),
    ],
)
def test_a_card_tells_whether_people_wrote_a_reward(case: Case, written: bool) -> None:
    assert bool(EnvCard.of(case.make()).human_design) is written


def test_ant_fields_are_what_they_say() -> None:
    env = Case("Ant-v5", "forward").make()
    env.reset(seed=3)
    env.action_space.seed(3)
    observation, *_, info = env.step(env.action_space.sample())
    card, data = EnvCard.of(env), env.unwrapped.data  # type: ignore[attr-defined]

    def read(name: str) -> np.ndarray:
        return card.field(name).read(observation[None])[0]

    order = [f"{part}_{leg}" for leg in (1, 2, 3, 4) for part in ("hip", "ankle")]
    assert read("height") == pytest.approx(data.joint("root").qpos[2])
    assert read("orientation") == pytest.approx(data.joint("root").qpos[3:])
    assert read("joint_angles") == pytest.approx([data.joint(j).qpos[0] for j in order])
    assert read("velocity") == pytest.approx(data.joint("root").qvel[:3])
    assert read("angular_velocity") == pytest.approx(data.joint("root").qvel[3:])
    assert read("joint_velocities") == pytest.approx([data.joint(j).qvel[0] for j in order])
    assert read("contact_forces") == pytest.approx(np.clip(data.cfrc_ext[1:], -1, 1).ravel())
    assert info["x_position"] == data.qpos[0]
    assert info["upright"] == pytest.approx(data.body("torso").xmat[8], abs=0.1)
