"""`SeededEpisodes`: MetaWorld's tasks behind Gymnasium's usual `reset(seed=...)`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np


class SeededEpisodes(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """A MetaWorld task with a new start and target in every episode, drawn from the seed.

    On its own a goal-observable task repeats the target it was constructed with, pays no
    heed to the seed of `reset`, tells nothing in `info` at reset, and shows an observation
    space without room for the target. Its `info` also holds the parts of its dense reward,
    which rewards that are compared with it must not read: the given facts alone are passed on.

    Args:
        env: A task of `Meta-World/goal_observable`.
        facts: What is passed on, told at reset as well: key of `info` by the fact's name.
    """

    def __init__(self, env: gym.Env[Any, Any], facts: Mapping[str, str]) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, facts=facts)
        super().__init__(env)
        self._facts = dict(facts)
        self._seeded = False
        task: Any = env.unwrapped
        task._freeze_rand_vec, task.seeded_rand_vec = False, True
        self.observation_space = task.sawyer_observation_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode; without a seed it goes on with the stream of the last one."""
        task: Any = self.unwrapped
        if seed is None and not self._seeded:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        if seed is not None:
            task.seed(seed)
            self._seeded = True
        observation, _ = self.env.reset(options=options)
        # Some tasks place their object after the last computation of positions.
        mujoco.mj_kinematics(task.model, task.data)
        _, info = task.evaluate_state(observation, np.zeros(4, dtype=np.float32))
        return observation, self._passed_on(info)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Plays one step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, terminated, truncated, self._passed_on(info)

    def _passed_on(self, info: dict[str, Any]) -> dict[str, Any]:
        return {name: info[key] for name, key in self._facts.items()}
