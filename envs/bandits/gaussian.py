"""`GaussianBandit-v0`: K arms that pay a hidden mean plus Gaussian noise."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.bandits.bernoulli import NO_ARM
from rewardsmith.envs.bandits.drawing import draw_arms
from rewardsmith.envs.bandits.draws import normals
from rewardsmith.envs.batch import BatchEnv, Info, SingleEnv
from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray

LARGEST_NORMAL = 9.0
"""No draw of `Streams.normal` is larger: sqrt(2 ln 2**53) = 8.58."""


class GaussianBandit(BatchEnv):
    """K arms; pulling arm a pays r = m_a + sigma z with z ~ N(0, 1).

    The means are given, or drawn from N(0, 1) for every episode, from the row's stream: the
    ten-armed testbed. They stay hidden; the facts tell them to whoever judges.

    Observation, float32 of shape (1,): the last reward, 0 at the start. Action: the arm.

    Args:
        num_envs: Number of rows n.
        arms: Number of arms K, at least 2; by default 10, or as many as `means`.
        means: m of every arm, the same in all episodes; None draws them for every episode.
        sigma: Standard deviation of the noise, at least 0.
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.

    Raises:
        EnvError: If an argument is out of range, or `arms` and `means` disagree.

    Example:
        >>> env = GaussianBandit(2, means=[0.5, 2.0], sigma=0.0)
        >>> observation, info = env.reset(seed=0)
        >>> _, reward, _, _, info = env.step(np.array([0, 1]))
        >>> reward, info["regret"], info["success"]
        (array([0.5, 2. ]), array([1.5, 0. ]), array([False,  True]))

    Sutton and Barto 2018, Reinforcement Learning, section 2.3.
    """

    state_names = ("mean", "best", "arm", "payout")

    def __init__(
        self,
        num_envs: int = 1,
        *,
        arms: int | None = None,
        means: Sequence[float] | None = None,
        sigma: float = 1.0,
        time_limit: int | None = 100,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        given = None if means is None else np.asarray(means, dtype=np.float64)
        self.arms = _count(arms, given)
        if not (np.isfinite(sigma) and sigma >= 0.0):
            raise EnvError(f"sigma must be a finite number of at least 0, got {sigma}")
        self.sigma = float(sigma)
        self._given = given
        low, high = (-LARGEST_NORMAL, LARGEST_NORMAL) if given is None else _ends(given)
        reach = LARGEST_NORMAL * self.sigma
        bounds = min(low - reach, 0.0), max(high + reach, 0.0)
        self.card = _card(self.arms, given, high - low, bounds, time_limit)
        self.single_observation_space = gym.spaces.Box(*bounds, (1,), np.float32)
        self.single_action_space = gym.spaces.Discrete(self.arms)
        super().__init__(
            num_envs,
            time_limit=time_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
        self.mean = np.zeros((num_envs, self.arms))
        self.best = np.zeros(num_envs, dtype=np.int64)
        self.arm = np.full(num_envs, NO_ARM, dtype=np.int64)
        self.payout = np.zeros(num_envs)

    def _spawn(self, rows: IntArray) -> None:
        drawn = self._given is None
        self.mean[rows] = normals(self.streams, rows, self.arms) if drawn else self._given
        self.best[rows] = self.mean[rows].argmax(axis=1)
        self.arm[rows] = NO_ARM
        self.payout[rows] = 0.0

    def _advance(self, action: np.ndarray) -> tuple[FloatArray, BoolArray]:
        self.arm = action.astype(np.int64)
        noise = self.sigma * self.streams.normal(self._rows)
        self.payout = self.mean[self._rows, self.arm] + noise
        return self.payout.copy(), np.zeros(self.num_envs, dtype=np.bool_)

    def _observe(self) -> np.ndarray:
        return self.payout[:, None].astype(np.float32)

    def _facts(self) -> Info:
        pulled = self.arm != NO_ARM
        mean = np.where(pulled, self.mean[self._rows, self.arm], 0.0)
        regret = np.where(pulled, self.mean[self._rows, self.best] - mean, 0.0)
        return {
            "success": pulled & (regret == 0.0),
            "regret": regret,
            "best_arm": self.best.copy(),
            "chosen_mean": mean,
        }

    def _draw(self, row: int) -> np.ndarray:
        mean = self.mean[row]
        scale = max(float(np.ptp(mean)) + 2.0 * self.sigma, 1e-9)
        height = (mean - mean.min() + self.sigma) / scale
        payout = (self.payout[row] - mean.min() + self.sigma) / scale
        return draw_arms(height, int(self.best[row]), int(self.arm[row]), payout)


single = functools.partial(SingleEnv, GaussianBandit)


def _count(arms: int | None, given: FloatArray | None) -> int:
    """Returns the number of arms, or says why the options cannot work."""
    if given is not None:
        if given.ndim != 1 or not np.isfinite(given).all():
            raise EnvError(f"means must be a list of finite numbers, got {given}")
        if arms is not None and arms != len(given):
            raise EnvError(f"arms is {arms} but means has {len(given)} entries; leave arms out")
        arms = len(given)
    count = 10 if arms is None else arms
    if count < 2:
        raise EnvError(f"a bandit needs at least 2 arms, got {count}")
    return count


def _ends(means: FloatArray) -> tuple[float, float]:
    return float(means.min()), float(means.max())


def _oracle(best: int, observation: np.ndarray) -> IntArray:
    """Pulls the best arm in each of n rows."""
    return np.full(len(observation), best, dtype=np.int64)


def _card(
    arms: int,
    given: FloatArray | None,
    spread: float,
    bounds: tuple[float, float],
    time_limit: int | None,
) -> EnvCard:
    low, high = bounds
    return EnvCard(
        id="rewardsmith/GaussianBandit-v0",
        goal=f"Earn as much as possible by finding out which of {arms} arms pays most on average.",
        observation=(
            Field(
                "last_reward", "what the last pull paid, 0 at the start", (0, 1), low=low, high=high
            ),
        ),
        action=(Field("arm", "which arm to pull", low=0.0, high=arms - 1),),
        facts=(
            Field("success", "the best arm was pulled", low=0.0, high=1.0),
            Field("regret", "max m - m of the pulled arm, 0 at the start", low=0.0, high=spread),
            Field("best_arm", "the first arm of the highest m", low=0.0, high=arms - 1),
            Field("chosen_mean", "m of the pulled arm, 0 at the start", low=low, high=high),
        ),
        success="The last pull was of a best arm.",
        score="return",
        time_limit=time_limit,
        oracle=None if given is None else functools.partial(_oracle, int(given.argmax())),
        human_design="Besides the task's reward, charge every pull its regret.",
        source="Sutton and Barto 2018, Reinforcement Learning, section 2.3.",
    )
