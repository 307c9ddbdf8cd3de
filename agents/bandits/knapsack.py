"""Bandits with knapsacks: a learner of arms plays a zero-sum game against prices of resources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardsmith.agents.bandits.agent import BanditAgent, Problem
from rewardsmith.agents.bandits.counting import check_unit
from rewardsmith.agents.bandits.hedge import Exp3, Hedge
from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray, IntArray

_FULL_FEEDBACK = EnvCard("Resources", "", facts=(Field("rewards", "1 - cost of each resource"),))


@dataclass
class LagrangeBwK(BanditAgent):
    """Exp3 on the arms against Hedge on the resources, in the game of the Lagrangian.

    L(a, i) = r(a) + 1 - (T / B) c_i(a): the arms maximise it, the resources minimise it, so
    that a resource used faster than B / T per round becomes dear. Time is a resource too, of
    which every pull uses B / T, so that L(a, time) = r(a). The arm's payoff is the mean of L
    over the resources' weights. Both see L brought from [1 - T / B, 2] to [0, 1]. Its reward
    falls short of T times the linear program's value by (T / B) O~(sqrt(K T)).

    Not for short horizons: of ten prices with T / B = 5 it earned 48, 70 and 85% of the
    program's value at T = 100, 20 000 and 200 000, the best fixed price 91 to 94%. It pays
    where mixing arms earns much more than any one of them.

    Needs rewards in [0, 1], the facts `remaining`, whose upper end is B, and `consumption`,
    (n, d) in [0, 1], and the observation field `share_left` of d columns.

    Attributes:
        mixing: Chance in [0, 1/2) of a uniform draw of the arm, as in `Exp3`.

    Raises:
        ConfigError: If `mixing` is out of range.

    Immorlica, Sankararaman, Schapire and Slivkins 2019, arXiv 1811.11881, with Exp3 in place
    of Exp3.P; Slivkins 2019, arXiv 1904.07272, section 10.3.
    """

    mixing: float = 0.0

    state_names = ("arms", "resources")

    def __post_init__(self) -> None:
        self.arms, self.resources = Exp3(self.mixing), Hedge()

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything.

        Raises:
            ConfigError: If the environment has no budgets.
        """
        super().begin(problem, seed)
        budget, count = budgets(problem.card)
        self.ratio = problem.horizon / budget
        self.arms.begin(problem, seed)
        told = Problem(problem.n, count + 1, problem.horizon, _FULL_FEEDBACK)
        self.resources.begin(told, seed)

    def act(self, observation: np.ndarray) -> IntArray:
        """Returns an arm drawn from its weights for every run, (n,)."""
        return self.arms.act(observation)

    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Tells both sides the Lagrangian of the round."""
        check_unit(self, reward)
        used = np.asarray(info["consumption"], dtype=np.float64)
        time = np.full((len(used), 1), 1.0 / self.ratio)
        lagrangian = reward[:, None] + 1.0 - self.ratio * np.hstack([used, time])
        reach = max(self.ratio, 1.0)
        payoff = np.clip((lagrangian - 1.0 + reach) / (1.0 + reach), 0.0, 1.0)
        paid = (self.resources.probabilities() * payoff).sum(axis=1).clip(0.0, 1.0)
        self.resources.learn(observation, action, reward, {"rewards": 1.0 - payoff})
        self.arms.learn(observation, action, paid, info)


def budgets(card: EnvCard) -> tuple[float, int]:
    """Returns B and the number of resources d that the card of a task tells.

    Raises:
        ConfigError: If the task has no budgets.
    """
    if not (card.is_fact("remaining") and card.is_fact("consumption")):
        raise ConfigError(
            f"{card.id} has no budgets to keep to; use an environment with the facts 'remaining' "
            "and 'consumption', such as rewardsmith/KnapsackBandit-v0"
        )
    first, last = card.field("share_left").columns or (0, 1)
    return card.field("remaining").high, last - first
