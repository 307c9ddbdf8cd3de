"""`AdversarialBandit-v0`: an oblivious adversary fixes what every arm will pay."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import pairwise

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

KINDS = ("switch", "random_walk")


class AdversarialBandit(BatchEnv):
    """K arms whose chances p_t(a) change over time, whatever the player does.

    At round t arm a pays 1 with chance p_t(a), else 0; all K payments are drawn before the
    pull, from the row's stream, so that the sequence does not depend on the actions. Two
    kinds of sequence:

    - "switch": one arm has p = 1/2 + gap / 2, the others 1/2 - gap / 2; at the given
      fractions of the horizon the good arm becomes another one, drawn uniformly.
    - "random_walk": p starts uniform on [0, 1] and every arm takes an independent step of
      +step or -step per round, reflected at 0 and 1.

    The fact `regret` is the growth of the regret against the best fixed arm in hindsight,
    with G_t(a) the sum of what arm a would have paid up to round t:
    max_a G_t(a) - max_a G_{t-1}(a) - r_t, so that its sum over rounds 1 to t is the regret
    max_a G_t(a) - sum_s r_s at t. A single value may be negative.

    Observation, float32 of shape (1,): the last reward, 0 at the start. Action: the arm.

    Args:
        num_envs: Number of rows n.
        arms: Number of arms K, at least 2.
        kind: "switch" or "random_walk".
        horizon: Rounds T that the fractions of `switches` refer to, at least 1.
        switches: Increasing fractions of the horizon, each in (0, 1); of kind "switch" only.
        gap: How much better the good arm is, in (0, 1]; of kind "switch" only.
        step: Size of a step of the walk, in (0, 1]; of kind "random_walk" only.
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.

    Raises:
        EnvError: If an argument is out of range.

    Example:
        >>> env = AdversarialBandit(1, arms=2, horizon=4, switches=[0.5], gap=1.0)
        >>> env.reset(seed=0)[1]["rewards"]
        array([[0., 0.]])
        >>> [env.step(np.array([0]))[4]["rewards"][0].tolist() for _ in range(4)]
        [[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]

    Auer, Cesa-Bianchi, Freund and Schapire 2002; arXiv 1904.07272, chapters 5 and 6.
    """

    state_names = ("chance", "payment", "gain", "regret", "arm")

    regret_kinds = ("oblivious",)
    """Bounds on the regret may assume that payments do not depend on the play."""
    reward_width = 1.0

    def __init__(
        self,
        num_envs: int = 1,
        *,
        arms: int = 10,
        kind: str = "switch",
        horizon: int = 100,
        switches: Sequence[float] = (0.5,),
        gap: float = 0.4,
        step: float = 0.02,
        time_limit: int | None = 100,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        _check(arms, kind, horizon, switches, gap, step)
        self.arms, self.kind, self.gap, self.step_size = arms, kind, float(gap), float(step)
        self._switch_rounds = frozenset(int(fraction * horizon) for fraction in switches)
        self.card = _card(arms, kind, time_limit)
        self.single_observation_space = gym.spaces.Box(0.0, 1.0, (1,), np.float32)
        self.single_action_space = gym.spaces.Discrete(arms)
        super().__init__(
            num_envs,
            time_limit=time_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
        self.chance = np.full((num_envs, arms), 0.5)
        self.payment = np.zeros((num_envs, arms))
        self.gain = np.zeros((num_envs, arms))
        self.regret = np.zeros(num_envs)
        self.arm = np.full(num_envs, NO_ARM, dtype=np.int64)

    def _spawn(self, rows: IntArray) -> None:
        if self.kind == "switch":
            self._crown(rows, self.streams.integers(rows, self.arms))
        else:
            self.chance[rows] = uniforms(self.streams, rows, self.arms)
        self.payment[rows] = self.gain[rows] = 0.0
        self.regret[rows] = 0.0
        self.arm[rows] = NO_ARM

    def _advance(self, action: np.ndarray) -> tuple[FloatArray, BoolArray]:
        self._move()
        self.arm = action.astype(np.int64)
        draws = uniforms(self.streams, self._rows, self.arms)
        self.payment = (draws < self.chance).astype(np.float64)
        reward = self.payment[self._rows, self.arm]
        before = self.gain.max(axis=1)
        self.gain = self.gain + self.payment
        self.regret = self.gain.max(axis=1) - before - reward
        return reward, np.zeros(self.num_envs, dtype=np.bool_)

    def _observe(self) -> np.ndarray:
        paid = self.payment[self._rows, self.arm]
        return np.where(self.arm == NO_ARM, 0.0, paid)[:, None].astype(np.float32)

    def _facts(self) -> Info:
        pulled = self.arm != NO_ARM
        best = self.chance.max(axis=1)
        chosen = np.where(pulled, self.chance[self._rows, self.arm], 0.0)
        return {
            "success": pulled & (chosen == best),
            "regret": self.regret.copy(),
            "best_arm": self.chance.argmax(axis=1),
            "rewards": self.payment.copy(),
        }

    def _move(self) -> None:
        """Lets the adversary change the chances before the round."""
        if self.kind == "random_walk":
            up = uniforms(self.streams, self._rows, self.arms) < 0.5
            moved = np.abs(self.chance + np.where(up, self.step_size, -self.step_size))
            self.chance = 1.0 - np.abs(1.0 - moved)
            return
        rows = np.flatnonzero(np.isin(self.elapsed, list(self._switch_rounds)))
        if rows.size:
            shift = 1 + self.streams.integers(rows, self.arms - 1)
            self._crown(rows, (self.chance[rows].argmax(axis=1) + shift) % self.arms)

    def _crown(self, rows: IntArray, best: IntArray) -> None:
        """Makes `best` (k,) the good arm of `rows` (k,)."""
        self.chance[rows] = 0.5 - self.gap / 2
        self.chance[rows, best] = 0.5 + self.gap / 2

    def _draw(self, row: int) -> np.ndarray:
        payout = float(self.payment[row, self.arm[row]])
        best = int(self.chance[row].argmax())
        return draw_arms(self.chance[row], best, int(self.arm[row]), payout)


single = functools.partial(SingleEnv, AdversarialBandit)


def _check(
    arms: int, kind: str, horizon: int, switches: Sequence[float], gap: float, step: float
) -> None:
    """Says which option cannot work."""
    check_arms(arms)
    if kind not in KINDS:
        raise EnvError(f"kind must be one of {', '.join(map(repr, KINDS))}, got {kind!r}")
    if horizon < 1:
        raise EnvError(f"horizon must be at least 1 round, got {horizon}")
    ends = (0.0, *switches, 1.0)
    if not all(one < other for one, other in pairwise(ends)):
        raise EnvError(f"switches must be increasing fractions in (0, 1), got {list(switches)}")
    for name, value in (("gap", gap), ("step", step)):
        if not 0.0 < value <= 1.0:
            raise EnvError(f"{name} must be in (0, 1], got {value}")


def _card(arms: int, kind: str, time_limit: int | None) -> EnvCard:
    changes = "the best arm changes at times" if kind == "switch" else "all chances drift"
    return EnvCard(
        id="rewardsmith/AdversarialBandit-v0",
        goal=f"Earn as much as the best of {arms} arms would have, although {changes}.",
        observation=(last_reward_field(),),
        action=(arm_field(arms),),
        facts=(
            Field("success", "an arm of the highest chance was pulled", low=0.0, high=1.0),
            Field(
                "regret",
                "growth of the regret against the best fixed arm in hindsight",
                low=-1.0,
                high=1.0,
            ),
            Field("best_arm", "the first arm of the highest chance", low=0.0, high=arms - 1),
            Field("rewards", "what every arm would have paid, 0 at the start", low=0.0, high=1.0),
        ),
        success="The last pull was of an arm of the highest chance at that round.",
        score="return",
        time_limit=time_limit,
        human_design="Besides the task's reward, charge every pull its regret.",
        source="Auer, Cesa-Bianchi, Freund and Schapire 2002; arXiv 1904.07272.",
    )
