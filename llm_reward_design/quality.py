"""How good a search's rewards are: numbers about candidates, parts and final runs."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from rewardsmith.agents.statistics import LEVEL, Estimate
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.llm_reward_design.archive import Candidate
from rewardsmith.llm_reward_design.brief import Reflection

_RESAMPLES = 5000
_SEED = 20231019


def execute_rate(candidates: Iterable[Candidate]) -> float:
    """Returns the share of answers on whose program an agent was trained; NaN for no answers.

    Eureka (arXiv 2310.12931) counts the scores of at least 0, which takes a trained agent with
    a negative score for a failure; here it is the failures themselves that are counted.
    """
    ran = [candidate.ran for candidate in candidates]
    return sum(ran) / len(ran) if ran else math.nan


def human_normalised_score(method: float, human: float, sparse: float) -> float:
    """Returns (M - S) / |H - S|, where training on a reward stands between two others.

    0 is as good as the sparse reward, 1 as good as the human's where that beats the sparse
    one; NaN if those two are equal. From Eureka (arXiv 2310.12931).

    Args:
        method: Task score M after training on the reward in question.
        human: Task score H after training on the reward a person wrote.
        sparse: Task score S after training on the task's own reward.

    Example:
        >>> human_normalised_score(3.0, 2.0, 1.0), human_normalised_score(1.0, -1.0, 0.0)
        (2.0, 1.0)
    """
    return (method - sparse) / abs(human - sparse) if human != sparse else math.nan


def human_normalised_interval(method: ArrayLike, human: ArrayLike, sparse: ArrayLike) -> Estimate:
    """Returns the human-normalised score of mean scores over seeds, with a bootstrap interval.

    The three are resampled independently, seeds being the unit. A resample in which human and
    sparse are equal has no scale; it counts as -inf for the lower bound and as +inf for the
    upper, so an interval that such resamples reach is open. NaN bounds with fewer than two
    seeds of one of them.

    Args:
        method: Task scores after training on the reward in question, (n,).
        human: The same of the reward a person wrote, (k,).
        sparse: The same of the task's own reward, (m,).

    Raises:
        ConfigError: If one of them is empty.
    """
    runs = [np.asarray(values, dtype=np.float64).ravel() for values in (method, human, sparse)]
    if any(len(values) == 0 for values in runs):
        raise ConfigError("a human-normalised score needs runs of the reward, human and sparse")
    value = human_normalised_score(*(float(values.mean()) for values in runs))
    if any(len(values) < 2 for values in runs):
        return Estimate(value, math.nan, math.nan)
    generator = np.random.default_rng(_SEED)
    m, h, s = (_resampled_means(values, generator) for values in runs)
    gap = np.abs(h - s)
    score = (m - s) / np.where(gap == 0.0, np.nan, gap)
    tail = (1 - LEVEL) / 2
    low = np.quantile(np.where(gap == 0.0, -np.inf, score), tail, method="lower")
    high = np.quantile(np.where(gap == 0.0, np.inf, score), 1 - tail, method="higher")
    return Estimate(value, float(low), float(high))


def correlation(x: ArrayLike, y: ArrayLike) -> float:
    """Returns Pearson's correlation of two series of equal length; NaN if one is constant.

    Raises:
        ConfigError: If the lengths differ.

    Example:
        >>> round(correlation([0, 1, 2], [1, 3, 5]), 12)
        1.0
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.shape != y.shape:
        raise ConfigError(f"series to correlate differ in length: {x.size} and {y.size}")
    if x.size < 2 or np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
        return math.nan
    return float(np.corrcoef(x, y)[0, 1])


def part_correlations(reflection: Reflection) -> dict[str, float]:
    """Returns the correlation over training of each part of the reward with the task's score.

    A part that rises while the score falls is what a hacked reward looks like.
    """
    parts = reflection.parts
    return {name: correlation(values, reflection.score) for name, values in parts.items()}


def _resampled_means(values: FloatArray, generator: np.random.Generator) -> FloatArray:
    drawn = values[generator.integers(len(values), size=(_RESAMPLES, len(values)))]
    means: FloatArray = drawn.mean(axis=1)
    return means
