"""`PolicyBandit-v0`: arms whose pay depends on a hidden context, and policies that advise."""

from __future__ import annotations

import functools

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.bandits.arms import NO_ARM, arm_field
from rewardsmith.envs.bandits.drawing import draw_arms
from rewardsmith.envs.batch import BatchEnv, Info
from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.draws import uniforms
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray


class PolicyBandit(BatchEnv):
    """Contextual bandit with a class of N policies: do as well as the best of them.

    Every round has a context x, one of X, drawn uniformly; pulling arm a pays r = 1 with
    probability mu(x, a), else 0. Policy i would pull arm pi_i(x). mu is drawn uniformly from
    [0, 1] and every pi_i(x) uniformly from the arms, for every episode, from the row's stream.
    The player sees what the policies advise, and neither x nor mu.

    The fact `regret` is mu(x, pi(x)) - mu(x, a), with pi the policy of the highest
    mean pay over the contexts. It is negative where another arm was better in this context.

    Observation, float32 of shape (N,): the arm that every policy advises in the coming round.
    Action: the arm. The facts speak of the round just played.

    Args:
        num_envs: Number of rows n.
        arms: Number of arms K, at least 2.
        policies: Number of policies N, at least 2.
        contexts: Number of contexts X, at least 1.
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.

    Raises:
        EnvError: If an argument is out of range.

    Example:
        >>> env = PolicyBandit(1, arms=3, policies=4)
        >>> advice, info = env.reset(seed=0)
        >>> _, reward, _, _, info = env.step(advice[:, env.best[0]].astype(np.int64))
        >>> advice, info["regret"], info["success"]
        (array([[0., 0., 1., 2.]], dtype=float32), array([0.]), array([ True]))

    Slivkins 2019, arXiv 1904.07272, section 8.4.
    """

    state_names = ("mean", "policy", "best", "context", "arm", "payout", "regret")

    regret_kinds = ("policies",)
    """Bounds on the regret may assume contexts drawn alike in all rounds."""
    reward_width = 1.0

    def __init__(
        self,
        num_envs: int = 1,
        *,
        arms: int = 4,
        policies: int = 16,
        contexts: int = 5,
        time_limit: int | None = 100,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        for name, value, least in (("arms", arms, 2), ("policies", policies, 2),
                                   ("contexts", contexts, 1)):  # fmt: skip
            if value < least:
                raise EnvError(f"{name} must be at least {least}, got {value}")
        self.arms, self.policies, self.contexts = arms, policies, contexts
        self.card = _card(arms, policies, time_limit)
        self.single_observation_space = gym.spaces.Box(0.0, arms - 1, (policies,), np.float32)
        self.single_action_space = gym.spaces.Discrete(arms)
        super().__init__(
            num_envs,
            time_limit=time_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
        self.mean = np.zeros((num_envs, contexts, arms))
        self.policy = np.zeros((num_envs, contexts, policies), dtype=np.int64)
        self.best = np.zeros(num_envs, dtype=np.int64)
        self.context = np.zeros(num_envs, dtype=np.int64)
        self.arm = np.full(num_envs, NO_ARM, dtype=np.int64)
        self.payout, self.regret = np.zeros(num_envs), np.zeros(num_envs)

    def _spawn(self, rows: IntArray) -> None:
        mean = uniforms(self.streams, rows, self.contexts * self.arms)
        self.mean[rows] = mean.reshape(rows.size, self.contexts, self.arms)
        choice = uniforms(self.streams, rows, self.contexts * self.policies) * self.arms
        self.policy[rows] = choice.astype(np.int64).reshape(rows.size, self.contexts, -1)
        value = np.take_along_axis(self.mean[rows], self.policy[rows], axis=2).sum(axis=1)
        self.best[rows] = value.argmax(axis=1)
        self.context[rows] = self.streams.integers(rows, self.contexts)
        self.arm[rows] = NO_ARM
        self.payout[rows] = self.regret[rows] = 0.0

    def _advance(self, action: np.ndarray) -> tuple[FloatArray, BoolArray]:
        self.arm = action.astype(np.int64)
        rows, mean = self._rows, self.mean[self._rows, self.context]
        advised = self.policy[rows, self.context, self.best]
        chance = mean[rows, self.arm]
        self.regret = mean[rows, advised] - chance
        self.payout = (self.streams.uniform(rows) < chance).astype(np.float64)
        self.context = self.streams.integers(rows, self.contexts)
        return self.payout.copy(), np.zeros(self.num_envs, dtype=np.bool_)

    def _observe(self) -> np.ndarray:
        return self.policy[self._rows, self.context].astype(np.float32)

    def _facts(self) -> Info:
        return {
            "success": (self.arm != NO_ARM) & (self.regret <= 0.0),
            "regret": self.regret.copy(),
            "best_policy": self.best.copy(),
        }

    def _draw(self, row: int) -> np.ndarray:
        context = self.context[row]
        advised = int(self.policy[row, context, self.best[row]])
        payout = float(self.payout[row])
        return draw_arms(self.mean[row, context], advised, int(self.arm[row]), payout)


single = functools.partial(SingleEnv, PolicyBandit)


def _card(arms: int, policies: int, time_limit: int | None) -> EnvCard:
    return EnvCard(
        id="rewardsmith/PolicyBandit-v0",
        goal=f"Earn as much as the best of {policies} policies, which advise one of {arms} arms "
        "in every round.",
        observation=(
            Field(
                "advice",
                "arm that every policy advises in the coming round",
                (0, policies),
                low=0.0,
                high=arms - 1,
            ),
        ),
        action=(arm_field(arms),),
        facts=(
            Field("success", "the arm was as good as the best policy's", low=0.0, high=1.0),
            Field(
                "regret",
                "mean of the arm that the best policy advised - mean of the pulled arm",
                low=-1.0,
                high=1.0,
            ),
            Field("best_policy", "policy of the highest mean pay", low=0.0, high=policies - 1),
        ),
        success="The last pull was of an arm as good as the one that the best policy advised.",
        score="return",
        time_limit=time_limit,
        human_design="Besides the task's reward, charge every pull its regret.",
        source="Slivkins 2019, arXiv 1904.07272, section 8.4.",
    )
