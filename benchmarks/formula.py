"""One reward, three ways: as a design, fused by hand in numpy, and one scalar wrapper per term.

With o the observation after the step, a the action and Phi = -|position - goal|:

    task + goal + time + energy, and at the episode's end, if task + goal summed to at least
    0.5, also its sum of speed + fuel + shaping

    goal = 10 [success]    time = -0.01    energy = -0.1 |a|^2    speed = -0.1 o_speed
    fuel = 0.5 o_fuel      shaping = gamma Phi(s') - Phi(s), with Phi(s') = 0 on termination
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from tape import ScalarTape, Tape, VectorTape

import rewardsmith.rewards as rw

GAMMA = 0.99
TERMS = ("task", "goal", "time", "energy", "speed", "fuel", "shaping")


def design() -> rw.RewardDesign:
    return rw.RewardDesign(
        {
            "task": rw.TaskReward(),
            "goal": rw.GoalBonus(10.0),
            "time": rw.TimeCost(0.01),
            "energy": rw.EnergyCost(0.1),
            "speed": rw.FieldReward("speed", -0.1),
            "fuel": rw.FieldReward("fuel", 0.5),
            "shaping": rw.PotentialShaping(rw.NegativeDistance("position", "goal"), GAMMA),
        },
        combine=rw.Gate(
            [["task", "goal"], ["speed", "fuel", "shaping"]], [0.5], ungated=["time", "energy"]
        ),
    )


class Fused:
    """The formula of `design` as one fuses it by hand, for this task and no other."""

    def __init__(self, n: int) -> None:
        self.n = n

    def begin(self, observation: np.ndarray) -> None:
        self.potential = self._potential(observation.astype(np.float64))
        self.outcome, self.gated = np.zeros(self.n), np.zeros(self.n)
        self.done = np.zeros(self.n, dtype=np.bool_)

    def pay(
        self,
        actions: np.ndarray,
        observation: np.ndarray,
        reward: np.ndarray,
        terminated: np.ndarray,
        truncated: np.ndarray,
        info: Mapping[str, Any],
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        precise = observation.astype(np.float64)
        potential = self._potential(precise)
        terms = {
            "task": reward,
            "goal": 10.0 * info["success"],
            "time": np.full(self.n, -0.01),
            "energy": -0.1 * np.vecdot(actions, actions),
            "speed": -0.1 * precise[:, 4],
            "fuel": 0.5 * info["fuel"],
            "shaping": GAMMA * np.where(terminated, 0.0, potential) - self.potential,
        }
        self.potential = potential
        if self.done.any():  # the autoreset step pays nothing
            terms = {name: np.where(self.done, 0.0, value) for name, value in terms.items()}
        earned = terms["task"] + terms["goal"]
        self.outcome += earned
        self.gated += terms["speed"] + terms["fuel"] + terms["shaping"]
        pay = earned + terms["time"] + terms["energy"]
        self.done = done = terminated | truncated
        if done.any():
            pay += np.where(done & (self.outcome >= 0.5), self.gated, 0.0)
            self.outcome[done] = self.gated[done] = 0.0
        return pay, terms

    @staticmethod
    def _potential(observation: np.ndarray) -> np.ndarray:
        apart = observation[:, :2] - observation[:, 2:4]
        return np.asarray(-np.sqrt(np.vecdot(apart, apart)))


class FusedReward(gym.vector.VectorWrapper):
    """`Fused` in a vector environment."""

    def __init__(self, env: VectorTape) -> None:
        super().__init__(env)
        self.fused = Fused(env.num_envs)

    def reset(self, **options: Any) -> tuple[np.ndarray, dict[str, Any]]:
        observation, info = self.env.reset(**options)
        self.fused.begin(observation)
        return observation, info

    def step(self, actions: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(actions)
        pay, terms = self.fused.pay(actions, observation, reward, terminated, truncated, info)
        info = {**info, "task_reward": reward, "reward_terms": terms}
        return observation, pay, terminated, truncated, info


# ---- One scalar wrapper per term --------------------------------------------------------


class ScalarTask(gym.Wrapper[Any, Any, Any, Any]):
    """Begins the record of terms in `info["reward_terms"]` with the task's own reward."""

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        info["reward_terms"] = {"task": reward}
        return observation, reward, terminated, truncated, info


class ScalarTerm(gym.Wrapper[Any, Any, Any, Any]):
    """Adds one term, value(observation, action, info), to the record."""

    def __init__(
        self, env: gym.Env[Any, Any], name: str, value: Callable[[Any, Any, Any], float]
    ) -> None:
        super().__init__(env)
        self.name, self.value = name, value

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        info["reward_terms"][self.name] = self.value(observation, action, info)
        return observation, reward, terminated, truncated, info


class ScalarShaping(gym.Wrapper[Any, Any, Any, Any]):
    """Adds the shaping to the record."""

    def reset(self, **options: Any) -> Any:
        observation, info = self.env.reset(**options)
        self.potential = self._potential(observation)
        return observation, info

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        before, self.potential = self.potential, self._potential(observation)
        following = 0.0 if terminated else self.potential
        info["reward_terms"]["shaping"] = GAMMA * following - before
        return observation, reward, terminated, truncated, info

    @staticmethod
    def _potential(observation: Any) -> float:
        x, y, goal_x, goal_y = observation[:4].tolist()
        return -math.hypot(x - goal_x, y - goal_y)


class ScalarGate(gym.Wrapper[Any, Any, Any, Any]):
    """Pays what the terms in the record come to."""

    def reset(self, **options: Any) -> Any:
        self.outcome = self.gated = 0.0
        return self.env.reset(**options)

    def step(self, action: Any) -> Any:
        observation, _, terminated, truncated, info = self.env.step(action)
        terms = info["reward_terms"]
        earned = terms["task"] + terms["goal"]
        self.outcome += earned
        self.gated += terms["speed"] + terms["fuel"] + terms["shaping"]
        pay = earned + terms["time"] + terms["energy"]
        if (terminated or truncated) and self.outcome >= 0.5:
            pay += self.gated
        return observation, pay, terminated, truncated, info


SCALAR_TERMS: dict[str, Callable[[Any, Any, Any], float]] = {
    "goal": lambda observation, action, info: 10.0 if info["success"] else 0.0,
    "time": lambda observation, action, info: -0.01,
    "energy": lambda observation, action, info: -0.1 * float(action @ action),
    "speed": lambda observation, action, info: -0.1 * float(observation[4]),
    "fuel": lambda observation, action, info: 0.5 * info["fuel"],
}


def scalar_design(tape: Tape, row: int) -> gym.Env[Any, Any]:
    """The whole reward for one row of the tape, wrapper by wrapper."""
    env: gym.Env[Any, Any] = ScalarTask(ScalarTape(tape, row))
    for name, value in SCALAR_TERMS.items():
        env = ScalarTerm(env, name, value)
    return ScalarGate(ScalarShaping(env))
