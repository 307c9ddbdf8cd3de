"""Bandits with knapsacks: the program's value, budgets, ends, and what the Lagrangian earns."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from rewardsmith.agents.bandits.agent import BanditAgent, Problem
from rewardsmith.agents.bandits.knapsack import LagrangeBwK
from rewardsmith.agents.bandits.play import play
from rewardsmith.envs import ConfigError, EnvError
from rewardsmith.envs.bandits.bernoulli import BernoulliBandit
from rewardsmith.envs.bandits.knapsack import KnapsackBandit
from rewardsmith.envs.bandits.knapsack_lp import lp_mix, lp_mixes, lp_value
from rewardsmith.envs.stateful import FloatArray, IntArray

SEEDS = st.integers(0, 2**32 - 1)
MIXING: dict[str, Any] = {
    "kind": "given",
    "rewards": [1.0, 1.0],
    "consumption": [[1.0, 0.0], [0.0, 1.0]],
    "time_limit": None,
}
"""Each arm alone uses up one resource at half time; taking turns lasts to the end."""


@dataclass
class OneArm(BanditAgent):
    """Always plays the same arm."""

    arm: int = 0

    def act(self, observation: np.ndarray) -> IntArray:
        """Returns the arm of every run, (n,)."""
        return np.full(self.problem.n, self.arm, dtype=np.int64)

    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Takes nothing from the round."""


def vertices_value(rewards: FloatArray, consumption: FloatArray, budget: float) -> float:
    """Returns the program's value as the best of all feasible vertices."""
    arms = len(rewards)
    left = np.vstack([consumption.T, np.ones(arms), -np.eye(arms)])
    right = np.concatenate([np.full(consumption.shape[1], budget), [1.0], np.zeros(arms)])
    best = 0.0
    for chosen in itertools.combinations(range(len(left)), arms):
        corner = left[list(chosen)]
        if abs(np.linalg.det(corner)) < 1e-9:
            continue
        x = np.linalg.solve(corner, right[list(chosen)])
        if (left @ x <= right + 1e-9).all():
            best = max(best, float(rewards @ x))
    return best


# ---- The linear program -----------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(2, 3), st.integers(1, 3), st.floats(0.05, 1.5))
def test_the_value_equals_that_of_the_best_vertex(
    seed: int, arms: int, resources: int, budget: float
) -> None:
    random = np.random.default_rng(seed)
    rewards, consumption = random.random(arms), random.random((arms, resources))
    mix, value = lp_mix(rewards, consumption, budget)
    assert value == pytest.approx(vertices_value(rewards, consumption, budget), abs=1e-8)
    assert value == pytest.approx(float(rewards @ mix))
    assert lp_value(rewards, consumption, budget) == value
    assert (consumption.T @ mix <= budget + 1e-9).all()
    assert mix.sum() <= 1.0 + 1e-9


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(1, 9), st.integers(1, 4), st.floats(0.02, 1.5), st.booleans())
def test_many_programs_at_once_have_the_values_of_another_solver(
    seed: int, arms: int, resources: int, budget: float, ties: bool
) -> None:
    random = np.random.default_rng(seed)
    rewards, consumption = random.random((5, arms)), random.random((5, arms, resources))
    if ties:
        rewards, consumption = np.round(3 * rewards) / 3, np.round(3 * consumption) / 3
    mixes = lp_mixes(rewards, consumption, budget)
    for mix, r, c in zip(mixes, rewards, consumption, strict=True):
        limits = np.append(np.full(resources, budget), 1.0)
        found = linprog(-r, A_ub=np.vstack([c.T, np.ones(arms)]), b_ub=limits, bounds=(0.0, None))
        assert float(r @ mix) == pytest.approx(-found.fun, abs=1e-9)
        assert (mix >= 0.0).all()
        assert mix.sum() <= 1.0 + 1e-9
        assert (c.T @ mix <= budget + 1e-9).all()
        assert (mix > 0.0).sum() <= resources + 1
        np.testing.assert_array_equal(mix, lp_mix(r, c, budget)[0])


