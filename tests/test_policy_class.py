"""Policies that advise: the environment, Exp4 and exploring first against exact values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_bandit_bounds import exponent, mean_regrets

from rewardsmith.agents.bandits import make_agent
from rewardsmith.agents.bandits.agent import Problem
from rewardsmith.agents.bandits.hedge import Exp3
from rewardsmith.agents.bandits.play import play
from rewardsmith.agents.bandits.policy_class import Exp4, ExploreFirstPolicy
from rewardsmith.envs import BatchEnv, ConfigError, EnvError
from rewardsmith.envs.bandits.bernoulli import BernoulliBandit
from rewardsmith.envs.bandits.policies import PolicyBandit

RUNS = 200
SEEDS = st.integers(0, 2**32 - 1)


def told(n: int = 1, arms: int = 3, policies: int = 3, horizon: int = 50) -> Problem:
    """Returns the problem of advice from a few policies."""
    return Problem.of(PolicyBandit(n, arms=arms, policies=policies), horizon)


# ---- Environment ------------------------------------------------------------------------


def test_regret_is_against_the_policy_of_the_highest_mean_pay() -> None:
    env = PolicyBandit(80, arms=3, policies=6, contexts=4, time_limit=None)
    observation, info = env.reset(seed=0)
    rows, random = np.arange(80), np.random.default_rng(0)
    value = np.zeros((80, 6))
    for context in range(4):
        for policy in range(6):
            value[:, policy] += env.mean[rows, context, env.policy[:, context, policy]] / 4
    best = value.argmax(axis=1)
    np.testing.assert_array_equal(info["best_policy"], best)
    for _ in range(30):
        now, arm = env.context.copy(), random.integers(3, size=80)
        np.testing.assert_array_equal(observation, env.policy[rows, now])
        mean, advised = env.mean[rows, now], observation[rows, best].astype(np.int64)
        observation, _, _, _, info = env.step(arm)
        np.testing.assert_array_equal(info["regret"], mean[rows, advised] - mean[rows, arm])
        np.testing.assert_array_equal(info["success"], mean[rows, arm] >= mean[rows, advised])


def test_pay_contexts_and_advice_are_drawn_as_they_should() -> None:
    env = PolicyBandit(5000, arms=4, policies=3, contexts=5, time_limit=None)
    env.reset(seed=0)
    share = np.bincount(env.context, minlength=5) / 5000
    assert (np.abs(share - 0.2) < 4.5 * np.sqrt(0.16 / 5000)).all()
    advised = np.bincount(env.policy.ravel(), minlength=4) / env.policy.size
    assert (np.abs(advised - 0.25) < 4.5 * np.sqrt(3 / 16 / env.policy.size)).all()
    chance = env.mean[np.arange(5000), env.context, 0]
    error = (env.step(np.zeros(5000, dtype=int))[1] - chance) / np.sqrt(chance * (1 - chance))
    assert abs(error.mean()) < 4.5 / np.sqrt(5000)
    assert abs((error * (chance - 0.5)).mean()) < 4.5 * np.sqrt(1 / 12 / 5000)


@pytest.mark.parametrize(("option", "least"), [("arms", 2), ("policies", 2), ("contexts", 1)])
def test_wrong_options_are_named(option: str, least: int) -> None:
    options: dict[str, Any] = {option: least - 1}
    with pytest.raises(EnvError, match=f"{option} must be at least {least}, got {least - 1}"):
        PolicyBandit(**options)


# ---- Exp4 -------------------------------------------------------------------------------


def test_a_policy_per_arm_makes_it_exp3() -> None:
    policies, arms = Exp4(), Exp3()
    policies.begin(told(), seed=0)
    arms.begin(told(), seed=0)
    random, advice = np.random.default_rng(0), np.arange(3.0)[None]
    for _ in range(50):
        action = policies.act(advice)
        assert action.tolist() == arms.act(advice).tolist()
        paid = random.random(1)
        policies.learn(advice, action, paid, {})
        arms.learn(advice, action, paid, {})
        np.testing.assert_allclose(policies.probabilities(), arms.probabilities())


def test_policies_that_agree_share_the_charge_by_hand() -> None:
    agent = Exp4()
    agent.begin(told(policies=4, horizon=100), seed=0)
    agent.learn(np.array([[2.0, 0.0, 2.0, 1.0]]), np.array([2]), np.array([0.25]), {})
    eta = np.sqrt(2 * np.log(4) / 300)
    weight = np.exp(-eta * np.array([1.5, 0.0, 1.5, 0.0]))  # cost 3/4 over chance 1/2
    np.testing.assert_allclose(agent.probabilities()[0], weight / weight.sum())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=2, max_size=5), SEEDS)
def test_estimated_costs_are_unbiased(advised: list[int], seed: int) -> None:
    random, agent = np.random.default_rng(seed), Exp4()
    agent.begin(told(policies=len(advised)), seed=0)
    agent.log_weight[:] = random.normal(size=len(advised))
    advice, cost, chance = np.array([advised], dtype=float), random.random(3), agent.probabilities()
    expected = np.zeros(len(advised))
    for arm in set(advised):
        share = chance[0, advice[0] == arm].sum()
        expected += share * agent.estimate(advice, np.array([arm]), cost[arm : arm + 1])[0]
    np.testing.assert_allclose(expected, cost[advised])


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.permutations(range(3)), st.permutations(range(5)))
def test_the_names_of_arms_and_policies_do_not_matter(
    seed: int, arms: list[int], policies: list[int]
) -> None:
    random, plain, renamed = np.random.default_rng(seed), Exp4(), Exp4()
    for agent in (plain, renamed):
        agent.begin(told(policies=5), seed=0)
    for _ in range(20):
        advice, paid = random.integers(3, size=(1, 5)), random.random(1)
        action = plain.act(advice)
        plain.learn(advice, action, paid, {})
        renamed.learn(np.array(arms)[advice[:, policies]], np.array(arms)[action], paid, {})
    np.testing.assert_allclose(renamed.probabilities()[0], plain.probabilities()[0, policies])


# ---- Explore first ----------------------------------------------------------------------


def test_it_explores_and_then_follows_the_policy_of_the_highest_estimate() -> None:
    agent, random = ExploreFirstPolicy(), np.random.default_rng(0)
    agent.begin(told(n=2, policies=4, horizon=5000), seed=0)
    exploring = int(np.ceil((5000**2 * 6 * np.log(2 * 4 * 5000)) ** (1 / 3)))
    assert agent.exploring == exploring
    value, pulls = np.zeros((2, 4)), np.zeros(3)
    for _ in range(exploring):
        advice = random.integers(3, size=(2, 4))
        action = agent.act(advice)
        paid = random.random(2)
        agent.learn(advice, action, paid, {})
        value += 3 * paid[:, None] * (advice == action[:, None]) / exploring
        pulls += np.bincount(action, minlength=3)
    np.testing.assert_allclose(agent.value, value)
    share = pulls / (2 * exploring)
    assert (np.abs(share - 1 / 3) < 4.5 * np.sqrt(2 / 9 / (2 * exploring))).all()
    for _ in range(20):
        advice = random.integers(3, size=(2, 4))
        action = agent.act(advice)
        assert action.tolist() == advice[[0, 1], value.argmax(axis=1)].tolist()
        agent.learn(advice, action, np.ones(2), {})
    np.testing.assert_allclose(agent.value, value)


# ---- Regret -----------------------------------------------------------------------------


def many(_: int) -> BatchEnv:
    return PolicyBandit(RUNS, time_limit=None)


def few(_: int) -> BatchEnv:
    return PolicyBandit(RUNS, arms=2, policies=8, time_limit=None)


@pytest.mark.parametrize(
    ("name", "task", "horizons", "growth"),
    [
        ("exp4", many, (300, 1000, 3000), 0.7),
        ("explore_first_policy", few, (2000, 4000, 8000), 0.77),
    ],
)
def test_regret_stays_below_its_bound_and_grows_no_faster(
    name: str, task: Any, horizons: tuple[int, ...], growth: float, record_property: Any
) -> None:
    regret = mean_regrets(name, {}, task, horizons)
    agent: Any = make_agent(name)
    bound = np.array([agent.bound(Problem.of(task(t), t), np.zeros(1)) for t in horizons])
    record_property("regret", regret.tolist())
    record_property("growth", exponent(regret, horizons))
    assert (regret < bound).all(), (regret, bound)
    assert bound[-1] < horizons[-1]
    assert exponent(regret, horizons) < growth, regret


def test_exp4_does_nearly_as_well_as_the_best_policy_and_exp3_does_not() -> None:
    ahead, behind = (mean_regrets(name, {}, many, (3000,))[0] for name in ("exp4", "exp3"))
    assert ahead < 0.5 * behind


def test_the_bounds_by_hand() -> None:
    problem = told(arms=2, policies=8, horizon=10_000)
    assert Exp4().bound(problem, np.zeros(1)) == pytest.approx(np.sqrt(40_000 * np.log(8)))
    logarithm, explored = np.log(160_000), ExploreFirstPolicy()._rounds(problem)
    off = np.sqrt(4 * logarithm / explored) + 2 * logarithm / (3 * explored)
    bound = ExploreFirstPolicy().bound(problem, np.zeros(1))
    assert bound == pytest.approx(explored + 20_000 * off + 1)
    assert ExploreFirstPolicy().bound(told(horizon=10), np.zeros(1)) == 10.0


# ---- Errors -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["exp4", "explore_first_policy"])
def test_what_an_agent_misses_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match="BernoulliBandit-v0 has no field 'advice'; use"):
        play(make_agent(name), BernoulliBandit(2), 10)
    agent = make_agent(name)
    agent.begin(told(), seed=0)
    with pytest.raises(ConfigError, match=r"needs rewards in \[0, 1\], .* paid 2"):
        agent.learn(np.zeros((1, 3)), np.array([0]), np.array([2.0]), {})
