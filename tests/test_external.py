"""Environments by others: cards, success predicates, sparse reward, original reward."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import stable_baselines3.common.env_checker as sb3
from external_cases import Case, cases
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rewardsmith.envs import ConfigError, EnvCard, EnvError, Field
from rewardsmith.envs.external import (
    PRESETS,
    SparseTask,
    Threshold,
    make_external,
    make_external_vec,
)
from rewardsmith.envs.external.success import thresholds
from rewardsmith.rewards import RewardDesign, RewardWrapper, Transition, VectorRewardWrapper

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")

CASES = cases()
SHIPPED = cases("MountainCarContinuous-v0", "Reacher-v5", "Pusher-v5", "Hopper-v5", "Ant-v5")
CLASSIC = [
    Case(env_id, next(iter(PRESETS[env_id])))
    for env_id in ("MountainCarContinuous-v0", "Reacher-v5", "Pusher-v5", "Hopper-v5")
]


class Count(gym.Env[np.ndarray, np.int64]):
    """Counts steps: observation [count], reward 10 * count, ends at `end`; bare-bones info."""

    observation_space = gym.spaces.Box(0.0, 100.0, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, end: int = 100, start: int = 0) -> None:
        self.end, self.start, self.count = end, start, start

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.count = self.start
        return np.array([self.count], dtype=np.float32), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.count += 1
        observation = np.array([self.count], dtype=np.float32)
        info = {"doubled": 2 * self.count, "remark": "kept"}
        return observation, 10.0 * self.count, self.count >= self.end, False, info


CARD = EnvCard("Count-v0", "Count.", observation=(Field("count", "steps so far", (0, 1)),))
DOUBLED = dataclasses.replace(CARD, facts=(Field("doubled", "twice the count"),))


def play(env: gym.Env[Any, Any], actions: list[Any], seed: int = 0) -> list[tuple[Any, ...]]:
    """Plays actions until they or the episode end; returns the steps, the reset first."""
    observation, info = env.reset(seed=seed)
    steps: list[tuple[Any, ...]] = [(observation, 0.0, False, False, info)]
    for action in actions:
        steps.append(env.step(action))
        if steps[-1][2] or steps[-1][3]:
            break
    return steps


def sampled(env: gym.Env[Any, Any], n: int, seed: int = 0) -> list[Any]:
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(n)]


# ---- Threshold -----------------------------------------------------------------------


@given(arrays(np.float64, (5, 1), elements=st.floats(-3.0, 3.0)), st.floats(-3.0, 3.0, width=32))
@settings(max_examples=50)
def test_a_single_number_is_compared_with_its_sign(value: np.ndarray, bound: float) -> None:
    above = Threshold("q", above=bound).holds(value)
    below = Threshold("q", below=bound).holds(value)
    assert above.tolist() == [v[0] >= bound for v in value]
    assert below.tolist() == [v[0] <= bound for v in value]


def test_several_components_are_compared_by_their_norm() -> None:
    value = np.array([[3.0, 4.0], [-3.0, -4.0], [3.0, 4.1]])
    assert Threshold("q", below=5.0).holds(value).tolist() == [True, True, False]
    assert Threshold("q", above=5.0).holds(value).tolist() == [True, True, True]


def test_nan_is_never_a_success() -> None:
    value = np.array([[np.nan]])
    assert not Threshold("q", above=-1e9).holds(value)[0]
    assert not Threshold("q", below=1e9).holds(value)[0]


@pytest.mark.parametrize("bounds", [{}, {"above": 1.0, "below": 2.0}])
def test_exactly_one_bound_is_needed(bounds: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"success on 'height' needs exactly one of above and"):
        Threshold("height", **bounds)


@pytest.mark.parametrize("bound", ["far", np.inf, np.nan, [1.0]])
def test_the_bound_must_be_a_finite_number(bound: Any) -> None:
    with pytest.raises(ConfigError, match=r"success on 'height': the bound must be a finite"):
        Threshold("height", above=bound)


def test_predicates_are_read_from_plain_data() -> None:
    near = Threshold("distance", below=0.05)
    assert thresholds({"field": "distance", "below": 0.05}) == (near,)
    assert thresholds([near, {"field": "height", "above": 1}]) == (
        near,
        Threshold("height", above=1),
    )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"feild": "distance", "below": 1.0}, "unknown key 'feild' in success; did you mean 'fi"),
        ({"below": 1.0}, "success needs 'field', the name of a quantity"),
        ([], "a list of these that must all hold, got"),
        ("distance", "success must be {field: NAME, above: NUMBER}"),
        (0.05, "success must be {field: NAME, above: NUMBER}"),
    ],
)
def test_a_malformed_predicate_is_named(config: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        thresholds(config)
    assert message in str(caught.value)


# ---- SparseTask ----------------------------------------------------------------------


def test_reward_and_success_are_the_predicate_in_the_state_reached() -> None:
    env = SparseTask(
        Count(), CARD, [{"field": "count", "above": 2}, {"field": "count", "below": 3}]
    )
    steps = play(env, [0] * 5)
    assert [s[4]["success"] for s in steps] == [False, False, True, True, False, False]
    assert [s[1] for s in steps] == [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]
    assert [s[4]["original_reward"] for s in steps] == [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]
    assert not any(s[2] or s[3] for s in steps)


def test_the_first_success_can_end_the_episode() -> None:
    env = SparseTask(Count(), CARD, Threshold("count", above=3), terminate_on_success=True)
    steps = play(env, [0] * 9)
    assert [s[2] for s in steps] == [False, False, False, True]
    assert steps[-1][4]["success"] is True


def test_a_start_in_success_pays_nothing_and_ends_on_the_first_step() -> None:
    env = SparseTask(Count(start=5), CARD, Threshold("count", above=1), terminate_on_success=True)
    start, first = play(env, [0, 0])
    assert start[1] == 0.0
    assert start[4]["success"] is True
    assert first[1:4] == (1.0, True, False)


@pytest.mark.parametrize(
    ("ends", "expected"), [(True, (1.0, True, False)), (False, (1.0, False, True))]
)
def test_success_on_the_last_step_of_the_time_limit_counts(
    ends: bool, expected: tuple[float, bool, bool]
) -> None:
    limited = gym.wrappers.TimeLimit(Count(), max_episode_steps=4)
    env = SparseTask(limited, CARD, Threshold("count", above=4), terminate_on_success=ends)
    steps = play(env, [0] * 9)
    assert len(steps) == 5
    assert steps[-1][1:4] == expected
    assert steps[-1][4]["success"] is True


def test_an_end_of_the_task_is_not_also_a_cut_off() -> None:
    limited = gym.wrappers.TimeLimit(Count(end=3), max_episode_steps=3)
    steps = play(SparseTask(limited, CARD, Threshold("count", above=9)), [0] * 9)
    assert steps[-1][1:4] == (0.0, True, False)


def test_facts_come_from_info_or_else_from_readers() -> None:
    env = SparseTask(
        Count(), DOUBLED, Threshold("doubled", above=4), facts={"doubled": lambda env: -env.count}
    )
    steps = play(env, [0, 0])
    assert [s[4]["doubled"] for s in steps] == [0.0, 2.0, 4.0]
    assert all(type(s[4]["doubled"]) is float for s in steps)
    assert [s[1] for s in steps] == [0.0, 0.0, 1.0]
    assert steps[1][4]["remark"] == "kept"


def test_a_fact_found_nowhere_is_named() -> None:
    env = SparseTask(Count(), DOUBLED, Threshold("count", above=4))
    with pytest.raises(EnvError, match="info of Count-v0 lacks the fact 'doubled'"):
        env.reset(seed=0)


def test_array_facts_are_copies() -> None:
    card = dataclasses.replace(CARD, facts=(Field("place", ""),))
    place = np.zeros(2)
    env = SparseTask(Count(), card, Threshold("count", above=9), facts={"place": lambda _: place})
    _, info = env.reset()
    place += 1.0
    assert info["place"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", ["cuont", "success"])
def test_an_unknown_field_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown field '{name}' in Count-v0"):
        SparseTask(Count(), CARD, Threshold(name, above=1))


def test_the_original_reward_can_be_the_predicate() -> None:
    env = SparseTask(Count(), CARD, Threshold("original_reward", above=20))
    assert [s[1] for s in play(env, [0] * 3)] == [0.0, 0.0, 1.0, 1.0]


def test_dictionary_observations_are_read_by_key() -> None:
    keyed = gym.wrappers.TransformObservation(
        Count(), lambda o: {"count": o}, gym.spaces.Dict({"count": Count.observation_space})
    )
    card = EnvCard("Count-v0", "Count.", observation=(Field("count", "", key="count"),))
    env = SparseTask(keyed, card, Threshold("count", above=2))
    assert [s[1] for s in play(env, [0] * 2)] == [0.0, 0.0, 1.0]


def test_the_card_is_completed() -> None:
    env = SparseTask(gym.wrappers.TimeLimit(Count(), 7), DOUBLED, Threshold("count", above=2))
    card = EnvCard.of(env)
    assert card.success == "count >= 2; judged at the last step"
    assert card.score == "success"
    assert [fact.name for fact in card.facts] == ["doubled", "original_reward", "success"]
    assert card.human_design == ""


# ---- Presets -------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_presets_pass_both_checkers(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    # SB3 takes whatever has a `compute_reward` innermost for a goal-conditioned environment,
    # also where a wrapper has flattened the observation, and MetaWorld, which never was one.
    monkeypatch.setattr(sb3, "_is_goal_env", lambda env: False)
    check_env(case.make(), skip_render_check=True)
    sb3.check_env(case.make(), warn=False)


@pytest.mark.parametrize("case", SHIPPED)
def test_the_original_reward_and_observations_are_those_of_the_bare_task(case: Case) -> None:
    env, bare = case.make(terminate_on_success=False), case.bare()
    actions = sampled(bare, 60)
    ours, theirs = play(env, actions), play(bare, actions)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        assert a[4]["original_reward"] == b[1] or case == Case("Hopper-v5", "flip")
    assert env.get_wrapper_attr("card").time_limit == bare.spec.max_episode_steps  # type: ignore[union-attr]


@pytest.mark.parametrize("case", CASES)
def test_every_fact_is_there_at_reset_and_at_every_step(case: Case) -> None:
    env = case.make()
    facts = {fact.name for fact in EnvCard.of(env).facts}
    types: dict[str, type] = {}
    for _, reward, _, _, info in play(env, sampled(env, 20)):
        assert facts <= info.keys()
        assert reward == float(info["success"])
        for name in facts:
            assert types.setdefault(name, type(info[name])) is type(info[name])


@pytest.mark.parametrize("case", CASES)
def test_equal_seeds_give_equal_episodes(case: Case) -> None:
    env, again = case.make(), case.make()
    actions = sampled(env, 30)
    play(again, actions, seed=4)
    for a, b in zip(play(env, actions, seed=5), play(again, actions, seed=5), strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        assert str(a[1:]) == str(b[1:])


def recomputed_success(env_id: str, env: Any, observation: np.ndarray) -> bool:
    task = env.unwrapped
    if env_id == "Reacher-v5":
        tip, target = task.get_body_com("fingertip"), task.get_body_com("target")
        return bool(np.hypot(*(tip - target)[:2]) <= 0.05)
    if env_id == "Hopper-v5":
        return bool(task.data.qpos[0] >= 2.0 and task.is_healthy)
    if env_id == "Pusher-v5":
        return bool(np.hypot(*(observation[17:19] - observation[20:22])) <= 0.08)
    return bool(observation[0] >= np.float32(0.45))


@pytest.mark.parametrize("case", CLASSIC)
def test_success_agrees_with_the_physics(case: Case) -> None:
    env = case.make()
    for seed in range(3):
        observation, info = env.reset(seed=seed)
        oracle = EnvCard.of(env).oracle
        for action in sampled(env, 200, seed):
            assert info["success"] == recomputed_success(case.env_id, env, observation)
            act = action if oracle is None else oracle(observation[None])[0]
            observation, _, terminated, truncated, info = env.step(act)
            if terminated or truncated:
                break


@pytest.mark.parametrize("case", [case for case in CLASSIC if case.preset.card.oracle is not None])
def test_oracles_solve_their_tasks(case: Case) -> None:
    env = case.make()
    oracle = case.preset.card.oracle
    assert oracle is not None
    for seed in range(20):
        observation, info = env.reset(seed=seed)
        done = False
        while not done:
            observation, _, terminated, truncated, info = env.step(oracle(observation[None])[0])
            done = terminated or truncated
        assert info["success"]


def test_the_car_succeeds_exactly_where_its_own_episode_ends() -> None:
    env = make_external("MountainCarContinuous-v0", terminate_on_success=False)
    env.reset(seed=0)
    task: Any = env.unwrapped
    outcomes = []
    for position in np.linspace(0.40, 0.44, 41):
        task.state = np.array([position, 0.03], dtype=np.float32)
        _, reward, terminated, _, _ = env.step(np.array([1.0], dtype=np.float32))
        assert (reward == 1.0) == terminated
        outcomes.append(terminated)
    assert any(outcomes)
    assert not all(outcomes)
    (flag,) = PRESETS["MountainCarContinuous-v0"]["flag"].success
    goal = np.float32(0.45)
    edge = np.array([[goal], [np.nextafter(goal, np.float32(0.0))]], dtype=np.float64)
    assert flag.holds(edge).tolist() == [True, False]


def test_reaching_can_be_made_to_end_the_episode() -> None:
    lengths = {}
    for ends in (False, True, None):
        env = make_external("Reacher-v5", terminate_on_success=ends)
        oracle = EnvCard.of(env).oracle
        assert oracle is not None
        observation, _ = env.reset(seed=0)
        done, length = False, 0
        while not done:
            observation, _, terminated, truncated, info = env.step(oracle(observation[None])[0])
            done, length = terminated or truncated, length + 1
        assert info["success"]
        lengths[ends] = length
    assert lengths[None] == lengths[False] == 50
    assert lengths[True] < 50


def test_hopper_must_stand_past_the_line() -> None:
    env = make_external("Hopper-v5")
    env.reset(seed=0)
    task: Any = env.unwrapped
    position, velocity = task.data.qpos.copy(), task.data.qvel.copy()
    outcomes = []
    for x, lean in [(1.9, 0.0), (2.1, 0.0), (2.1, 0.5)]:
        env.reset(seed=0)
        task.set_state(np.array([x, 1.25, lean, *position[3:]]), velocity)
        _, reward, terminated, _, info = env.step(np.zeros(3, dtype=np.float32))
        outcomes.append((reward, terminated, info["upright"]))
    assert outcomes == [(0.0, False, 1.0), (1.0, True, 1.0), (0.0, True, 0.0)]


@pytest.mark.parametrize("case", CASES)
def test_fields_cover_the_observation_and_keep_their_ranges(case: Case) -> None:
    env = case.make()
    card = EnvCard.of(env)
    for fields, size in (
        (card.observation, gym.spaces.flatdim(env.observation_space)),
        (card.action, gym.spaces.flatdim(env.action_space)),
    ):
        columns = [column for f in fields if f.columns for column in range(*f.columns)]
        assert columns == list(range(size))
    for observation, *_ in play(env, sampled(env, 100)):
        for f in card.observation:
            value = f.read(observation[None])
            assert (f.low <= value + 1e-6).all(), f.name
            assert (value <= f.high + 1e-6).all(), f.name


def test_reacher_fields_are_what_they_say() -> None:
    env = make_external("Reacher-v5")
    observation, _ = env.reset(seed=3)
    card, task = EnvCard.of(env), env.unwrapped
    data: Any = task.data  # type: ignore[attr-defined]

    def read(name: str) -> list[float]:
        return [float(v) for v in card.field(name).read(observation[None])[0]]

    assert read("joint_cosines") == pytest.approx(np.cos(data.qpos[:2]))
    assert read("joint_sines") == pytest.approx(np.sin(data.qpos[:2]))
    assert read("target_position") == pytest.approx(data.body("target").xpos[:2])
    assert read("joint_velocities") == pytest.approx(data.qvel[:2])
    assert read("fingertip_to_target") == pytest.approx(
        (data.body("fingertip").xpos - data.body("target").xpos)[:2]
    )


def test_hopper_fields_are_the_joints_in_order() -> None:
    env = make_external("Hopper-v5")
    observation, info = env.reset(seed=3)
    data: Any = env.unwrapped.data  # type: ignore[attr-defined]
    joints = ["rootz", "rooty", "thigh_joint", "leg_joint", "foot_joint"]
    expected = [data.joint(joint).qpos[0] for joint in joints]
    expected += [data.joint(joint).qvel[0] for joint in ["rootx", *joints]]
    assert observation == pytest.approx(expected)
    assert [field.name for field in EnvCard.of(env).observation] == [
        "height",
        "torso_angle",
        "thigh_angle",
        "leg_angle",
        "foot_angle",
        "forward_velocity",
        "vertical_velocity",
        "torso_angular_velocity",
        "thigh_angular_velocity",
        "leg_angular_velocity",
        "foot_angular_velocity",
    ]
    assert info["x_position"] == data.joint("rootx").qpos[0]
    assert info["x_velocity"] == data.joint("rootx").qvel[0]


# ---- make_external -------------------------------------------------------------------


def test_options_reach_the_environment_and_the_card() -> None:
    env = make_external(
        "Reacher-v5", max_episode_steps=7, success=Threshold("joint_sines", below=9)
    )
    steps = play(env, sampled(env, 20))
    assert len(steps) == 8
    assert steps[-1][1:4] == (1.0, False, True)
    assert EnvCard.of(env).time_limit == 7
    assert EnvCard.of(env).success == "norm of joint_sines <= 9; judged at the last step"


def test_an_id_without_predicate_keeps_its_own_reward() -> None:
    env = make_external("CartPole-v1")
    assert EnvCard.of(env).score == "return"
    assert not isinstance(env, SparseTask)
    assert play(env, [0])[1][1] == 1.0


def test_an_inspected_card_has_the_facts_of_reset() -> None:
    env = make_external("HalfCheetah-v5", success={"field": "x_position", "above": -100.0})
    card = EnvCard.of(env)
    assert card.is_fact("x_position")
    assert "original_reward" in card.human_design
    assert card.field("observation_16").columns == (16, 17)
    assert [s[1] for s in play(env, sampled(env, 3))] == [0.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("env_id", "options", "message"),
    [
        ("Raecher-v5", {}, "unknown environment 'Raecher-v5'; did you mean 'Reacher-v5'"),
        ("Reacher-v99", {}, "unknown environment 'Reacher-v99'; did you mean 'Reacher-v"),
        ("two words", {}, "unknown environment 'two words'; gymnasium.pprint_registry() lists all"),
        ("CartPole-v1", {"length": 2}, "CartPole-v1 does not take these options"),
        ("CartPole-v1", {"terminate_on_success": True}, "has no meaning for CartPole-v1 without"),
        (
            "CartPole-v1",
            {"success": {"field": "observation_4", "above": 1}},
            "unknown field 'observation_4' in CartPole-v1; did you mean 'observation_3'",
        ),
        ("Hopper-v5", {"task": "jmup"}, "unknown task 'jmup' in Hopper-v5; did you mean 'jump'?"),
        ("CartPole-v1", {"task": "jump"}, "unknown task 'jump' in CartPole-v1; Known: none."),
        (
            "Hopper-v5",
            {"task": "flip", "terminate_when_unhealthy": True},
            "terminate_when_unhealthy=True contradicts the card of Hopper-v5 flip, which needs "
            "terminate_when_unhealthy=False; leave it out",
        ),
        (
            "Hopper-v5",
            {"exclude_current_positions_from_observation": False},
            "the card of Hopper-v5 describes 11 observation columns, but with these options",
        ),
    ],
)
def test_a_wrong_id_or_option_is_named(env_id: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_external(env_id, **options)
    assert message in str(caught.value)


def test_a_package_can_be_imported_with_the_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "package_of_yours.py").write_text(
        "import gymnasium as gym\n"
        "gym.register('Yours-v0', 'gymnasium.envs.classic_control:CartPoleEnv')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(gym.registry, "Yours-v0", raising=False)
    assert EnvCard.of(make_external("package_of_yours:Yours-v0")).id == "Yours-v0"
    with pytest.raises(EnvError, match="No module named 'no_such_package'"):
        make_external("no_such_package:Yours-v0")


def test_missing_mujoco_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("gymnasium.envs.mujoco")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(EnvError, match=r"Reacher-v5 cannot be made here: .*gymnasium\[mujoco\]"):
        make_external("Reacher-v5")


@pytest.mark.parametrize(
    ("env_id", "package"),
    [("Meta-World/goal_observable", "metaworld"), ("FetchReach-v4", "gymnasium_robotics")],
)
def test_a_missing_suite_names_the_extra(
    env_id: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(gym.registry, env_id, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(EnvError) as caught:
        make_external(env_id)
    assert str(caught.value).startswith(f"{env_id} comes with the package {package}, which")
    assert str(caught.value).endswith("pip install 'rewardsmith[robotics]'")


# ---- Vectors -------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_rows_of_a_vector_are_single_environments(case: Case) -> None:
    options: dict[str, Any] = {"task": case.task, "max_episode_steps": 40}
    vector = make_external_vec(case.env_id, 2, autoreset_mode=AutoresetMode.SAME_STEP, **options)
    singles = [make_external(case.env_id, **options) for _ in range(2)]
    observation, info = vector.reset(seed=7)
    for i, single in enumerate(singles):
        np.testing.assert_array_equal(observation[i], single.reset(seed=7 + i)[0])
    vector.action_space.seed(0)
    for _ in range(60):
        actions = vector.action_space.sample()
        observation, reward, terminated, truncated, info = vector.step(actions)
        for i, single in enumerate(singles):
            o, r, end, cut, facts = single.step(actions[i])
            assert (reward[i], terminated[i], truncated[i]) == (r, end, cut)
            if end or cut:
                np.testing.assert_array_equal(info["final_obs"][i], o)
                for name in ("success", "original_reward"):
                    assert info["final_info"][name][i] == facts[name]
                o, facts = single.reset()
            np.testing.assert_array_equal(observation[i], o)
            for fact in case.preset.card.facts:
                np.testing.assert_array_equal(info[fact.name][i], facts[fact.name])


def test_same_step_autoreset_keeps_the_success_that_ended_the_episode() -> None:
    env_id = "MountainCarContinuous-v0"
    env = make_external_vec(env_id, 2, autoreset_mode="SameStep")
    oracle = EnvCard.of(env).oracle
    assert oracle is not None
    observation, _ = env.reset(seed=0)
    wins = 0
    for _ in range(200):
        observation, reward, terminated, truncated, info = env.step(oracle(observation))
        done = terminated | truncated
        np.testing.assert_array_equal(reward == 1.0, done)
        assert not info["success"][done].any()
        if done.any():
            final = info["final_info"]
            assert final["success"].dtype == np.bool_
            assert final["success"][done].all()
            assert (final["original_reward"][done] > 99.0).all()
            wins += int(done.sum())
    assert wins >= 2


def test_a_vector_needs_a_row() -> None:
    with pytest.raises(EnvError, match="num_envs must be at least 1, got 0"):
        make_external_vec("CartPole-v1", 0)


def original(transition: Transition) -> np.ndarray:
    return transition.after.fact("original_reward")[:, 0]


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_a_design_can_pay_the_original_reward(mode: AutoresetMode) -> None:
    design = RewardDesign({"human": original})
    vector = VectorRewardWrapper(
        make_external_vec("Reacher-v5", 2, autoreset_mode=mode, max_episode_steps=9), design
    )
    single = RewardWrapper(make_external("Reacher-v5", max_episode_steps=9), design)
    vector.reset(seed=1)
    single.reset(seed=1)
    fresh = False
    for action in sampled(single, 40):
        _, paid, *_, info = vector.step(np.stack([action, action]))
        if fresh and mode is AutoresetMode.NEXT_STEP:
            single.reset()
            assert paid[0] == 0.0
            fresh = False
            continue
        _, expected, end, cut, facts = single.step(action)
        assert paid[0] == expected == facts["original_reward"]
        assert info["task_reward"][0] == facts["task_reward"]
        fresh = end or cut
        if fresh and mode is AutoresetMode.SAME_STEP:
            single.reset()
