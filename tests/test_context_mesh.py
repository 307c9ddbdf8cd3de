"""Contexts on a line: the environment, and UCB1 cell by cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest
from test_bandit_bounds import exponent, mean_regrets

from rewardsmith.agents.bandits import make_agent
from rewardsmith.agents.bandits.agent import Problem
from rewardsmith.agents.bandits.context_mesh import ContextMesh
from rewardsmith.agents.bandits.index import UCB1
from rewardsmith.agents.bandits.play import play
from rewardsmith.envs import BatchEnv, ConfigError, EnvCard, EnvError
from rewardsmith.envs.bandits.bernoulli import BernoulliBandit
from rewardsmith.envs.bandits.lipschitz_contexts import LipschitzContexts
from rewardsmith.envs.card import Field
from rewardsmith.envs.stateful import FloatArray, IntArray

RUNS = 200

# ---- Environment ------------------------------------------------------------------------


def test_pay_falls_linearly_from_the_peak_of_every_arm() -> None:
    env = LipschitzContexts(4000, arms=3, lipschitz=2.0, time_limit=None)
    observation, info = env.reset(seed=0)
    assert kstest(env.peak.ravel(), "uniform").pvalue > 1e-4
    random, rows, errors = np.random.default_rng(0), np.arange(4000), []
    for _ in range(5):
        assert kstest(observation[:, 0], "uniform").pvalue > 1e-4
        mean = np.maximum(1 - 2 * np.abs(observation - env.peak), 0)
        np.testing.assert_array_equal(info["best_arm"], mean.argmax(axis=1))
        arm = random.integers(3, size=4000)
        observation, reward, _, _, info = env.step(arm)
        np.testing.assert_allclose(info["regret"], mean.max(axis=1) - mean[rows, arm])
        np.testing.assert_array_equal(info["success"], mean[rows, arm] == mean.max(axis=1))
        errors.append(reward - mean[rows, arm])
    assert abs(np.mean(errors)) < 4.5 * 0.5 / np.sqrt(20_000)


def test_few_contexts_are_the_middles_of_cells() -> None:
    env = LipschitzContexts(4000, contexts=4)
    observation, _ = env.reset(seed=0)
    value, count = np.unique(observation, return_counts=True)
    assert value.tolist() == [0.125, 0.375, 0.625, 0.875]
    assert (np.abs(count / 4000 - 0.25) < 4.5 * np.sqrt(3 / 16 / 4000)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arms": 1}, "a bandit needs at least 2 arms, got 1"),
        ({"lipschitz": 0.0}, "lipschitz must be a finite number above 0, got 0.0"),
        ({"contexts": 0}, "contexts must be at least 1 or null, got 0"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        LipschitzContexts(1, **options)


# ---- The mesh ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arms", "lipschitz", "horizon", "cells"),
    [
        # T L^2 / (K ln T) = 3000 / (3 * 8.006) = 124.9, just below 5^3.
        (3, 1.0, 3000, 5),
        (3, 1.01, 3000, 6),
        (3, 0.01, 3000, 1),
        (2, 2.0, 1, 2),
    ],
)
def test_the_number_of_cells(arms: int, lipschitz: float, horizon: int, cells: int) -> None:
    env = LipschitzContexts(1, arms=arms, lipschitz=lipschitz)
    for agent in (ContextMesh(), ContextMesh(lipschitz=lipschitz)):
        agent.begin(Problem.of(env, horizon), seed=0)
        assert agent.state_dict()["pulls"].shape == (1, cells, arms)


def test_the_cell_of_a_context() -> None:
    agent = ContextMesh(cells=4)
    agent.begin(Problem.of(LipschitzContexts(6), 100), seed=0)
    shown = np.array([[0.0], [0.24], [0.25], [0.5], [0.99], [1.0]], dtype=np.float32)
    assert agent.cell(shown).tolist() == [0, 0, 1, 2, 3, 3]


def test_one_cell_is_ucb1() -> None:
    mesh, plain = (
        play(agent, LipschitzContexts(20, time_limit=None), 300)
        for agent in (ContextMesh(cells=1), UCB1())
    )
    np.testing.assert_array_equal(mesh.pulls, plain.pulls)
    np.testing.assert_array_equal(mesh.regret, plain.regret)


def test_every_cell_is_played_by_ucb1_of_its_own() -> None:
    env, agent = LipschitzContexts(1, arms=2, contexts=3, time_limit=None), ContextMesh(cells=3)
    problem = Problem.of(env, 400)
    agent.begin(problem, seed=0)
    own = [UCB1() for _ in range(3)]
    for index in own:
        index.begin(problem, seed=0)
    observation, _ = env.reset(seed=0)
    for _ in range(400):
        index = own[int(observation[0, 0] * 3)]
        action = agent.act(observation)
        assert action.tolist() == index.act(observation).tolist()
        following, reward, _, _, info = env.step(action)
        agent.learn(observation, action, reward, info)
        index.learn(observation, action, reward, info)
        observation = following


def pulls_by_cell(table: FloatArray, contexts: FloatArray) -> IntArray:
    """Plays one run in which the k-th pull of arm a in cell c pays table[c, a, k]."""
    cells, arms, horizon = table.shape
    card = EnvCard("Made-up-v0", "", observation=(Field("context", "", (0, 1)),))
    agent = ContextMesh(cells=cells)
    agent.begin(Problem(1, arms, horizon, card), seed=0)
    pulls = np.zeros((cells, arms), dtype=np.int64)
    for context in contexts:
        observation = np.array([[context]])
        action, cell = agent.act(observation), int(context * cells)
        paid = table[cell, action, pulls[cell, action]]
        agent.learn(observation, action, paid, {})
        pulls[cell, action] += 1
    return pulls


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.permutations(range(3)))
def test_the_names_of_the_arms_do_not_matter(seed: int, order: list[int]) -> None:
    random = np.random.default_rng(seed)
    table = random.random((2, 3, 150))
    contexts = (random.permutation(150) % 2 + 0.5) / 2  # so that no cell ends in its first pulls
    pulls = pulls_by_cell(table, contexts)
    np.testing.assert_array_equal(pulls_by_cell(table[:, order], contexts), pulls[:, order])


def test_a_run_is_the_same_alone_and_among_others() -> None:
    together = play(ContextMesh(), LipschitzContexts(3, time_limit=None), 200, seed=5)
    for row in range(3):
        alone = play(ContextMesh(), LipschitzContexts(1, time_limit=None), 200, seed=5 + row)
        np.testing.assert_array_equal(alone.pulls[0], together.pulls[row])
        np.testing.assert_array_equal(alone.regret[:, 0], together.regret[:, row])


# ---- Regret -----------------------------------------------------------------------------


def line(_: int) -> BatchEnv:
    return LipschitzContexts(RUNS, arms=2, lipschitz=1.0, time_limit=None)


def four(_: int) -> BatchEnv:
    return LipschitzContexts(RUNS, arms=2, contexts=4, time_limit=None)


@pytest.mark.parametrize(
    ("cells", "task", "horizons", "growth"),
    [
        (None, line, (3000, 6000, 12_000), 2 / 3 + 0.1),
        (4, four, (2000, 4000, 8000), 1 / 2 + 0.1),
    ],
)
def test_regret_stays_below_its_bound_and_grows_no_faster(
    cells: int | None, task: Any, horizons: tuple[int, ...], growth: float, record_property: Any
) -> None:
    regret = mean_regrets("context_mesh", {"cells": cells}, task, horizons)
    agent = ContextMesh(cells)
    bound = np.array([agent.bound(Problem.of(task(t), t), np.zeros(1)) for t in horizons])
    record_property("regret", regret.tolist())
    record_property("growth", exponent(regret, horizons))
    assert (regret < bound).all(), (regret, bound)
    assert bound[-1] < horizons[-1]
    assert exponent(regret, horizons) < growth, regret


def test_without_a_mesh_regret_is_linear() -> None:
    horizons = (500, 2000)
    one = mean_regrets("context_mesh", {"cells": 1, "lipschitz": 2.0}, wide, horizons)
    mesh = mean_regrets("context_mesh", {}, wide, horizons)
    assert exponent(one, horizons) > 0.9
    assert mesh[1] < 0.5 * one[1]


def wide(_: int) -> BatchEnv:
    return LipschitzContexts(RUNS, lipschitz=2.0, time_limit=None)


def test_the_bound_by_hand() -> None:
    none, ten = np.zeros(1), 10_000
    learn = 4 * np.sqrt(2 * 8 * ten * np.log(ten)) + 8 * (1 + 2 / ten**2)
    few = ContextMesh(cells=4).bound(Problem.of(four(0), ten), none)
    assert few == pytest.approx(learn)
    mesh = ContextMesh(cells=4, lipschitz=0.5).bound(Problem.of(line(0), ten), none)
    assert mesh == pytest.approx(2 * 0.5 * ten / 4 + learn)
    assert ContextMesh().bound(Problem.of(line(0), 300), none) == 300.0


# ---- Errors -----------------------------------------------------------------------------


def test_what_it_misses_is_named() -> None:
    with pytest.raises(ConfigError, match="BernoulliBandit-v0 has no field 'context'; use"):
        ContextMesh().begin(Problem.of(BernoulliBandit(2), 10), seed=0)
    card = EnvCard("Made-up-v0", "", observation=(Field("context", "", (0, 1)),))
    with pytest.raises(ConfigError, match=r"does not tell how fast .* set lipschitz or cells"):
        ContextMesh().begin(Problem(1, 2, 100, card), seed=0)
    for setting, message in (("cells", "at least 1, got 0"), ("lipschitz", r"\(0, inf\), got 0"),
                             ("scale", r"\(0, inf\), got 0")):  # fmt: skip
        with pytest.raises(ConfigError, match=rf"{setting} of ContextMesh must be .*{message}"):
            make_agent("context_mesh", {setting: 0})
