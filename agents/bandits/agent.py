"""`BanditAgent`: what every regret-minimising algorithm is to the jobs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

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
        arms: Number of arms K, or of items to choose from at every place of a list.
        horizon: Number of rounds T.
        card: The task's card.
        places: Length m of the list that is one action; None where an action is one arm.
        known: What the task tells beforehand beyond its card, by name: the attribute `known`
            of the environment.
    """

    n: int
    arms: int
    horizon: int
    card: EnvCard
    places: int | None = None
    known: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_budgets(self) -> bool:
        """Whether pulls use up budgets, so that a run is over when its episode is."""
        return self.card.is_fact("remaining")

    @classmethod
    def of(cls, env: gym.vector.VectorEnv[Any, Any, Any], horizon: int) -> Problem:
        """Reads the problem off an environment with `Discrete(K)` or `MultiDiscrete([K] * m)`.

        Raises:
            ConfigError: If the actions are of another kind or the horizon is below 1.
        """
        space, card = env.single_action_space, EnvCard.of(env)
        known = getattr(env.unwrapped, "known", {})
        if horizon < 1:
            raise ConfigError(f"the horizon must be at least 1 round, got {horizon}")
        if isinstance(space, gym.spaces.Discrete):
            return cls(env.num_envs, int(space.n), horizon, card, known=known)
        if isinstance(space, gym.spaces.MultiDiscrete) and len(set(space.nvec.tolist())) == 1:
            return cls(env.num_envs, int(space.nvec[0]), horizon, card, len(space.nvec), known)
        raise ConfigError(
            f"a bandit agent plays one of K arms, Discrete(K), or a list of m of them, "
            f"MultiDiscrete([K] * m); {card.id} has {space}"
        )


class BanditAgent(Stateful, ABC):
    """Plays n independent runs of one problem; every array has a leading axis n.

    A subclass is a dataclass whose fields are its settings. `begin` makes its state arrays,
    `act` and `learn` update them for all runs at once; nothing loops over runs.
    """

    problem: Problem
    random: np.random.Generator
    plays_lists: ClassVar[bool] = False
    """Whether an action is a list of m items, int64 (n, m), instead of an arm (n,)."""
    plays_episodes: ClassVar[bool] = False
    """Whether it learns through many episodes of one process, instead of in one episode."""
    bound_kinds: ClassVar[tuple[str, ...]] = ()
    """Kinds of task, `regret_kinds` of the environment, on which the agent's `bound` holds."""

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything and gets ready for round 0.

        Raises:
            ConfigError: If the agent cannot play this problem; names what is missing.
        """
        if self.plays_lists != (problem.places is not None):
            name, kind = type(self).__name__, ("one arm", "a list of items")
            raise ConfigError(
                f"{name} plays {kind[self.plays_lists]} at a time, {problem.card.id} takes "
                f"{kind[not self.plays_lists]}; choose another agent or environment"
            )
        self.problem = problem
        self.random = np.random.default_rng(seed)

    @abstractmethod
    def act(self, observation: np.ndarray) -> IntArray:
        """Returns the arm of every run, int64 (n,), or its list (n, m)."""

    @abstractmethod
    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Takes the feedback of the round.

        Args:
            observation: What `act` saw, (n, ...).
            action: The arms or lists played, (n,) or (n, m).
            reward: What they paid, (n,).
            info: Facts of the round, in Gymnasium's vector form. Agents for full feedback
                read `rewards` (n, K) there, what every arm would have paid.
        """
