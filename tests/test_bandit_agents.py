"""Bandit agents: the textbook's unit values, invariances, resuming, and errors."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from bandit_cases import NO_OBSERVATION, play_table, problem, task
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, kstest

from rewardsmith.agents.bandits import AGENTS, make_agent
from rewardsmith.agents.bandits.agent import BanditAgent, Problem
from rewardsmith.agents.bandits.counting import confidence_radius
from rewardsmith.agents.bandits.explore import EpsilonGreedy, ExploreFirst, SuccessiveElimination
from rewardsmith.agents.bandits.hedge import Exp3, Hedge
from rewardsmith.agents.bandits.index import KLUCB, MOSS, UCB1
from rewardsmith.agents.bandits.linear import LinUCB
from rewardsmith.agents.bandits.majority import WeightedMajority
from rewardsmith.agents.bandits.play import play
from rewardsmith.agents.bandits.thompson import BetaThompson
from rewardsmith.envs import ConfigError, EnvError
from rewardsmith.envs.bandits.adversarial import AdversarialBandit
from rewardsmith.envs.bandits.bernoulli import BernoulliBandit
from rewardsmith.envs.bandits.linear import LinearBandit
from rewardsmith.envs.control.deep_sea import DeepSea

# ---- Unit values ------------------------------------------------------------------------


def test_confidence_radius() -> None:
    scaled = confidence_radius(np.array([8.0, 2.0]), 1000, scale=3.0)
    np.testing.assert_allclose(scaled, 3 * np.sqrt(2 * np.log(1000) / np.array([8.0, 2.0])))
    # n = 8 and T = e^4 give 1; e^4 = 54.6 is no whole number of rounds.
    assert float(confidence_radius(np.array(8.0), np.exp(4.0))) == pytest.approx(1.0)


def test_explore_first_takes_turns_and_then_commits() -> None:
    agent = ExploreFirst()
    agent.begin(problem(3, 100), seed=0)
    pulls = int(np.ceil((100 / 3) ** (2 / 3) * (2 * np.log(100)) ** (1 / 3)))
    for round_ in range(100):
        arm = int(agent.act(NO_OBSERVATION)[0])
        assert arm == (round_ % 3 if round_ < 3 * pulls else 1)
        # Arm 1 is the best while exploring and pays nothing later.
        paid = float(arm == 1 and round_ < 3 * pulls)
        agent.learn(NO_OBSERVATION, np.array([arm]), np.array([paid]), {})


def test_epsilon_falls_as_the_textbook_says() -> None:
    agent = EpsilonGreedy()
    agent.begin(problem(4), seed=0)
    assert agent.epsilon(1) == 1.0
    assert agent.epsilon(2) == 1.0
    assert agent.epsilon(1000) == pytest.approx((4 * np.log(1000) / 1000) ** (1 / 3))


def test_hedge_shifts_its_weights_by_the_costs() -> None:
    agent = Hedge(epsilon=0.5)
    agent.begin(Problem.of(AdversarialBandit(2, arms=2), 100), seed=0)
    told = {"rewards": np.array([[0.0, 1.0], [1.0, 1.0]])}
    agent.learn(NO_OBSERVATION, np.array([0, 1]), np.array([0.0, 1.0]), told)
    np.testing.assert_allclose(agent.probabilities(), [[1 / 3, 2 / 3], [1 / 2, 1 / 2]])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=5), st.floats(0.0, 0.49))
def test_estimated_costs_are_unbiased(costs: list[float], mixing: float) -> None:
    cost, agent = np.array(costs), Exp3(mixing)
    agent.begin(problem(len(cost), 50), seed=0)
    agent.log_weight[:] = np.linspace(0.0, -3.0, len(cost))
    chance = agent.probabilities()[0]
    assert chance.sum() == pytest.approx(1.0)
    assert (chance >= mixing / len(cost)).all()
    expected = sum(
        chance[arm] * agent.estimate(np.array([arm]), cost[arm : arm + 1])[0]
        for arm in range(len(cost))
    )
    np.testing.assert_allclose(expected, cost, atol=1e-12)


def test_weights_stay_finite_over_very_many_costs() -> None:
    agent = Exp3()
    agent.begin(problem(3, 10), seed=0)
    for _ in range(5000):
        action = agent.act(NO_OBSERVATION)
        agent.learn(NO_OBSERVATION, action, np.array([float(action[0] == 1)]), {})
    assert np.isfinite(agent.log_weight).all()
    assert agent.probabilities()[0, 1] > 0.99


def test_arms_are_drawn_with_their_probabilities() -> None:
    agent = Exp3()
    agent.begin(problem(4, n=20_000), seed=0)
    agent.log_weight[:] = np.log([0.5, 0.0625, 0.25, 0.1875])
    drawn = np.bincount(agent.act(NO_OBSERVATION), minlength=4) / 20_000
    chance = agent.probabilities()[0]
    assert (np.abs(drawn - chance) < 4.5 * np.sqrt(chance * (1 - chance) / 20_000)).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 7), st.lists(st.integers(0, 255), max_size=30))
def test_majority_vote_with_a_perfect_expert_errs_at_most_log_2_k_times(
    perfect: int, rounds: list[int]
) -> None:
    vote, mistakes = WeightedMajority(1, experts=8, epsilon=1.0), 0
    for bits in rounds:
        advice = (bits >> np.arange(8) & 1)[None]
        outcome = advice[:, perfect]
        mistakes += int(vote.predict(advice)[0] != outcome[0])
        vote.learn(advice, outcome)
    assert mistakes <= 3


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.5]))
def test_weighted_majority_keeps_to_its_bound(seed: int, epsilon: float) -> None:
    random = np.random.default_rng(seed)
    vote = WeightedMajority(20, experts=6, epsilon=epsilon)
    mistakes, wrong = np.zeros(20), np.zeros((20, 6))
    for _ in range(60):
        advice = random.integers(2, size=(20, 6))
        outcome = 1 - vote.predict(advice)  # an adversary: every prediction is a mistake
        mistakes += 1
        wrong += advice != outcome[:, None]
        vote.learn(advice, outcome)
    bound = 2 / (1 - epsilon) * wrong.min(axis=1) + 2 / epsilon * np.log(6)
    assert (mistakes <= bound).all()


def test_thompson_draws_from_the_posterior_of_its_counts() -> None:
    agent = BetaThompson()
    agent.begin(problem(2, n=4000), seed=0)
    for reward in (1.0, 1.0, 0.0, 1.0):
        agent.learn(NO_OBSERVATION, np.zeros(4000, dtype=int), np.full(4000, reward), {})
    one, other = agent.posterior()
    assert one[0].tolist() == [4.0, 1.0]
    assert other[0].tolist() == [2.0, 1.0]
    # P(Beta(4, 2) < U) = 1 - 4/6 for a uniform U: how often arm 1 is played.
    assert abs(agent.act(NO_OBSERVATION).mean() - 1 / 3) < 4.5 * np.sqrt(2 / 9 / 4000)
    draws = np.random.default_rng(0).beta(one[:, 0], other[:, 0])
    assert kstest(draws, beta(4, 2).cdf).pvalue > 1e-4


def test_the_index_of_each_policy() -> None:
    table = np.array([[1.0, 0.0], [0.0, 0.0]])
    for agent, radius in (
        (UCB1(), np.sqrt(2 * np.log(50))),
        (UCB1(anytime=True), np.sqrt(2 * np.log(3))),
        (UCB1(scale=0.5), 0.5 * np.sqrt(2 * np.log(50))),
        (MOSS(), np.sqrt(np.log(25))),
    ):
        agent.begin(problem(2, 50), seed=0)
        for arm in range(2):
            agent.learn(NO_OBSERVATION, np.array([arm]), table[arm, :1], {})
        np.testing.assert_allclose(agent.index()[0], [1.0 + radius, radius])


def test_an_arm_is_dropped_once_it_is_surely_worse() -> None:
    agent = SuccessiveElimination()
    table = np.tile(np.array([[1.0], [0.0], [1.0]]), (1, 300))
    pulls = play_table(agent, table, 300)
    # 1 - r < 0 + r ends at n > 8 ln 300 = 45.6.
    assert pulls[1] == 46
    assert abs(pulls[0] - pulls[2]) <= 1
    assert agent.active.tolist() == [[True, False, True]]


def test_linear_regression_equals_the_direct_solution() -> None:
    env, agent = LinearBandit(6, arms=3, features=4, time_limit=None), LinUCB(ridge=0.5)
    agent.begin(Problem.of(env, 100), seed=0)
    observation, _ = env.reset(seed=0)
    rows, gram, moment = np.arange(6), np.tile(0.5 * np.eye(4), (6, 1, 1)), np.zeros((6, 4))
    for _ in range(60):
        shown = observation.astype(np.float64).reshape(6, 3, 4)
        inverse = np.linalg.inv(gram)
        theta = np.einsum("nij,nj->ni", inverse, moment)
        width = np.sqrt(0.5) + 0.1 * np.sqrt(2 * np.log(100) + 4 * np.log1p(100 / 2))
        spread = np.einsum("nki,nij,nkj->nk", shown, inverse, shown)
        score = np.einsum("nki,ni->nk", shown, theta) + width * np.sqrt(spread)
        np.testing.assert_allclose(agent.score(shown), score, rtol=1e-9)
        action = agent.act(observation)
        np.testing.assert_array_equal(action, score.argmax(axis=1))
        following, reward, _, _, info = env.step(action)
        agent.learn(observation, action, reward, info)
        x = shown[rows, action]
        gram, moment = gram + x[:, :, None] * x[:, None, :], moment + reward[:, None] * x
        observation = following


# ---- Invariances ------------------------------------------------------------------------

TABLES = st.tuples(st.integers(0, 2**32 - 1), st.permutations(range(4)))


@pytest.mark.parametrize(
    "agent",
    [UCB1(), UCB1(anytime=True), KLUCB(), MOSS(), SuccessiveElimination(), ExploreFirst()],
    ids=repr,
)
@settings(max_examples=10, deadline=None)
@given(TABLES)
def test_the_names_of_the_arms_do_not_matter(
    agent: BanditAgent, drawn: tuple[int, list[int]]
) -> None:
    seed, order = drawn
    horizon = 120  # a whole number of turns over four arms, so that phases end alike
    table = np.random.default_rng(seed).random((4, horizon))
    pulls = play_table(agent, table, horizon)
    permuted = play_table(agent, table[order], horizon)
    # Where the horizon cuts through a phase its last pulls go by the order of the names.
    slack = 1 if isinstance(agent, SuccessiveElimination) else 0
    assert np.abs(permuted - pulls[order]).max() <= slack


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100.0), st.floats(-10.0, 10.0))
def test_rewards_may_be_scaled_with_the_radius_and_shifted(
    seed: int, scale: float, shift: float
) -> None:
    table = np.random.default_rng(seed).random((3, 100))
    for kind in (UCB1, MOSS, SuccessiveElimination):
        plain = play_table(kind(), table, 100)
        scaled = play_table(kind(scale=scale), scale * table + shift, 100)
        np.testing.assert_array_equal(plain, scaled)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.permutations(range(4)), st.floats(0.0, 0.5))
def test_hedge_follows_a_renaming_and_ignores_a_cost_common_to_all(
    seed: int, order: list[int], common: float
) -> None:
    rewards = np.random.default_rng(seed).uniform(0.5, 1.0, (20, 4))
    found = []
    for told in (rewards, rewards[:, order], rewards - common):
        agent = Hedge(epsilon=0.3)
        agent.begin(Problem.of(AdversarialBandit(1, arms=4), 20), seed=0)
        for row in told:
            agent.learn(NO_OBSERVATION, np.array([0]), row[:1], {"rewards": row[None]})
        found.append(agent.probabilities()[0])
    np.testing.assert_allclose(found[1], found[0][order])
    np.testing.assert_allclose(found[2], found[0])


# ---- Runs side by side ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ucb1", "kl_ucb", "moss", "successive_elimination", "lin_ucb"])
def test_a_run_is_the_same_alone_and_among_others(name: str) -> None:
    together = play(make_agent(name), task(name, 4, 80), 80, seed=5)
    for row in range(4):
        alone = play(make_agent(name), task(name, 1, 80), 80, seed=5 + row)
        np.testing.assert_array_equal(alone.pulls[0], together.pulls[row])
        np.testing.assert_allclose(alone.regret[:, 0], together.regret[:, row])


@pytest.mark.parametrize("how", ["state_dict", "pickle"])
@pytest.mark.parametrize("name", AGENTS)
def test_a_saved_agent_goes_on_exactly(name: str, how: str) -> None:
    env, agent = task(name, 3, 90), make_agent(name)
    agent.begin(Problem.of(env, 90), seed=1)
    observation, _ = env.reset(seed=1)

    def advance(player: BanditAgent, seen: np.ndarray, rounds: int) -> tuple[np.ndarray, Any]:
        actions = []
        for _ in range(rounds):
            actions.append(player.act(seen))
            following, reward, _, _, info = env.step(actions[-1])
            player.learn(seen, actions[-1], reward, info)
            seen = following
        return seen, np.array(actions)

    observation, _ = advance(agent, observation, 40)
    snapshot = env.snapshot()
    if how == "pickle":
        other = pickle.loads(pickle.dumps(agent))
    else:
        state = pickle.dumps(agent.state_dict())
        other = make_agent(name)
        other.begin(Problem.of(env, 90), seed=7)
        other.load_state_dict(pickle.loads(state))
    _, expected = advance(agent, observation, 50)
    env.restore(snapshot)
    np.testing.assert_array_equal(advance(other, observation, 50)[1], expected)


@pytest.mark.parametrize("name", AGENTS)
def test_state_does_not_grow_with_the_horizon(name: str) -> None:
    sizes = []
    for horizon in (60, 240):
        agent = make_agent(name)
        play(agent, task(name, 2, horizon), horizon)
        sizes.append(sum(np.asarray(v).nbytes for v in agent.state_dict().values()))
    assert sizes[0] == sizes[1]


def test_history_adds_up() -> None:
    env, chances = BernoulliBandit(5, probabilities=[0.2, 0.9], time_limit=None), [0.2, 0.9]
    history = play(make_agent("epsilon_greedy"), env, 200, checkpoints=[50, 120])
    assert history.rounds.tolist() == [50, 120, 200]
    assert history.regret.shape == history.reward.shape == (3, 5)
    np.testing.assert_array_equal(history.pulls.sum(axis=1), 200)
    np.testing.assert_allclose(history.regret[-1], history.pulls @ (0.9 - np.array(chances)))
    assert (np.diff(history.reward, axis=0) >= 0.0).all()


# ---- Errors -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("ucb", {}, "unknown bandit agent 'ucb'; did you mean 'ucb1'"),
        ("moss", {"scal": 1.0}, "unknown setting 'scal' in moss; did you mean 'scale'"),
        ("ucb1", {"scale": 0.0}, r"scale of UCB1 must be in \(0, inf\), got 0.0"),
        ("epsilon_greedy", {"rate": -1.0}, r"rate of EpsilonGreedy must be in \[0, inf\], got -1"),
        ("hedge", {"epsilon": 1.0}, r"epsilon of Hedge must be in \(0, 1\), got 1.0"),
        ("exp3", {"mixing": 0.5}, r"mixing of Exp3 must be in \[0, 0.5\), got 0.5"),
        ("lin_ucb", {"ridge": 0.0}, r"ridge of LinUCB must be in \(0, inf\), got 0.0"),
        ("linear_thompson", {"sigma": -1.0}, r"sigma of LinearThompson must be in"),
        ("tallying_elimination", {"memory": 0}, "must be at least 1, got 0"),
    ],
)
def test_wrong_settings_are_named(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_agent(name, settings)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hedge", "BernoulliBandit-v0 has no fact 'rewards'; use exp3"),
        ("lin_ucb", "the observation of rewardsmith/BernoulliBandit-v0 has no field 'features'"),
    ],
)
def test_what_an_agent_misses_is_named(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        play(make_agent(name), BernoulliBandit(2), 10)


@pytest.mark.parametrize("name", ["kl_ucb", "thompson", "exp3", "tallying_elimination"])
@pytest.mark.parametrize("paid", [1.5, -0.1, float("nan")])
def test_rewards_outside_the_unit_interval_are_refused(name: str, paid: float) -> None:
    agent = make_agent(name)
    agent.begin(problem(2, n=2), seed=0)
    with pytest.raises(ConfigError, match=rf"needs rewards in \[0, 1\], .* paid {paid}"):
        agent.learn(NO_OBSERVATION, np.array([0, 1]), np.array([0.5, paid]), {})


@pytest.mark.parametrize(
    ("horizon", "checkpoints", "message"),
    [
        (0, None, "the horizon must be at least 1 round, got 0"),
        (10, [5, 5], r"checkpoints must be increasing rounds from 1, got \[5, 5\]"),
        (10, [0, 5], "checkpoints must be increasing rounds from 1"),
        (10, [11], "checkpoint 11 lies beyond the horizon of 10 rounds"),
        (150, None, "ended after 100 of 150 rounds; set its time_limit to null"),
    ],
)
def test_wrong_rounds_are_named(horizon: int, checkpoints: list[int] | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        play(make_agent("ucb1"), BernoulliBandit(2), horizon, checkpoints=checkpoints)


def test_an_environment_without_regret_is_refused() -> None:
    with pytest.raises(EnvError, match="does not tell its regret"):
        play(make_agent("ucb1"), DeepSea(2), 5)
