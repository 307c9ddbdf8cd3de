"""Playing an agent on an environment, and what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from rewardsmith.agents.bandits.agent import BanditAgent
from rewardsmith.agents.bandits.growth import growth_of
from rewardsmith.agents.bandits.match import Match
from rewardsmith.envs.errors import ConfigError, EnvError
from rewardsmith.envs.stateful import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class History:
    """What n runs came to.

    Attributes:
        rounds: Rounds played at the checkpoints, (C,).
        regret: Sum of the fact `regret` up to each of them, (C, n).
        reward: Sum of the rewards up to each of them, (C, n).
        pulls: Rounds in which every arm was played, or was on the list, (n, K).
            Of arms they sum to the rounds that a run lasted: fewer than T if a budget ran out.
    """

    rounds: IntArray
    regret: FloatArray
    reward: FloatArray
    pulls: IntArray

    def growth(self) -> float:
        """Returns the slope of ln(mean regret) against ln(rounds) over the checkpoints.

        1 is linear regret, 1/2 the square root, near 0 logarithmic.

        Raises:
            ConfigError: If there are fewer than two checkpoints of positive regret.
        """
        return growth_of("regret", self.rounds, self.regret)


def play(
    agent: BanditAgent,
    env: gym.vector.VectorEnv[Any, Any, Any],
    horizon: int,
    seed: int = 0,
    checkpoints: Sequence[int] | None = None,
) -> History:
    """Plays `horizon` rounds in every row of `env`, from a fresh start.

    Agents that `plays_episodes` go from one episode to the next; for others one episode lasts
    all rounds. Of tasks with budgets a run ends when its episode does: its row is played on,
    and what it earns is no longer counted.

    Args:
        agent: Begins anew, told this horizon.
        env: One whose `info` carries the fact `regret`.
        horizon: Number of rounds T, at least 1.
        seed: Row i of the environment gets seed + i; the agent gets `seed`.
        checkpoints: Increasing rounds in [1, T] to report; by default T alone.

    Raises:
        ConfigError: If the agent cannot play this environment, the horizon or a checkpoint is
            out of range, or an episode ends before the horizon.
        EnvError: If `info` carries no `regret`.

    Example:
        >>> from rewardsmith.agents.bandits import make_agent
        >>> from rewardsmith.envs.bandits.bernoulli import BernoulliBandit
        >>> env = BernoulliBandit(3, probabilities=[0.0, 1.0], time_limit=None)
        >>> history = play(make_agent("ucb1"), env, horizon=50, checkpoints=[2, 50])
        >>> history.regret[0], history.pulls.sum(axis=1)
        (array([1., 1., 1.]), array([50, 50, 50]))
    """
    rounds = _rounds(checkpoints, horizon)
    match = Match.start(agent, env, horizon, seed, env_seed=seed)
    n, arms = agent.problem.n, agent.problem.arms
    regret, reward = np.zeros(n), np.zeros(n)
    pulls, first = np.zeros(n * arms, dtype=np.int64), np.arange(n)[:, None] * arms
    kept: list[tuple[FloatArray, FloatArray]] = []
    while not match.is_over:
        played = match.play_round(env)
        counted = played.counted
        if "regret" not in played.info:
            name = agent.problem.card.id
            raise EnvError(f"{name} does not tell its regret; play needs the fact 'regret'")
        regret += np.where(counted, played.info["regret"], 0.0)
        reward += np.where(counted, played.reward, 0.0)
        pulls[first + played.action.reshape(n, -1)] += counted[:, None]
        if match.rounds == rounds[len(kept)]:
            kept.append((regret.copy(), reward.copy()))
    kept += [(regret, reward)] * (len(rounds) - len(kept))
    regrets, rewards = (np.stack(part) for part in zip(*kept, strict=True))
    return History(rounds, regrets, rewards, pulls.reshape(n, arms))


def _rounds(checkpoints: Sequence[int] | None, horizon: int) -> IntArray:
    """Returns the checkpoints, the horizon always among them."""
    rounds = np.array([] if checkpoints is None else checkpoints, dtype=np.int64)
    if rounds.size and not (rounds[0] >= 1 and (np.diff(rounds) > 0).all()):
        raise ConfigError(f"checkpoints must be increasing rounds from 1, got {rounds.tolist()}")
    if rounds.size and rounds[-1] > horizon:
        raise ConfigError(f"checkpoint {rounds[-1]} lies beyond the horizon of {horizon} rounds")
    return rounds if rounds.size and rounds[-1] == horizon else np.append(rounds, horizon)
