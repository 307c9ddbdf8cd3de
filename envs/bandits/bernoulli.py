"""`BernoulliBandit-v0`: K arms that pay 1 with fixed, hidden probabilities."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.bandits.drawing import draw_arms
from rewardsmith.envs.bandits.draws import uniforms
from rewardsmith.envs.bandits.stationary import (
    StationaryBandit,
    count_arms,
    given_means,
    stationary_card,
)
from rewardsmith.envs.batch import SingleEnv
from rewardsmith.envs.stateful import FloatArray, IntArray


class BernoulliBandit(StationaryBandit):
    """K arms; pulling arm a pays r = 1 with probability p_a, else 0.

    The probabilities are given, or drawn uniformly from [0, 1] for every episode, from the
    row's stream. They stay hidden; the facts tell them to whoever judges, not to the agent.

    Observation, float32 of shape (1,): the last reward, 0 at the start. Action: the arm.

    Args:
        num_envs: Number of rows n.
        arms: Number of arms K, at least 2; by default 10, or as many as `probabilities`.
        probabilities: p of every arm, each in [0, 1], the same in all episodes; None draws
            them anew for every episode.
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.

    Raises:
        EnvError: If an argument is out of range, or `arms` and `probabilities` disagree.

    Example:
        >>> env = BernoulliBandit(2, probabilities=[0.0, 1.0])
        >>> observation, info = env.reset(seed=0)
        >>> _, reward, _, _, info = env.step(np.array([0, 1]))
        >>> reward, info["regret"], info["success"]
        (array([0., 1.]), array([1., 0.]), array([False,  True]))

    Lattimore and Szepesvari 2020, Bandit Algorithms, section 4.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        arms: int | None = None,
        probabilities: Sequence[float] | None = None,
        time_limit: int | None = 100,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        given = given_means("probabilities", probabilities, arms, ends=(0.0, 1.0))
        count = count_arms(arms, given)
        self.card = stationary_card(
            "rewardsmith/BernoulliBandit-v0",
            f"Earn as much as possible by finding out which of {count} arms pays most often.",
            "Lattimore and Szepesvari 2020, Bandit Algorithms, section 4.",
            given,
            count,
            spread=1.0,
            pay=(0.0, 1.0),
            time_limit=time_limit,
        )
        self.single_observation_space = gym.spaces.Box(0.0, 1.0, (1,), np.float32)
        super().__init__(
            num_envs,
            arms=count,
            given=given,
            time_limit=time_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )

    def _draw_means(self, rows: IntArray) -> FloatArray:
        return uniforms(self.streams, rows, self.arms)

    def _pay(self, mean: FloatArray) -> FloatArray:
        return (self.streams.uniform(self._rows) < mean).astype(np.float64)

    def _draw(self, row: int) -> np.ndarray:
        return draw_arms(
            self.mean[row], int(self.best[row]), int(self.arm[row]), float(self.payout[row])
        )


single = functools.partial(SingleEnv, BernoulliBandit)
