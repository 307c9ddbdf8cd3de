"""R3: a design of terms, gate and shaping against the same formula fused by hand, and against
one scalar wrapper per term."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import SyncVectorEnv
from protocol import Contest, Outcome, Race, Side, Skipped, Target
from tape import ScalarTape, Tape, VectorTape

import rewardsmith.rewards as rw

FUSED_TARGETS = {64: 1.3, 1024: 1.15}
SCALAR_TARGET = 10.0
GAMMA = 0.99


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
        combine=rw.Gate([["task", "goal"], ["speed", "fuel", "shaping"]], [0.5],
                        ungated=["time", "energy"]),
    )


class FusedReward(gym.vector.VectorWrapper):
    """The formula of `design` as one fuses it by hand, for this task and no other."""

    def __init__(self, env: VectorTape) -> None:
        super().__init__(env)
        self.outcome, self.gated = np.zeros(env.num_envs), np.zeros(env.num_envs)
        self.done = np.zeros(env.num_envs, dtype=np.bool_)

    def reset(self, **options: Any) -> tuple[np.ndarray, dict[str, Any]]:
        observation, info = self.env.reset(**options)
        self.potential = self._potential(observation.astype(np.float64))
        return observation, info

    def step(self, actions: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(actions)
        precise = observation.astype(np.float64)
        potential = self._potential(precise)
        terms = {
            "task": reward,
            "goal": 10.0 * info["success"],
            "time": np.full(self.num_envs, -0.01),
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
        done = terminated | truncated
        if done.any():
            pay += np.where(done & (self.outcome >= 0.5), self.gated, 0.0)
            self.outcome[done] = self.gated[done] = 0.0
        self.done = done
        return (observation, pay, terminated, truncated,
                {**info, "task_reward": reward, "reward_terms": terms})

    @staticmethod
    def _potential(observation: np.ndarray) -> np.ndarray:
        apart = observation[:, :2] - observation[:, 2:4]
        return -np.sqrt(np.vecdot(apart, apart))


# ---- One scalar wrapper per term --------------------------------------------------------


class ScalarTerm(gym.Wrapper[Any, Any, Any, Any]):
    """Pays one term for one environment and keeps its value in `info["reward_terms"]`."""

    name = ""

    def value(self, observation: Any, action: Any, terminated: bool, info: Any) -> float:
        raise NotImplementedError

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        info["reward_terms"][self.name] = self.value(observation, action, terminated, info)
        return observation, reward, terminated, truncated, info


class Task(gym.Wrapper[Any, Any, Any, Any]):
    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        info["reward_terms"] = {"task": reward}
        return observation, reward, terminated, truncated, info


class Goal(ScalarTerm):
    name = "goal"

    def value(self, observation: Any, action: Any, terminated: bool, info: Any) -> float:
        return 10.0 if info["success"] else 0.0


class Time(ScalarTerm):
    name = "time"

    def value(self, observation: Any, action: Any, terminated: bool, info: Any) -> float:
        return -0.01


class Energy(ScalarTerm):
    name = "energy"

    def value(self, observation: Any, action: Any, terminated: bool, info: Any) -> float:
        return -0.1 * float(action @ action)


class Speed(ScalarTerm):
    name = "speed"

    def value(self, observation: Any, action: Any, terminated: bool, info: Any) -> float:
        return -0.1 * float(observation[4])


class Fuel(ScalarTerm):
    name = "fuel"

    def value(self, observation: Any, action: Any, terminated: bool, info: Any) -> float:
        return 0.5 * info["fuel"]


class Shaping(ScalarTerm):
    name = "shaping"

    def reset(self, **options: Any) -> Any:
        observation, info = self.env.reset(**options)
        self.potential = self._potential(observation)
        return observation, info

    def value(self, observation: Any, action: Any, terminated: bool, info: Any) -> float:
        before, self.potential = self.potential, self._potential(observation)
        return GAMMA * (0.0 if terminated else self.potential) - before

    @staticmethod
    def _potential(observation: Any) -> float:
        x, y, goal_x, goal_y = observation[:4].tolist()
        return -math.hypot(x - goal_x, y - goal_y)


class ScalarGate(gym.Wrapper[Any, Any, Any, Any]):
    def reset(self, **options: Any) -> Any:
        self.outcome = self.gated = 0.0
        return self.env.reset(**options)

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        terms = info["reward_terms"]
        earned = terms["task"] + terms["goal"]
        self.outcome += earned
        self.gated += terms["speed"] + terms["fuel"] + terms["shaping"]
        pay = earned + terms["time"] + terms["energy"]
        if (terminated or truncated) and self.outcome >= 0.5:
            pay += self.gated
        return observation, pay, terminated, truncated, info


def scalar_design(tape: Tape, row: int) -> gym.Env[Any, Any]:
    env: Any = ScalarTape(tape, row)
    for wrapper in (Task, Goal, Time, Energy, Speed, Fuel, Shaping, ScalarGate):
        env = wrapper(env)
    return env


# ---- The contests -----------------------------------------------------------------------


def contests(quick: bool) -> Iterator[Contest | Skipped]:
    for n, bound in {3: math.inf}.items() if quick else FUSED_TARGETS.items():
        tape = Tape(n, steps=40 if quick else 400)
        yield Contest(f"against the fused formula, {n:,} envs",
                      _payer(rw.VectorRewardWrapper(VectorTape(tape), design()), tape, TERMS),
                      _payer(FusedReward(VectorTape(tape)), tape, TERMS), Target("cost", bound),
                      rtol=1e-9)
    for n in (3,) if quick else tuple(FUSED_TARGETS):
        tape = Tape(n, steps=40 if quick else max(8, 4096 // n))
        rows = range(n)
        loop = SyncVectorEnv([partial(scalar_design, tape, row) for row in rows])
        bare = SyncVectorEnv([partial(ScalarTape, tape, row) for row in rows])
        yield Contest(f"against scalar wrappers, {n:,} envs",
                      _payer(rw.VectorRewardWrapper(VectorTape(tape), design()), tape),
                      _payer(loop, tape, bare=bare), Target("faster", 0.0 if quick else SCALAR_TARGET),
                      rtol=1e-6)


def _payer(env: Any, tape: Tape, terms: tuple[str, ...] = (), bare: Any = None) -> Side:
    """Plays the tape once; what the environment without a reward takes is taken off.

    Pay and the given terms are what it hands back to be compared.
    """
    bare = VectorTape(tape) if bare is None else bare
    env.reset()
    bare.reset()

    def run() -> Outcome:
        steps = [env.step(action) for action in tape.action]
        return {"pay": [step[1] for step in steps]} | {
            name: [step[4]["reward_terms"][name] for step in steps] for name in terms}

    def without() -> None:
        for action in tape.action:
            bare.step(action)

    return Side(run, without)


TERMS = tuple(design().terms)

RACE = Race("R3", "Reward designs", """\
What a design of six terms, potential shaping and a gate adds to a step, the value of every term
kept, on a task that only replays recorded steps. First against the same formula fused by hand
in numpy for this one task, without checks: how many times as long ours takes. Then against one
scalar `gym.Wrapper` per term inside `SyncVectorEnv`: how many times faster ours is. Pay and
terms of every step are equal.""", contests)
