"""Agents that do as well as the best of a class of policies, which advise an arm each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardsmith.agents.bandits.agent import BanditAgent, Problem
from rewardsmith.agents.bandits.counting import check_unit
from rewardsmith.agents.bandits.hedge import ExponentialWeights
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray, IntArray

_FIELD = "advice"


def policy_count(problem: Problem) -> int:
    """Returns N, the number of policies.

    Raises:
        ConfigError: If the card has no field `advice` of N columns.
    """
    field = next((f for f in problem.card.observation if f.name == _FIELD), None)
    if field is None or field.columns is None:
        raise ConfigError(
            f"the agent reads the arm that every policy advises, and the observation of "
            f"{problem.card.id} has no field {_FIELD!r}; use rewardsmith/PolicyBandit-v0"
        )
    return field.columns[1] - field.columns[0]


def advice_of(problem: Problem, observation: np.ndarray) -> IntArray:
    """Returns the arm that every policy advises, int64 (n, N)."""
    return problem.card.field(_FIELD).read(observation).astype(np.int64)


@dataclass
class Exp4(ExponentialWeights):
    """Exponential weights over N policies; the arm is the advice of a policy drawn from them.

    `probabilities` (n, N) are those of the policies. Arm a is played with p_a = sum of those
    that advise it; each of these is charged the estimate cost / p_a, the others 0. Rewards lie
    in [0, 1], costs are 1 - reward. The learning rate is eta = sqrt(2 ln N / (T K)), without
    uniform exploration.

    Auer, Cesa-Bianchi, Freund and Schapire 2002; Slivkins 2019, arXiv 1904.07272, section 6.5.
    """

    bound_kinds = ("policies",)

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything and settles the learning rate.

        Raises:
            ConfigError: If the environment shows no advice.
        """
        super().begin(problem, seed)
        self.log_weight = np.zeros((problem.n, policy_count(problem)))

    def act(self, observation: np.ndarray) -> IntArray:
        """Returns what a policy drawn from `probabilities` advises, (n,)."""
        drawn = super().act(observation)
        return advice_of(self.problem, observation)[self._rows, drawn]

    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Charges the policies that advised the played arm its cost divided by its chance."""
        check_unit(self, reward)
        self._charge(self.estimate(observation, action, 1.0 - reward))

    def estimate(self, observation: np.ndarray, action: IntArray, cost: FloatArray) -> FloatArray:
        """Returns the inverse propensity estimate of every policy's cost, (n, N)."""
        agrees = advice_of(self.problem, observation) == action[:, None]
        chance = (self.probabilities() * agrees).sum(axis=1)
        return np.asarray(agrees * (cost / chance)[:, None])

    def bound(self, problem: Problem, gaps: FloatArray) -> float:
        """Returns sqrt(2 T K ln N), for any costs in [0, 1] and advice fixed beforehand.

        Bubeck and Cesa-Bianchi 2012, arXiv 1204.5721, theorem 4.2.

        Args:
            problem: What was played.
            gaps: Not used.
        """
        logarithm = np.log(policy_count(problem))
        return float(np.sqrt(2.0 * problem.horizon * problem.arms * logarithm))

    def _rate(self, problem: Problem) -> float:
        logarithm = np.log(policy_count(problem))
        return float(np.sqrt(2.0 * logarithm / (problem.horizon * problem.arms)))


@dataclass
class ExploreFirstPolicy(BanditAgent):
    """Plays uniformly for M rounds, then follows the policy of the highest estimated value.

    A policy's value is estimated by inverse propensity: the mean over the M rounds of
    K r where it advised the arm that was played, and 0 elsewhere.
    M = T^(2/3) (2 K ln(2 N T))^(1/3), rounded up. Rewards lie in [0, 1].

    Langford and Zhang 2007, The epoch-greedy algorithm; Slivkins 2019, arXiv 1904.07272,
    section 8.4.
    """

    state_names = ("value", "round", "random")
    bound_kinds = ("policies",)

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything and gets ready for round 0.

        Raises:
            ConfigError: If the environment shows no advice.
        """
        super().begin(problem, seed)
        self.value = np.zeros((problem.n, policy_count(problem)))
        self.round = 0
        self.exploring = self._rounds(problem)

    def act(self, observation: np.ndarray) -> IntArray:
        """Returns the arm of every run, (n,)."""
        problem = self.problem
        if self.round < self.exploring:
            return self.random.integers(problem.arms, size=problem.n)
        advice = advice_of(problem, observation)
        return np.asarray(advice[np.arange(problem.n), self.value.argmax(axis=1)])

    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Takes a round of exploring into the values."""
        if self.round < self.exploring:
            check_unit(self, reward)
            agrees = advice_of(self.problem, observation) == action[:, None]
            self.value += agrees * (self.problem.arms * reward / self.exploring)[:, None]
        self.round += 1

    def bound(self, problem: Problem, gaps: FloatArray) -> float:
        """Returns M + 2 T (sqrt(2 K u / M) + K u / (3 M)) + 1 with u = ln(2 N T).

        By Bernstein's inequality no estimate, of variance at most K, is farther off than the
        bracket with a chance of at least 1 - 1 / T. For contexts drawn alike in all rounds.
        Never above T.

        Args:
            problem: What was played.
            gaps: Not used.
        """
        explored, arms = self._rounds(problem), problem.arms
        logarithm = np.log(2.0 * policy_count(problem) * problem.horizon)
        off = np.sqrt(2.0 * arms * logarithm / explored) + arms * logarithm / (3.0 * explored)
        return min(explored + 2.0 * problem.horizon * float(off) + 1.0, float(problem.horizon))

    def _rounds(self, problem: Problem) -> int:
        """Returns M, at most T."""
        logarithm = np.log(2.0 * policy_count(problem) * problem.horizon)
        rounds = np.cbrt(problem.horizon**2 * 2.0 * problem.arms * logarithm)
        return min(int(np.ceil(rounds)), problem.horizon)