def test_mixing_two_arms_doubles_the_value() -> None:
    ones = np.ones(2)
    assert lp_value(ones, np.eye(2), 0.5) == pytest.approx(1.0)
    assert lp_value(ones[:1], np.eye(2)[:1], 0.5) == pytest.approx(0.5)
    assert lp_value(np.array([0.3, 0.8]), np.zeros((2, 1)), 0.1) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("rewards", "consumption", "budget", "message"),
    [
        ([0.5, 0.5], [[0.1]], 0.5, r"consumption \(K, d\), got shapes \(2,\) and \(1, 1\)"),
        ([[0.5]], [[0.1]], 0.5, r"rewards must have shape \(K,\)"),
        ([0.5], [[-0.1]], 0.5, "consumption must be at least 0, got -0.1"),
        ([0.5], [[0.1]], 0.0, "budget_per_round must be positive, got 0"),
    ],
)
def test_what_is_no_program_is_refused(
    rewards: Any, consumption: Any, budget: float, message: str
) -> None:
    with pytest.raises(EnvError, match=message):
        lp_value(rewards, consumption, budget)


# ---- The environment --------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.sampled_from(["pricing", "drawn"]), st.integers(1, 6))
def test_budgets_are_never_overdrawn_and_episodes_end_with_the_first(
    seed: int, kind: str, budget: int
) -> None:
    env = KnapsackBandit(6, kind=kind, arms=3, budget=budget, time_limit=25)
    seed %= 2**31
    env.reset(seed=seed)
    left, fresh = env.remaining.copy(), np.zeros(6, dtype=np.bool_)
    random = np.random.default_rng(seed)
    for _ in range(80):
        _, _, terminated, truncated, info = env.step(random.integers(3, size=6))
        left = np.where(fresh[:, None], budget, left - info["consumption"])
        np.testing.assert_array_equal(info["remaining"], left)
        assert (left >= 0.0).all()
        np.testing.assert_array_equal(terminated, (left == 0.0).any(axis=1))
        fresh = terminated | truncated


def test_a_sale_pays_the_price_and_takes_one_unit() -> None:
    env = KnapsackBandit(4000, arms=4, budget=100)
    env.reset(seed=0)
    for arm, price in enumerate((0.2, 0.4, 0.6, 0.8)):
        _, reward, _, _, info = env.step(np.full(4000, arm))
        sold = info["consumption"][:, 0] == 1.0
        np.testing.assert_allclose(reward, np.where(sold, price, 0.0))
        assert abs(sold.mean() - (1 - price)) < 4.5 * np.sqrt(price * (1 - price) / 4000)


def test_means_are_those_given() -> None:
    rewards, use = [0.7, 0.2], [[0.1, 0.9], [0.5, 0.3]]
    env = KnapsackBandit(4000, kind="given", rewards=rewards, consumption=use, budget=50)
    env.reset(seed=1)
    for arm in range(2):
        _, reward, _, _, info = env.step(np.full(4000, arm))
        found = np.array([reward.mean(), *info["consumption"].mean(axis=0)])
        assert np.abs(found - [rewards[arm], *use[arm]]).max() < 4.5 * 0.5 / np.sqrt(4000)


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.integers(1, 30))
def test_regret_adds_up_to_the_shortfall_of_the_mean_rewards(seed: int, budget: int) -> None:
    env = KnapsackBandit(1, kind="drawn", arms=3, budget=budget, horizon=30, time_limit=30)
    env.reset(seed=seed % 2**31)
    mean, use = env.chance[0].copy(), env.use[0].copy()
    random, regret, earned, over = np.random.default_rng(seed), 0.0, 0.0, False
    while not over:
        arm = int(random.integers(3))
        _, _, terminated, truncated, info = env.step(np.array([arm]))
        regret, earned = regret + float(info["regret"][0]), earned + float(mean[arm])
        over = bool(terminated[0] or truncated[0])
    assert regret == pytest.approx(30 * lp_value(mean, use, budget / 30) - earned)


