"""Incentivised exploration: who would follow, what hiding costs, and the textbook's numbers."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from bandit_cases import NO_OBSERVATION, play_table, problem
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import beta, chisquare, kstest

from rewardsmith.agents.bandits import make_agent
from rewardsmith.agents.bandits.agent import Problem
from rewardsmith.agents.bandits.bounds import regret_bound
from rewardsmith.agents.bandits.incentive import (
    Greedy,
    HiddenExploration,
    expected_gain,
    fewest_samples,
)
from rewardsmith.agents.bandits.incentive_gap import (
    IncentiveGap,
    Recommendations,
    incentive_gap,
    recommend,
)
from rewardsmith.agents.bandits.index import UCB1
from rewardsmith.agents.bandits.play import play
from rewardsmith.envs import ConfigError, EnvError
from rewardsmith.envs.bandits.bernoulli import BernoulliBandit
from rewardsmith.envs.bandits.incentive import IncentiveBandit

RUNS = 20_000
WIDE = [[1.0, 0.5], [1.0, 1.0]]
"""Prior means 2/3 and 1/2; hides well because arm 0 may turn out to be bad."""
FAR = [[0.4, 0.1], [1.0, 2.0]]
"""Prior means 4/5 and 1/3."""


def gap_of(name: str, prior: list[list[float]], rounds: list[int], **options: Any) -> IncentiveGap:
    """Returns what following the agent's recommendations is worth in the given rounds."""
    env = IncentiveBandit(RUNS, prior=prior, time_limit=None)
    return incentive_gap(recommend(make_agent(name, options), env, rounds[-1], rounds, seed=1))


# ---- The environment --------------------------------------------------------------------


def test_means_are_drawn_from_the_prior_of_their_arm() -> None:
    env = IncentiveBandit(3000, prior=[[4.0, 2.0], [1.0, 1.5], [0.5, 3.0]])
    _, info = env.reset(seed=0)
    for place, (a, b) in enumerate([(4.0, 2.0), (1.0, 1.5), (0.5, 3.0)]):
        assert kstest(info["means"][:, place], beta(a, b).cdf).pvalue > 1e-4
        np.testing.assert_allclose(info["prior_means"][:, place], a / (a + b))
    assert np.abs(np.corrcoef(info["means"].T) - np.eye(3)).max() < 4.5 / np.sqrt(3000)
    arm = np.arange(3000) % 3
    _, reward, _, _, after = env.step(arm)
    chosen = info["means"][np.arange(3000), arm]
    np.testing.assert_array_equal(after["means"], info["means"])
    np.testing.assert_allclose(after["regret"], info["means"].max(axis=1) - chosen)
    assert abs((reward - chosen).mean()) < 4.5 * 0.5 / np.sqrt(3000)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ([[1, 1], [2, 1]], r"arm 0 must have the largest prior mean, got means \[0.5, 0.6667\]"),
        ([[1, 1], [2, 2]], "arm 0 must have the largest prior mean"),
        ([[2, 1]], "at least 2 arms, got 1"),
        ([[2, 0], [1, 1]], "prior must be the two positive parameters"),
    ],
)
def test_priors_that_cannot_be_are_named(prior: Any, message: str) -> None:
    with pytest.raises(EnvError, match=message):
        IncentiveBandit(prior=prior)


# ---- How long the first rounds and the phases are ------------------------------------------


@pytest.mark.parametrize(
    ("prior", "samples", "gain"),
    [
        # Two failures, chance 1/6, leave Beta(2, 3): 1/2 - 2/5 = 1/10.
        ([[2.0, 1.0], [1.0, 1.0]], 2, Fraction(1, 60)),
        # Three failures, chance 1/4, leave Beta(1, 4): 1/4 - 1/5 = 1/20.
        ([[1.0, 1.0], [1.0, 3.0]], 3, Fraction(1, 80)),
        # The better arm may come second.
        ([[1.0, 3.0], [1.0, 1.0]], 3, Fraction(1, 80)),
    ],
)
def test_first_rounds_and_gain_by_hand(
    prior: list[list[float]], samples: int, gain: Fraction
) -> None:
    assert fewest_samples(np.array(prior)) == samples
    assert expected_gain(np.array(prior), samples) == pytest.approx(float(gain))
    assert expected_gain(np.array(prior), samples - 1) == 0.0
    told = HiddenExploration(prior=prior).schedule(problem(2))
    assert told == (samples, 3 * gain.denominator)


def test_more_first_rounds_by_hand() -> None:
    # Of six rewards none is 1 with chance 1/7, leaving Beta(1, 7): 1/4 - 1/8; one: no gain.
    assert expected_gain(np.array([[1.0, 1.0], [1.0, 3.0]]), 6) == pytest.approx(1 / 56)
    agent = HiddenExploration(prior=[[1.0, 1.0], [1.0, 3.0]], initial=6)
    assert agent.schedule(problem(2)) == (6, 168)


PARAMETER = st.floats(0.3, 4.0)


