"""`LipschitzContexts-v0`: a number is shown, and close numbers mean nearly the same pay."""

from __future__ import annotations

import functools

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.bandits.arms import NO_ARM, arm_field, check_arms
from rewardsmith.envs.bandits.drawing import draw_arms
from rewardsmith.envs.batch import BatchEnv, Info
from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.draws import uniforms
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray


class LipschitzContexts(BatchEnv):
    """K arms; in context x in [0, 1] arm a pays r = 1 with probability mu(x, a), else 0.

    mu(x, a) = max(0, 1 - L |x - peak_a|), so that |mu(x, a) - mu(y, a)| <= L |x - y|. The
    peaks are drawn uniformly from [0, 1] for every episode; x is drawn uniformly from [0, 1]
    for every round, or from X values, the middles of X cells of equal width. All come from
    the row's stream.

    Observation, float32 of shape (1,): the context of the coming round. Action: the arm. The
    facts speak of the round just played.

    Args:
        num_envs: Number of rows n.
        arms: Number of arms K, at least 2.
        lipschitz: Slope L of the pay, positive.
        contexts: Number X of values of x, at least 1; None draws x from all of [0, 1].
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.

    Attributes:
        known: What an agent is told beforehand: L as `lipschitz`, and X, or None, as `contexts`.

    Raises:
        EnvError: If an argument is out of range.

    Example:
        >>> env = LipschitzContexts(1, arms=2, contexts=2)
        >>> observation, info = env.reset(seed=0)
        >>> observation in (0.25, 0.75)
        True
        >>> mean = 1.0 - np.abs(observation - env.peak)
        >>> bool(env.step(mean.argmax(axis=1))[4]["success"][0])
        True

    Slivkins 2019, arXiv 1904.07272, sections 8.1 and 8.2.
    """

    state_names = ("peak", "context", "arm", "payout", "regret")

    regret_kinds = ("lipschitz contexts",)
    """Bounds on the regret may assume L and X, which `known` tells."""
    reward_width = 1.0

    def __init__(
        self,
        num_envs: int = 1,
        *,
        arms: int = 3,
        lipschitz: float = 2.0,
        contexts: int | None = None,
        time_limit: int | None = 100,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        check_arms(arms)
        if not (np.isfinite(lipschitz) and lipschitz > 0.0):
            raise EnvError(f"lipschitz must be a finite number above 0, got {lipschitz}")
        if contexts is not None and contexts < 1:
            raise EnvError(f"contexts must be at least 1 or null, got {contexts}")
        self.arms, self.lipschitz, self.contexts = arms, float(lipschitz), contexts
        self.known = {"lipschitz": self.lipschitz, "contexts": contexts}
        self.card = _card(arms, self.lipschitz, time_limit)
        self.single_observation_space = gym.spaces.Box(0.0, 1.0, (1,), np.float32)
        self.single_action_space = gym.spaces.Discrete(arms)
        super().__init__(
            num_envs,
            time_limit=time_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
        self.peak = np.zeros((num_envs, arms))
        self.context = np.zeros(num_envs, dtype=np.float32)
        self.arm = np.full(num_envs, NO_ARM, dtype=np.int64)
        self.payout, self.regret = np.zeros(num_envs), np.zeros(num_envs)

    def _spawn(self, rows: IntArray) -> None:
        self.peak[rows] = uniforms(self.streams, rows, self.arms)
        self._show(rows)
        self.arm[rows] = NO_ARM
        self.payout[rows] = self.regret[rows] = 0.0

    def _advance(self, action: np.ndarray) -> tuple[FloatArray, BoolArray]:
        self.arm = action.astype(np.int64)
        mean = self._means()
        chance = mean[self._rows, self.arm]
        self.regret = mean.max(axis=1) - chance
        self.payout = (self.streams.uniform(self._rows) < chance).astype(np.float64)
        self._show(self._rows)
        return self.payout.copy(), np.zeros(self.num_envs, dtype=np.bool_)

    def _observe(self) -> np.ndarray:
        return self.context[:, None].copy()

    def _facts(self) -> Info:
        return {
            "success": (self.arm != NO_ARM) & (self.regret == 0.0),
            "regret": self.regret.copy(),
            "best_arm": self._means().argmax(axis=1),
        }

    def _show(self, rows: IntArray) -> None:
        """Draws the context of the next round."""
        drawn = self.streams.uniform(rows)
        if self.contexts is not None:
            drawn = (np.floor(drawn * self.contexts) + 0.5) / self.contexts
        self.context[rows] = drawn

    def _means(self) -> FloatArray:
        """Returns what every arm pays on average in the coming round, (n, K)."""
        distance = np.abs(self.context[:, None] - self.peak)
        return np.asarray(np.maximum(1.0 - self.lipschitz * distance, 0.0))

    def _draw(self, row: int) -> np.ndarray:
        mean = self._means()[row]
        return draw_arms(mean, int(mean.argmax()), int(self.arm[row]), float(self.payout[row]))


single = functools.partial(SingleEnv, LipschitzContexts)


def _card(arms: int, lipschitz: float, time_limit: int | None) -> EnvCard:
    return EnvCard(
        id="rewardsmith/LipschitzContexts-v0",
        goal=f"Earn as much as possible by learning which of {arms} arms pays most in which "
        "context; chances in two contexts differ by at most "
        f"{lipschitz:g} times their distance.",
        observation=(Field("context", "context of the coming round", (0, 1), low=0.0, high=1.0),),
        action=(arm_field(arms),),
        facts=(
            Field("success", "the best arm of the round was pulled", low=0.0, high=1.0),
            Field("regret", "best mean of the round - mean of the pulled arm", low=0.0, high=1.0),
            Field("best_arm", "the best arm of the coming round", low=0.0, high=arms - 1),
        ),
        success="The last pull was of the best arm in its context.",
        score="return",
        time_limit=time_limit,
        human_design="Besides the task's reward, charge every pull its regret.",
        source="Slivkins 2019, arXiv 1904.07272, chapter 8.",
    )