def test_success_is_an_arm_of_the_best_mix() -> None:
    env = KnapsackBandit(2, **MIXING | {"rewards": [1.0, 0.0]}, budget=50)
    env.reset(seed=0)
    assert env.step(np.array([0, 1]))[4]["success"].tolist() == [True, False]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": 0}, "budget must be a whole number of at least 1, got 0"),
        ({"budget": -3}, "budget must be a whole number of at least 1, got -3"),
        ({"budget": 2.5}, "budget must be a whole number of at least 1, got 2.5"),
        ({"horizon": 0}, "horizon must be at least 1 round, got 0"),
        ({"resources": 0}, "resources must be at least 1, got 0"),
        ({"arms": 1}, "a bandit needs at least 2 arms, got 1"),
        ({"kind": "priced"}, "kind must be one of 'pricing', 'drawn', 'given', got 'priced'"),
        ({"kind": "given"}, "rewards and kind 'given' do not go together; give rewards"),
        ({"rewards": [0.5, 0.5]}, "rewards and kind 'pricing' do not go together; set kind"),
        (MIXING | {"rewards": [1.5, 0.5]}, r"rewards must be a list of numbers in \[0, 1\]"),
        (MIXING | {"rewards": [0.5] * 3}, r"shape \(3, d\), a row per arm, got shape \(2, 2\)"),
        (MIXING | {"consumption": [0.5, 0.5]}, r"a row per arm, got shape \(2,\)"),
        (MIXING | {"consumption": [[1.1], [0.0]]}, r"consumption must be numbers in \[0, 1\]"),
        (MIXING | {"arms": 3}, "arms is 3 but rewards has 2 entries"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        KnapsackBandit(2, **options)


# ---- The agent --------------------------------------------------------------------------


def test_the_lagrangian_earns_nearly_twice_what_the_best_arm_does() -> None:
    horizon, runs = 2000, 60
    options = MIXING | {"budget": horizon // 2, "horizon": horizon}
    learnt = play(LagrangeBwK(), KnapsackBandit(runs, **options), horizon).reward[-1]
    for arm in range(2):
        fixed = play(OneArm(arm), KnapsackBandit(runs, **options), horizon)
        np.testing.assert_array_equal(fixed.reward[-1], horizon // 2)
        np.testing.assert_array_equal(fixed.regret[-1], horizon // 2)
    assert learnt.min() > 1.7 * horizon / 2
    assert learnt.mean() > 1.9 * horizon / 2


def test_the_shortfall_grows_slower_than_the_horizon() -> None:
    share = []
    for horizon in (1000, 9000):
        env = KnapsackBandit(
            40,
            kind="given",
            rewards=[0.6, 0.6, 0.2],
            consumption=[[0.9, 0.1], [0.1, 0.9], [0.5, 0.5]],
            budget=horizon // 2,
            horizon=horizon,
            time_limit=None,
        )
        reward = play(LagrangeBwK(), env, horizon).reward[-1]
        share.append(1.0 - reward.mean() / (0.6 * horizon))
    assert 0.0 < share[1] < 0.6 * share[0]


def test_a_saved_agent_goes_on_exactly() -> None:
    env, agent, other = KnapsackBandit(3), LagrangeBwK(), LagrangeBwK()
    for player, seed in ((agent, 1), (other, 7)):
        player.begin(Problem.of(env, 100), seed)
    observation, _ = env.reset(seed=1)
    for round_ in range(60):
        if round_ == 20:
            other.load_state_dict(pickle.loads(pickle.dumps(agent.state_dict())))
        action = agent.act(observation)
        if round_ >= 20:
            np.testing.assert_array_equal(other.act(observation), action)
        following, reward, _, _, info = env.step(action)
        agent.learn(observation, action, reward, info)
        other.learn(observation, action, reward, info)
        observation = following


def test_one_round_moves_the_weights_as_the_lagrangian_says() -> None:
    agent = LagrangeBwK()
    agent.begin(Problem.of(KnapsackBandit(1, **MIXING, budget=5), 100), seed=0)
    used = {"consumption": np.array([[1.0, 0.0]])}
    agent.learn(np.zeros((1, 3)), np.array([0]), np.array([1.0]), used)
    # T / B = 20: L = (1 + 1 - 20, 1 + 1, 1 of time), brought from [-19, 2] to [0, 1].
    paid = (np.array([-18.0, 2.0, 1.0]) + 19.0) / 21.0
    weight = (1.0 - np.sqrt(np.log(3) / 100)) ** paid
    np.testing.assert_allclose(agent.resources.probabilities()[0], weight / weight.sum())
    # The arm is paid the mean of the three, 2/3, and was drawn with chance 1/2.
    odds = np.exp(-np.sqrt(2 * np.log(2) / 200) * (1 - 2 / 3) / 0.5)
    np.testing.assert_allclose(agent.arms.probabilities()[0], [odds / (1 + odds), 1 / (1 + odds)])


def test_what_cannot_be_played_is_named() -> None:
    with pytest.raises(ConfigError, match="BernoulliBandit-v0 has no budgets to keep to"):
        play(LagrangeBwK(), BernoulliBandit(2), 10)
    with pytest.raises(ConfigError, match=r"mixing of Exp3 must be in \[0, 0.5\), got 0.5"):
        LagrangeBwK(0.5)
