"""Semantic ids are distinct and near, and the trie says what can follow what."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardsmith.envs import EnvError
from rewardsmith.envs.bandits.item_trie import ItemTrie, _share_out, k_means, semantic_ids
from rewardsmith.envs.stateful import FloatArray, IntArray

SEEDS = st.integers(0, 2**32 - 1)


def points(items: int, features: int, seed: int) -> FloatArray:
    """Returns random embeddings, (items, features)."""
    return np.random.default_rng(seed).standard_normal((items, features))


def squared_distance(one: FloatArray, other: FloatArray) -> FloatArray:
    """Returns |x - y|^2 for every pair of rows."""
    return np.asarray(np.square(one[:, None] - other).sum(axis=2))


def open_items(codes: IntArray, chosen: IntArray) -> IntArray:
    """Returns the items whose codes (I, L) have all chosen tokens (L,), -1 being any."""
    return np.flatnonzero(((chosen == -1) | (codes == chosen)).all(axis=1))


# ---- Ids ----------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(2, 4), st.integers(1, 4), st.booleans(), st.data())
def test_ids_are_distinct_and_the_same_again(
    seed: int, tokens: int, levels: int, residual: bool, data: st.DataObject
) -> None:
    items = data.draw(st.integers(tokens, min(tokens**levels, 60)))
    embedding = points(items, 4, seed)
    codes = semantic_ids(embedding, levels, tokens, seed, residual=residual)
    assert codes.shape == (items, levels)
    assert ((codes >= 0) & (codes < tokens)).all()
    assert len(np.unique(codes, axis=0)) == items
    again = semantic_ids(embedding, levels, tokens, seed, residual=residual)
    np.testing.assert_array_equal(codes, again)


def test_a_full_catalogue_and_equal_items_have_ids_too() -> None:
    assert len(np.unique(semantic_ids(points(27, 3, 0), 3, 3, 0), axis=0)) == 27
    assert len(np.unique(semantic_ids(np.ones((20, 3)), 3, 3, 0), axis=0)) == 20


def test_where_there_is_room_levels_are_nearest_centres_of_residuals() -> None:
    embedding, tokens = points(12, 5, 3), 4
    codes = semantic_ids(embedding, levels=4, tokens=tokens, seed=7)
    rng, rest = np.random.default_rng(7), embedding
    for level in range(2):  # with room for 64 and 16 items under a token
        centres = k_means(rest, tokens, rng)
        nearest = squared_distance(rest, centres).argmin(axis=1)
        np.testing.assert_array_equal(codes[:, level], nearest)
        rest = rest - centres[nearest]


def test_codebooks_side_by_side_see_a_block_of_the_features_each() -> None:
    embedding = points(12, 4, 1)
    codes = semantic_ids(embedding, levels=2, tokens=4, seed=5, residual=False)
    changed = embedding.copy()
    changed[:, 2:] = points(12, 2, 2)
    other = semantic_ids(changed, levels=2, tokens=4, seed=5, residual=False)
    np.testing.assert_array_equal(codes[:, 0], other[:, 0])
    assert (codes[:, 1] != other[:, 1]).any()


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(1, 2))
def test_crowded_tokens_are_shared_out_at_the_least_distance(seed: int, room: int) -> None:
    distance = np.random.default_rng(seed).random((3 * room, 3))
    distance[:, 0] /= 10.0  # everybody asks for token 0
    token = _share_out(distance, np.zeros((3 * room, 1), dtype=np.int64), room)
    assert np.bincount(token, minlength=3).tolist() == [room] * 3
    rows = np.arange(3 * room)
    seats = set(permutations(np.repeat(np.arange(3), room).tolist()))
    least = min(distance[rows, list(seat)].sum() for seat in seats)
    assert distance[rows, token].sum() == pytest.approx(least)


def test_centres_are_the_means_of_the_points_nearest_to_them() -> None:
    cloud = points(60, 3, 0)
    centres = k_means(cloud, 5, np.random.default_rng(0))
    nearest = squared_distance(cloud, centres).argmin(axis=1)
    for number in range(5):
        np.testing.assert_allclose(centres[number], cloud[nearest == number].mean(axis=0))


@pytest.mark.parametrize(
    ("items", "levels", "tokens", "residual", "message"),
    [
        (9, 3, 2, True, r"items must be from 2 to 2\*\*3 = 8, .* got 9"),
        (2, 3, 3, True, r"items must be from 3 to .* got 2"),
        (4, 0, 2, True, "levels must be at least 1, .* got 0, 2 and 0"),
        (4, 2, 1, True, "tokens at least 2"),
        (4, 3, 2, False, r"features must be at least levels \(3\)"),
    ],
)
def test_sizes_that_cannot_work_are_named(
    items: int, levels: int, tokens: int, residual: bool, message: str
) -> None:
    with pytest.raises(EnvError, match=message):
        semantic_ids(points(items, 2, 0), levels, tokens, 0, residual=residual)


# ---- The trie -----------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(4, 25), st.booleans())
def test_every_table_is_that_of_listing_the_items(seed: int, items: int, unordered: bool) -> None:
    embedding, tokens, levels = points(items, 3, seed), 3, 3
    codes = semantic_ids(embedding, levels, tokens, 0, residual=not unordered)
    trie = ItemTrie.of(codes, tokens, embedding, unordered=unordered)
    assert (trie.chosen[0] == -1).all()
    targets = np.arange(items)
    matches, cosine = trie.matches(targets), trie.cosine(embedding)
    for node, chosen in enumerate(trie.chosen):
        left = open_items(codes, chosen)
        np.testing.assert_allclose(trie.mean[node], embedding[left].mean(axis=0), atol=1e-12)
        complete = (chosen != -1).all()
        assert trie.item[node] == (left[0] if complete else items)
        np.testing.assert_array_equal(np.flatnonzero(matches[node]), left)
        length = np.linalg.norm(trie.mean[node]) * np.linalg.norm(embedding, axis=1)
        np.testing.assert_allclose(cosine[node] * length, embedding @ trie.mean[node], atol=1e-12)
        for action, child in enumerate(trie.child[node]):
            level = action // tokens if unordered else int((chosen != -1).sum())
            longer = chosen.copy()
            if level < levels and chosen[level] == -1:
                longer[level] = action % tokens
            possible = (longer != chosen).any() and open_items(codes, longer).size > 0
            assert (child != -1) == possible
            if possible:
                np.testing.assert_array_equal(trie.chosen[child], longer)


def test_nodes_of_a_full_catalogue_are_counted_in_closed_form() -> None:
    codes = np.array(list(product(range(3), repeat=3)))
    assert len(ItemTrie.of(codes, 3, np.zeros((27, 1))).item) == 1 + 3 + 9 + 27
    assert len(ItemTrie.of(codes, 3, np.zeros((27, 1)), unordered=True).item) == 4**3


def test_unordered_tokens_lead_to_the_item_in_every_order() -> None:
    embedding = points(20, 6, 0)
    codes = semantic_ids(embedding, 3, 4, 0, residual=False)
    trie = ItemTrie.of(codes, 4, embedding, unordered=True)
    for order in permutations(range(3)):
        node = np.zeros(20, dtype=np.int64)
        for level in order:
            node = trie.child[node, level * 4 + codes[:, level]]
        np.testing.assert_array_equal(trie.item[node], np.arange(20))


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_numbering_the_items_differently_changes_their_numbers_alone(seed: int) -> None:
    embedding = points(15, 3, seed)
    codes = semantic_ids(embedding, 3, 3, 0)
    order = np.random.default_rng(seed).permutation(15)
    one, other = (ItemTrie.of(codes[o], 3, embedding[o]) for o in (np.arange(15), order))
    np.testing.assert_array_equal(one.chosen, other.chosen)
    np.testing.assert_array_equal(one.child, other.child)
    np.testing.assert_allclose(one.mean, other.mean, atol=1e-12)
    leaf = one.item < 15
    np.testing.assert_array_equal(order[other.item[leaf]], one.item[leaf])


def test_a_mean_without_direction_has_cosine_0() -> None:
    trie = ItemTrie.of(np.array([[0], [1]]), 2, np.array([[1.0, 0.0], [-1.0, 0.0]]))
    assert trie.cosine(np.array([[2.0, 0.0]]))[:, 0].tolist() == [0.0, 1.0, -1.0]
