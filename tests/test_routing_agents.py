"""Agents for paths: exact values, draws, invariances, and regret below the stated bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bandit_cases import NO_OBSERVATION, problem
from hypothesis import given, settings
from hypothesis import strategies as st
from test_bandit_bounds import exponent, mean_regrets
from test_layered_graph import all_paths, path_sums

from rewardsmith.agents.bandits import make_agent
from rewardsmith.agents.bandits.agent import Problem
from rewardsmith.agents.bandits.combinatorial import SemiBanditHedge, SemiBanditUCB
from rewardsmith.agents.bandits.hedge import Exp3
from rewardsmith.agents.bandits.perturbed_leader import FollowPerturbedLeader
from rewardsmith.agents.bandits.play import play
from rewardsmith.envs import BatchEnv, ConfigError
from rewardsmith.envs.bandits.adversarial import AdversarialBandit
from rewardsmith.envs.bandits.bernoulli import BernoulliBandit
from rewardsmith.envs.bandits.cascading_bandit import CascadingBandit
from rewardsmith.envs.bandits.routing import RoutingBandit
from rewardsmith.envs.stateful import FloatArray, IntArray

RUNS = 200
SEEDS = st.integers(0, 2**32 - 1)


def routing(n: int = 1, layers: int = 2, width: int = 2, horizon: int = 100) -> Problem:
    """Returns the problem of a small graph."""
    return Problem.of(RoutingBandit(n, layers=layers, width=width), horizon)


def tell(agent: Any, path: IntArray, losses: FloatArray) -> None:
    """Tells an agent of one run the losses (E,) of a round in which it took a path (L,)."""
    edge_loss = losses[agent.graph.edges_of(path[None])]
    facts = {"edge_loss": edge_loss, "losses": losses[None]}
    agent.learn(NO_OBSERVATION, path[None], 1.0 - edge_loss.mean(axis=1), facts)


# ---- Optimism ---------------------------------------------------------------------------


def test_the_optimistic_losses_by_hand() -> None:
    agent = SemiBanditUCB()
    agent.begin(routing(), seed=0)
    taken = []
    for losses in ([0, 0, 1, 0, 0, 0], [0, 1, 0, 0, 0, 1], [1, 0, 0, 1, 0, 0]):
        path = agent.act(NO_OBSERVATION)[0]
        taken.append(path.tolist())
        tell(agent, path, np.array(losses, dtype=np.float64))
    assert taken == [[0, 0], [1, 0], [0, 1]]  # new edges first
    radius = np.sqrt(1.5 * np.log(3))
    expected = [0.5 - radius / np.sqrt(2), 1 - radius, 1 - radius, 1 - radius, -radius, -1e9]
    np.testing.assert_allclose(agent.index()[0], expected)
    assert agent.act(NO_OBSERVATION).tolist() == [[1, 1]]


def test_every_edge_is_passed_within_as_many_rounds_as_there_are_edges() -> None:
    env, agent = RoutingBandit(50, layers=3, width=3, time_limit=None), SemiBanditUCB()
    play(agent, env, agent_rounds := env.graph.edges)
    assert agent.round == agent_rounds
    assert (agent.passes > 0).all()


# ---- Exponential weights over paths -----------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(2, 3), SEEDS)
def test_estimated_losses_are_unbiased(layers: int, width: int, seed: int) -> None:
    random, agent = np.random.default_rng(seed), SemiBanditHedge()
    agent.begin(routing(1, layers, width), seed=0)
    agent.log_weight[:] = random.normal(size=agent.log_weight.shape)
    loss, sums = random.random(agent.graph.edges), path_sums(agent.graph, agent.log_weight[0])
    chance = np.exp(sums) / np.exp(sums).sum()
    expected = np.zeros(agent.graph.edges)
    for path, share in zip(all_paths(agent.graph), chance, strict=True):
        passed = loss[agent.graph.edges_of(path[None])]
        expected += share * agent.estimate(path[None], passed)[0]
    np.testing.assert_allclose(expected, loss)


def test_paths_are_drawn_in_proportion_to_their_weights() -> None:
    n, agent = 40_000, SemiBanditHedge()
    agent.begin(routing(n, layers=3, width=2), seed=0)
    agent.log_weight[:] = np.random.default_rng(0).normal(size=agent.graph.edges)
    sums = path_sums(agent.graph, agent.log_weight[0])
    chance = np.exp(sums) / np.exp(sums).sum()
    drawn = np.bincount(agent.act(NO_OBSERVATION) @ [4, 2, 1], minlength=8) / n
    assert (np.abs(drawn - chance) < 4.5 * np.sqrt(chance * (1 - chance) / n)).all()


def test_with_one_layer_it_is_exp3() -> None:
    paths, arms = SemiBanditHedge(), Exp3()
    paths.begin(routing(1, layers=1, width=3, horizon=50), seed=0)
    arms.begin(problem(3, 50), seed=0)
    random = np.random.default_rng(0)
    for _ in range(50):
        action = paths.act(NO_OBSERVATION)
        losses = random.random(3)
        tell(paths, action[0], losses)
        arms.learn(NO_OBSERVATION, action[0], 1.0 - losses[action[0]], {})
        np.testing.assert_allclose(paths.probabilities(), arms.probabilities())


# ---- Follow the perturbed leader --------------------------------------------------------


def test_the_leader_is_followed_where_noise_is_small() -> None:
    agent, random = FollowPerturbedLeader(epsilon=1e9), np.random.default_rng(0)
    agent.begin(routing(1, layers=3, width=2), seed=0)
    total = np.zeros(agent.graph.edges)
    for _ in range(20):
        losses = random.random(agent.graph.edges)
        tell(agent, np.zeros(3, dtype=np.int64), losses)
        total += losses
        best = all_paths(agent.graph)[path_sums(agent.graph, total).argmin()]
        assert agent.act(NO_OBSERVATION)[0].tolist() == best.tolist()


def test_noise_is_uniform_up_to_one_over_epsilon() -> None:
    """P(U - V < x) = 1 - (1 - x)^2 / 2 for independent uniforms U, V and x in [0, 1]."""
    n, lead = 40_000, 0.4
    agent = FollowPerturbedLeader(epsilon=0.25)
    agent.begin(Problem.of(AdversarialBandit(n, arms=2), 100), seed=0)
    agent.total[:, 1] = lead / 0.25
    chance = 1 - (1 - lead) ** 2 / 2
    share = (agent.act(NO_OBSERVATION) == 0).mean()
    assert abs(share - chance) < 4.5 * np.sqrt(chance * (1 - chance) / n)


def test_arms_are_a_graph_of_one_layer() -> None:
    arms, paths = FollowPerturbedLeader(), FollowPerturbedLeader()
    arms.begin(Problem.of(AdversarialBandit(4, arms=3), 60), seed=0)
    paths.begin(routing(4, layers=1, width=3, horizon=60), seed=0)
    random = np.random.default_rng(0)
    for _ in range(60):
        arm, path = arms.act(NO_OBSERVATION), paths.act(NO_OBSERVATION)
        assert arm.shape == (4,)
        np.testing.assert_array_equal(arm[:, None], path)
        # Whole numbers, of which 1 - (1 - loss) is exact.
        losses = random.integers(2, size=(4, 3)).astype(np.float64)
        paid: FloatArray = 1.0 - losses[np.arange(4), arm]
        arms.learn(NO_OBSERVATION, arm, paid, {"rewards": 1.0 - losses})
        paths.learn(NO_OBSERVATION, path, paid, {"losses": losses})


# ---- Invariances and runs side by side --------------------------------------------------


@pytest.mark.parametrize("name", ["semi_bandit_ucb", "semi_bandit_hedge"])
@settings(max_examples=15, deadline=None)
@given(SEEDS, st.permutations(range(3)), st.permutations(range(3)))
def test_the_names_of_the_nodes_do_not_matter(
    name: str, seed: int, first: list[int], second: list[int]
) -> None:
    random, plain, renamed = np.random.default_rng(seed), make_agent(name), make_agent(name)
    for agent in (plain, renamed):
        agent.begin(routing(1, layers=2, width=3), seed=0)
    pairs = (3 + 3 * np.array(first)[:, None] + np.array(second)).ravel()
    order = np.concatenate([first, pairs])  # old edge under every new edge
    new_name = np.argsort(first), np.argsort(second)
    for _ in range(30):
        path, losses = plain.act(NO_OBSERVATION)[0], random.random(12)
        tell(plain, path, losses)
        moved = np.array([new_name[0][path[0]], new_name[1][path[1]]])
        tell(renamed, moved, losses[order])
    told = "index" if name == "semi_bandit_ucb" else "probabilities"
    np.testing.assert_allclose(getattr(renamed, told)()[0], getattr(plain, told)()[0, order])


def test_a_run_is_the_same_alone_and_among_others() -> None:
    together = play(SemiBanditUCB(), RoutingBandit(3, time_limit=None), 150, seed=5)
    for row in range(3):
        alone = play(SemiBanditUCB(), RoutingBandit(1, time_limit=None), 150, seed=5 + row)
        np.testing.assert_array_equal(alone.pulls[0], together.pulls[row])
        np.testing.assert_allclose(alone.regret[:, 0], together.regret[:, row])


# ---- Regret -----------------------------------------------------------------------------


def narrow(_: int) -> BatchEnv:
    return RoutingBandit(RUNS, width=2, time_limit=None)


def turning(horizon: int) -> BatchEnv:
    return RoutingBandit(RUNS, kind="adversarial", horizon=horizon, time_limit=None)


def switching(horizon: int) -> BatchEnv:
    return AdversarialBandit(RUNS, arms=3, horizon=horizon, time_limit=None)


SHORT, LONG = (200, 600, 1800), (1000, 2000, 4000)


@pytest.mark.parametrize(
    ("name", "task", "horizons"),
    [
        ("semi_bandit_ucb", narrow, LONG),
        ("semi_bandit_hedge", narrow, SHORT),
        ("semi_bandit_hedge", turning, SHORT),
        ("follow_perturbed_leader", turning, SHORT),
        ("follow_perturbed_leader", switching, SHORT),
    ],
)
def test_regret_stays_below_its_bound_and_grows_no_faster(
    name: str, task: Any, horizons: tuple[int, ...], record_property: Any
) -> None:
    regret = mean_regrets(name, {}, task, horizons)
    agent: Any = make_agent(name)
    bound = np.array([agent.bound(Problem.of(task(t), t), np.zeros(1)) for t in horizons])
    growth = exponent(regret, horizons)
    record_property("regret", regret.tolist())
    record_property("growth", growth)
    assert (regret < bound).all(), (regret, bound)
    assert bound[-1] < horizons[-1]
    assert growth < 0.7, regret


def test_the_bounds_by_hand() -> None:
    told, arms = routing(1, 2, 2, 10_000), Problem.of(AdversarialBandit(1, arms=3), 600)
    ucb, hedge, leader = SemiBanditUCB(), SemiBanditHedge(), FollowPerturbedLeader()
    none = np.zeros(1)
    radii = 4 * np.sqrt(1.5 * 6 * 10_000 * np.log(10_000) / 2)
    assert ucb.bound(told, none) == pytest.approx(radii + (np.pi**2 / 3 + 1) * 6)
    assert ucb.bound(routing(horizon=10), none) == 10.0
    assert hedge.bound(told, none) == pytest.approx(np.sqrt(2 * 10_000 * 6 * np.log(2)))
    assert leader.bound(told, none) == pytest.approx(np.sqrt(2 * 6 * 10_000))
    assert leader.bound(arms, none) == pytest.approx(60.0)
    assert FollowPerturbedLeader(0.1).bound(arms, none) == pytest.approx(0.1 * 3 * 600 + 5.0)


# ---- Errors -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "task", "message"),
    [
        ("semi_bandit_ucb", BernoulliBandit(2), "plays a list of items at a time"),
        ("semi_bandit_hedge", CascadingBandit(2), "fact 'edge_loss', which .*CascadingBandit-v0"),
        ("follow_perturbed_leader", BernoulliBandit(2), "has no fact 'rewards'; use exp3"),
        ("follow_perturbed_leader", CascadingBandit(2), "has no fact 'losses'"),
    ],
)
def test_what_an_agent_misses_is_named(name: str, task: BatchEnv, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        play(make_agent(name), task, 10)


def test_wrong_settings_and_losses_are_named() -> None:
    with pytest.raises(ConfigError, match=r"epsilon of FollowPerturbedLeader must be in \(0, inf"):
        FollowPerturbedLeader(epsilon=0.0)
    for name in ("semi_bandit_ucb", "semi_bandit_hedge", "follow_perturbed_leader"):
        agent = make_agent(name)
        agent.begin(routing(), seed=0)
        with pytest.raises(ConfigError, match=r"needs rewards in \[0, 1\]"):
            tell(agent, np.array([0, 1]), np.full(6, 1.5))
