"""Prediction of 0 or 1 with expert advice, by weighted majority."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import IntArray, Stateful


@dataclass
class WeightedMajority(Stateful):
    """Predicts what the experts of the larger weight say; wrong ones lose weight.

    w_a <- w_a (1 - epsilon) for every expert that was wrong. With epsilon = 1 a wrong expert
    is out (majority vote): with a perfect expert it makes at most log2(K) mistakes. With
    epsilon below 1: mistakes <= 2 / (1 - epsilon) * those of the best expert
    + 2 ln(K) / epsilon.

    Args:
        n: Independent runs, side by side.
        experts: Number of experts K.
        epsilon: In (0, 1].

    Raises:
        ConfigError: If `epsilon` is out of range.

    Example:
        >>> vote = WeightedMajority(n=1, experts=3, epsilon=1.0)
        >>> advice = np.array([[0, 0, 1]])
        >>> vote.predict(advice)
        array([0])
        >>> vote.learn(advice, np.array([1]))
        >>> vote.predict(np.array([[0, 0, 1]]))
        array([1])

    Littlestone and Warmuth 1994; Slivkins 2019, arXiv 1904.07272, section 5.2.
    """

    n: int
    experts: int
    epsilon: float = 0.5

    state_names = ("weight",)

    def __post_init__(self) -> None:
        if not 0.0 < self.epsilon <= 1.0:
            raise ConfigError(f"epsilon of WeightedMajority must be in (0, 1], got {self.epsilon}")
        self.weight = np.ones((self.n, self.experts))

    def predict(self, advice: IntArray) -> IntArray:
        """Returns the prediction of every run, (n,), from advice (n, K) of 0 and 1; ties say 0."""
        ones = (self.weight * advice).sum(axis=1)
        return np.asarray(2.0 * ones > self.weight.sum(axis=1)).astype(np.int64)

    def learn(self, advice: IntArray, outcome: IntArray) -> None:
        """Takes weight from the experts whose advice (n, K) was not the outcome (n,)."""
        wrong = advice != outcome[:, None]
        weight = self.weight * np.where(wrong, 1.0 - self.epsilon, 1.0)
        # Where nobody is left every expert is as bad as the others.
        total = weight.max(axis=1, keepdims=True)
        self.weight = np.where(total > 0.0, weight / np.where(total > 0.0, total, 1.0), 1.0)
