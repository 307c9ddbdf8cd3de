"""`BanditAgent`: what every regret-minimising algorithm is to the jobs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray, IntArray, Stateful


@dataclass(frozen=True, slots=True)
class Problem:
    """What an agent is told before it plays.

    Attributes:
        n: Number of independent runs, played side by side.
        arms: Number of actions K.
        horizon: Number of rounds T.
        card: The task's card.
    """

    n: int
    arms: int
    horizon: int
    card: EnvCard

    @classmethod
    def of(cls, env: gym.vector.VectorEnv[Any, Any, Any], horizon: int) -> Problem:
        """Reads the problem off an environment with discrete actions.

        Raises:
            ConfigError: If the actions are not discrete or the horizon is below 1.
        """
        space, card = env.single_action_space, EnvCard.of(env)
        if not isinstance(space, gym.spaces.Discrete):
            raise ConfigError(
                f"a bandit agent needs one of K arms as its action, {card.id} has {space}; use an "
                "environment with discrete actions"
            )
        if horizon < 1:
            raise ConfigError(f"the horizon must be at least 1 round, got {horizon}")
        return cls(env.num_envs, int(space.n), horizon, card)


class BanditAgent(Stateful, ABC):
    """Plays n independent runs of one problem; every array has a leading axis n.

    A subclass is a dataclass whose fields are its settings. `begin` makes its state arrays,
    `act` and `learn` update them for all runs at once; nothing loops over runs.
    """

    problem: Problem
    random: np.random.Generator

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything and gets ready for round 0.

        Raises:
            ConfigError: If the agent cannot play this problem; names what is missing.
        """
        self.problem = problem
        self.random = np.random.default_rng(seed)

    @abstractmethod
    def act(self, observation: np.ndarray) -> IntArray:
        """Returns the arm of every run, int64 (n,)."""

    @abstractmethod
    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Takes the feedback of the round.

        Args:
            observation: What `act` saw, (n, ...).
            action: The arms played, (n,).
            reward: What they paid, (n,).
            info: Facts of the round, in Gymnasium's vector form. Agents for full feedback
                read `rewards` (n, K) there, what every arm would have paid.
        """
