"""Samplers: which prompts to play next, and how many rollouts each gets."""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rewardsmith.agents.llm.outcomes import Outcomes
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray, Stateful


@dataclass
class Prompts(ABC, Stateful):
    """Chooses prompts from a pool and rollouts for each; learns from what they came to.

    A subclass is a dataclass of settings. All randomness is the `random` state, which is saved.

    Args:
        pool: Number of prompts; prompt i is the task that seed i draws.
    """

    pool: int = 100_000

    state_names: ClassVar[tuple[str, ...]] = ("random", "tried", "solved")

    def __post_init__(self) -> None:
        if self.pool < 1:
            raise ConfigError(f"prompts.pool must be at least 1, got {self.pool}")
        self.begin(0)

    def begin(self, seed: int) -> None:
        """Forgets everything."""
        self.random = np.random.default_rng(seed)
        self.tried: dict[int, int] = {}
        self.solved: dict[int, float] = {}

    @property
    def most_rounds(self) -> int:
        """Times a batch is topped up at most, until it is full of groups that are kept."""
        return 1

    def draw(self, count: int) -> IntArray:
        """Returns `count` different prompts, or all of the pool if it is smaller."""
        return self.random.choice(self.pool, min(count, self.pool), replace=False)

    @abstractmethod
    def choose(self, prompts: int, rollouts: int) -> list[tuple[int, int]]:
        """Returns pairs of a prompt and its number of rollouts.

        Args:
            prompts: How many prompts a batch holds.
            rollouts: Rollouts per prompt, on average.
        """

    def keep(self, outcomes: Outcomes) -> BoolArray:
        """Returns which of the groups just played are learned from, bool (G,)."""
        return np.ones(len(outcomes.solved), dtype=np.bool_)

    def learn(self, prompt: int, solved: float, tried: int) -> None:
        """Notes how many of its rollouts solved a prompt."""
        self.tried[prompt] = self.tried.get(prompt, 0) + tried
        self.solved[prompt] = self.solved.get(prompt, 0.0) + solved


@dataclass
class UniformPrompts(Prompts):
    """Every prompt is as likely as any other, and gets equally many rollouts."""

    def choose(self, prompts: int, rollouts: int) -> list[tuple[int, int]]:
        """Returns a random batch."""
        return [(int(prompt), rollouts) for prompt in self.draw(prompts)]


@dataclass
class ToppedUpPrompts(UniformPrompts):
    """Prompts of which some groups are left out once they are played.

    The trainer goes on playing until the batch is full, at most `rounds` times, so rollouts are
    paid that teach nothing.

    Args:
        rounds: Most times a batch is topped up, at least 1.

    Raises:
        ConfigError: If `rounds` is below 1.
    """

    rounds: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rounds < 1:
            raise ConfigError(f"rounds must be at least 1, got {self.rounds}")

    @property
    def most_rounds(self) -> int:
        """`rounds`."""
        return self.rounds


@dataclass
class MixedPrompts(ToppedUpPrompts):
    """Dynamic sampling: groups that are all solved or all unsolved are left out of the batch.

    Source: DAPO, arXiv 2503.14476.
    """

    def keep(self, outcomes: Outcomes) -> BoolArray:
        """Returns which groups have both outcomes."""
        return (outcomes.solved > 0.0) & (outcomes.solved < 1.0)


@dataclass
class SpreadPrompts(ToppedUpPrompts):
    """Groups whose returns differ little, s < beta * e, are left out of the batch.

    s is the standard deviation of a group's returns, and e follows its mean m over all groups of
    a round, kept or not: the mean of the m from round `average_from` until filtering begins, then
    e <- ratio * e + (1 - ratio) * m after every round. Groups without a scored episode count in
    no mean, and are left out once filtering has begun. Source: RLPR, arXiv 2506.18254; the
    numbers are those of its scripts, which count updates where this counts rounds.

    Args:
        beta: Share of the usual spread that a group needs, at least 0.
        ratio: What e keeps of itself in a round, in [0, 1).
        average_from: The first round that counts in e, from 1.
        filter_from: The first round in which groups are left out, after `average_from`.

    Raises:
        ConfigError: If a parameter is out of range.

    Example:
        >>> prompts = SpreadPrompts(average_from=1, filter_from=2)
        >>> few = Outcomes(solved=np.zeros(2), spread=np.array([0.1, 0.7]))
        >>> prompts.keep(few), prompts.keep(few)  # 0.1 is less than half of 0.4
        (array([ True,  True]), array([False,  True]))
    """

    beta: float = 0.5
    ratio: float = 0.99
    average_from: int = 6
    filter_from: int = 11

    state_names = (*Prompts.state_names, "seen", "counted", "usual")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.beta >= 0:
            raise ConfigError(f"beta must be at least 0, got {self.beta}")
        if not 0 <= self.ratio < 1:
            raise ConfigError(f"ratio must be in [0, 1), got {self.ratio}")
        if not 1 <= self.average_from < self.filter_from:
            raise ConfigError(
                "average_from must be at least 1 and below filter_from, got "
                f"{self.average_from} and {self.filter_from}"
            )

    def begin(self, seed: int) -> None:
        """Forgets everything."""
        super().begin(seed)
        self.seen = self.counted = 0
        self.usual = 0.0

    def keep(self, outcomes: Outcomes) -> BoolArray:
        """Returns which groups' returns differ enough, and takes note of how much they do."""
        self.seen += 1
        filtering = self.seen >= self.filter_from and self.counted > 0
        kept = super().keep(outcomes)
        if filtering:
            kept = outcomes.spread >= self.beta * self.usual
        known = outcomes.spread[np.isfinite(outcomes.spread)]
        if known.size and self.seen >= self.average_from:
            self.counted += 1
            share = 1.0 - self.ratio if filtering else 1.0 / self.counted
            self.usual += share * (float(known.mean()) - self.usual)
        return kept


