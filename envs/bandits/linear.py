"""`LinearBandit-v0`: every round shows features of the arms; pay is linear in them."""

from __future__ import annotations

import functools

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.bandits.arms import NO_ARM, arm_field, check_arms
from rewardsmith.envs.bandits.drawing import draw_arms
from rewardsmith.envs.batch import BatchEnv, Info
from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.draws import normals
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray


class LinearBandit(BatchEnv):
    """K arms with features x_t(a) in R^d; pulling a pays r = x_t(a) . theta + sigma z.

    The hidden theta is drawn uniformly from the unit sphere for every episode; the features
    are drawn uniformly from it for every round; z ~ N(0, 1). All come from the row's stream.

    Observation, float32 of shape (K * d,): the features of the coming round, arm after arm.
    Action: the arm. The facts speak of the round just played.

    Args:
        num_envs: Number of rows n.
        arms: Number of arms K, at least 2.
        features: Number of features d, at least 1.
        sigma: Standard deviation of the noise, at least 0.
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.

    Raises:
        EnvError: If an argument is out of range.

    Example:
        >>> env = LinearBandit(3, arms=4, features=2, sigma=0.0)
        >>> observation, info = env.reset(seed=0)
        >>> value = np.einsum("nkd,nd->nk", observation.reshape(3, 4, 2), env.theta)
        >>> _, reward, _, _, info = env.step(value.argmax(axis=1))
        >>> np.allclose(reward, value.max(axis=1)), info["regret"]
        (True, array([0., 0., 0.]))

    Li, Chu, Langford and Schapire 2010, arXiv 1003.0146; arXiv 1904.07272, chapter 8.
    """

    state_names = ("theta", "feature", "arm", "regret")

    regret_kinds = ("linear",)
    """Bounds on the regret may assume means linear in features of length 1."""

    def __init__(
        self,
        num_envs: int = 1,
        *,
        arms: int = 10,
        features: int = 5,
        sigma: float = 0.1,
        time_limit: int | None = 100,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        check_arms(arms)
        if features < 1:
            raise EnvError(f"features must be at least 1, got {features}")
        if not (np.isfinite(sigma) and sigma >= 0.0):
            raise EnvError(f"sigma must be a finite number of at least 0, got {sigma}")
        self.arms, self.features, self.sigma = arms, features, float(sigma)
        self.reward_width = 2.0 * self.sigma
        self.card = _card(arms, features, time_limit)
        self.single_observation_space = gym.spaces.Box(-1.0, 1.0, (arms * features,), np.float32)
        self.single_action_space = gym.spaces.Discrete(arms)
        super().__init__(
            num_envs,
            time_limit=time_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
        self.theta = np.zeros((num_envs, features))
        self.feature = np.zeros((num_envs, arms, features), dtype=np.float32)
        self.arm = np.full(num_envs, NO_ARM, dtype=np.int64)
        self.regret = np.zeros(num_envs)

    def _spawn(self, rows: IntArray) -> None:
        self.theta[rows] = _on_sphere(normals(self.streams, rows, self.features))
        self._show(rows)
        self.arm[rows] = NO_ARM
        self.regret[rows] = 0.0

    def _advance(self, action: np.ndarray) -> tuple[FloatArray, BoolArray]:
        self.arm = action.astype(np.int64)
        value = self._values()
        mean = value[self._rows, self.arm]
        self.regret = value.max(axis=1) - mean
        reward = mean + self.sigma * self.streams.normal(self._rows)
        self._show(self._rows)
        return reward, np.zeros(self.num_envs, dtype=np.bool_)

    def _observe(self) -> np.ndarray:
        return self.feature.reshape(self.num_envs, -1).copy()

    def _facts(self) -> Info:
        return {
            "success": (self.arm != NO_ARM) & (self.regret == 0.0),
            "regret": self.regret.copy(),
            "best_arm": self._values().argmax(axis=1),
        }

    def _show(self, rows: IntArray) -> None:
        """Draws the features of the next round."""
        drawn = normals(self.streams, rows, self.arms * self.features)
        self.feature[rows] = _on_sphere(drawn.reshape(rows.size, self.arms, self.features))

    def _values(self) -> FloatArray:
        """Returns what every arm pays on average in the coming round, (n, K)."""
        # A sum instead of a matrix product: its rounding does not depend on the batch.
        return np.asarray((self.feature * self.theta[:, None, :]).sum(axis=2))

    def _draw(self, row: int) -> np.ndarray:
        value = self._values()[row]
        return draw_arms((value + 1.0) / 2.0, int(value.argmax()), int(self.arm[row]), 1.0)


single = functools.partial(SingleEnv, LinearBandit)


def _on_sphere(vectors: FloatArray) -> FloatArray:
    """Scales vectors (..., d) to length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def _card(arms: int, features: int, time_limit: int | None) -> EnvCard:
    return EnvCard(
        id="rewardsmith/LinearBandit-v0",
        goal=f"Earn as much as possible by learning how {features} features tell an arm's pay.",
        observation=(
            Field(
                "features",
                f"{features} features of each of {arms} arms, arm after arm",
                (0, arms * features),
                low=-1.0,
                high=1.0,
            ),
        ),
        action=(arm_field(arms),),
        facts=(
            Field("success", "the best arm of the round was pulled", low=0.0, high=1.0),
            Field("regret", "best mean of the round - mean of the pulled arm", low=0.0, high=2.0),
            Field("best_arm", "the best arm of the coming round", low=0.0, high=arms - 1),
        ),
        success="The last pull was of the best arm of its round.",
        score="return",
        time_limit=time_limit,
        human_design="Besides the task's reward, charge every pull its regret.",
        source="Li, Chu, Langford and Schapire 2010, arXiv 1003.0146.",
    )
