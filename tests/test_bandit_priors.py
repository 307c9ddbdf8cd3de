"""Bayesian bandits: means from a stated prior, agents that know it and agents that err."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bandit_cases import NO_OBSERVATION, problem
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, kstest, norm

from rewardsmith.agents.bandits import make_agent
from rewardsmith.agents.bandits.agent import Problem
from rewardsmith.agents.bandits.bounds import regret_bound
from rewardsmith.agents.bandits.play import play
from rewardsmith.agents.bandits.thompson import BetaThompson, GaussianThompson
from rewardsmith.envs import BatchEnv, ConfigError, EnvError
from rewardsmith.envs.bandits.bernoulli import BernoulliBandit
from rewardsmith.envs.bandits.gaussian import GaussianBandit

RUNS, HORIZON = 600, 600


def bernoulli(prior: Any) -> BatchEnv:
    return BernoulliBandit(RUNS, prior=prior, time_limit=None)


def gaussian(prior: Any) -> BatchEnv:
    return GaussianBandit(RUNS, prior=prior, time_limit=None)


# ---- What the environments draw -----------------------------------------------------------


def test_chances_have_their_prior_anew_in_every_episode() -> None:
    env = BernoulliBandit(1500, arms=2, prior=[[2.0, 5.0], [0.5, 0.5]])
    env.reset(seed=0)
    first = env.mean.copy()
    env.reset()
    for drawn in (first, env.mean):
        assert kstest(drawn[:, 0], beta(2.0, 5.0).cdf).pvalue > 1e-4
        assert kstest(drawn[:, 1], beta(0.5, 0.5).cdf).pvalue > 1e-4
    assert (first != env.mean).all()
    np.testing.assert_array_equal(env.known["beta_prior"], [[2.0, 5.0], [0.5, 0.5]])
    assert "from Beta with parameters [[2.0, 5.0], [0.5, 0.5]]" in env.card.goal


def test_the_uniform_prior_is_beta_1_1() -> None:
    plain, stated = BernoulliBandit(50, arms=3), BernoulliBandit(50, arms=3, prior=[1, 1])
    plain.reset(seed=0)
    stated.reset(seed=0)
    np.testing.assert_allclose(plain.mean, stated.mean, rtol=1e-12)
    np.testing.assert_array_equal(plain.known["beta_prior"], stated.known["beta_prior"])
    assert "uniformly from [0, 1]" in plain.card.goal


def test_gaussian_means_have_their_prior() -> None:
    env = GaussianBandit(1000, arms=4, prior=[3.0, 0.25])
    env.reset(seed=0)
    assert kstest(env.mean.ravel(), norm(3.0, 0.25).cdf).pvalue > 1e-4
    assert env.known == {"gaussian_prior": (3.0, 0.25)}
    assert "from N(3, 0.25^2)" in env.card.goal
    widest = env.card.field("chosen_mean").high
    assert widest == pytest.approx(3.0 + 9.0 * 0.25 + 9.0)


def test_given_means_have_no_prior() -> None:
    assert BernoulliBandit(probabilities=[0.1, 0.2]).known == {}
    assert BernoulliBandit(gap=0.1).known == {}
    assert GaussianBandit(means=[0.1, 0.2]).known == {}


# ---- What the agents believe ---------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.floats(0.1, 9.0), st.floats(0.1, 9.0)),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), max_size=20),
)
def test_the_beta_posterior_counts_on_from_the_prior(
    prior: tuple[float, float], seen: list[tuple[int, int]]
) -> None:
    agent = BetaThompson(prior=prior)
    agent.begin(problem(3), seed=0)
    for arm, reward in seen:
        agent.learn(NO_OBSERVATION, np.array([arm]), np.array([float(reward)]), {})
    for arm in range(3):
        ones = sum(reward for played, reward in seen if played == arm)
        zeros = sum(1 - reward for played, reward in seen if played == arm)
        told = [float(parameter[0, arm]) for parameter in agent.posterior()]
        assert told == pytest.approx([prior[0] + ones, prior[1] + zeros])


@settings(max_examples=25, deadline=None)
@given(
    st.floats(-3.0, 3.0), st.floats(0.2, 3.0), st.floats(0.2, 3.0),
    st.lists(st.floats(-4.0, 4.0), max_size=12),
)  # fmt: skip
def test_the_gaussian_posterior_weighs_by_precision(
    centre: float, deviation: float, scale: float, rewards: list[float]
) -> None:
    agent = GaussianThompson(scale=scale, prior=[centre, deviation])
    agent.begin(problem(2), seed=0)
    for reward in rewards:
        agent.learn(NO_OBSERVATION, np.array([1]), np.array([reward]), {})
    precision = 1.0 / deviation**2 + len(rewards) / scale**2
    mean, spread = (float(part[0, 1]) for part in agent.posterior())
    expected = (centre / deviation**2 + sum(rewards) / scale**2) / precision
    assert mean == pytest.approx(expected, abs=1e-9)
    assert spread == pytest.approx(precision**-0.5)


def test_agents_take_the_prior_that_the_task_tells() -> None:
    thompson, gauss = BetaThompson(), GaussianThompson(scale=2.0)
    thompson.begin(Problem.of(BernoulliBandit(1, arms=2, prior=[3, 4]), 10), seed=0)
    assert [part.tolist() for part in thompson.posterior()] == [[[3.0, 3.0]], [[4.0, 4.0]]]
    gauss.begin(Problem.of(GaussianBandit(1, arms=2, prior=[3, 4]), 10), seed=0)
    assert [part[0, 0] for part in gauss.posterior()] == [3.0, pytest.approx(4.0)]
    for agent in (thompson, gauss):
        agent.begin(problem(2), seed=0)
    assert [part.tolist() for part in thompson.posterior()] == [[[1.0, 1.0]], [[1.0, 1.0]]]
    assert [part[0, 0] for part in gauss.posterior()] == [0.0, 2.0]


# ---- Regret under the prior ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "task", "prior", "wrong"),
    [
        ("thompson", bernoulli, [1, 9], [9, 1]),
        ("thompson", bernoulli, [1, 9], [20, 20]),
        ("thompson", bernoulli, [9, 1], [1, 9]),
        ("gaussian_thompson", gaussian, [0, 1], [3, 1]),
        ("gaussian_thompson", gaussian, [0, 1], [0, 0.2]),
        ("gaussian_thompson", gaussian, [0, 3], [0, 1]),
    ],
)
def test_the_right_prior_regrets_less_and_keeps_to_its_bound(
    name: str, task: Any, prior: list[float], wrong: list[float], record_property: Any
) -> None:
    right: Any = make_agent(name)
    regret = play(right, task(prior), HORIZON).regret[-1]
    misled = play(make_agent(name, {"prior": wrong}), task(prior), HORIZON).regret[-1]
    record_property("regret", [float(regret.mean()), float(misled.mean())])
    more = misled - regret  # of the same means in every run
    assert more.mean() > 4.0 * more.std() / np.sqrt(RUNS)
    assert regret.mean() < right.bound(Problem.of(task(prior), HORIZON), np.zeros(10))


def test_the_bounds_on_bayesian_regret_by_hand() -> None:
    asked = problem(4, 500)
    gaps = np.zeros(4)
    assert BetaThompson().bound(asked, gaps) == pytest.approx(np.sqrt(1000.0 * np.log(4.0)))
    one = GaussianThompson(scale=3.0, prior=[7.0, 4.0]).bound(asked, gaps)
    assert one == pytest.approx(np.sqrt(2.0 * 25.0 * 2000.0 * np.log(4.0)))


def test_the_bound_is_for_the_task_s_own_prior() -> None:
    env = BernoulliBandit(3, arms=2, prior=[2, 1], time_limit=None)
    for prior, holds in ((None, True), ([2, 1], True), ([1, 1], False)):
        agent = BetaThompson(prior=prior)
        play(agent, env, 10)
        assert (regret_bound(agent, env) is not None) == holds
    with pytest.raises(ConfigError, match="set prior to null, got "):
        BetaThompson(prior=[1, 1]).bound(Problem.of(env, 10), np.zeros(2))


# ---- Errors -----------------------------------------------------------------------------


@pytest.mark.parametrize("prior", [[1], [1, -1], [1, 0], [1, float("inf")], [[[1, 1]]], ["a", 1],
                                   [[1, 1], [1]], 3.0])  # fmt: skip
def test_what_is_no_beta_prior_is_refused(prior: Any) -> None:
    with pytest.raises(EnvError, match="prior must be the two positive parameters"):
        BernoulliBandit(arms=2, prior=prior)
    with pytest.raises(ConfigError, match="BetaThompson: prior must be the two positive"):
        play(BetaThompson(prior=prior), BernoulliBandit(arms=2), 10)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BernoulliBandit(arms=3, prior=[[1, 1], [1, 2]]), "prior has 2 pairs for 3 arms"),
        (lambda: BernoulliBandit(probabilities=[0.5, 0.5], prior=[1, 1]),
         "probabilities and prior exclude each other"),
        (lambda: GaussianBandit(means=[0.5, 0.5], prior=[0, 1]), "means and prior exclude each"),
        (lambda: GaussianBandit(prior=[0, 0]), "a mean and a positive standard deviation, got"),
        (lambda: GaussianBandit(prior=[0, 1, 2]), "a mean and a positive standard deviation"),
        (lambda: GaussianThompson(prior=[0, -1]), "a mean and a positive standard deviation"),
    ],
)  # fmt: skip
def test_wrong_priors_are_named(make: Any, message: str) -> None:
    with pytest.raises((EnvError, ConfigError), match=message):
        make()
