"""Page rewards learned from clicks: the pairs, the fit, the terms, and what they lead to."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardsmith.envs import ConfigError, EnvCard, Field, RewardError
from rewardsmith.envs.bandits.bernoulli import BernoulliBandit
from rewardsmith.envs.bandits.page import WholePage, relevance_of
from rewardsmith.rewards import Transition, VectorRewardWrapper, load_design, save_design
from rewardsmith.rewards.model import PageItemReward, PageLog, PagePairs, PageScore
from rewardsmith.rewards.model.page import bradley_terry_loss, page_measures
from rewardsmith.rewards.model.page_pairs import distinct, page_families

SEEDS = st.integers(0, 2**32 - 1)


def site(rows: int = 50, seed: int = 0, items: int = 8) -> WholePage:
    """Returns the environment that pages are logged of."""
    return WholePage(rows, instance_seed=seed, items=items, time_limit=None)


@pytest.fixture(scope="module")
def log() -> PageLog:
    """A log of 500 pages."""
    return PageLog.record(site(), rounds=10)


@pytest.fixture(scope="module")
def reward(log: PageLog) -> PageItemReward:
    """What is fitted to it."""
    return PageItemReward.fit(log)


def head(reward: PageItemReward, name: str) -> PageScore:
    """Returns one of the two rewards."""
    term = reward.terms[name]
    assert isinstance(term, PageScore)
    return term


def margin(score: PageScore, log: PageLog, pairs: PagePairs) -> np.ndarray:
    """Returns r(better) - r(worse) of every pair."""
    at = log.features[pairs.row], log.categories[pairs.row]
    return score.score(*at, pairs.better) - score.score(*at, pairs.worse)


# ---- The log ------------------------------------------------------------------------------


def test_the_log_holds_what_the_environment_showed() -> None:
    env = site(5)
    log = PageLog.record(env, rounds=3, seed=4)
    env.reset(seed=4)
    for round_ in range(3):
        rows = slice(5 * round_, 5 * round_ + 5)
        np.testing.assert_array_equal(log.features[rows], env.feature)
        np.testing.assert_array_equal(log.categories[rows], env.kind)
        assert (distinct(log.pages[rows]) == 4).all()
        info = env.step(log.pages[rows])[4]
        np.testing.assert_array_equal(log.clicks[rows], info["clicks"])
    assert len(log) == 15


def test_what_cannot_be_logged_is_named(log: PageLog) -> None:
    with pytest.raises(ConfigError, match=r"ended after 100 of 101 rounds; set its time_limit"):
        PageLog.record(WholePage(2), rounds=101)
    with pytest.raises(ConfigError, match="rounds must be at least 1, got 0"):
        PageLog.record(site(), rounds=0)
    with pytest.raises(ConfigError, match=r"lists of items, MultiDiscrete.*got Discrete\(10\)"):
        PageLog.record(BernoulliBandit(2), rounds=1)
    with pytest.raises(ConfigError, match="unknown field 'features' in rewardsmith/CascadingB"):
        PageLog.record(gym.make_vec("rewardsmith/CascadingBandit-v0", 2), rounds=1)
    with pytest.raises(ConfigError, match="with m at least 2"):
        PageLog(log.features, log.categories, log.pages[:, :1], log.clicks[:, :1])
    silent = PageLog(log.features, log.categories, log.pages, np.zeros_like(log.clicks))
    with pytest.raises(ConfigError, match="no pairs to fit to; log more pages, some of them with"):
        PageItemReward.fit(silent)


# ---- The pairs ----------------------------------------------------------------------------


@settings(max_examples=15)
@given(SEEDS, st.integers(5, 9))
def test_every_family_is_what_it_says(seed: int, items: int) -> None:
    log = PageLog.record(site(20, seed=1, items=items), rounds=2, seed=seed % 2**31)
    random, found = np.random.default_rng(seed), page_families(log, seed)
    found["swaps"] = PagePairs.swaps(log, random)
    clicked = [set(p[c].tolist()) for p, c in zip(log.pages, log.clicks, strict=True)]
    for name, pairs in found.items():
        for row, better, worse in zip(pairs.row, pairs.better, pairs.worse, strict=True):
            page, shown, clicks = log.pages[row], set(log.pages[row].tolist()), clicked[row]
            if name in ("relevance", "diversity", "redundancy"):
                np.testing.assert_array_equal(better, page)
            else:
                assert set(better.tolist()) == set(worse.tolist()) == shown
                assert clicks
            if name == "relevance":
                kept = ~log.clicks[row]
                np.testing.assert_array_equal(worse[kept], page[kept])
                assert not set(worse[~kept].tolist()) & shown
                assert len(set(worse.tolist())) == 4
            elif name == "ranking":
                assert {*better[: len(clicks)].tolist()} == clicks
                np.testing.assert_array_equal(worse, better[::-1])
            elif name == "diversity":
                kinds = log.categories[row][worse]
                of_first = np.flatnonzero(log.categories[row] == kinds[0])
                assert (kinds == kinds[0]).sum() == min(len(of_first), 4)
                assert worse[0] == page[0]
                assert len(set(worse.tolist())) == 4
                assert len(set(log.categories[row][page])) > len(set(kinds))
            elif name == "redundancy":
                (place,) = np.flatnonzero(better != worse)
                assert worse[place] in page[:place]
            else:
                one, two = np.flatnonzero(better != worse)
                assert better[one] == worse[two]
                assert better[two] == worse[one]
                assert better[one] in clicks
                assert better[two] not in clicks
                assert (better == page).all() or (worse == page).all()
    # No pair is left out without a reason.
    some = np.array([0 < len(clicks) < 4 for clicks in clicked])
    assert len(found["ranking"]) == len(found["swaps"]) == some.sum()
    assert len(found["redundancy"]) == len(log)
    replaceable = [0 < len(clicks) <= items - 4 for clicks in clicked]
    assert len(found["relevance"]) == sum(replaceable)


# ---- The fit ------------------------------------------------------------------------------


def test_loss_of_equal_scores_is_log_two() -> None:
    assert bradley_terry_loss(np.zeros(5)) == pytest.approx(np.log(2.0))
    assert bradley_terry_loss(np.array([np.log(3.0)])) == pytest.approx(-np.log(0.75))


def test_measures_of_a_page() -> None:
    features = np.array([[[1.0, 0.0], [0.0, 2.0], [5.0, 5.0]]])
    measured = page_measures(features, np.array([[1, 0, 1]]), np.array([[0, 1, 0]]))
    np.testing.assert_allclose(measured, [[1.0 + 0.5, 2 / np.log2(3), 2.0, 1.0]])


@pytest.mark.parametrize("ridge", [0.001, 0.3])
def test_the_fit_is_the_minimum_and_standardised(log: PageLog, ridge: float) -> None:
    pairs = PagePairs.join(*page_families(log).values())
    score = PageScore.fit(log, pairs, ridge)
    weights = np.array([*score.relevance, score.diversity, score.redundancy])
    gap = margin_of_measures(log, pairs)

    def loss(weights: np.ndarray) -> float:
        return bradley_terry_loss(gap @ weights) + ridge / 2 * float(weights @ weights)

    random = np.random.default_rng(0)
    for step in (1e-1, 1e-2):
        for direction in random.standard_normal((30, len(weights))):
            assert loss(weights + step * direction) > loss(weights)
    paid = score.score(log.features, log.categories, log.pages)
    assert paid.mean() == pytest.approx(0.0, abs=1e-9)
    assert paid.std() == pytest.approx(1.0)


def margin_of_measures(log: PageLog, pairs: PagePairs) -> np.ndarray:
    """Returns measures(better) - measures(worse) of every pair, (P, d + 2)."""
    at = log.features[pairs.row], log.categories[pairs.row]
    return page_measures(*at, pairs.better) - page_measures(*at, pairs.worse)


def test_what_each_reward_learns(log: PageLog, reward: PageItemReward) -> None:
    page, item = head(reward, "page"), head(reward, "item")
    fresh = PageLog.record(site(), rounds=20, seed=9)
    families = page_families(fresh, seed=9)
    accuracy = {name: (margin(page, fresh, p) > 0).mean() for name, p in families.items()}
    assert accuracy["redundancy"] > 0.9
    assert accuracy["diversity"] > 0.9
    assert accuracy["relevance"] > 0.6
    swaps = PagePairs.swaps(fresh, np.random.default_rng(9))
    assert (margin(item, fresh, swaps) > 0).mean() > 0.65
    # A swap tells nothing of variety and repetition.
    assert item.diversity == item.redundancy == 0.0
    assert page.diversity > 0.0 > page.redundancy
    theta = site().theta
    for score in (page, item):
        assert np.dot(score.relevance, theta) > 0.9 * np.linalg.norm(score.relevance)


def test_a_swap_of_equal_items_changes_nothing(reward: PageItemReward) -> None:
    features = np.random.default_rng(0).standard_normal((1, 8, 4))
    features[:, 3] = features[:, 5]
    category = np.array([[0, 1, 2, 1, 0, 1, 2, 0]])
    for name in ("page", "item"):
        one, two = (
            head(reward, name).score(features, category, np.array([page]))
            for page in ([3, 0, 5, 1], [5, 0, 3, 1])
        )
        np.testing.assert_array_equal(one, two)


# ---- As a reward design -------------------------------------------------------------------


def test_it_pays_the_sum_of_its_parts_and_survives_yaml(
    reward: PageItemReward, log: PageLog, tmp_path: Path
) -> None:
    weighted = PageItemReward.fit(log, weight=0.5)
    save_design(weighted, tmp_path / "page.yaml")
    for design in (weighted, load_design(tmp_path / "page.yaml")):
        assert isinstance(design, PageItemReward)
        env = VectorRewardWrapper(site(6), design)
        env.reset(seed=0)
        inner = env.unwrapped
        assert isinstance(inner, WholePage)
        env.action_space.seed(0)
        for _ in range(3):
            at = inner.feature.astype(np.float64), inner.kind.copy()
            page = env.action_space.sample()
            _, paid, _, _, info = env.step(page)
            expected = [head(reward, name).score(*at, page) for name in ("page", "item")]
            np.testing.assert_allclose(info["reward_terms"]["page"], expected[0])
            np.testing.assert_allclose(paid, expected[0] + 0.5 * expected[1])
            np.testing.assert_array_equal(info["task_reward"], info["utility"])


def test_a_page_of_a_batch_is_paid_as_alone(reward: PageItemReward, log: PageLog) -> None:
    page = head(reward, "page")
    together = page.score(log.features, log.categories, log.pages)
    for row in range(0, 500, 50):
        one = slice(row, row + 1)
        alone = page.score(log.features[one], log.categories[one], log.pages[one])
        np.testing.assert_allclose(alone, together[one], rtol=1e-12, atol=1e-12)


def test_what_cannot_be_paid_is_named(reward: PageItemReward) -> None:
    with pytest.raises(ConfigError, match="std must be above 0, got 0"):
        PageScore([1.0], std=0.0)
    with pytest.raises(ConfigError, match=r"4 weights, which do not fit .* 24 and 24 columns; fit"):
        PageScore([1.0] * 4).bind(WholePage(features=3, items=8).card)
    fields = Field("features", ""), Field("category_code", "", (0, 3))
    vague = EnvCard("Vague-v0", "", fields, (Field("list", "", high=2),))
    with pytest.raises(ConfigError, match="of 3 items in Vague-v0, 0 and 3 columns"):
        PageScore([1.0]).bind(vague)
    with pytest.raises(ConfigError, match="of 0 items in Silent-v0"):
        PageScore([1.0]).bind(EnvCard("Silent-v0", "", fields))
    with pytest.raises(ConfigError, match="in term 'page': unknown field 'features'"):
        reward.bind(BernoulliBandit().card)
    step = Transition(0, np.zeros((2, 4)), 0, np.zeros(2), np.zeros(2, bool), np.zeros(2, bool))
    with pytest.raises(RewardError, match="pays lists of items, whole numbers"):
        head(reward, "page")(step)


# ---- What it leads to ---------------------------------------------------------------------


def test_the_item_reward_alone_repeats_one_item_and_together_they_serve_the_user() -> None:
    """The direction that PageLLM reports, on the best pages under each reward, over 5 sites."""
    every = np.array(list(product(range(6), repeat=4)))
    utility: dict[str, list[float]] = {"page": [], "item": [], "both": []}
    repeats: dict[str, list[float]] = {"page": [], "item": [], "both": []}
    for seed in range(5):
        log = PageLog.record(site(50, seed, items=6), rounds=2, seed=seed)
        reward = PageItemReward.fit(log, seed=seed)
        env = site(40, seed, items=6)
        env.reset(seed=1000 + seed)
        relevance = relevance_of(env.feature, env.theta)
        at = (
            np.repeat(env.feature.astype(np.float64), len(every), axis=0),
            np.repeat(env.kind, len(every), axis=0),
        )
        shown = np.tile(every, (40, 1))
        paid = {name: head(reward, name).score(*at, shown) for name in ("page", "item")}
        for name, value in (paid | {"both": paid["page"] + paid["item"]}).items():
            best = every[value.reshape(40, -1).argmax(axis=1)]
            utility[name].append(float(env.worth(relevance, env.kind, best).mean()))
            repeats[name].append(float((4 - distinct(best)).mean()))
    assert repeats["item"] == [3.0] * 5
    assert max(repeats["page"] + repeats["both"]) < 0.1
    assert min(np.subtract(utility["both"], utility["item"])) > 0.4
    assert np.mean(utility["both"]) > np.mean(utility["page"]) - 0.01
