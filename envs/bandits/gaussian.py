"""`GaussianBandit-v0`: K arms that pay a hidden mean plus Gaussian noise."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.bandits.arms import count_arms, given_means
from rewardsmith.envs.bandits.drawing import draw_arms
from rewardsmith.envs.bandits.stationary import StationaryBandit, stationary_card
from rewardsmith.envs.draws import normals
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.stateful import FloatArray, IntArray

LARGEST_NORMAL = 9.0
"""No draw of `Streams.normal` is larger: sqrt(2 ln 2**53) = 8.58."""


class GaussianBandit(StationaryBandit):
    """K arms; pulling arm a pays r = m_a + sigma z with z ~ N(0, 1).

    The means are given, or drawn from a Gaussian prior for every episode, from the row's
    stream; N(0, 1) is that of the ten-armed testbed. They stay hidden; the facts tell them to
    whoever judges.

    Observation, float32 of shape (1,): the last reward, 0 at the start. Action: the arm.

    Args:
        num_envs: Number of rows n.
        arms: Number of arms K, at least 2; by default 10, or as many as `means`.
        means: m of every arm, the same in all episodes; None draws them for every episode.
        prior: Mean and standard deviation, positive, of the Gaussian prior of every arm; None
            is [0, 1].
        sigma: Standard deviation of the noise, at least 0.
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.

    Attributes:
        known: What an agent is told beforehand where means are drawn: mean and standard
            deviation of their prior as `gaussian_prior`.

    Raises:
        EnvError: If an argument is out of range, `arms` and `means` disagree, or both `means`
            and `prior` are given.

    Example:
        >>> env = GaussianBandit(2, means=[0.5, 2.0], sigma=0.0)
        >>> observation, info = env.reset(seed=0)
        >>> _, reward, _, _, info = env.step(np.array([0, 1]))
        >>> reward, info["regret"], info["success"]
        (array([0.5, 2. ]), array([1.5, 0. ]), array([False,  True]))

    Sutton and Barto 2018, Reinforcement Learning, section 2.3.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        arms: int | None = None,
        means: Sequence[float] | None = None,
        prior: Sequence[float] | None = None,
        sigma: float = 1.0,
        time_limit: int | None = 100,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        if not (np.isfinite(sigma) and sigma >= 0.0):
            raise EnvError(f"sigma must be a finite number of at least 0, got {sigma}")
        given = given_means("means", means, arms)
        count = count_arms(arms, given)
        self.sigma = float(sigma)
        self.reward_width = 2.0 * self.sigma
        centre, deviation = self._prior = _prior(prior, means)
        self.known: dict[str, Any] = {} if given is not None else {"gaussian_prior": self._prior}
        drawn = f" Their means are drawn for every episode, from N({centre:g}, {deviation:g}^2)."
        reached = centre + deviation * np.array([-LARGEST_NORMAL, LARGEST_NORMAL])
        ends = reached if given is None else given
        low, high, reach = float(ends.min()), float(ends.max()), LARGEST_NORMAL * self.sigma
        pay = min(low - reach, 0.0), max(high + reach, 0.0)
        self.card = stationary_card(
            "rewardsmith/GaussianBandit-v0",
            f"Earn as much as possible by finding out which of {count} arms pays most on average."
            + (drawn if given is None else ""),
            "Sutton and Barto 2018, Reinforcement Learning, section 2.3.",
            given,
            count,
            spread=high - low,
            pay=pay,
            time_limit=time_limit,
        )
        self.single_observation_space = gym.spaces.Box(*pay, (1,), np.float32)
        super().__init__(
            num_envs,
            arms=count,
            given=given,
            time_limit=time_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )

    def _draw_means(self, rows: IntArray) -> FloatArray:
        centre, deviation = self._prior
        return centre + deviation * normals(self.streams, rows, self.arms)

    def _pay(self, mean: FloatArray) -> FloatArray:
        return mean + self.sigma * self.streams.normal(self._rows)

    def _draw(self, row: int) -> np.ndarray:
        mean = self.mean[row]
        scale = max(float(np.ptp(mean)) + 2.0 * self.sigma, 1e-9)
        height = (mean - mean.min() + self.sigma) / scale
        payout = (self.payout[row] - mean.min() + self.sigma) / scale
        return draw_arms(height, int(self.best[row]), int(self.arm[row]), payout)


single = functools.partial(SingleEnv, GaussianBandit)


def _prior(prior: Sequence[float] | None, means: object) -> tuple[float, float]:
    """Returns mean and standard deviation of the prior; says why they cannot be."""
    if prior is None:
        return 0.0, 1.0
    if means is not None:
        raise EnvError("means and prior exclude each other; give one of them")
    if len(prior) != 2 or not (np.isfinite(prior).all() and prior[1] > 0.0):
        raise EnvError(f"prior must be a mean and a positive standard deviation, got {prior}")
    return float(prior[0]), float(prior[1])