@dataclass
class KnapsackPrompts(Prompts):
    """More rollouts for prompts from which more can be learned, the same number in all.

    Prompt j of estimated success p_j gets N_j in [fewest, most] rollouts such that they add up
    and sum_j V(N_j, p_j) is largest, see `learning_value`; a prompt never tried counts as 1/2.
    What is left over once no rollout has any value goes to prompts that were never solved.

    Args:
        fewest: Rollouts that every prompt gets, at least 1.
        most: Rollouts that none exceeds.

    Knapsack RL, arXiv 2509.25849.
    """

    fewest: int = 2
    most: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.fewest <= self.most:
            raise ConfigError(
                f"fewest must be at least 1 and at most `most`, got {self.fewest} and {self.most}"
            )

    def choose(self, prompts: int, rollouts: int) -> list[tuple[int, int]]:
        """Returns a random batch with its budget shared out."""
        drawn = self.draw(prompts)
        success = np.array([self._estimate(int(prompt)) for prompt in drawn])
        shares = allocate(success, rollouts * len(drawn), self.fewest, self.most)
        return [(int(p), int(n)) for p, n in zip(drawn, shares, strict=True)]

    def _estimate(self, prompt: int) -> float:
        tried = self.tried.get(prompt, 0)
        return self.solved[prompt] / tried if tried else 0.5


def learning_value(rollouts: FloatArray | int, success: FloatArray | float) -> FloatArray:
    """Returns V(N, p) = [1 - p^N - (1 - p)^N] p (1 - p)^2.

    The chance that N rollouts of a prompt solved with probability p have both outcomes, times
    the first-order gain in p of one update. Concave in N.

    Example:
        >>> learning_value(2, np.array([0.5, 1.0])), learning_value(8, 0.1).round(5).item()
        (array([0.0625, 0.    ]), 0.04613)
    """
    n, p = np.asarray(rollouts), np.asarray(success, dtype=np.float64)
    return np.asarray((1.0 - p**n - (1.0 - p) ** n) * p * (1.0 - p) ** 2)


def allocate(success: FloatArray, budget: int, fewest: int, most: int) -> IntArray:
    """Returns how many rollouts each prompt gets, int64 (M,), of `budget` in all.

    Raises the best marginal gain of V step by step, which is exact because V is concave.

    Args:
        success: p of every prompt, (M,).
        budget: Sum of the rollouts; held to what `fewest` and `most` allow.
        fewest: Least per prompt.
        most: Largest per prompt.

    Example:
        >>> allocate(np.array([0.05, 0.5, 0.95, 0.2]), 32, fewest=2, most=128)
        array([10,  7,  2, 13])
    """
    count = np.full(len(success), fewest, dtype=np.int64)
    gain = learning_value(fewest + 1, success) - learning_value(fewest, success)
    heap = [
        (-float(g), float(p), fewest, j)
        for j, (g, p) in enumerate(zip(gain, success, strict=True))
        if fewest < most
    ]
    heapq.heapify(heap)
    for _ in range(budget - int(count.sum())):
        if not heap:
            break
        _, p, n, j = heapq.heappop(heap)
        count[j] = n = n + 1
        if n < most:
            step = learning_value(n + 1, p) - learning_value(n, p)
            # Where nothing is to be gained, prompts that were never solved come first (p = 0).
            heapq.heappush(heap, (-float(step), p, n, j))
    return count