@settings(max_examples=40, deadline=None)
@given(st.tuples(PARAMETER, PARAMETER), st.tuples(PARAMETER, PARAMETER))
def test_gain_begins_with_the_fewest_samples_and_grows_to_full_knowledge(
    one: tuple[float, float], other: tuple[float, float]
) -> None:
    prior = np.array([one, other])
    fewest = fewest_samples(prior)
    assert expected_gain(prior, fewest - 1) == pytest.approx(0.0, abs=1e-8)
    gains = [expected_gain(prior, n) for n in (fewest, fewest + 5, fewest + 50)]
    mean = (prior[:, 0] / prior.sum(axis=1)).min()
    a, b = prior[(prior[:, 0] / prior.sum(axis=1)).argmax()]
    known = quad(lambda mu: (mean - mu) * beta.pdf(mu, a, b), 0.0, mean)[0]
    assert 0.0 <= gains[0] <= gains[1] + 1e-9 <= gains[2] + 2e-9 <= known + 1e-6


# ---- What hidden exploration does ----------------------------------------------------------


def test_the_inner_agent_plays_one_round_of_every_phase_and_sees_no_other() -> None:
    # Arm 0 always pays, so that it is the best of every phase; arm 1 is played to explore only.
    table = np.array([[1.0] * 400, [0.0] * 400])
    agent = HiddenExploration(inner="ucb1", prior=WIDE, initial=3, epsilon=0.2)
    agent.begin(problem(2, 400), seed=0)
    arms = []
    for _ in range(398):
        action = agent.act(NO_OBSERVATION)
        agent.learn(NO_OBSERVATION, action, table[action, 0], {})
        arms.append(int(action[0]))
    assert arms[:3] == [0, 0, 0]
    explored = np.array(arms[3:]).reshape(79, 5).sum(axis=1)
    alone, wanted = UCB1(), []
    alone.begin(problem(2, 80), seed=0)  # ceil((400 - 3) / 5) phases
    for _ in range(79):
        action = alone.act(NO_OBSERVATION)
        alone.learn(NO_OBSERVATION, action, table[action, 0], {})
        wanted.append(int(action[0]))
    assert explored.tolist() == wanted
    assert 0 < sum(wanted) < 79


def test_the_round_that_explores_is_anywhere_in_the_phase() -> None:
    agent = HiddenExploration(inner="ucb1", prior=WIDE, initial=1, epsilon=0.25)
    agent.begin(problem(2, 50, n=4000), seed=0)
    place = []
    for _ in range(9):
        action = agent.act(NO_OBSERVATION)
        place.append(action == 1)
        agent.learn(NO_OBSERVATION, action, np.ones(4000), {})
    # Of the second phase, in which UCB1 wants arm 1.
    assert chisquare(np.array(place[5:9]).sum(axis=1)).pvalue > 1e-4
    assert (np.array(place[5:9]).sum(axis=0) == 1).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.permutations(range(3)))
def test_greedy_does_not_mind_the_names_of_the_arms(seed: int, order: list[int]) -> None:
    random = np.random.default_rng(seed)
    table, prior = random.random((3, 60)), random.uniform(0.5, 3.0, (3, 2))
    pulls = play_table(Greedy(prior=prior.tolist()), table, 60)
    renamed = play_table(Greedy(prior=prior[order].tolist()), table[order], 60)
    np.testing.assert_array_equal(renamed, pulls[order])


# ---- Who follows -------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_gap_is_the_average_over_the_runs_that_got_the_recommendation(seed: int) -> None:
    random = np.random.default_rng(seed)
    told = Recommendations(np.array([1, 7]), random.integers(3, size=(2, 40)),
                           random.random((40, 3)))  # fmt: skip
    found = incentive_gap(told)
    for c, a, b in np.ndindex(2, 3, 3):
        got = told.means[told.arm[c] == a]
        worth = got[:, a] - got[:, b]
        assert found.gap[c, a, b] == pytest.approx(worth.mean())
        assert found.error[c, a, b] == pytest.approx(worth.std() / np.sqrt(len(got) - 1))


@pytest.mark.parametrize("inner", ["thompson", "ucb1"])
def test_agents_follow_hidden_exploration(inner: str, record_property: Any) -> None:
    # Phases of 49 rounds: the first rounds, then one round of phases 1, 2, 3 and 6.
    gap = gap_of("hidden_exploration", WIDE, [5, 30, 80, 130, 270], inner=inner, initial=10)
    record_property("gap", gap.gap[:, [0, 1], [1, 0]].tolist())
    assert not gap.refused().any()
    assert np.isnan(gap.gap[0, 1]).all()  # nobody is sent to arm 1 before a phase began
    # Every later recommendation of either arm is even worth following.
    assert (gap.gap[1:, [0, 1], [1, 0]] > 4.0 * gap.error[1:, [0, 1], [1, 0]]).all()


