"""WholePage: utility, best pages, clicks and facts are as defined."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import MultiDiscrete
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardsmith.envs import EnvError
from rewardsmith.envs.bandits.page import WholePage, relevance_of
from rewardsmith.envs.bandits.page_utility import PageUtility

SEEDS = st.integers(0, 2**32 - 1)


def utility_by_loop(
    utility: PageUtility, relevance: np.ndarray, category: np.ndarray, page: np.ndarray
) -> float:
    """Returns the utility of one page as its definition says."""
    m = utility.list_length
    weight = [1 / np.log2(k + 2) for k in range(m)]
    useful, seen = 0.0, set()
    for k, item in enumerate(page.tolist()):
        useful += 0.0 if item in seen else weight[k] / sum(weight) * relevance[item]
        seen.add(item)
    most = min(m, utility.categories)
    kinds = len({int(category[item]) for item in seen})
    variety = (kinds - 1) / (most - 1) if most > 1 else 0.0
    repeats = (m - len(seen)) / (m - 1) if m > 1 else 0.0
    total = useful + utility.diversity * variety - utility.redundancy * repeats
    return float(total / (1 + utility.diversity))


@st.composite
def problems(draw: st.DrawFn) -> tuple[PageUtility, np.ndarray, np.ndarray]:
    """Draws a utility, relevances and categories; some relevances are tied."""
    items = draw(st.integers(1, 5))
    utility = PageUtility(
        items,
        draw(st.integers(1, min(items, 4))),
        draw(st.integers(1, 4)),
        draw(st.sampled_from([0.0, 0.2, 1.0])),
        draw(st.sampled_from([0.0, 0.5])),
    )
    random = np.random.default_rng(draw(SEEDS))
    relevance = random.choice([0.0, 0.25, 0.5, random.random(), 1.0], size=items)
    return utility, relevance, random.integers(utility.categories, size=items)


# ---- Utility ----------------------------------------------------------------------------


@settings(max_examples=100)
@given(problems())
def test_best_page_is_that_of_trying_every_page(
    problem: tuple[PageUtility, np.ndarray, np.ndarray],
) -> None:
    utility, relevance, category = problem
    every = np.array(list(product(range(utility.items), repeat=utility.list_length)))
    value = utility(relevance, category, every)
    looped = [utility_by_loop(utility, relevance, category, page) for page in every]
    np.testing.assert_allclose(value, looped, atol=1e-12)
    assert value.min() >= utility.least - 1e-12
    assert value.max() <= 1.0 + 1e-12
    best = utility.best(relevance, category)
    assert utility(relevance, category, best) == pytest.approx(value.max())
    assert len(set(best.tolist())) == utility.list_length


def test_many_best_pages_at_once_are_those_one_by_one() -> None:
    utility = PageUtility(7, 4, categories=3, diversity=0.4, redundancy=0.2)
    random = np.random.default_rng(0)
    relevance, category = random.random((40, 7)), random.integers(3, size=(40, 7))
    best = utility.best(relevance, category)
    every = np.array(list(permutations(range(7), 4)))
    for row in range(40):
        np.testing.assert_array_equal(utility.best(relevance[row], category[row]), best[row])
        most = utility(relevance[row], category[row], every).max()
        assert utility(relevance[row], category[row], best[row]) == pytest.approx(most)


def test_variety_is_bought_only_while_it_pays() -> None:
    relevance, category = np.array([0.9, 0.8, 0.5]), np.array([0, 0, 1])
    for diversity, expected in ((0.0, [0, 1]), (0.11, [0, 1]), (0.13, [0, 2])):
        # The second place weighs .387, so that variety costs .387 * .3 = .116.
        utility = PageUtility(3, 2, 2, diversity, redundancy=0.1)
        assert utility.best(relevance, category).tolist() == expected


# ---- The environment --------------------------------------------------------------------


def test_clicks_come_as_often_as_relevance_and_place_say() -> None:
    n = 40_000
    env = WholePage(n, list_length=3, time_limit=None)
    env.reset(seed=0)
    chance = relevance_of(env.feature, env.theta)[:, [2, 5, 2]] / np.log2([2, 3, 4])
    info = env.step(np.tile([2, 5, 2], (n, 1)))[4]
    error = np.sqrt((chance * (1 - chance)).sum(axis=0)) / n
    assert (np.abs(info["clicks"].mean(axis=0) - chance.mean(axis=0)) < 4.5 * error).all()
    # Relevant items are clicked more, repeated ones as much as new ones.
    for place in range(3):
        high = chance[:, place] > np.median(chance[:, place])
        assert info["clicks"][high, place].mean() > 3 * info["clicks"][~high, place].mean()
    np.testing.assert_allclose(info["engagement"], info["clicks"].sum(axis=1) / 3)


def test_facts_and_reward_equal_their_definition() -> None:
    env = WholePage(60, items=6, list_length=3, categories=2, diversity=0.5, time_limit=None)
    _, info = env.reset(seed=0)
    assert (info["category"] == 2).all()
    for name in ("clicks", "engagement", "relevance", "duplicates", "utility", "regret"):
        assert not info[name].any()
    every = np.array(list(product(range(6), repeat=3)))
    for _ in range(3):
        relevance, category = relevance_of(env.feature, env.theta), env.kind.copy()
        page = env.action_space.sample()
        _, reward, terminated, _, info = env.step(page)
        assert not terminated.any()
        for row in range(60):
            value = utility_by_loop(env.worth, relevance[row], category[row], page[row])
            most = env.worth(relevance[row], category[row], every).max()
            assert reward[row] == info["utility"][row] == pytest.approx(value)
            assert info["regret"][row] == pytest.approx(most - value)
            assert info["duplicates"][row] == 3 - len(set(page[row].tolist()))
            np.testing.assert_array_equal(info["category"][row], category[row, page[row]])
            np.testing.assert_array_equal(info["relevance"][row], relevance[row, page[row]])
        np.testing.assert_array_equal(info["success"], info["regret"] < 1e-9)


def test_candidates_are_anew_in_every_round_and_relevance_is_hidden_in_the_features() -> None:
    env = WholePage(2000, categories=4, time_limit=None)
    first, _ = env.reset(seed=0)
    second, *_ = env.step(np.zeros((2000, 4), dtype=int))
    for observation in (first, second):
        features = env.card.field("features").read(observation).reshape(2000, 8, 4)
        code = env.card.field("category_code").read(observation).reshape(2000, 8, 4)
        np.testing.assert_allclose(np.linalg.norm(features, axis=2), 1.0, rtol=1e-6)
        assert (code.sum(axis=2) == 1.0).all()
        assert (np.abs(code.mean(axis=(0, 1)) - 0.25) < 4.5 * np.sqrt(0.1875 / 16_000)).all()
    assert abs(np.corrcoef(first[:, 0], second[:, 0])[0, 1]) < 0.1
    np.testing.assert_allclose(env.theta, WholePage(instance_seed=0).theta)
    assert not np.allclose(env.theta, WholePage(instance_seed=1).theta)
    assert env.single_action_space == MultiDiscrete([8] * 4)


def test_clicks_reward_a_repetition_that_the_utility_charges() -> None:
    env = WholePage(5000, time_limit=None)
    observation, _ = env.reset(seed=0)
    relevance, snapshot = relevance_of(env.feature, env.theta), env.snapshot()
    assert env.card.oracle is not None
    best = env.step(env.card.oracle(observation))
    env.restore(snapshot)
    repeated = env.step(np.tile(relevance.argmax(axis=1)[:, None], (1, 4)))
    assert repeated[4]["engagement"].mean() > 1.1 * best[4]["engagement"].mean()
    assert repeated[1].mean() < best[1].mean() - 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"items": 1}, "items must be at least 2, got 1"),
        ({"items": 3}, "list length must be from 1 to the number of items, 3, got 4"),
        ({"features": 0}, "features must be at least 1, got 0"),
        ({"categories": 0}, "categories must be at least 1, got 0"),
        ({"diversity": -0.1}, "diversity must be a finite number of at least 0, got -0.1"),
        ({"redundancy": float("nan")}, "redundancy must be a finite number"),
        ({"instance_seed": -1}, "instance_seed must be at least 0, got -1"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        WholePage(**options)
