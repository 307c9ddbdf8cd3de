"""`StationaryBandit`: K arms, each with a fixed, hidden mean."""

from __future__ import annotations

import functools
from abc import abstractmethod

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.bandits.arms import NO_ARM, always, arm_field, last_reward_field
from rewardsmith.envs.batch import BatchEnv, Info
from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray


class StationaryBandit(BatchEnv):
    """K arms; a pull pays the arm's mean plus noise of the task's own kind.

    The means are given, or drawn for every episode from the row's stream. They stay hidden;
    the facts tell them to whoever judges, not to the agent. A subclass sets `card` and
    `single_observation_space`, draws means and pays.

    Observation, float32 of shape (1,): the last reward, 0 at the start. Action: the arm.

    Args:
        num_envs: Number of rows n.
        arms: Number of arms K.
        given: Mean of every arm, (K,), the same in all episodes; None draws them.
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.
    """

    state_names = ("mean", "best", "arm", "payout")

    regret_kinds: tuple[str, ...] = ("stationary",)
    """What bounds on the regret may assume of it: "stationary" arms of fixed means, and
    "Beta prior" where those are drawn from the Beta distributions told in `known`."""
    reward_width: float = 1.0
    """Width of the interval in which rewards lie; 2 sigma for Gaussian ones."""

    def __init__(
        self,
        num_envs: int,
        *,
        arms: int,
        given: FloatArray | None,
        time_limit: int | None,
        autoreset_mode: AutoresetMode | str,
        render_mode: str | None,
    ) -> None:
        self.arms, self._given = arms, given
        self.single_action_space = gym.spaces.Discrete(arms)
        super().__init__(
            num_envs, time_limit=time_limit, autoreset_mode=autoreset_mode, render_mode=render_mode
        )
        self.mean = np.zeros((num_envs, arms))
        self.best = np.zeros(num_envs, dtype=np.int64)
        self.arm = np.full(num_envs, NO_ARM, dtype=np.int64)
        self.payout = np.zeros(num_envs)

    def arm_values(self) -> FloatArray:
        """Returns what every arm pays on average, (n, K), for whoever judges."""
        return self.mean.copy()

    @abstractmethod
    def _draw_means(self, rows: IntArray) -> FloatArray:
        """Draws the mean of every arm for each of `rows`, (k, K)."""

    @abstractmethod
    def _pay(self, mean: FloatArray) -> FloatArray:
        """Draws what a pull pays in every row, (n,), from the mean of the pulled arm, (n,)."""

    def _spawn(self, rows: IntArray) -> None:
        self.mean[rows] = self._draw_means(rows) if self._given is None else self._given
        self.best[rows] = self.mean[rows].argmax(axis=1)
        self.arm[rows] = NO_ARM
        self.payout[rows] = 0.0

    def _advance(self, action: np.ndarray) -> tuple[FloatArray, BoolArray]:
        self.arm = action.astype(np.int64)
        self.payout = self._pay(self.mean[self._rows, self.arm])
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


def stationary_card(
    name: str,
    goal: str,
    source: str,
    given: FloatArray | None,
    arms: int,
    *,
    spread: float,
    pay: tuple[float, float],
    time_limit: int | None,
) -> EnvCard:
    """Returns the card of a stationary bandit.

    Args:
        name: Gymnasium id.
        goal: The task in one sentence.
        source: Where it comes from.
        given: The means, if they are the same in all episodes.
        arms: K.
        spread: Largest difference of two means.
        pay: Least and largest reward, 0 between them.
        time_limit: Steps per episode.
    """
    low, high = pay
    return EnvCard(
        id=name,
        goal=goal,
        observation=(last_reward_field(low, high),),
        action=(arm_field(arms),),
        facts=(
            Field("success", "the best arm was pulled", low=0.0, high=1.0),
            Field(
                "regret", "best mean - mean of the pulled arm, 0 at the start", low=0.0, high=spread
            ),
            Field("best_arm", "the first arm of the highest mean", low=0.0, high=arms - 1),
            Field("chosen_mean", "mean of the pulled arm, 0 at the start", low=low, high=high),
        ),
        success="The last pull was of a best arm.",
        score="return",
        time_limit=time_limit,
        oracle=None if given is None else functools.partial(always, int(given.argmax())),
        human_design="Besides the task's reward, charge every pull its regret.",
        source=source,
    )
