"""`UcbBwK`: bandits with knapsacks by an optimistic linear program per round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardsmith.agents.bandits.agent import BanditAgent, Problem
from rewardsmith.agents.bandits.counting import check_range, check_unit
from rewardsmith.agents.bandits.knapsack import budgets
from rewardsmith.envs.bandits.knapsack_lp import lp_mixes
from rewardsmith.envs.stateful import FloatArray, IntArray


@dataclass
class UcbBwK(BanditAgent):
    """Plays the best mix of arms that rewards and consumption allow, as far as is known.

    Every round draws the arm from x / sum x, where x solves

        max sum_a x_a U_a  subject to  sum_a x_a L_ai <= (1 - slack) B / T for all i,
        sum_a x_a <= 1,  x >= 0,

    with U = min(1, rhat + 2 rad(rhat)) and L = max(0, chat - 2 rad(chat)). Means divide by
    N + 1, N being the pulls of the arm, and rad(v) = sqrt(gamma v / (N + 1)) + gamma / (N + 1)
    with gamma = scale ln(K (1 + d) T). Time that the program leaves idle is skipped: the budget
    is used up sooner, by the same mix. With slack of order sqrt(gamma K / B) the reward falls
    short of the program's value OPT by O~(OPT sqrt(K / B) + sqrt(K OPT)), with no explicit
    constant.

    With scale 1 ten prices and T = 8 000 are all exploration: it earned 52% of the program's
    value, with scale 0.01 95%, where `LagrangeBwK` earned 74%.

    Needs rewards in [0, 1] and the facts `remaining`, whose upper end is B, and
    `consumption`, (n, d) in [0, 1], and the observation field `share_left` of d columns.

    Attributes:
        scale: Factor on gamma, positive; less explores less.
        slack: Share of the budget in [0, 1) that the program leaves out.

    Raises:
        ConfigError: If a setting is out of range.

    Agrawal and Devanur 2014, Bandits with concave rewards and convex knapsacks,
    arXiv 1402.5758; Slivkins 2019, arXiv 1904.07272, section 10.4.
    """

    scale: float = 1.0
    slack: float = 0.0

    state_names = ("pulls", "earned", "used", "random")

    def __post_init__(self) -> None:
        check_range(self, "scale", self.scale, 0.0, np.inf)
        check_range(self, "slack", self.slack, 0.0, np.nextafter(1.0, 0.0), closed=True)

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything.

        Raises:
            ConfigError: If the environment has no budgets.
        """
        super().begin(problem, seed)
        budget, count = budgets(problem.card)
        self._rate = (1.0 - self.slack) * budget / problem.horizon
        self._gamma = self.scale * np.log(problem.arms * (1 + count) * problem.horizon)
        self.pulls = np.zeros((problem.n, problem.arms))
        self.earned = np.zeros((problem.n, problem.arms))
        self.used = np.zeros((problem.n, problem.arms, count))
        self._rows = np.arange(problem.n)

    def mix(self) -> FloatArray:
        """Returns the solution x of the optimistic program of every run, (n, K)."""
        count = self.pulls + 1.0
        mean, use = self.earned / count, self.used / count[..., None]
        upper = np.minimum(mean + 2.0 * self._radius(mean, count), 1.0)
        lower = np.maximum(use - 2.0 * self._radius(use, count[..., None]), 0.0)
        return lp_mixes(upper, lower, self._rate)

    def act(self, observation: np.ndarray) -> IntArray:
        """Returns an arm drawn from the mix of every run, (n,)."""
        ladder = self.mix().cumsum(axis=1)
        height = self.random.random((self.problem.n, 1)) * ladder[:, -1:]
        return np.asarray((ladder[:, :-1] <= height).sum(axis=1))

    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Counts the pull, what it earned and what it used."""
        check_unit(self, reward)
        self.pulls[self._rows, action] += 1.0
        self.earned[self._rows, action] += reward
        self.used[self._rows, action] += info["consumption"]

    def _radius(self, mean: FloatArray, count: FloatArray) -> FloatArray:
        """Returns rad, the largest error of a mean that is to be feared."""
        return np.asarray(np.sqrt(self._gamma * mean / count) + self._gamma / count)
