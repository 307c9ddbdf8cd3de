"""BernoulliBandit: arms pay as often as they should, regret is exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Discrete
from scipy.stats import kstest

from rewardsmith.envs import EnvError
from rewardsmith.envs.bandits.bernoulli import BernoulliBandit


def test_every_arm_pays_with_its_probability() -> None:
    chances, n, steps = np.array([0.0, 0.03, 0.5, 0.9, 1.0]), 400, 250
    env = BernoulliBandit(5 * n, probabilities=chances.tolist(), time_limit=None)
    env.reset(seed=0)
    arm = np.tile(np.arange(5), n)
    paid = np.zeros(5 * n)
    for _ in range(steps):
        observation, reward, _, _, _ = env.step(arm)
        assert set(np.unique(reward)) <= {0.0, 1.0}
        np.testing.assert_array_equal(observation[:, 0], reward)
        paid += reward
    share = paid.reshape(n, 5).mean(axis=0) / steps
    error = np.sqrt(chances * (1 - chances) / (n * steps))
    assert (np.abs(share - chances) <= 4.5 * error).all()
    # Rows draw for themselves: their sums spread as independent binomials do.
    spread = paid.reshape(n, 5).var(axis=0) / (steps * np.maximum(chances * (1 - chances), 1e-9))
    assert (np.abs(spread[1:4] - 1) < 4.5 * np.sqrt(2 / n)).all()


def test_drawn_probabilities_are_uniform_and_anew_in_every_episode() -> None:
    env = BernoulliBandit(1000, arms=4)
    env.reset(seed=0)
    first = env.mean.copy()
    env.reset()
    for drawn in (first, env.mean):
        assert kstest(drawn.ravel(), "uniform").pvalue > 1e-4
        assert np.abs(np.corrcoef(drawn.T) - np.eye(4)).max() < 0.13
    assert np.abs(np.corrcoef(first.ravel(), env.mean.ravel())[0, 1]) < 0.07


def test_facts_equal_their_definition() -> None:
    env = BernoulliBandit(50, arms=3)
    _, info = env.reset(seed=1)
    best = env.mean.argmax(axis=1)
    np.testing.assert_array_equal(info["best_arm"], best)
    assert not info["regret"].any()
    assert not info["chosen_mean"].any()
    for arm in range(3):
        _, _, terminated, _, info = env.step(np.full(50, arm))
        chance = env.mean[:, arm]
        np.testing.assert_array_equal(info["regret"], env.mean.max(axis=1) - chance)
        np.testing.assert_array_equal(info["chosen_mean"], chance)
        np.testing.assert_array_equal(info["success"], best == arm)
        assert not terminated.any()


def test_every_arm_of_the_highest_probability_is_a_success() -> None:
    env = BernoulliBandit(3, probabilities=[0.7, 0.2, 0.7])
    env.reset(seed=0)
    info = env.step(np.arange(3))[4]
    assert info["success"].tolist() == [True, False, True]
    np.testing.assert_allclose(info["regret"], [0.0, 0.5, 0.0])


def test_oracle_is_known_only_where_the_probabilities_are() -> None:
    assert BernoulliBandit().card.oracle is None
    env = BernoulliBandit(4, probabilities=[0.1, 0.9])
    assert env.card.oracle is not None
    observation, _ = env.reset(seed=0)
    assert env.step(env.card.oracle(observation))[4]["success"].all()


def test_number_of_arms() -> None:
    assert BernoulliBandit().single_action_space == Discrete(10)
    assert BernoulliBandit(arms=4).single_action_space == Discrete(4)
    assert BernoulliBandit(probabilities=[0.1, 0.2, 0.3]).single_action_space == Discrete(3)
    assert BernoulliBandit(arms=2, probabilities=(0.1, 0.2)).single_action_space == Discrete(2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arms": 1}, "a bandit needs at least 2 arms, got 1"),
        ({"probabilities": [0.5]}, "a bandit needs at least 2 arms, got 1"),
        ({"probabilities": [0.5, 1.5]}, r"probabilities must be .* in \[0, 1\]"),
        ({"probabilities": [0.5, float("nan")]}, r"probabilities must be .* in \[0, 1\]"),
        ({"probabilities": [[0.5, 0.5]]}, r"probabilities must be a list of numbers"),
        ({"arms": 3, "probabilities": [0.5, 0.5]}, "arms is 3 but probabilities has 2 entries"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        BernoulliBandit(**options)
