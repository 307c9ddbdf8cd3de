"""UcbBwK: what it believes, what it plays, and what it earns beside other agents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardsmith.agents.bandits import make_agent
from rewardsmith.agents.bandits.agent import Problem
from rewardsmith.agents.bandits.play import play
from rewardsmith.agents.bandits.ucb_bwk import UcbBwK
from rewardsmith.envs import ConfigError
from rewardsmith.envs.bandits.bernoulli import BernoulliBandit
from rewardsmith.envs.bandits.knapsack import KnapsackBandit
from rewardsmith.envs.bandits.knapsack_lp import lp_mix
from rewardsmith.envs.stateful import FloatArray

MIXING: dict[str, Any] = {
    "kind": "given",
    "rewards": [1.0, 1.0],
    "consumption": [[1.0, 0.0], [0.0, 1.0]],
    "time_limit": None,
}
"""Each arm alone uses up one resource at half time; taking turns lasts to the end."""


def began(agent: UcbBwK, arms: int, n: int = 1) -> UcbBwK:
    """Begins an agent on one resource with a fifth of it per round, T = 100."""
    agent.begin(Problem.of(KnapsackBandit(n, arms=arms), 100), seed=0)
    return agent


def told(agent: UcbBwK, pulls: FloatArray, mean: FloatArray, use: FloatArray) -> UcbBwK:
    """Puts counts (K,) and averages over N + 1 rounds into the first run."""
    agent.pulls[0] = pulls
    agent.earned[0], agent.used[0, :, 0] = mean * (pulls + 1), use * (pulls + 1)
    return agent


def test_the_program_is_solved_for_optimistic_rewards_and_consumption() -> None:
    agent = began(UcbBwK(scale=0.5, slack=0.25), arms=3)
    pulls, mean, use = np.array([99.0, 399.0, 0.0]), np.array([0.2, 0.5, 0.0]), np.zeros(3)
    use[:] = 0.3, 0.8, 0.0
    gamma = 0.5 * np.log(3 * 2 * 100)
    upper = mean + 2 * (np.sqrt(gamma * mean / (pulls + 1)) + gamma / (pulls + 1))
    lower = use - 2 * (np.sqrt(gamma * use / (pulls + 1)) + gamma / (pulls + 1))
    assert upper[2] > 1.0 > upper[1]
    expected, _ = lp_mix(np.minimum(upper, 1.0), np.maximum(lower, 0.0)[:, None], 0.75 * 0.2)
    np.testing.assert_allclose(told(agent, pulls, mean, use).mix()[0], expected)


def test_with_much_data_the_mix_is_that_of_the_truth_and_arms_are_drawn_by_it() -> None:
    agent = began(UcbBwK(), arms=4, n=8000)
    env = KnapsackBandit(1, arms=4)
    mean, use = env.pay * env.chance[0], env.use[0, :, 0]
    agent.pulls[:] = 1e14
    agent.earned[:], agent.used[:, :, 0] = 1e14 * mean, 1e14 * use
    mix, _ = lp_mix(mean, use[:, None], 0.2)
    np.testing.assert_allclose(agent.mix(), np.tile(mix, (8000, 1)), atol=1e-5)
    chance = mix / mix.sum()
    drawn = np.bincount(agent.act(np.zeros((8000, 2))), minlength=4) / 8000
    assert (np.abs(drawn - chance) <= 4.5 * np.sqrt(chance * (1 - chance) / 8000) + 1e-4).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.permutations(range(4)))
def test_the_names_of_the_arms_do_not_matter(seed: int, order: list[int]) -> None:
    random = np.random.default_rng(seed)
    pulls, mean, use = (
        random.integers(50, 900, 4).astype(np.float64),
        random.random(4),
        random.random(4),
    )
    plain = told(began(UcbBwK(0.01), 4), pulls, mean, use).mix()[0]
    renamed = told(began(UcbBwK(0.01), 4), pulls[order], mean[order], use[order]).mix()[0]
    np.testing.assert_allclose(renamed, plain[order], atol=1e-9)


def test_it_earns_more_than_the_best_arm_and_nearly_twice_that_with_little_exploration() -> None:
    horizon = 2000
    for scale, least in ((1.0, 1.2), (0.01, 1.75)):
        env = KnapsackBandit(60, **MIXING, budget=horizon // 2, horizon=horizon)
        reward = play(UcbBwK(scale), env, horizon).reward[-1]  # one arm alone earns T / 2
        assert reward.min() > least * horizon / 2


def test_on_ten_prices_it_earns_more_than_the_lagrangian_and_approaches_the_program() -> None:
    share = {}
    for name, settings_, horizon in (
        ("lagrange_bwk", {}, 2000),
        ("ucb_bwk", {"scale": 0.01}, 500),
        ("ucb_bwk", {"scale": 0.01}, 2000),
    ):
        env = KnapsackBandit(60, budget=horizon // 5, horizon=horizon, time_limit=None)
        reward = play(make_agent(name, settings_), env, horizon).reward[-1]
        share[name, horizon] = reward.mean() / (horizon * env.value[0])
    assert share["ucb_bwk", 2000] > share["lagrange_bwk", 2000] + 0.1
    assert share["ucb_bwk", 2000] > share["ucb_bwk", 500] + 0.1


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ConfigError, match=r"scale of UcbBwK must be in \(0, inf\), got 0"):
        UcbBwK(scale=0.0)
    with pytest.raises(ConfigError, match=r"slack of UcbBwK must be in \[0, 1\], got 1"):
        UcbBwK(slack=1.0)
    with pytest.raises(ConfigError, match="has no budgets to keep to"):
        play(UcbBwK(), BernoulliBandit(2), 10)
