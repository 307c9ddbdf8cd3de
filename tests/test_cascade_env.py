"""Cascading bandit and decision process: clicks, pay, moves and optimal values are right."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import MultiDiscrete

from rewardsmith.envs import EnvError
from rewardsmith.envs.bandits.best_permutation import every_list, list_value
from rewardsmith.envs.bandits.cascade import CascadeModel, click_position, filled, without_repeats
from rewardsmith.envs.bandits.cascading_bandit import CascadingBandit
from rewardsmith.envs.bandits.cascading_mdp import CascadingMDP

Q = np.array([0.3, 0.8, 0.5, 0.0, 1.0])
PAYS = np.array([1.0, 0.2, 0.6, 1.0, 0.1])


def close(count: np.ndarray, chance: np.ndarray, draws: int) -> bool:
    """Tells whether counts (k,) of so many draws fit the chances (k,), at 5 deviations."""
    error = np.sqrt(chance * (1 - chance) / draws)
    return bool((np.abs(count / draws - chance) <= 5 * error + 1e-12).all())


# ---- Clicks -------------------------------------------------------------------------------


@pytest.mark.parametrize("action", [[0, 1, 2], [2, 0, 2], [3, 3, 3], [3, 4, 0]])
def test_clicks_are_as_frequent_as_the_closed_form(action: list[int]) -> None:
    n, steps = 2000, 20
    env = CascadingBandit(n, attraction=Q.tolist(), rewards=PAYS.tolist(), time_limit=None)
    env.reset(seed=0)
    count, paid = np.zeros(4), 0.0
    for _ in range(steps):
        _, reward, _, _, info = env.step(np.tile(action, (n, 1)))
        count += np.bincount(info["position"], minlength=4)
        shown = np.append(action, 5)[info["position"]]
        np.testing.assert_array_equal(info["item"], shown)
        np.testing.assert_array_equal(reward, np.append(PAYS, 0.0)[shown])
        paid += reward.sum()
    new = [item not in action[:place] for place, item in enumerate(action)]
    chance = np.where(new, Q[action], 0.0)
    unread = np.concatenate(([1.0], np.cumprod(1 - chance)))
    expected = np.append(unread[:-1] * chance, unread[-1])
    assert close(count, expected, n * steps)
    value = expected[:-1] @ PAYS[action]
    assert abs(paid / (n * steps) - value) <= 5 / np.sqrt(n * steps)
    np.testing.assert_allclose(info["regret"], env.best_value - value)


def test_click_position_inverts_its_distribution_exactly() -> None:
    draw = (np.arange(1000) + 0.5) / 1000
    position = click_position(np.tile([0.2, 0.0, 0.5, 1.0], (1000, 1)), draw)
    assert np.bincount(position, minlength=5).tolist() == [200, 0, 400, 400, 0]
    assert click_position(np.array([[1.0, 1.0], [0.0, 0.0]]), np.zeros(2)).tolist() == [0, 2]


def test_repeats_are_passed_over_and_put_back() -> None:
    for row in product(range(3), repeat=3):
        lists = np.array([row])
        clean = without_repeats(lists, 3)
        shown = [item for item in clean[0].tolist() if item < 3]
        assert shown == list(dict.fromkeys(row))
        assert filled(clean, 3).max() < 3
        np.testing.assert_array_equal(without_repeats(filled(clean, 3), 3), clean)


# ---- The bandit ---------------------------------------------------------------------------


def test_success_is_showing_a_best_list() -> None:
    env = CascadingBandit(4, attraction=[0.5, 0.2, 0.9, 0.2], list_length=3)
    _, info = env.reset(seed=0)
    assert info["position"].tolist() == [3] * 4
    assert info["item"].tolist() == [4] * 4
    assert not info["success"].any()
    info = env.step(np.array([[2, 0, 1], [3, 2, 0], [2, 0, 0], [1, 3, 0]]))[4]
    # With equal pay any order of the three most attractive items is best, and 1 ties with 3.
    assert info["success"].tolist() == [True, True, False, False]
    np.testing.assert_allclose(info["regret"], [0.0, 0.0, 0.01, 0.28], atol=1e-12)
    env = CascadingBandit(2, attraction=[0.5, 0.5], rewards=[0.4, 1.0], list_length=2)
    env.reset(seed=0)
    info = env.step(np.array([[1, 0], [0, 1]]))[4]
    np.testing.assert_allclose(info["regret"], [0.0, 0.15], atol=1e-12)


def test_drawn_attractions_are_uniform_and_anew_in_every_episode() -> None:
    env = CascadingBandit(1000, items=4)
    env.reset(seed=0)
    first = env.attraction.copy()
    env.reset()
    for drawn in (first, env.attraction):
        assert abs(drawn.mean() - 0.5) < 0.025
        assert abs(drawn.var() - 1 / 12) < 0.01
    assert abs(np.corrcoef(first.ravel(), env.attraction.ravel())[0, 1]) < 0.07
    assert env.card.oracle is None
    assert env.single_action_space == MultiDiscrete([4, 4, 4])


# ---- The decision process -----------------------------------------------------------------


def test_optimal_values_are_those_of_trying_every_list() -> None:
    model = CascadeModel.random(3, states=3, items=4, list_length=2, horizon=3)
    lists, values = model.optimal()
    every = every_list(4, 2)
    ahead = np.zeros(3)
    for step in reversed(range(3)):
        worth, idle = np.empty((3, 4)), np.empty(3)
        for s in range(3):
            worth[s] = [model.reward[s, a] + model.transition[s, a] @ ahead for a in range(4)]
            idle[s] = model.transition[s, 4] @ ahead
        table = list_value(every, model.attraction[:, None], worth[:, None], idle[:, None])
        ahead = table.max(axis=1)
        np.testing.assert_allclose(values[step], ahead)
    np.testing.assert_allclose(model.policy_value(lists), values)
    worse = np.random.default_rng(0).choice(len(every), size=(3, 3))
    assert (model.policy_value(every[worse]) <= values + 1e-12).all()


def test_processes_side_by_side_are_the_processes_alone() -> None:
    many = CascadeModel.random(0, 3, 4, 2, 3, n=5)
    lists, values = many.optimal()
    for i in range(5):
        one = CascadeModel(many.attraction[i], many.reward[i], many.transition[i], 2, 3)
        np.testing.assert_array_equal(one.optimal()[0], lists[i])
        np.testing.assert_allclose(one.optimal()[1], values[i])
        np.testing.assert_allclose(one.policy_value(lists[(i + 1) % 5]),
                                   many.policy_value(np.roll(lists, -1, axis=0))[i])  # fmt: skip


def test_moves_are_as_frequent_as_the_kernel_says() -> None:
    n = 40_000
    env = CascadingMDP(n, states=3, items=3, list_length=2, horizon=4, instance_seed=1)
    env.reset(seed=0)
    action = np.tile([2, 0], (n, 1))
    info = env.step(action)[4]
    for item in (0, 2, 3):
        rows = info["item"] == item
        count = np.bincount(info["state"][rows], minlength=3)
        assert close(count, env.model.transition[0, item], int(rows.sum()))
    assert not (info["item"] == 1).any()


def test_mean_return_is_the_value_and_regrets_sum_to_what_is_lost() -> None:
    n = 20_000
    env = CascadingMDP(n, horizon=3)
    observation, _ = env.reset(seed=0)
    best, values = env.model.optimal()
    random = np.random.default_rng(0).integers(5, size=(3, 5, 3))
    for policy in (filled(best, 5), random):
        observation, _ = env.reset(seed=1)
        total, lost = np.zeros(n), np.zeros(n)
        for step in range(3):
            np.testing.assert_allclose(observation[:, -1], step / 3, rtol=1e-6)
            np.testing.assert_array_equal(observation[:, :-1].argmax(axis=1), env.state)
            assert env.card.oracle is not None
            shown = env.card.oracle(observation)
            np.testing.assert_array_equal(shown, filled(best, 5)[step, env.state])
            observation, reward, terminated, _, info = env.step(policy[step, env.state])
            total, lost = total + reward, lost + info["regret"]
            assert (terminated == (step == 2)).all()
        value = env.model.policy_value(without_repeats(policy, 5))[0, 0]
        assert abs(total.mean() - value) < 5 * total.std() / np.sqrt(n)
        gap = values[0, 0] - value
        assert abs(lost.mean() - gap) <= 5 * lost.std() / np.sqrt(n) + 1e-9
        np.testing.assert_array_equal(info["success"], lost < 1e-9)


def test_one_list_that_is_not_best_spoils_the_episode_and_not_the_next() -> None:
    env = CascadingMDP(2, horizon=3)
    best = filled(env.model.optimal()[0], 5)
    env.reset(seed=0)
    for episode in range(2):
        for step in range(3):
            action = best[step, env.state]
            if episode == 0 and step == 0:
                action[1] = (action[1, 0] + 1) % 5
            info = env.step(action)[4]
            assert (info["regret"] > 1e-3).tolist() == [False, episode == step == 0]
        assert info["success"].tolist() == [True, episode == 1]
        env.step(action)  # starts the next episode


def test_written_tables_are_played() -> None:
    tables = {
        "attraction": [[1.0, 1.0], [1.0, 0.0]],
        "reward": [[0.1, 0.0], [1.0, 1.0]],
        "transition": [[[1, 0], [0, 1], [1, 0]], [[0, 1], [0, 1], [1, 0]]],
    }
    env = CascadingMDP(2, tables=tables, list_length=1, horizon=3)
    env.reset(seed=0)
    assert env.model.optimal()[1][0].tolist() == [2.0, 3.0]
    paid = [env.step(np.array([[a], [b]]))[1].tolist() for a, b in ((1, 0), (0, 0), (0, 1))]
    assert paid == [[0.0, 0.1], [1.0, 0.1], [1.0, 0.0]]


# ---- Wrong input --------------------------------------------------------------------------

TABLES: dict[str, Any] = {
    "attraction": [[0.5, 0.5]],
    "reward": [[0.5, 0.5]],
    "transition": [[[1.0], [1.0], [1.0]]],
}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"items": 1}, "at least 2 items, got 1"),
        ({"items": 3, "list_length": 4}, "list length must be .* 3, got 4"),
        ({"attraction": [0.5, 1.5]}, r"attraction .* \[0, 1\], got 1.5 at \[1\]"),
        ({"attraction": [[0.5, 0.5]]}, "attraction must be a list of numbers"),
        ({"items": 3, "attraction": [0.5, 0.5]}, "items is 3 but attraction has 2 entries"),
        ({"items": 3, "rewards": [0.5, 0.5]}, "rewards must have one entry per item, 3"),
        ({"items": 3, "rewards": [0.5, 0.5, 2.0]}, "rewards .* got 2.0 at"),
    ],
)
def test_wrong_bandit_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        CascadingBandit(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"states": 0}, "states and items must be at least 1"),
        ({"instance_seed": -1}, "instance_seed at least 0, got 5, 5 and -1"),
        ({"items": 2}, "list length must be .* 2, got 3"),
        ({"horizon": 0}, "horizon must be at least 1 step, got 0"),
        ({"tables": {"attraction": [[0.5]]}}, "tables must have the entries attraction, reward"),
        ({"tables": TABLES, "states": 1}, "states is 1 but tables say it all"),
        ({"tables": TABLES | {"attraction": [0.5]}}, r"attraction must have shape \(S, N\)"),
        ({"tables": TABLES | {"reward": [[0.5]]}}, "attraction and reward must have one shape"),
        ({"tables": TABLES | {"transition": [[[1.0]]]}}, r"transition must have shape .*\(1, 3, 1"),
        ({"tables": TABLES | {"transition": [[[0.5]] * 3]}}, "transition must sum to 1"),
        ({"tables": TABLES | {"attraction": [[0.5, -1.0]]}}, r"attraction .* got -1.0 at \[0, 1\]"),
    ],
)
def test_wrong_process_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        CascadingMDP(**options)


@pytest.mark.parametrize("entry", [5, -1])
def test_an_unknown_item_on_a_list_is_named(entry: int) -> None:
    env = CascadingMDP(3)
    env.reset(seed=0)
    action = np.zeros((3, 3), dtype=np.int64)
    action[1, 2] = entry
    with pytest.raises(EnvError, match=rf"action \[ ?0 +0 +{entry}\] of row 1 is outside"):
        env.step(action)
