"""`KnapsackBandit-v0`: pulls use up budgets, and the episode ends with the first of them."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.bandits.arms import (
    NO_ARM,
    arm_field,
    count_arms,
    given_means,
    last_reward_field,
)
from rewardsmith.envs.bandits.drawing import draw_arms
from rewardsmith.envs.bandits.knapsack_lp import lp_mixes
from rewardsmith.envs.batch import BatchEnv, Info
from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.draws import uniforms
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray

KINDS = ("pricing", "drawn", "given")


class KnapsackBandit(BatchEnv):
    """Bandits with knapsacks: arm a pays on average r_a and uses c_ai of resource i.

    Every resource starts at budget B; a pull uses 0 or 1 of it. The episode terminates with
    the pull that leaves nothing of some resource. One uniform number U decides a round:
    resource i is used if U < c_ai, and the arm pays pay_a if U < chance_a, so that
    r_a = pay_a chance_a. Three kinds of instance:

    - "pricing": arm a = 0..K-1 offers the price p = (a + 1) / (K + 1). The customer buys with
      chance 1 - p; a sale pays p and takes one unit of the only resource, the stock.
    - "drawn": r and c are uniform on [0, 1], drawn for every episode; pay is 1.
    - "given": r and c are `rewards` and `consumption`; pay is 1.

    The fact `regret` is v - r_a, with v the linear program's value per round for B / horizon
    (`lp_value`); the pull that ends an episode early also has v for every round of the horizon
    not played. Its sum over an episode is horizon * v - sum of mean rewards: the regret
    against the best mix of arms, which may exceed the best single arm.

    Observation, float32 of shape (1 + d,): the last reward, 0 at the start, and the share of
    every budget that is left. Action: the arm.

    Args:
        num_envs: Number of rows n.
        arms: Number of arms K, at least 2; by default 10, or as many as `rewards`.
        kind: "pricing", "drawn" or "given".
        resources: d, of kind "drawn" only; at least 1.
        rewards: r, (K,), each in [0, 1]; of kind "given" only.
        consumption: c, (K, d), each in [0, 1]; of kind "given" only.
        budget: B of every resource, a whole number of at least 1.
        horizon: Rounds T that `regret` refers to, at least 1.
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.

    Raises:
        EnvError: If an argument is out of range, or two disagree.

    Example:
        >>> env = KnapsackBandit(
        ...     1, kind="given", rewards=[1.0, 0.0], consumption=[[1.0], [0.0]], budget=2)
        >>> observation, info = env.reset(seed=0)
        >>> for arm in (0, 1, 0):
        ...     _, reward, terminated, _, info = env.step(np.array([arm]))
        ...     print(reward, info["remaining"], terminated)
        [1.] [[1.]] [False]
        [0.] [[1.]] [False]
        [1.] [[0.]] [ True]

    Badanidiyuru, Kleinberg and Slivkins 2013, arXiv 1305.2545.
    """

    state_names = (
        "chance", "use", "mix", "value", "arm", "payout", "remaining", "consumption", "regret",
    )  # fmt: skip

    def __init__(
        self,
        num_envs: int = 1,
        *,
        arms: int | None = None,
        kind: str = "pricing",
        resources: int = 2,
        rewards: Sequence[float] | None = None,
        consumption: Sequence[Sequence[float]] | None = None,
        budget: int = 20,
        horizon: int = 100,
        time_limit: int | None = 100,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        _check(kind, resources, rewards, consumption, budget, horizon)
        given = given_means("rewards", rewards, arms, (0.0, 1.0))
        self.arms, self.kind = count_arms(arms, given), kind
        self.budget, self.horizon = float(budget), horizon
        self.pay, fixed = _instance(kind, self.arms, given, consumption)
        d = resources if fixed is None else fixed[1].shape[1]
        self.card = _card(self.arms, d, self.budget, horizon, time_limit)
        self.single_observation_space = gym.spaces.Box(0.0, 1.0, (1 + d,), np.float32)
        self.single_action_space = gym.spaces.Discrete(self.arms)
        super().__init__(
            num_envs,
            time_limit=time_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
        self.chance, self.use = np.zeros((num_envs, self.arms)), np.zeros((num_envs, self.arms, d))
        self.mix, self.value = np.zeros((num_envs, self.arms)), np.zeros(num_envs)
        if fixed is not None:
            self.chance[:], self.use[:] = fixed
            self._settle(np.arange(num_envs))
        self.arm = np.full(num_envs, NO_ARM, dtype=np.int64)
        self.payout, self.regret = np.zeros(num_envs), np.zeros(num_envs)
        self.remaining = np.full((num_envs, d), self.budget)
        self.consumption = np.zeros((num_envs, d))

    def _spawn(self, rows: IntArray) -> None:
        if self.kind == "drawn":
            self.chance[rows] = uniforms(self.streams, rows, self.arms)
            drawn = uniforms(self.streams, rows, self.use[0].size)
            self.use[rows] = drawn.reshape(rows.size, *self.use.shape[1:])
            self._settle(rows)
        self.arm[rows] = NO_ARM
        self.remaining[rows] = self.budget
        self.payout[rows] = self.regret[rows] = 0.0
        self.consumption[rows] = 0.0

    def _advance(self, action: np.ndarray) -> tuple[FloatArray, BoolArray]:
        self.arm = action.astype(np.int64)
        draw = self.streams.uniform(self._rows)
        chance, pay = self.chance[self._rows, self.arm], self.pay[self.arm]
        self.payout = np.where(draw < chance, pay, 0.0)
        self.consumption = (draw[:, None] < self.use[self._rows, self.arm]).astype(np.float64)
        self.remaining = self.remaining - self.consumption
        exhausted = np.asarray((self.remaining <= 0.0).any(axis=1))
        lost = np.where(exhausted, np.maximum(self.horizon - 1 - self.elapsed, 0), 0)
        self.regret = self.value * (1 + lost) - pay * chance
        return self.payout.copy(), exhausted

    def _observe(self) -> np.ndarray:
        share = self.remaining / self.budget
        return np.concatenate([self.payout[:, None], share], axis=1).astype(np.float32)

    def _facts(self) -> Info:
        pulled = self.arm != NO_ARM
        return {
            "success": pulled & (self.mix[self._rows, self.arm] > 1e-9),
            "regret": self.regret.copy(),
            "remaining": self.remaining.copy(),
            "consumption": self.consumption.copy(),
        }

    def _settle(self, rows: IntArray) -> None:
        """Finds the best mix of arms of `rows` (k,), and its value per round."""
        mean = self.pay * self.chance[rows]
        self.mix[rows] = lp_mixes(mean, self.use[rows], self.budget / self.horizon)
        self.value[rows] = (self.mix[rows] * mean).sum(axis=1)

    def _draw(self, row: int) -> np.ndarray:
        mean, best = self.pay * self.chance[row], int(self.mix[row].argmax())
        return draw_arms(mean, best, int(self.arm[row]), float(self.payout[row]))


single = functools.partial(SingleEnv, KnapsackBandit)


def _instance(
    kind: str,
    arms: int,
    rewards: FloatArray | None,
    consumption: Sequence[Sequence[float]] | None,
) -> tuple[FloatArray, tuple[FloatArray, FloatArray] | None]:
    """Returns pay (K,), and the chances (K,) and uses (K, d) if they are always the same."""
    if kind == "drawn":
        return np.ones(arms), None
    if rewards is None:
        price = np.arange(1, arms + 1) / (arms + 1)
        return price, (1.0 - price, 1.0 - price[:, None])
    use = np.asarray(consumption, dtype=np.float64)
    if use.ndim != 2 or len(use) != arms or use.size == 0:
        raise EnvError(
            f"consumption must have shape ({arms}, d), a row per arm, got shape {use.shape}"
        )
    if not ((use >= 0.0) & (use <= 1.0)).all():
        raise EnvError(f"consumption must be numbers in [0, 1], got {use.tolist()}")
    return np.ones(arms), (rewards, use)


def _check(
    kind: str, resources: int, rewards: object, consumption: object, budget: int, horizon: int
) -> None:
    """Says which option cannot work."""
    if kind not in KINDS:
        raise EnvError(f"kind must be one of {', '.join(map(repr, KINDS))}, got {kind!r}")
    for name, told in (("rewards", rewards), ("consumption", consumption)):
        if (told is not None) != (kind == "given"):
            hint = f"give {name}" if kind == "given" else "set kind to 'given'"
            raise EnvError(f"{name} and kind {kind!r} do not go together; {hint}")
    if resources < 1:
        raise EnvError(f"resources must be at least 1, got {resources}")
    if not (budget >= 1 and float(budget).is_integer()):
        raise EnvError(f"budget must be a whole number of at least 1, got {budget}")
    if horizon < 1:
        raise EnvError(f"horizon must be at least 1 round, got {horizon}")


def _card(arms: int, d: int, budget: float, horizon: int, time_limit: int | None) -> EnvCard:
    return EnvCard(
        id="rewardsmith/KnapsackBandit-v0",
        goal=f"Earn as much as possible with {arms} arms before a budget of {budget:g} is used up.",
        observation=(
            last_reward_field(),
            Field("share_left", "share of every budget that is left", (1, 1 + d), low=0, high=1),
        ),
        action=(arm_field(arms),),
        facts=(
            Field("success", "an arm of the best mix was pulled", low=0.0, high=1.0),
            Field(
                "regret",
                "best mix's mean reward - that of the pulled arm; at an early end also that of "
                "the rounds not played; 0 at the start",
                low=-1.0,
                high=float(horizon),
            ),
            Field("remaining", "what is left of every resource", low=0.0, high=budget),
            Field("consumption", "what the last pull used of every resource", low=0.0, high=1.0),
        ),
        success="The last pull was of an arm that the best mix plays.",
        score="return",
        time_limit=time_limit,
        human_design="Besides the task's reward, charge every pull its regret.",
        source="Badanidiyuru, Kleinberg and Slivkins 2013, arXiv 1305.2545.",
    )
