"""Bandits with knapsacks: a learner of arms plays a zero-sum game against prices of resources.

The `train` job plays one endless episode, which such a task does not have; so `LagrangeBwK`
is no algorithm of that job, and is played by `play_until_exhausted`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.agents.bandits.agent import BanditAgent, Problem
from rewardsmith.agents.bandits.counting import check_unit
from rewardsmith.agents.bandits.hedge import Exp3, Hedge
from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray

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
        budget, count = _budgets(problem.card)
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


@dataclass(frozen=True, slots=True)
class BudgetHistory:
    """What n runs came to when a budget or the time was used up.

    Attributes:
        reward: Sum of the rewards, (n,).
        rounds: Rounds played, (n,).
        remaining: What was left of every resource, (n, d).
        exhausted: Whether a budget ended the run before the horizon or with it, (n,).
        pulls: How often every arm was played, (n, K).
    """

    reward: FloatArray
    rounds: IntArray
    remaining: FloatArray
    exhausted: BoolArray
    pulls: IntArray


def play_until_exhausted(
    agent: BanditAgent, env: gym.vector.VectorEnv[Any, Any, Any], horizon: int, seed: int = 0
) -> BudgetHistory:
    """Plays one episode in every row, until a budget is used up or `horizon` rounds are over.

    Rows that have ended go on unobserved: nothing of them is counted any more.

    Args:
        agent: Begins anew, told this horizon.
        env: One with the fact `remaining`, under autoreset mode "NextStep", whose time limit
            does not cut the horizon.
        horizon: Number of rounds T, at least 1.
        seed: Row i of the environment gets seed + i; the agent gets `seed`.

    Raises:
        ConfigError: If the environment has no budgets, resets in another mode or is cut off
            by its time limit, or the agent cannot play it.

    Example:
        >>> from rewardsmith.envs.bandits.knapsack import KnapsackBandit
        >>> env = KnapsackBandit(3, kind="given", rewards=[1.0, 1.0],
        ...                      consumption=[[1.0], [1.0]], budget=5)
        >>> history = play_until_exhausted(LagrangeBwK(), env, horizon=20)
        >>> history.reward, history.rounds
        (array([5., 5., 5.]), array([5, 5, 5]))
    """
    problem = Problem.of(env, horizon)
    _, count = _budgets(problem.card)
    _check(env, problem)
    agent.begin(problem, seed)
    observation, _ = env.reset(seed=seed)
    alive = np.ones(problem.n, dtype=np.bool_)
    reward, rounds = np.zeros(problem.n), np.zeros(problem.n, dtype=np.int64)
    remaining = np.zeros((problem.n, count))
    pulls, rows = np.zeros((problem.n, problem.arms), dtype=np.int64), np.arange(problem.n)
    for _ in range(horizon):
        action = agent.act(observation)
        following, paid, terminated, _, info = env.step(action)
        agent.learn(observation, action, paid, info)
        observation = following
        reward += np.where(alive, paid, 0.0)
        rounds += alive
        pulls[rows, action] += alive
        remaining[alive] = info["remaining"][alive]
        alive &= ~terminated
        if not alive.any():
            break
    return BudgetHistory(reward, rounds, remaining, ~alive, pulls)


def _budgets(card: EnvCard) -> tuple[float, int]:
    """Returns B and the number of resources that the card tells."""
    if not (card.is_fact("remaining") and card.is_fact("consumption")):
        raise ConfigError(
            f"{card.id} has no budgets to keep to; use an environment with the facts 'remaining' "
            "and 'consumption', such as rewardsmith/KnapsackBandit-v0"
        )
    first, last = card.field("share_left").columns or (0, 1)
    return card.field("remaining").high, last - first


def _check(env: gym.vector.VectorEnv[Any, Any, Any], problem: Problem) -> None:
    """Says why the episode would not be played to its end."""
    mode = env.metadata.get("autoreset_mode")
    if mode is not AutoresetMode.NEXT_STEP:
        raise ConfigError(f"play_until_exhausted needs autoreset_mode 'NextStep', got {mode}")
    limit = problem.card.time_limit
    if limit is not None and limit < problem.horizon:
        raise ConfigError(
            f"time_limit {limit} of {problem.card.id} is below the horizon {problem.horizon}; "
            "raise it or set it to null"
        )
