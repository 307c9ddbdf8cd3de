"""`Match`: an agent against a task, round after round, as `play` and the train job do it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.agents.bandits.agent import BanditAgent, Problem
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray
from rewardsmith.rewards.stream import merge_info


@dataclass(frozen=True, slots=True)
class Round:
    """One round of n runs.

    Attributes:
        action: Arms or lists played, (n,) or (n, m).
        reward: What they paid, (n,).
        info: Facts after the action; in rows that ended, those of the episode that ended.
        counted: Runs that were not over before it, (n,); what the others earn is nobody's.
        ended: Rows whose episode ended with it, (n,).
    """

    action: IntArray
    reward: FloatArray
    info: Mapping[str, Any]
    counted: BoolArray
    ended: BoolArray


@dataclass
class Match:
    """An agent and where it stands; with the environment's snapshot all that a run needs.

    An agent that `plays_episodes` goes on from one to the next. Where the task has budgets a
    run is over with its first episode. Otherwise one episode must last all rounds.

    Attributes:
        agent: Who plays; it has begun.
        observation: What it acts on next, (n, ...).
        playing: Runs that are not over, (n,).
        rounds: Rounds played.
    """

    agent: BanditAgent
    observation: np.ndarray
    playing: BoolArray
    rounds: int = 0

    @classmethod
    def start(
        cls,
        agent: BanditAgent,
        env: gym.vector.VectorEnv[Any, Any, Any],
        horizon: int,
        seed: int,
        env_seed: int,
    ) -> Match:
        """Begins the agent anew, told this horizon, and resets the environment.

        Args:
            agent: Who plays.
            env: The task, n rows.
            horizon: Number of rounds T, at least 1.
            seed: The agent's.
            env_seed: Row i of the environment gets env_seed + i.

        Raises:
            ConfigError: If the agent cannot play this task, or not to the end.
        """
        problem = Problem.of(env, horizon)
        _check(agent, problem, env.metadata.get("autoreset_mode"))
        agent.begin(problem, seed)
        observation, _ = env.reset(seed=env_seed)
        return cls(agent, observation, np.ones(problem.n, dtype=np.bool_))

    @property
    def is_over(self) -> bool:
        """Whether all rounds are played or all runs are over."""
        return self.rounds >= self.agent.problem.horizon or not self.playing.any()

    def play_round(self, env: gym.vector.VectorEnv[Any, Any, Any]) -> Round:
        """Plays one round in every row and lets the agent learn from it.

        Raises:
            ConfigError: If an episode ends that should have lasted all rounds.
        """
        action = self.agent.act(self.observation)
        following, reward, terminated, truncated, info = env.step(action)
        ended, counted = terminated | truncated, self.playing
        any_ended = bool(ended.any())
        if any_ended and "final_info" in info:
            info = merge_info(info, info["final_info"], ended)
        self.agent.learn(self.observation, action, reward, info)
        self.observation = following
        self.rounds += 1
        if any_ended:
            self._end(ended)
        return Round(action, reward, info, counted, ended)

    def _end(self, ended: BoolArray) -> None:
        agent, problem = self.agent, self.agent.problem
        if agent.plays_episodes:
            return
        if problem.has_budgets:
            self.playing = self.playing & ~ended
        elif self.rounds < problem.horizon:
            raise ConfigError(
                f"an episode of {problem.card.id} ended after {self.rounds} of {problem.horizon} "
                "rounds; set its time_limit to null, or choose another task: "
                f"{type(agent).__name__} plays one episode that lasts them all"
            )


def _check(agent: BanditAgent, problem: Problem, mode: object) -> None:
    """Says why a match could not be played to its end."""
    if agent.plays_episodes and mode is not AutoresetMode.SAME_STEP:
        raise ConfigError(
            f"{type(agent).__name__} plays episode after episode without a round in between: "
            f"make {problem.card.id} with autoreset_mode 'SameStep', got {mode}"
        )
    limit = problem.card.time_limit
    if problem.has_budgets and limit is not None and limit < problem.horizon:
        raise ConfigError(
            f"time_limit {limit} of {problem.card.id} is below the horizon {problem.horizon}; "
            "raise it or set it to null"
        )
