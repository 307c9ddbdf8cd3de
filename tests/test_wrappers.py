"""The three wrappers give equal pay for equal steps, whatever the autoreset mode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.testing import assert_allclose, assert_array_equal
from stable_baselines3.common.vec_env import DummyVecEnv

from rewardsmith.envs import EnvCard, EnvError, Field, RewardError
from rewardsmith.rewards import (
    Delta,
    Distance,
    FadingPotential,
    FlipNoise,
    Gate,
    GoalBonus,
    NegativeDistance,
    PotentialShaping,
    RewardDesign,
    RewardWrapper,
    SB3RewardWrapper,
    TaskReward,
    TimeCost,
    Transition,
    VectorRewardWrapper,
)

N, STEPS, SEED = 3, 60, 11


class Corridor(gym.Env[Any, Any]):
    """A line of nine places with random starts: right end succeeds, left end fails."""

    observation_space = gym.spaces.Box(0.0, 8.0, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)
    card = EnvCard(
        "Corridor-v0",
        "Reach the right end.",
        observation=(Field("place", "where the agent is", (0, 1), low=0, high=8),),
        facts=(Field("success", "at the right end"), Field("left", "places to the goal")),
        time_limit=6,
    )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place = int(self.np_random.integers(1, 8))
        return self._observe()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place += 1 if action else -1
        observation, info = self._observe()
        return observation, float(self.place == 8), self.place in (0, 8), False, info

    def _observe(self) -> tuple[Any, dict[str, Any]]:
        info = {"success": self.place == 8, "left": 8 - self.place}
        return np.array([self.place], dtype=np.float32), info


def corridor() -> gym.Env[Any, Any]:
    return gym.wrappers.TimeLimit(Corridor(), max_episode_steps=6)


def cart_pole() -> gym.Env[Any, Any]:
    return gym.make("CartPole-v1", max_episode_steps=19)


def stateful_design(row: int = 0) -> RewardDesign:
    """Gate, shaping, late pay and noise; `row` is the row a single environment stands for."""
    shaping = PotentialShaping(FadingPotential(NegativeDistance("left"), horizon=90), 0.9)
    steps = RewardDesign({"distance": Distance("left", scale=8.0)}, transforms=[Delta()])
    return RewardDesign(
        {"task": TaskReward(), "time": TimeCost(), "shaping": shaping, "steps": steps},
        combine=Gate([["task"], ["steps"]], [0.5], ungated=["time", "shaping"]),
        transforms=[FlipNoise(0.3, per="episode", seed=4 + row)],
    )


def cart_design(row: int = 0) -> RewardDesign:
    upright = PotentialShaping(lambda state: -np.abs(state.observation[:, 2]), 0.99)
    terms = {"task": TaskReward(), "upright": upright, "drift": Distance("observation_0")}
    return RewardDesign(terms, transforms=[Delta(), FlipNoise(0.2, seed=7 + row)])


def action(row: int, step: int) -> int:
    """The action of a row at its own k-th real step, so that reset steps shift nothing."""
    return (0x9E3779B97F4A7C15 * (1000 * row + step + 1) >> 40) % 2


@dataclass
class Log:
    """What happened to one environment, real steps only."""

    pay: list[float] = field(default_factory=list)
    task: list[float] = field(default_factory=list)
    parts: list[dict[str, float]] = field(default_factory=list)
    terminated: list[bool] = field(default_factory=list)
    truncated: list[bool] = field(default_factory=list)

    def add(
        self, pay: float, task: float, parts: dict[str, float], terminated: bool, truncated: bool
    ) -> None:
        self.pay.append(pay)
        self.task.append(task)
        self.parts.append(parts)
        self.terminated.append(terminated)
        # A step may do both; Stable-Baselines3 then tells of the termination alone.
        self.truncated.append(truncated and not terminated)

    def __len__(self) -> int:
        return len(self.pay)


Make = Callable[[], gym.Env[Any, Any]]
Design = Callable[[int], RewardDesign]


def run_single(make: Make, design: Design) -> list[Log]:
    logs = [Log() for _ in range(N)]
    for row, log in enumerate(logs):
        env = RewardWrapper(make(), design(row))
        env.reset(seed=SEED + row)
        while len(log) < STEPS:
            _, pay, terminated, truncated, info = env.step(action(row, len(log)))
            log.add(pay, info["task_reward"], info["reward_terms"], terminated, truncated)
            if terminated or truncated:
                env.reset()
    return logs


def run_vector(make: Make, design: Design, mode: AutoresetMode) -> list[Log]:
    logs = [Log() for _ in range(N)]
    env = VectorRewardWrapper(SyncVectorEnv([make] * N, autoreset_mode=mode), design(0))
    env.reset(seed=SEED)
    resetting = np.zeros(N, dtype=np.bool_)
    while min(map(len, logs)) < STEPS:
        actions = np.array([action(row, len(log)) for row, log in enumerate(logs)])
        _, pay, terminated, truncated, info = env.step(actions)
        terms = {k: v for k, v in info["reward_terms"].items() if not k.startswith("_")}
        for row, log in enumerate(logs):
            if resetting[row]:
                assert pay[row] == 0.0
                assert all(value[row] == 0.0 for value in terms.values())
                continue
            parts = {name: float(value[row]) for name, value in terms.items()}
            ends = bool(terminated[row]), bool(truncated[row])
            log.add(float(pay[row]), float(info["task_reward"][row]), parts, *ends)
        done = terminated | truncated
        if mode is AutoresetMode.NEXT_STEP:
            resetting = done
        elif mode is AutoresetMode.DISABLED and done.any():
            env.reset(options={"reset_mask": done})
    return logs


def run_sb3(make: Make, design: Design) -> list[Log]:
    logs = [Log() for _ in range(N)]
    env = SB3RewardWrapper(DummyVecEnv([make] * N), design(0), card=EnvCard.of(make()))
    env.seed(SEED)
    env.reset()
    for step in range(STEPS):
        actions = np.array([action(row, step) for row in range(N)])
        _, pay, done, infos = env.step(actions)
        for row, info in enumerate(infos):
            truncated = bool(info.get("TimeLimit.truncated", False))
            ends = bool(done[row]) and not truncated, truncated
            logs[row].add(float(pay[row]), info["task_reward"], info["reward_terms"], *ends)
    return logs


TASKS = [
    pytest.param(corridor, stateful_design, id="corridor"),
    pytest.param(cart_pole, cart_design, id="cart_pole"),
]


@pytest.mark.parametrize(("make", "design"), TASKS)
@pytest.mark.parametrize("wrapper", [*AutoresetMode, "sb3"])
def test_equal_steps_are_paid_equally(make: Make, design: Design, wrapper: Any) -> None:
    expected = run_single(make, design)
    got = run_sb3(make, design) if wrapper == "sb3" else run_vector(make, design, wrapper)
    assert sum(sum(log.terminated) for log in expected) >= 3
    assert sum(sum(log.truncated) for log in expected) >= 3
    tolerance = 1e-6 if wrapper == "sb3" else 0.0  # Stable-Baselines3 hands out float32
    for one, other in zip(expected, got, strict=True):
        assert_array_equal(other.terminated[:STEPS], one.terminated)
        assert_array_equal(other.truncated[:STEPS], one.truncated)
        assert_allclose(other.task[:STEPS], one.task, rtol=0)
        assert_allclose(other.pay[:STEPS], one.pay, rtol=tolerance, atol=tolerance)
        for here, there in zip(one.parts, other.parts, strict=False):
            assert there == pytest.approx(here, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("make", "design"), TASKS)
def test_a_design_that_pays_the_task_reward_changes_nothing(make: Make, design: Design) -> None:
    for log in run_single(make, lambda row: RewardDesign({"task": TaskReward()})):
        assert log.pay == log.task
    for log in run_single(make, design):
        assert log.pay != log.task


def test_a_design_serves_many_environments() -> None:
    design = stateful_design()
    one, two = (RewardWrapper(corridor(), design) for _ in range(2))
    one.reset(seed=0)
    two.reset(seed=0)
    first = [one.step(1)[1] for _ in range(2)]
    assert [two.step(1)[1] for _ in range(2)] == first


def test_names_of_nested_parts() -> None:
    env = RewardWrapper(corridor(), stateful_design())
    env.reset(seed=0)
    parts = env.step(1)[4]["reward_terms"]
    assert list(parts) == ["task", "time", "shaping", "steps", "steps/distance"]


def stand(envs: SyncVectorEnv, places: list[int]) -> None:
    """Puts the agents of corridors on the given places."""
    for env, place in zip(envs.envs, places, strict=True):
        assert isinstance(env.unwrapped, Corridor)
        env.unwrapped.place = place


def sour(transition: Transition) -> Any:
    """Is not a number where the agent stands on place 3."""
    return np.where(transition.next_observation[:, 0] == 3.0, np.nan, 0.0)


def test_nan_is_reported_with_its_term_step_and_row() -> None:
    design = RewardDesign({"good": TaskReward(), "bad": sour})
    envs = SyncVectorEnv([corridor] * 2)
    env = VectorRewardWrapper(envs, design)
    env.reset(seed=SEED)
    stand(envs, [7, 5])
    env.step(np.array([0, 0]))
    with pytest.raises(RewardError, match=r"step 1: term 'bad' paid nan in environment 1;"):
        env.step(np.array([0, 0]))


def test_a_vector_environment_must_tell_how_it_resets() -> None:
    env = SyncVectorEnv([corridor])
    env.metadata = {}
    with pytest.raises(EnvError, match=r"metadata\['autoreset_mode'\].*is None"):
        VectorRewardWrapper(env, stateful_design())


def test_a_success_that_same_step_resets_would_hide_is_paid() -> None:
    design = RewardDesign({"goal": GoalBonus(5.0)})
    envs = SyncVectorEnv([corridor], autoreset_mode=AutoresetMode.SAME_STEP)
    env = VectorRewardWrapper(envs, design)
    env.reset(seed=SEED)
    stand(envs, [7])
    _, pay, _, _, info = env.step(np.array([1]))
    assert pay[0] == 5.0
    assert not info["success"][0], "the info belongs to the new episode"
