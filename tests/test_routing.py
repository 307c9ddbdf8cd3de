"""RoutingBandit: losses, feedback and both kinds of regret, against lists of all paths."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import MultiDiscrete
from test_layered_graph import all_paths

from rewardsmith.envs import EnvError
from rewardsmith.envs.bandits.layered_graph import LayeredGraph
from rewardsmith.envs.bandits.routing import RoutingBandit


def test_every_edge_loses_with_its_chance() -> None:
    means = [0.0, 1.0, 0.1, 0.4, 0.6, 0.9]
    env = RoutingBandit(2000, layers=2, width=2, means=means, time_limit=None)
    env.reset(seed=0)
    lost = np.zeros((2000, 6))
    for _ in range(20):
        info = env.step(np.zeros((2000, 2), dtype=int))[4]
        assert set(np.unique(info["losses"])) <= {0.0, 1.0}
        lost += info["losses"]
    chance = np.array(means)
    error = np.sqrt(chance * (1 - chance) / 40_000)
    assert (np.abs(lost.mean(axis=0) / 20 - chance) <= 4.5 * error).all()
    # Edges and rows lose independently of each other.
    spread = lost[:, 2:].var(axis=0) / (20 * chance[2:] * (1 - chance[2:]))
    assert (np.abs(spread - 1) < 4.5 * np.sqrt(2 / 2000)).all()
    assert np.abs(np.corrcoef(lost[:, 2:].T) - np.eye(4)).max() < 4.5 / np.sqrt(2000)


def test_a_path_pays_for_its_edges_and_is_told_them() -> None:
    env = RoutingBandit(60, layers=3, width=3, time_limit=None)
    observation, info = env.reset(seed=0)
    assert not observation.any()
    assert not any(info[fact].any() for fact in ("regret", "edge_loss", "losses", "success"))
    random, rows = np.random.default_rng(0), np.arange(60)
    for _ in range(10):
        path = random.integers(3, size=(60, 3))
        observation, reward, _, _, info = env.step(path)
        first = info["losses"][rows, path[:, 0]]
        second = info["losses"][:, 3:12].reshape(60, 3, 3)[rows, path[:, 0], path[:, 1]]
        third = info["losses"][:, 12:].reshape(60, 3, 3)[rows, path[:, 1], path[:, 2]]
        np.testing.assert_array_equal(info["edge_loss"], np.stack([first, second, third], axis=1))
        np.testing.assert_allclose(reward, 1 - (first + second + third) / 3)
        np.testing.assert_array_equal(observation[:, 0], reward.astype(np.float32))


def test_stochastic_regret_is_against_the_best_path_by_the_means() -> None:
    env = RoutingBandit(40, layers=3, width=2, time_limit=None)
    env.reset(seed=0)
    paths = all_paths(env.graph)
    cost = env.mean[:, env.graph.edges_of(paths)].mean(axis=2)
    for place, path in enumerate(paths):
        info = env.step(np.tile(path, (40, 1)))[4]
        np.testing.assert_allclose(info["regret"], cost[:, place] - cost.min(axis=1), atol=1e-12)
        np.testing.assert_array_equal(info["success"], cost.argmin(axis=1) == place)


def test_means_are_drawn_anew_in_every_episode_or_given() -> None:
    env = RoutingBandit(400)
    env.reset(seed=0)
    first = env.mean.copy()
    env.reset()
    assert (first != env.mean).all()
    assert abs(env.mean.mean() - 0.5) < 4.5 * np.sqrt(1 / 12 / env.mean.size)
    given = RoutingBandit(3, layers=2, width=2, means=[0.3, 0.1, 0.5, 0.2, 0.4, 0.5])
    observation, _ = given.reset(seed=0)
    assert given.card.oracle is not None
    assert given.card.oracle(observation).tolist() == [[0, 1]] * 3  # 0.3 + 0.2 = 0.1 + 0.4
    assert given.step(np.array([[0, 1], [1, 0], [0, 0]]))[4]["success"].tolist() == [1, 1, 0]
    assert RoutingBandit().card.oracle is None


def test_adversarial_regret_adds_up_to_that_against_the_best_fixed_path() -> None:
    env = RoutingBandit(20, layers=2, width=3, kind="adversarial", horizon=60, time_limit=None)
    env.reset(seed=0)
    edges, random = env.graph.edges_of(all_paths(env.graph)), np.random.default_rng(0)
    would_have, earned, regret = np.zeros((20, 9)), np.zeros(20), np.zeros(20)
    for _ in range(60):
        _, reward, _, _, info = env.step(random.integers(3, size=(20, 2)))
        would_have += 1 - info["losses"][:, edges].mean(axis=2)
        earned, regret = earned + reward, regret + info["regret"]
        np.testing.assert_allclose(regret, would_have.max(axis=1) - earned, atol=1e-9)


def test_the_adversary_is_oblivious_and_turns_after_half_of_the_horizon() -> None:
    losses, means = [], []
    for node in (0, 2):
        env = RoutingBandit(5, kind="adversarial", horizon=21, time_limit=None)
        env.reset(seed=3)
        for _ in range(21):
            losses.append(env.step(np.full((5, 3), node))[4]["losses"])
            means.append(env.mean.copy())
    np.testing.assert_array_equal(losses[:21], losses[21:])
    changed = [(one != other).any() for one, other in pairwise(means[:21])]
    assert np.flatnonzero(changed).tolist() == [9]  # the first ten rounds are alike
    info = env.step(env.graph.shortest(env.mean)[0])[4]
    assert info["success"].all()


def test_one_layer_is_a_bandit_of_arms() -> None:
    env = RoutingBandit(1, layers=1, width=4)
    assert env.single_action_space == MultiDiscrete([4])
    assert LayeredGraph(1, 4).edges == 4
    env.reset(seed=0)
    info = env.step(np.array([[2]]))[4]
    assert info["regret"][0] == env.mean[0, 2] - env.mean.min()


@pytest.mark.parametrize("layers", [1, 3])
def test_pictures_show_whether_a_path_was_taken(layers: int) -> None:
    env = RoutingBandit(1, layers=layers, width=2, render_mode="rgb_array")
    env.reset(seed=0)
    before = env.render()
    env.step(np.zeros((1, layers), dtype=int))
    after = env.render()
    assert before is not None
    assert after is not None
    assert before[0].shape == (128, 64 * (layers + 1), 3)
    assert (before[0] != after[0]).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": 0}, "layers must be at least 1, got 0"),
        ({"width": 1}, "width must be at least 2 nodes, got 1"),
        ({"kind": "random"}, "one of 'stochastic', 'adversarial', got 'random'"),
        ({"horizon": 0}, "horizon must be at least 1 round, got 0"),
        ({"means": [0.5]}, "one entry per edge, 21 for 3 layers of 3 nodes, got 1"),
        ({"means": [2.0] * 21}, r"means must be a list of numbers in \[0, 1\]"),
        ({"means": [0.5] * 21, "kind": "adversarial"}, "means and kind 'adversarial' do not go"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        RoutingBandit(**options)
