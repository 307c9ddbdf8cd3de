"""Planners who recommend arms to agents that share a prior and look after themselves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import betaln

from rewardsmith.agents.bandits import make_agent
from rewardsmith.agents.bandits.agent import Problem
from rewardsmith.agents.bandits.beta import BetaAgent
from rewardsmith.agents.bandits.counting import check_unit
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray

_ROUNDING = 1e-9


@dataclass
class Greedy(BetaAgent):
    """Always plays an arm of the largest posterior mean, and never explores.

    So would agents who saw all that happened before them. With two arms of prior means
    m_0 > m_1 it never tries arm 1 with a chance of at least m_0 - m_1, and its Bayesian regret
    is linear.

    Attributes:
        prior: [a, b] of the Beta prior of every arm, or such a pair per arm; None takes what
            the task tells, `known["beta_prior"]`, or else [1, 1].

    Slivkins 2019, arXiv 1904.07272, section 11.2.
    """

    def act(self, observation: np.ndarray) -> IntArray:
        """Returns the first arm of the largest posterior mean of every run, (n,)."""
        return np.asarray(self.posterior_means().argmax(axis=1))


@dataclass
class HiddenExploration(BetaAgent):
    """Makes any agent's exploration Bayesian incentive-compatible by hiding it; for two arms.

    The first N0 rounds recommend the arm a that is best by its prior mean. Then come phases of
    L = ceil(1 / epsilon) rounds. One of them, drawn uniformly, plays what the inner agent
    wants; the others play the arm of the largest posterior mean, given the first rounds and the
    exploration of earlier phases. The inner agent sees a phase as one round of its own.

    Let G = E[mu_b - mu_a | N0 rewards of a], for the other arm b. Any
    epsilon <= E[G 1{G > 0}] / 3 is incentive-compatible: who is told to play b thinks it
    likely enough that b is known to be good.

    Attributes:
        inner: Name of the inner agent.
        inner_settings: Its settings.
        prior: [a, b] of the Beta prior of both arms, or such a pair per arm; None takes what
            the task tells, `known["beta_prior"]`, or else [1, 1].
        initial: N0, at least 1; None takes the fewest after which b may look better than a.
            More of them make the phases shorter.
        epsilon: In (0, 1]; None takes E[G 1{G > 0}] / 3.

    Raises:
        ConfigError: If a setting is out of range; from `begin`, if there are not two arms or
            b never looks better after `initial` rounds.

    Slivkins 2019, arXiv 1904.07272, section 11.5; phases: Mansour, Slivkins and Syrgkanis
    2015, arXiv 1502.04147.
    """

    inner: str = "thompson"
    inner_settings: Mapping[str, Any] | None = None
    initial: int | None = None
    epsilon: float | None = None

    state_names: ClassVar[tuple[str, ...]] = (
        *BetaAgent.state_names, "explorer", "slot", "target", "best", "found",
    )  # fmt: skip
    bound_kinds = ("Beta prior",)

    def __post_init__(self) -> None:
        if self.initial is not None and self.initial < 1:
            raise ConfigError(
                f"initial of HiddenExploration must be at least 1, got {self.initial}"
            )
        if self.epsilon is not None and not 0.0 < self.epsilon <= 1.0:
            raise ConfigError(f"epsilon of HiddenExploration must be in (0, 1], got {self.epsilon}")

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything, settles the length of the phases and begins the inner agent."""
        super().begin(problem, seed)
        self.first, self.phase = self.schedule(problem)
        self.favourite = int(prior_means(self._prior).argmax())
        self.explorer = make_agent(self.inner, self.inner_settings)
        # A seed of its own: where a phase explores must not depend on what it explores.
        self.explorer.begin(self._inner_problem(problem), int(self.random.integers(2**31)))
        n = problem.n
        self.slot, self.target, self.best = (np.zeros(n, dtype=np.int64) for _ in range(3))
        self.found = np.zeros(n)
        self._rows = np.arange(n)

    def act(self, observation: np.ndarray) -> IntArray:
        """Returns the arm to recommend in every run, (n,)."""
        if self.round < self.first:
            return np.full(self.problem.n, self.favourite, dtype=np.int64)
        return np.where(self._explores(), self.target, self.best)

    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Keeps what exploration found; where that ends a phase, plans the next."""
        check_unit(self, reward)
        explores = self._explores()
        self.found = np.where(explores, reward, self.found)
        kept = explores | (self.round < self.first)
        self.pulls[self._rows, action] += kept
        self.total[self._rows, action] += np.where(kept, reward, 0.0)
        self.round += 1
        done, offset = divmod(self.round - self.first, self.phase)
        if offset == 0 and done > 0:
            self.explorer.learn(observation, self.target, self.found, info)
        if offset == 0 and done >= 0:
            self.slot = self.random.integers(self.phase, size=self.problem.n)
            self.target = self.explorer.act(observation)
            self.best = self.posterior_means().argmax(axis=1)

    def schedule(self, problem: Problem) -> tuple[int, int]:
        """Returns N0 and the length L of a phase.

        Raises:
            ConfigError: If there are not two arms, or no epsilon is compatible with N0.
        """
        if problem.arms != 2:
            raise ConfigError(f"HiddenExploration needs two arms, {problem.card.id} has "
                              f"{problem.arms}")  # fmt: skip
        prior = self.prior_for(problem)
        first = fewest_samples(prior) if self.initial is None else self.initial
        gain = expected_gain(prior, first)
        if self.epsilon is None and gain <= 0.0:
            raise ConfigError(
                f"after {first} rounds of one arm the other never looks better; set initial of "
                f"HiddenExploration to at least {fewest_samples(prior)} or null"
            )
        epsilon = gain / 3.0 if self.epsilon is None else self.epsilon
        return first, int(np.ceil(1.0 / epsilon - _ROUNDING))

    def bound(self, problem: Problem, gaps: FloatArray) -> float:
        """Returns N0 + L B, with B the inner agent's bound for ceil((T - N0) / L) rounds.

        It bounds the Bayesian regret if the inner agent's does, as that of thompson: the
        other rounds of a phase lose on average no more than the one that explores. An inner
        agent without such a bound gives none here.

        Args:
            problem: What was played.
            gaps: Not used.

        Raises:
            ConfigError: If there is none.
        """
        self.check_prior_is_true(problem)
        first, phase = self.schedule(problem)
        explorer: Any = make_agent(self.inner, self.inner_settings)
        if "Beta prior" not in explorer.bound_kinds:
            raise ConfigError(
                f"{self.inner} states no bound on its Bayesian regret; set inner to thompson"
            )
        return first + phase * float(explorer.bound(self._inner_problem(problem), gaps))

    def _inner_problem(self, problem: Problem) -> Problem:
        """Returns what the inner agent is told: a round per phase."""
        first, phase = self.schedule(problem)
        phases = max(-((first - problem.horizon) // phase), 1)
        return dataclasses.replace(problem, horizon=phases)

    def _explores(self) -> BoolArray:
        """Tells which runs explore in this round, (n,)."""
        if self.round < self.first:
            return np.zeros(self.problem.n, dtype=np.bool_)
        return np.asarray(self.slot == (self.round - self.first) % self.phase)


def prior_means(prior: FloatArray) -> FloatArray:
    """Returns the means a / (a + b) of Beta distributions (K, 2), as (K,)."""
    return np.asarray(prior[:, 0] / prior.sum(axis=1))


def fewest_samples(prior: FloatArray) -> int:
    """Returns the fewest rewards of the better arm after which the other may look better.

    The worst that n rewards can do is to be 0, all of them: a / (a + b + n) < m for the other
    arm's mean m.

    Args:
        prior: Parameters [a, b] of the Beta priors of two arms, (2, 2).

    Example:
        >>> fewest_samples(np.array([[2.0, 1.0], [1.0, 1.0]]))
        2
    """
    better, other = _ordered(prior)
    needed = better[0] / (other[0] / other.sum()) - better.sum()
    return int(np.floor(needed + _ROUNDING)) + 1


def expected_gain(prior: FloatArray, samples: int) -> float:
    """Returns E[G 1{G > 0}], G = E[mu_b - mu_a | n rewards of a], a the arm better a priori.

    The number s of successes is beta-binomial, and G(s) = m_b - (a + s) / (a + b + n); the
    expectation is a sum over s = 0..n.

    Args:
        prior: Parameters [a, b] of the Beta priors of two arms, (2, 2).
        samples: n.

    Example:
        >>> round(1 / expected_gain(np.array([[2.0, 1.0], [1.0, 1.0]]), samples=2), 6)
        60.0
    """
    better, other = _ordered(prior)
    a, b = better
    successes = np.arange(samples + 1.0)
    ways = -betaln(successes + 1.0, samples - successes + 1.0) - np.log(samples + 1.0)
    chance = np.exp(ways + betaln(a + successes, b + samples - successes) - betaln(a, b))
    gain = other[0] / other.sum() - (a + successes) / (a + b + samples)
    return float((chance * np.maximum(gain, 0.0)).sum())


def _ordered(prior: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Returns the parameters of the arm of the larger prior mean, and those of the other."""
    first = int(prior_means(prior).argmax())
    return prior[first], prior[1 - first]
