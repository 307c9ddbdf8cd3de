"""Whether agents who share a prior have reason to follow a planner's recommendations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from rewardsmith.agents.bandits.agent import BanditAgent, Problem
from rewardsmith.envs.errors import ConfigError, EnvError
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Recommendations:
    """What n runs of one policy recommended, each on means drawn from the prior.

    Attributes:
        rounds: The rounds t = 1, 2, ... that are kept, (C,).
        arm: The arm recommended in each of them, (C, n).
        means: True mean of every arm, (n, K).
    """

    rounds: IntArray
    arm: IntArray
    means: FloatArray


@dataclass(frozen=True, slots=True)
class IncentiveGap:
    """What following a recommendation is worth, estimated over runs.

    Attributes:
        rounds: The rounds, (C,).
        gap: E[mu_a - mu_b | a is recommended in the round], (C, K, K); NaN where a was
            recommended in fewer than two runs.
        error: Standard errors of `gap`, (C, K, K).
    """

    rounds: IntArray
    gap: FloatArray
    error: FloatArray

    def refused(self, errors: float = 4.0) -> BoolArray:
        """Tells where agents fare better elsewhere: gap < -errors * error, (C, K, K)."""
        return np.asarray(self.gap < -errors * self.error)


def recommend(
    planner: BanditAgent,
    env: gym.vector.VectorEnv[Any, Any, Any],
    horizon: int,
    rounds: Sequence[int],
    seed: int = 0,
) -> Recommendations:
    """Plays a planner whose every recommendation is followed.

    Args:
        planner: Begins anew, told this horizon.
        env: One whose `info` carries the fact `means`, drawn from the prior in every row, and
            whose episodes are long enough.
        horizon: Number of rounds T.
        rounds: Increasing rounds in [1, T] to keep.
        seed: Row i of the environment gets seed + i; the planner gets `seed`.

    Raises:
        ConfigError: If the planner cannot play this environment, or an episode ends too early.
        EnvError: If `info` carries no `means`.
    """
    problem = Problem.of(env, horizon)
    planner.begin(problem, seed)
    observation, info = env.reset(seed=seed)
    if "means" not in info:
        raise EnvError(f"{problem.card.id} does not tell the means of its arms; use the "
                       "environment rewardsmith/IncentiveBandit-v0")  # fmt: skip
    means, kept = np.array(info["means"]), {}
    for round_ in range(1, max(rounds) + 1):
        action = planner.act(observation)
        following, reward, terminated, truncated, info = env.step(action)
        planner.learn(observation, action, reward, info)
        observation = following
        if round_ in rounds:
            kept[round_] = action
        if round_ < max(rounds) and (terminated | truncated).any():
            raise ConfigError(
                f"an episode of {problem.card.id} ended after {round_} rounds; set its "
                "time_limit to null"
            )
    return Recommendations(np.array(list(kept)), np.stack(list(kept.values())), means)


def incentive_gap(history: Recommendations) -> IncentiveGap:
    """Estimates what a recommendation is worth to the agent who gets it.

    A policy is Bayesian incentive-compatible if E[mu_a - mu_b | a is recommended in round t]
    >= 0 for all arms a, b and rounds t: over the prior and the policy's own randomness, which
    the rows of `history` sample.

    Args:
        history: Recommendations in runs on independent draws from the prior.

    Example:
        >>> told = Recommendations(
        ...     rounds=np.array([1]), arm=np.array([[0, 0, 1, 1]]),
        ...     means=np.array([[0.8, 0.5], [0.6, 0.5], [0.9, 0.5], [0.5, 0.5]]))
        >>> incentive_gap(told).gap.round(2)
        array([[[ 0. ,  0.2],
                [-0.2,  0. ]]])

    Slivkins 2019, arXiv 1904.07272, section 11.1.
    """
    better = history.means[:, :, None] - history.means[:, None, :]
    arms = np.arange(history.means.shape[1])
    chosen = (history.arm[:, :, None] == arms).astype(np.float64)
    count = chosen.sum(axis=1)[:, :, None]
    count = np.where(count < 2.0, np.nan, count)
    gap = np.einsum("cna,nab->cab", chosen, better) / count
    square = np.einsum("cna,nab->cab", chosen, better**2) / count
    error = np.sqrt(np.maximum(square - gap**2, 0.0) / (count - 1.0))
    return IncentiveGap(history.rounds, gap, error)
