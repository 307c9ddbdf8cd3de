"""A task that replays recorded steps: it costs next to nothing, so that the reward is timed."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.rewards import Transition

CARD = EnvCard(
    id="Tape-v0",
    goal="Move to the goal.",
    observation=(
        Field("position", "x and y of the point", (0, 2), unit="m"),
        Field("goal", "x and y of the goal", (2, 4), unit="m"),
        Field("speed", "speed of the point", (4, 5), unit="m/s"),
        Field("tilt", "lean of the body", (5, 6), unit="rad"),
    ),
    action=(Field("push", "force along x and y", (0, 2), unit="N"),),
    facts=(Field("success", "the goal is reached"), Field("fuel", "what is left in the tank")),
    success="The goal is reached.",
)
OBSERVATION = gym.spaces.Box(-np.inf, np.inf, (6,), np.float32)
ACTION = gym.spaces.Box(-np.inf, np.inf, (2,), np.float64)


class Tape:
    """T random steps of n rows, in which an episode ends with probability `ends` per step.

    All rows are cut off at the first step, so that the shortest tape holds an end. The step
    after an end pays and ends nothing: it may serve as Gymnasium's autoreset step.
    """

    def __init__(self, n: int, steps: int, *, ends: float = 0.005, terminates: bool = True) -> None:
        rng = np.random.default_rng(0)
        self.n, self.steps = n, steps
        self.observation = rng.standard_normal((steps, n, 6)).astype(np.float32)
        self.action = rng.standard_normal((steps, n, 2))
        self.reward, self.fuel = rng.random((steps, n)), rng.random((steps, n))
        done = rng.random((steps, n)) < ends
        done[0], done[-1] = True, False
        for step in range(1, steps):
            done[step] &= ~done[step - 1]
            self.reward[step][done[step - 1]] = 0.0
        self.terminated = done & (rng.random((steps, n)) < 0.5 * terminates)
        self.truncated = done & ~self.terminated
        self.success = self.terminated & (rng.random((steps, n)) < 0.5)


class VectorTape(gym.vector.VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """The tape as a vector environment, in next-step or same-step autoreset mode."""

    card = CARD

    def __init__(self, tape: Tape, mode: AutoresetMode = AutoresetMode.NEXT_STEP) -> None:
        self.tape, self.num_envs, self.now = tape, tape.n, 0
        self.single_observation_space, self.single_action_space = OBSERVATION, ACTION
        self.observation_space = batch_space(OBSERVATION, tape.n)
        self.action_space = batch_space(ACTION, tape.n)
        self.metadata = {"autoreset_mode": mode}
        every = np.ones(tape.n, dtype=np.bool_)
        self._info: list[dict[str, Any]] = [
            {"success": success, "_success": every, "fuel": fuel, "_fuel": every}
            for success, fuel in zip(tape.success, tape.fuel, strict=True)
        ]
        if mode is AutoresetMode.SAME_STEP:
            for now, done in enumerate(tape.terminated | tape.truncated):
                if done.any():
                    facts = {"success": tape.success[now], "_success": done}
                    self._info[now] |= {
                        "final_obs": tape.observation[now - 1],
                        "_final_obs": done,
                        "final_info": facts,
                        "_final_info": done,
                    }

    def reset(self, **_: Any) -> tuple[np.ndarray, dict[str, Any]]:
        self.now = 0
        return self.tape.observation[0], self._info[0]

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        tape = self.tape
        now = self.now = (self.now + 1) % tape.steps
        return (
            tape.observation[now],
            tape.reward[now],
            tape.terminated[now],
            tape.truncated[now],
            self._info[now],
        )


class ScalarTape(gym.Env[np.ndarray, np.ndarray]):
    """One row of the tape as a single environment."""

    observation_space, action_space = OBSERVATION, ACTION

    def __init__(self, tape: Tape, row: int) -> None:
        self.observation = list(tape.observation[:, row])
        self.outcome = list(
            zip(
                *(
                    array[:, row].tolist()
                    for array in (tape.reward, tape.terminated, tape.truncated)
                ),
                strict=True,
            )
        )
        self.facts = list(
            zip(tape.success[:, row].tolist(), tape.fuel[:, row].tolist(), strict=True)
        )
        self.now = -1

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        return self.observation[self._next()], self._info()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        now = self._next()
        return self.observation[now], *self.outcome[now], self._info()

    def _next(self) -> int:
        self.now = (self.now + 1) % len(self.outcome)
        return self.now

    def _info(self) -> dict[str, Any]:
        success, fuel = self.facts[self.now]
        return {"success": success, "fuel": fuel}


def transitions(tape: Tape) -> list[Transition]:
    """Returns the steps that `VectorTape` takes in one pass of the tape, in next-step mode.

    They make a ring: the last step ends every episode, and the first only begins new ones.
    """
    env, steps = VectorTape(tape), []
    observation, info = env.reset()
    ended = tape.terminated[0] | tape.truncated[0]
    for action in tape.action:
        successor, reward, terminated, truncated, facts = env.step(action)
        steps.append(
            Transition(
                observation, action, successor, reward, terminated, truncated, facts, info, ~ended
            )
        )
        observation, info, ended = successor, facts, terminated | truncated
    return steps
