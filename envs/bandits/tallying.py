"""`TallyingBandit-v0`: an arm's loss depends on how often it was played lately."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.bandits.arms import NO_ARM, arm_field, check_arms, last_reward_field
from rewardsmith.envs.bandits.drawing import draw_arms
from rewardsmith.envs.batch import BatchEnv, Info
from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.draws import uniforms
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray

EARLY_LOSS, LATE_LOSS = 0.9, 0.1
FLAT_LOSS = (0.5, 0.6)
_WEIGHTS = tuple(np.linspace(1.0, 0.1, 10).round(3).tolist())


class TallyingBandit(BatchEnv):
    """K arms; playing arm x at round t has the loss h_x(y_t) for the tally of recent plays.

    With memory m and weights w in [0, 1]^m the tally is
    y_t = sum_{i=0..m-1} w_i 1[x_{t-i} = x_t], the present play included. One arm, drawn
    for every episode, must be learnt to be liked: its loss is 0.9 until y reaches
    `threshold` * |w|_1, then 0.1. The others have a flat loss, drawn from [0.5, 0.6]. So the
    arm that is best when fully exposed looks worst at first (repeated exposure optimality).

    The reward is 0 or 1, and 1 with chance 1 - loss. The fact `regret` is
    h_x(y_t) - 0.1, against the best arm fully exposed. The fact `policy_regret` is against
    play that pays for the exposure too: its sum over rounds 1..t is

        sum of losses - min(t f, 0.9 (s - 1) + 0.1 (t - s + 1)),

    the best flat loss f in every round, or the best arm in every round, good from the s-th on.
    That is the complete policy regret, against every sequence of arms, if fewer than s plays
    reach the threshold in no order: so for weights that never rise. For others it may fall
    short of it, by less than 0.8 m.

    Observation, float32 of shape (1,): the last reward, 0 at the start. Action: the arm.

    Args:
        num_envs: Number of rows n.
        arms: Number of arms K, at least 2.
        weights: w, m numbers in [0, 1] of a positive sum, that of the present play first;
            by default ten from 1 down to 0.1.
        threshold: Share of |w|_1 at which the best arm becomes good, in (0, 1].
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.

    Raises:
        EnvError: If an argument is out of range.

    Example:
        >>> env = TallyingBandit(1, arms=2, weights=[1.0, 0.5, 0.25])
        >>> observation, info = env.reset(seed=0)
        >>> [float(env.step(np.array([arm]))[4]["tally"][0]) for arm in (0, 1, 0, 0, 0)]
        [1.0, 1.0, 1.25, 1.5, 1.75]

    Malik, Li and Singh 2023, arXiv 2305.02955.
    """

    state_names = ("flat", "rival", "best", "history", "tally", "payout")

    def __init__(
        self,
        num_envs: int = 1,
        *,
        arms: int = 5,
        weights: Sequence[float] = _WEIGHTS,
        threshold: float = 0.9,
        time_limit: int | None = 100,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        self.weights = np.asarray(weights, dtype=np.float64)
        _check(arms, self.weights, threshold)
        self.arms, self.full = arms, float(self.weights.sum())
        self._turn = threshold * self.full - 1e-9
        self._exposing = int((self.weights.cumsum() < self._turn).sum())
        self.card = _card(arms, self.full, time_limit)
        self.single_observation_space = gym.spaces.Box(0.0, 1.0, (1,), np.float32)
        self.single_action_space = gym.spaces.Discrete(arms)
        super().__init__(
            num_envs,
            time_limit=time_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
        self.flat = np.zeros((num_envs, arms))
        self.rival = np.zeros(num_envs)
        self.best = np.zeros(num_envs, dtype=np.int64)
        self.history = np.full((num_envs, self.weights.size), NO_ARM, dtype=np.int64)
        self.tally = np.zeros(num_envs)
        self.payout = np.zeros(num_envs)

    def arm_values(self) -> FloatArray:
        """Returns what every arm pays on average when fully exposed, (n, K), for whoever judges."""
        value = 1.0 - self.flat
        value[self._rows, self.best] = 1.0 - LATE_LOSS
        return value

    def _spawn(self, rows: IntArray) -> None:
        low, high = FLAT_LOSS
        self.flat[rows] = low + (high - low) * uniforms(self.streams, rows, self.arms)
        self.best[rows] = self.streams.integers(rows, self.arms)
        is_best = np.arange(self.arms) == self.best[rows, None]
        self.rival[rows] = np.where(is_best, np.inf, self.flat[rows]).min(axis=1)
        self.history[rows] = NO_ARM
        self.tally[rows] = self.payout[rows] = 0.0

    def _advance(self, action: np.ndarray) -> tuple[FloatArray, BoolArray]:
        self.history = np.concatenate([action[:, None], self.history[:, :-1]], axis=1)
        self.tally = ((self.history == action[:, None]) * self.weights).sum(axis=1)
        chance = 1.0 - self._loss()
        self.payout = (self.streams.uniform(self._rows) < chance).astype(np.float64)
        return self.payout.copy(), np.zeros(self.num_envs, dtype=np.bool_)

    def _observe(self) -> np.ndarray:
        return self.payout[:, None].astype(np.float32)

    def _facts(self) -> Info:
        arm = self.history[:, 0]
        pulled, loss = arm != NO_ARM, self._loss()
        best = self._least_total(self.elapsed) - self._least_total(self.elapsed - 1)
        return {
            "success": pulled & (arm == self.best),
            "regret": np.where(pulled, loss - LATE_LOSS, 0.0),
            "policy_regret": np.where(pulled, loss - best, 0.0),
            "best_arm": self.best.copy(),
            "tally": self.tally.copy(),
        }

    def _loss(self) -> FloatArray:
        """Returns h of the arm just played at its tally, (n,)."""
        arm = self.history[:, 0]
        risen = np.where(self.tally >= self._turn, LATE_LOSS, EARLY_LOSS)
        return np.where(arm == self.best, risen, self.flat[self._rows, arm])

    def _least_total(self, rounds: IntArray) -> FloatArray:
        """Returns the total loss of the better of two plays after `rounds` (n,), as (n,)."""
        late = np.maximum(rounds - self._exposing, 0)
        return np.minimum(rounds * self.rival, EARLY_LOSS * (rounds - late) + LATE_LOSS * late)

    def _draw(self, row: int) -> np.ndarray:
        height = 1.0 - self.flat[row]
        height[self.best[row]] = 1.0 - LATE_LOSS
        share = float(self.tally[row]) / self.full
        return draw_arms(height, int(self.best[row]), int(self.history[row, 0]), share)


single = functools.partial(SingleEnv, TallyingBandit)


def _check(arms: int, weights: FloatArray, threshold: float) -> None:
    """Says which option cannot work."""
    check_arms(arms)
    inside = weights.ndim == 1 and ((weights >= 0.0) & (weights <= 1.0)).all()
    if not (inside and weights.sum() > 0.0):
        raise EnvError(
            f"weights must be numbers in [0, 1], one of them positive, got {weights.tolist()}"
        )
    if not 0.0 < threshold <= 1.0:
        raise EnvError(f"threshold must be in (0, 1], got {threshold}")


def _card(arms: int, full: float, time_limit: int | None) -> EnvCard:
    return EnvCard(
        id="rewardsmith/TallyingBandit-v0",
        goal=f"Find the one of {arms} arms that pays best once it has been played for a while.",
        observation=(last_reward_field(),),
        action=(arm_field(arms),),
        facts=(
            Field("success", "the best arm was pulled", low=0.0, high=1.0),
            Field(
                "regret", "mean loss - that of the best arm fully exposed", low=0.0, high=0.8 + 1e-9
            ),
            Field(
                "policy_regret",
                "mean loss - what the best play of as many rounds loses more than of one fewer",
                low=LATE_LOSS - FLAT_LOSS[1] - 1e-9,
                high=EARLY_LOSS - LATE_LOSS + 1e-9,
            ),
            Field("best_arm", "the arm that is best when fully exposed", low=0.0, high=arms - 1),
            Field("tally", "weighted count of recent plays of the arm", low=0.0, high=full + 1e-9),
        ),
        success="The last pull was of the arm that is best when fully exposed.",
        score="return",
        time_limit=time_limit,
        human_design="Besides the task's reward, charge every pull its regret.",
        source="Malik, Li and Singh 2023, arXiv 2305.02955.",
    )
