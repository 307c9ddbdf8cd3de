"""Spelling ids: what is paid, what the facts tell, and which reward finds relevant items."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardsmith.envs import EnvError
from rewardsmith.envs.bandits.item_catalogue import Catalogue, rank_discount
from rewardsmith.envs.bandits.semantic_id import SemanticID
from rewardsmith.envs.stateful import IntArray

ITEMS = 60
SMALL: dict[str, Any] = {"items": ITEMS, "tokens": 5, "autoreset_mode": "Disabled"}


def started(n: int, **options: Any) -> SemanticID:
    """Returns an environment of n rows after a reset."""
    env = SemanticID(n, **(SMALL | options))
    env.reset(seed=0)
    return env


def spell(env: SemanticID, items: IntArray, order: tuple[int, ...] = (0, 1, 2)) -> list[Any]:
    """Spells the items (n,) row by row; returns what every step gave."""
    codes = env.trie.codes[items]
    offset = np.arange(3) * env.tokens if env.unordered else np.zeros(3, dtype=np.int64)
    return [env.step(codes[:, level] + offset[level]) for level in order]


# ---- What is paid -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["recommend", "search"])
@pytest.mark.parametrize("unordered", [False, True])
def test_every_item_can_be_spelled_and_pays_its_score(kind: str, unordered: bool) -> None:
    env = started(ITEMS, kind=kind, unordered=unordered)
    every = np.arange(ITEMS)
    first, second, last = spell(env, every)
    for _, reward, terminated, _, info in (first, second):
        assert not reward.any()
        assert not terminated.any()
        assert (info["item"] == ITEMS).all()
        assert not info["success"].any()
        assert not any(info[name].any() for name in ("ctr", "cvr", "relevance", "hits_ahead"))
    _, reward, terminated, _, info = last
    catalogue, context = env.catalogue, env.context
    assert terminated.all()
    np.testing.assert_array_equal(info["item"], every)
    np.testing.assert_array_equal(reward, catalogue.score[context, every])
    for name in ("ctr", "cvr", "relevance"):
        np.testing.assert_array_equal(info[name], getattr(catalogue, name)[context, every])
    target = catalogue.score[context].argmax(axis=1)
    np.testing.assert_array_equal(info["target"], target)
    relevant = catalogue.relevance[context, every] > 0
    np.testing.assert_array_equal(
        info["success"], every == target if kind == "recommend" else relevant
    )


def test_recommending_the_kth_wanted_item_pays_by_its_rank() -> None:
    env = started(12)
    affinity = env.catalogue.context[env.context] @ env.catalogue.item.T
    order = np.argsort(-affinity, axis=1)
    kth = order[np.arange(12), np.arange(12)]
    _, reward, _, _, info = spell(env, kth)[-1]
    expected = [1 / np.log2(1 + k) if k <= 10 else 0.0 for k in range(1, 13)]
    np.testing.assert_allclose(reward, expected)
    np.testing.assert_array_equal(info["hits_ahead"], np.eye(12, 3, dtype=bool))
    assert info["success"].tolist() == [True] + [False] * 11


@pytest.mark.parametrize("level", [1, 2])
def test_a_token_that_leads_nowhere_ends_the_episode_for_nothing(level: int) -> None:
    env = SemanticID(40, items=20, contexts=5, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=0)
    for done in range(level):
        observation, _, terminated, _, info = env.step(env.trie.codes[np.arange(40) % 20, done])
        assert not terminated.any()
    nowhere = info["legal"].argmin(axis=1)
    assert not info["legal"][np.arange(40), nowhere].any()
    shown, reward, terminated, _, info = env.step(nowhere)
    assert terminated.all()
    assert not reward.any()
    for name in ("valid", "prefix_match", "step_hit", "success", "legal"):
        assert not info[name].any(), name
    assert (info["prefix_cosine"] == -1.0).all()
    assert (info["item"] == 20).all()
    assert (info["level"] == level + 1).all()
    np.testing.assert_array_equal(shown, observation)


def test_unordered_tokens_pay_alike_in_every_order_and_a_codebook_is_used_once() -> None:
    items = np.arange(ITEMS)
    paid = [
        spell(started(ITEMS, unordered=True), items, order)[-1][1]
        for order in permutations(range(3))
    ]
    assert paid[0].any()
    for other in paid[1:]:
        np.testing.assert_array_equal(other, paid[0])
    env = started(ITEMS, unordered=True)
    env.step(env.trie.codes[:, 1] + env.tokens)
    _, _, terminated, _, info = env.step(env.trie.codes[:, 1] + env.tokens)
    assert terminated.all()
    assert not info["valid"].any()


# ---- What the facts tell ------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**16), st.booleans())
def test_progress_is_that_of_listing_the_items_under_the_prefix(seed: int, unordered: bool) -> None:
    n = 30
    env = started(n, unordered=unordered, instance_seed=seed % 7)
    rng = np.random.default_rng(seed)
    embedding, codes = env.catalogue.item, env.trie.codes
    left = np.ones((n, ITEMS), dtype=bool)
    used = np.zeros((n, 3), dtype=bool)
    for step in range(3):
        legal = env._facts()["legal"]
        action = np.where(legal, rng.random(legal.shape), -1.0).argmax(axis=1)
        level = action // 5 if unordered else np.full(n, step)
        token = action % 5
        left &= token[:, None] == codes[:, level].T
        used[np.arange(n), level] = True
        observation, _, _, _, info = env.step(action)
        target = info["target"]
        np.testing.assert_array_equal(info["step_hit"], codes[target, level] == token)
        np.testing.assert_array_equal(info["prefix_match"], left[np.arange(n), target])
        for row in range(n):
            mean = embedding[left[row]].mean(axis=0)
            cosine = mean @ embedding[target[row]] / np.linalg.norm(mean)
            assert info["prefix_cosine"][row] == pytest.approx(cosine, abs=1e-9)
        shown = observation[:, 8:].reshape(n, 3, 5)
        np.testing.assert_array_equal(shown.sum(axis=2), used)
        np.testing.assert_array_equal(shown[np.arange(n), level].argmax(axis=1), token)


def test_a_token_is_legal_if_and_only_if_it_leads_on() -> None:
    for unordered in (False, True):
        env = started(1, unordered=unordered, items=20)
        for actions in ([], [0], [1], [4], [0, 0], [2, 1], [7 % env.trie.child.shape[1]]):
            env.reset(seed=1)
            for action in actions:
                env.step(np.array([action]))
            if env.done[0]:
                continue
            start, legal = env.snapshot(), env._facts()["legal"][0]
            for action in range(env.trie.child.shape[1]):
                env.restore(start)
                assert env.step(np.array([action]))[4]["valid"][0] == legal[action]


@pytest.mark.parametrize("kind", ["recommend", "search"])
@pytest.mark.parametrize("unordered", [False, True])
def test_the_oracle_spells_the_target_token_by_token(kind: str, unordered: bool) -> None:
    env = SemanticID(200, kind=kind, unordered=unordered, autoreset_mode=AutoresetMode.DISABLED)
    observation, _ = env.reset(seed=0)
    assert env.card.oracle is not None
    for _ in range(3):
        observation, reward, terminated, _, info = env.step(env.card.oracle(observation))
        assert info["prefix_match"].all()
        assert info["step_hit"].all()
    assert terminated.all()
    assert info["success"].all()
    assert info["hits_ahead"][:, 0].all()
    np.testing.assert_allclose(info["prefix_cosine"], 1.0)
    np.testing.assert_array_equal(reward, env.catalogue.score.max(axis=1)[env.context])
    assert len(np.unique(env.context)) == 20


def test_the_catalogue_depends_on_the_instance_seed_alone() -> None:
    one, same, other = (started(4, instance_seed=seed) for seed in (3, 3, 4))
    same.reset(seed=99)
    np.testing.assert_array_equal(one.trie.codes, same.trie.codes)
    np.testing.assert_array_equal(one.catalogue.score, same.catalogue.score)
    assert (one.catalogue.item != other.catalogue.item).any()


# ---- The catalogue ------------------------------------------------------------------------


def test_relevance_is_the_discount_of_the_rank() -> None:
    affinity = np.random.default_rng(0).random((5, 30))
    relevance = rank_discount(affinity)
    for row in range(5):
        for item in range(30):
            rank = 1 + (affinity[row] > affinity[row, item]).sum()
            assert relevance[row, item] == pytest.approx(
                1 / np.log2(1 + rank) if rank <= 10 else 0.0
            )


def test_search_is_relevance_first_and_clicks_are_not() -> None:
    catalogue = Catalogue.random("search", seed=0, items=200, contexts=200, features=8)
    relevant = catalogue.relevance > 0
    assert (relevant.sum(axis=1) == 10).all()
    assert (catalogue.score[relevant] > 0.5).all()
    assert not catalogue.score[~relevant].any()
    np.testing.assert_allclose(
        catalogue.score[relevant], (1 + (catalogue.ctr * catalogue.cvr)[relevant]) / 2
    )
    rows, most_clicked = np.arange(200), catalogue.ctr.argmax(axis=1)
    assert relevant[rows, most_clicked].mean() < 0.6
    score = catalogue.ctr + catalogue.cvr + catalogue.ctr * catalogue.cvr
    best = (score + 10 * catalogue.relevance).argmax(axis=1)
    assert relevant[rows, best].all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "find"}, "kind must be one of 'recommend', 'search', got 'find'"),
        ({"contexts": 0}, "contexts must be at least 1, got 0"),
        ({"features": 1}, "features must be at least 2, got 1"),
        ({"instance_seed": -1}, "instance_seed must be at least 0, got -1"),
        ({"ahead": 11}, "ahead must be from 1 to 10, got 11"),
        ({"ahead": 0}, "ahead must be from 1 to 10, got 0"),
        ({"items": 600}, r"items must be from 8 to 8\*\*3 = 512, .* got 600"),
        ({"levels": 9, "unordered": True}, r"features must be at least levels \(9\)"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        SemanticID(**options)
