"""Agents for pay that is linear in features shown every round."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardsmith.agents.bandits.agent import BanditAgent, Problem
from rewardsmith.agents.bandits.counting import check_range
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray, IntArray

_FIELD = "features"


def feature_count(problem: Problem) -> int:
    """Returns d, the number of features of each arm.

    Raises:
        ConfigError: If the card has no field `features` of K d columns.
    """
    card, arms = problem.card, problem.arms
    field = next((f for f in card.observation if f.name == _FIELD), None)
    if field is None or field.columns is None:
        raise ConfigError(
            f"a linear agent reads features of every arm, and the observation of {card.id} has "
            f"no field {_FIELD!r}; use lin_ucb and linear_thompson on rewardsmith/LinearBandit-v0"
        )
    width = field.columns[1] - field.columns[0]
    if width % arms:
        raise ConfigError(f"{card.id} has {width} features for {arms} arms; give each as many")
    return width // arms


class LinearAgent(BanditAgent):
    """Keeps a ridge regression of rewards on features: d^2 + d numbers per run.

    inverse = (ridge I + sum x x^T)^-1, updated by Sherman and Morrison's formula, and
    theta = inverse sum r x.
    """

    state_names = ("inverse", "theta", "random")
    ridge: float

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything and gets ready for round 0.

        Raises:
            ConfigError: If the environment shows no features.
        """
        features = feature_count(problem)
        super().begin(problem, seed)
        self.inverse = np.tile(np.eye(features) / self.ridge, (problem.n, 1, 1))
        self.theta = np.zeros((problem.n, features))
        self._rows = np.arange(problem.n)

    def act(self, observation: np.ndarray) -> IntArray:
        """Returns the arm of the largest score of every run, (n,)."""
        return np.asarray(self.score(self.features(observation)).argmax(axis=1))

    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Takes one more row (x, r) into the regression."""
        x = self.features(observation)[self._rows, action]
        gain = np.einsum("nij,nj->ni", self.inverse, x)
        gain_scale = 1.0 + np.einsum("ni,ni->n", gain, x)
        error = reward - np.einsum("ni,ni->n", self.theta, x)
        self.theta = self.theta + gain * (error / gain_scale)[:, None]
        self.inverse = self.inverse - (gain[:, :, None] * (gain / gain_scale[:, None])[:, None, :])

    def features(self, observation: np.ndarray) -> FloatArray:
        """Returns the features of every arm, (n, K, d)."""
        problem = self.problem
        read = problem.card.field(_FIELD).read(observation)
        return read.reshape(problem.n, problem.arms, -1)

    @abstractmethod
    def score(self, features: FloatArray) -> FloatArray:
        """Returns the score of every arm, (n, K), from its features (n, K, d)."""


@dataclass
class LinUCB(LinearAgent):
    """Plays the largest score = x . theta + alpha sqrt(x^T inverse x).

    Attributes:
        alpha: Width of the confidence ellipsoid, at least 0; None takes the one that holds
            with chance 1 - 1 / T in all rounds, for features and theta of length at most 1:
            sqrt(ridge) + sigma sqrt(2 ln T + d ln(1 + T / (d ridge))).
        ridge: Weight of the ridge penalty, positive.
        sigma: Standard deviation of the noise, positive; used where alpha is None.

    Raises:
        ConfigError: If a setting is out of range.

    Li, Chu, Langford and Schapire 2010, arXiv 1003.0146; Abbasi-Yadkori, Pal and
    Szepesvari 2011, theorem 2.
    """

    bound_kinds = ("linear",)

    alpha: float | None = None
    ridge: float = 1.0
    sigma: float = 0.1

    def __post_init__(self) -> None:
        check_range(self, "ridge", self.ridge, 0.0, np.inf)
        check_range(self, "sigma", self.sigma, 0.0, np.inf)
        if self.alpha is not None:
            check_range(self, "alpha", self.alpha, 0.0, np.inf, closed=True)

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything and settles the width of the ellipsoid."""
        super().begin(problem, seed)
        self._width = self._theory(problem) if self.alpha is None else self.alpha

    def score(self, features: FloatArray) -> FloatArray:
        """Returns the upper confidence bound of every arm, (n, K)."""
        mean = np.einsum("nkd,nd->nk", features, self.theta)
        spread = np.einsum("nkd,nkd->nk", features @ self.inverse, features)
        return np.asarray(mean + self._width * np.sqrt(np.maximum(spread, 0.0)))

    def bound(self, problem: Problem, gaps: FloatArray) -> float:
        """Returns width sqrt(8 d T ln(1 + T / (d ridge))) + 2, where alpha is None.

        Lattimore and Szepesvari 2020, theorem 19.2, for ridge >= 1 and the width above; the 2
        pays for the ellipsoid's failing with chance 1 / T.

        Args:
            problem: What was played.
            gaps: Not used.

        Raises:
            ConfigError: If `alpha` was chosen or `ridge` is below 1: no bound holds then.
        """
        if self.alpha is not None or self.ridge < 1.0:
            raise ConfigError(
                f"the bound of LinUCB needs alpha null and ridge of at least 1, got "
                f"{self.alpha} and {self.ridge}"
            )
        features = feature_count(problem)
        growth = np.log1p(problem.horizon / (features * self.ridge))
        root = float(np.sqrt(8.0 * features * problem.horizon * growth))
        return max(1.0, self._theory(problem)) * root + 2.0

    def _theory(self, problem: Problem) -> float:
        features, horizon = feature_count(problem), problem.horizon
        growth = features * np.log1p(horizon / (features * self.ridge))
        noise = self.sigma * np.sqrt(2.0 * np.log(horizon) + growth)
        return float(np.sqrt(self.ridge) + noise)


@dataclass
class LinearThompson(LinearAgent):
    """Plays the largest score = x . draw with draw ~ N(theta, sigma^2 inverse).

    With ridge = sigma^2 / s^2 that is the posterior under the prior N(0, s^2 I) and noise
    N(0, sigma^2). Regret O(d^(3/2) sqrt(T) ln T), with no explicit constant.

    Attributes:
        sigma: Width of the draws; the standard deviation of the noise.
        ridge: Weight of the ridge penalty, positive.

    Raises:
        ConfigError: If a setting is out of range.

    Agrawal and Goyal 2013, arXiv 1209.3352.
    """

    sigma: float = 0.1
    ridge: float = 1.0

    def __post_init__(self) -> None:
        check_range(self, "ridge", self.ridge, 0.0, np.inf)
        check_range(self, "sigma", self.sigma, 0.0, np.inf)

    def score(self, features: FloatArray) -> FloatArray:
        """Returns what every arm pays under one draw of theta per run, (n, K)."""
        root = np.linalg.cholesky(self.inverse)
        noise = self.random.standard_normal(self.theta.shape)
        draw = self.theta + self.sigma * np.einsum("nij,nj->ni", root, noise)
        return np.asarray(np.einsum("nkd,nd->nk", features, draw))
