"""Rewards that compare siblings, paid after the terms and before credit: fewest calls; length."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from rewardsmith.envs.errors import ConfigError, unknown
from rewardsmith.envs.stateful import FloatArray, IntArray
from rewardsmith.rewards.component import Component
from rewardsmith.rewards.credit.rollouts import Rollouts
from rewardsmith.rewards.credit.segments import totals

Price = Literal["exp", "otc", "otc_strict", "linear"]


class GroupReward(Component):
    """What an episode is worth once its group is finished.

    `rollouts.with_returns(reward(rollouts, prompts))` puts it in place of the old returns.
    """

    @property
    def needs(self) -> tuple[str, ...]:
        """Signals that have to be scored before the batch is paid."""
        return ()

    def check(self, names: Iterable[str]) -> None:
        """Raises ConfigError if this reward speaks of terms that are not among `names`."""

    @abstractmethod
    def __call__(self, rollouts: Rollouts, prompts: Sequence[Hashable]) -> FloatArray:
        """Returns the new return of every episode, float64 (E,).

        Args:
            rollouts: The batch; `returns` is what the design paid.
            prompts: What identifies the start of every group, across batches.
        """


def call_price(
    kind: Price, calls: FloatArray, fewest: FloatArray, *, most: int = 5, decay: float = 0.5
) -> FloatArray:
    """Returns what is left of a right answer after m calls, where n is the least known, in [0, 1].

        "exp":         decay^(m - n)
        "otc":         1 if m = n = 0;  cos(m pi / (2m + most)) if n = 0;
                       sin(f pi / (2n)) with f = 2mn / (m + n) otherwise
        "otc_strict":  "otc", but 0 for m > 0 where n = 0
        "linear":      max(0, 1 - m / (most + 1))

    Sources: OTC-GRPO, arXiv 2504.14870; the others from MASH, arXiv 2510.01152.

    Args:
        kind: One of the above.
        calls: m, float64 (E,).
        fewest: n, float64 (E,).
        most: The most calls allowed, at least 1.
        decay: What each needless call leaves, in (0, 1].

    Example:
        >>> call_price("otc", np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 0, 1, 1]), most=4)
        array([1.        , 0.8660254 , 0.8660254 , 0.70710678])
    """
    m, n = calls, fewest
    if kind == "exp":
        return np.asarray(decay ** (m - n))
    if kind == "linear":
        return np.maximum(0.0, 1.0 - m / (most + 1))
    never = np.cos(m * math.pi / (2 * m + most)) if kind == "otc" else (m == 0).astype(np.float64)
    sine = np.sin(m * math.pi / np.maximum(m + n, 1.0))
    return np.where(n == 0, never, sine)


@dataclass
class FewestCalls(GroupReward):
    """R_i = C_i * price(m_i, n): a right answer is worth most with the fewest calls known to do.

    C_i is the episode's return, m_i its calls, n the least m among the answers to the same
    prompt with C > 0, in this batch or any before. The price multiplies: added to the
    return it would pay wrong answers for not calling. `kind="otc"` is OTC-GRPO
    (arXiv 2504.14870); "exp" with decay 0.5 (0.8 for questions of several hops) is the
    pay-per-search reward of MASH (arXiv 2510.01152).

    Needs the per-step signal "calls": how many tools the step called.

    Args:
        kind: Of `call_price`.
        most: The most calls allowed, at least 1.
        decay: Of "exp", in (0, 1].

    Raises:
        ConfigError: If a parameter is out of range.

    Example:
        >>> reward = FewestCalls(kind="exp")
        >>> reward.pay(np.array([1.0, 1.0, 0.0]), np.array([3.0, 1.0, 0.0]), ["q", "q", "q"])
        array([0.25, 1.  , 0.  ])
        >>> reward.pay(np.array([1.0]), np.array([2.0]), ["q"])
        array([0.5])
    """

    kind: Price = "otc"
    most: int = 5
    decay: float = 0.5
    fewest: dict[Hashable, float] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    state_names = ("fewest",)

    def __post_init__(self) -> None:
        if self.kind not in get_args(Price):
            raise unknown("kind", self.kind, get_args(Price), where="FewestCalls.kind")
        if self.most < 1:
            raise ConfigError(f"FewestCalls.most must be at least 1, got {self.most}")
        if not 0 < self.decay <= 1:
            raise ConfigError(f"FewestCalls.decay must be in (0, 1], got {self.decay}")

    def __call__(self, rollouts: Rollouts, prompts: Sequence[Hashable]) -> FloatArray:
        """Returns the new returns, float64 (E,), and remembers the fewest calls.

        Raises:
            ConfigError: If the rollouts have no signal "calls".
        """
        calls = totals(rollouts.signal("calls", "step"), rollouts.episode, rollouts.n_episodes)
        return self._paid(rollouts.returns, calls, rollouts.group, prompts)

    def pay(
        self, correct: FloatArray, calls: FloatArray, prompts: Sequence[Hashable]
    ) -> FloatArray:
        """Returns C * price, float64 (E,), from C (E,), m (E,) and the prompt of every episode."""
        number = {prompt: index for index, prompt in enumerate(dict.fromkeys(prompts))}
        key = np.array([number[prompt] for prompt in prompts], dtype=np.int64)
        return self._paid(correct, calls, key, list(number))

    def _paid(
        self, correct: FloatArray, calls: FloatArray, key: IntArray, prompts: Sequence[Hashable]
    ) -> FloatArray:
        right = correct > 0
        fewest = np.full(len(prompts), np.inf)
        np.minimum.at(fewest, key[right], calls[right])
        for prompt, number in zip(prompts, fewest, strict=True):
            self.fewest[prompt] = min(self.fewest.get(prompt, math.inf), float(number))
        known = np.array([self.fewest[prompt] for prompt in prompts])[key]
        known = np.where(right, known, calls)
        price = call_price(self.kind, calls, known, most=self.most, decay=self.decay)
        return np.where(right, correct * price, 0.0)


@dataclass
class SoftOverlongPenalty(GroupReward):
    """R_i = R_i + p(L_i): answers are charged as they near the longest length allowed.

        p(L) = 0                              for L <= longest - margin
               ((longest - margin) - L) / margin   up to longest
               -1                             beyond

    L is the number of tokens the policy wrote in the episode. Source: DAPO,
    arXiv 2503.14476.

    Args:
        longest: Tokens after which the whole penalty is due.
        margin: Tokens over which it grows, at least 1.

    Raises:
        ConfigError: If the margin is not in 1..longest.

    Example:
        >>> SoftOverlongPenalty().penalty(np.array([16384, 18432, 20480, 20481]))
        array([ 0. , -0.5, -1. , -1. ])
    """

    longest: int = 20480
    margin: int = 4096

    def __post_init__(self) -> None:
        if not 1 <= self.margin <= self.longest:
            raise ConfigError(
                f"SoftOverlongPenalty.margin must be in 1..longest = {self.longest}, "
                f"got {self.margin}"
            )

    def penalty(self, length: IntArray) -> FloatArray:
        """Returns p, float64 of the shape of `length`, from -1 to 0."""
        return np.clip((self.longest - self.margin - length) / self.margin, -1.0, 0.0)

    def __call__(self, rollouts: Rollouts, prompts: Sequence[Hashable]) -> FloatArray:
        """Returns the new returns, float64 (E,)."""
        length = np.bincount(rollouts.token_episode, minlength=rollouts.n_episodes)
        return rollouts.returns + self.penalty(length)
