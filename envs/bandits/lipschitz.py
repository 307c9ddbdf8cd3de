"""`LipschitzBandit-v0`: points of [0, 1] whose pay falls linearly from a hidden peak."""

from __future__ import annotations

import dataclasses
import functools

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.bandits.arms import NO_ARM, count_arms
from rewardsmith.envs.bandits.drawing import draw_arms
from rewardsmith.envs.bandits.stationary import StationaryBandit, stationary_card
from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.stateful import FloatArray, IntArray

_MOST_COLUMNS = 25


class LipschitzBandit(StationaryBandit):
    """K arms at x_i = i / (K - 1); arm i pays r = 1 with probability mu(x_i), else 0.

    mu(x) = max(0, 1 - L |x - peak|), so that |mu(x) - mu(y)| <= L |x - y|. The peak is given,
    or drawn uniformly from [0, 1] for every episode, from the row's stream. It stays hidden;
    regret is counted against the best of the K arms, not against the peak between them.

    Observation, float32 of shape (1,): the last reward, 0 at the start. Action: the arm.

    Args:
        num_envs: Number of rows n.
        arms: Number of arms K, at least 2.
        lipschitz: Slope L of the pay, positive.
        peak: Where mu is 1, in [0, 1], the same in all episodes; None draws it for every
            episode.
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.

    Raises:
        EnvError: If an argument is out of range.

    Example:
        >>> env = LipschitzBandit(1, arms=5, lipschitz=2.0, peak=0.25)
        >>> observation, info = env.reset(seed=0)
        >>> env.mean
        array([[0.5, 1. , 0.5, 0. , 0. ]])
        >>> env.step(np.array([2]))[4]["regret"]
        array([0.5])

    Slivkins 2019, arXiv 1904.07272, chapter 4.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        arms: int = 101,
        lipschitz: float = 1.0,
        peak: float | None = None,
        time_limit: int | None = 100,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        if not (np.isfinite(lipschitz) and lipschitz > 0.0):
            raise EnvError(f"lipschitz must be a finite number above 0, got {lipschitz}")
        if peak is not None and not 0.0 <= peak <= 1.0:
            raise EnvError(f"peak must be in [0, 1], got {peak}")
        count = count_arms(arms, None)
        self.lipschitz = float(lipschitz)
        self._points = np.linspace(0.0, 1.0, count)
        given = None if peak is None else self._means(np.array([peak]))[0]
        self.card = _card(given, count, self.lipschitz, time_limit)
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
        return self._means(self.streams.uniform(rows))

    def _means(self, peak: FloatArray) -> FloatArray:
        """Returns mu at the points of all arms, (k, K), from peaks (k,)."""
        distance = np.abs(self._points - peak[:, None])
        return np.asarray(np.maximum(1.0 - self.lipschitz * distance, 0.0))

    def _pay(self, mean: FloatArray) -> FloatArray:
        return (self.streams.uniform(self._rows) < mean).astype(np.float64)

    def _draw(self, row: int) -> np.ndarray:
        columns = min(self.arms, _MOST_COLUMNS)
        shown = np.linspace(0, self.arms - 1, columns).round().astype(np.int64)
        value = self.mean[row, shown]
        pulled = int(np.abs(shown - self.arm[row]).argmin()) if self.arm[row] != NO_ARM else NO_ARM
        return draw_arms(value, int(value.argmax()), pulled, float(self.payout[row]))


single = functools.partial(SingleEnv, LipschitzBandit)


def _card(given: FloatArray | None, arms: int, lipschitz: float, time_limit: int | None) -> EnvCard:
    card = stationary_card(
        "rewardsmith/LipschitzBandit-v0",
        f"Earn as much as possible by finding where on [0, 1] {arms} evenly spaced arms pay most; "
        f"the chances of two arms differ by at most {lipschitz:g} times their distance.",
        "Slivkins 2019, arXiv 1904.07272, chapter 4.",
        given,
        arms,
        spread=1.0,
        pay=(0.0, 1.0),
        time_limit=time_limit,
    )
    arm = Field(
        "arm", f"which arm to pull; arm i lies at i / {arms - 1} of [0, 1]", low=0.0, high=arms - 1
    )
    return dataclasses.replace(card, action=(arm,))