@pytest.mark.parametrize(("factor", "follows"), [(1.0, True), (10.0, False)])
def test_what_following_is_worth_is_as_computed(factor: float, follows: bool) -> None:
    prior, initial = np.array(FAR), 10
    epsilon = factor * expected_gain(prior, initial) / 3.0
    agent = HiddenExploration(inner="ucb1", prior=FAR, initial=initial, epsilon=epsilon)
    first, phase = agent.schedule(problem(2))
    # UCB1 explores arm 0 in the first phase and arm 1 in the second, whatever it has seen.
    second = first + phase + phase // 2
    env = IncentiveBandit(RUNS, prior=FAR, time_limit=None)
    told = recommend(agent, env, second, [second], seed=1)
    worth = np.where(told.arm[0] == 1, told.means[:, 1] - told.means[:, 0], 0.0)
    gained, lost = expected_gain(prior, initial + 1), 0.8 - 1 / 3
    expected = (1.0 - 1.0 / phase) * gained - lost / phase
    assert abs(worth.mean() - expected) < 4.5 * worth.std() / np.sqrt(RUNS)
    refused = incentive_gap(told).refused()[0]
    assert refused[1, 0] != follows
    assert not refused[0, 1]


@pytest.mark.parametrize(("name", "round_"), [("ucb1", 2), ("thompson", 1)])
def test_agents_refuse_an_ordinary_bandit_algorithm(name: str, round_: int) -> None:
    gap = gap_of(name, WIDE, [round_])
    assert gap.refused()[0, 1, 0]
    # Nothing is known yet: the recommendation costs the difference of the prior means.
    assert abs(gap.gap[0, 1, 0] + 1 / 6) < 4.5 * gap.error[0, 1, 0]


def test_agents_follow_the_greedy_planner() -> None:
    gap = gap_of("greedy", WIDE, [1, 2, 5, 20, 60])
    assert not gap.refused().any()


# ---- Regret ------------------------------------------------------------------------------

HORIZONS = [1000, 3000, 10_000]


def test_greedy_never_explores_and_pays_for_it(record_property: Any) -> None:
    env = IncentiveBandit(1000, prior=WIDE, time_limit=None)
    history = play(Greedy(), env, HORIZONS[-1], checkpoints=HORIZONS)
    record_property("regret", history.regret.mean(axis=1).tolist())
    never = history.pulls[:, 1] == 0
    assert never.mean() > 1 / 6  # the difference of the prior means (Slivkins, section 11.2)
    missed = np.maximum(env.mean[:, 1] - env.mean[:, 0], 0.0)
    np.testing.assert_allclose(history.regret[-1, never], HORIZONS[-1] * missed[never], rtol=1e-9)
    assert history.growth() > 0.9


def test_hidden_exploration_keeps_to_its_bound(record_property: Any) -> None:
    regret, settings = [], {"initial": 10}
    for horizon in HORIZONS:
        env = IncentiveBandit(400, prior=WIDE, time_limit=None)
        agent = make_agent("hidden_exploration", settings)
        history = play(agent, env, horizon)
        regret.append(float(history.regret[-1].mean()))
        bound = regret_bound(agent, env)
        assert bound is not None
        phases = -(-(horizon - 10) // 49)
        np.testing.assert_allclose(bound, 10 + 49 * np.sqrt(phases * np.log(2.0)))
        assert regret[-1] < bound[0]
        assert (history.pulls[:, 1] > 0).mean() > 0.9
    record_property("regret", regret)
    growth = np.polyfit(np.log(HORIZONS), np.log(regret), 1)[0]
    record_property("growth", float(growth))
    assert growth < 0.6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inner": "ucb1"}, "ucb1 states no bound on its Bayesian regret; set inner to thompson"),
        ({"prior": [[3, 1], [1, 1]]}, "for a prior that is not the task's; set prior to null"),
        ({"inner_settings": {"prior": [1, 1]}}, "BetaThompson .* a prior that is not the task's"),
    ],
)
def test_without_the_right_prior_there_is_no_bound(options: dict[str, Any], message: str) -> None:
    agent: Any = make_agent("hidden_exploration", options)
    asked = Problem.of(IncentiveBandit(), 1000)
    with pytest.raises(ConfigError, match=message):
        agent.bound(asked, np.zeros(2))


# ---- Errors -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"initial": 0}, "initial of HiddenExploration must be at least 1, got 0"),
        ({"epsilon": 0.0}, r"epsilon of HiddenExploration must be in \(0, 1\], got 0.0"),
        ({"prior": [1, 0]}, "HiddenExploration: prior must be the two positive parameters"),
        ({"prior": [[1, 1]]}, "HiddenExploration: prior has 1 pairs for 2 arms"),
        ({"initial": 1}, "never looks better; set initial of HiddenExploration to at least 2"),
        ({"inner": "ucb"}, "unknown bandit agent 'ucb'"),
    ],
)
def test_wrong_settings_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        play(make_agent("hidden_exploration", options), IncentiveBandit(2, time_limit=None), 10)


def test_three_arms_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"needs two arms, .*BernoulliBandit-v0 has 3"):
        play(HiddenExploration(), BernoulliBandit(2, arms=3), 10)


def test_what_cannot_be_checked_is_refused() -> None:
    with pytest.raises(EnvError, match="does not tell the means of its arms"):
        recommend(Greedy(), BernoulliBandit(2, arms=2), 10, [5])
    with pytest.raises(ConfigError, match="ended after 100 rounds; set its time_limit to null"):
        recommend(Greedy(), IncentiveBandit(2), 200, [150])
