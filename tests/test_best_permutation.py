"""best_permutation finds what trying every list finds, at the cost of a sort."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardsmith.envs import EnvError
from rewardsmith.envs.bandits import best_permutation as module
from rewardsmith.envs.bandits.best_permutation import best_permutation, every_list, list_value
from rewardsmith.envs.stateful import FloatArray

SIZES = [(items, length) for items in range(1, 8) for length in range(1, items + 1)]
EACH = -(-10_000 // len(SIZES))
Instance = tuple[FloatArray, FloatArray, FloatArray]


def draw(items: int, n: int, rng: np.random.Generator, steps: int | None) -> Instance:
    """Draws n instances (u, w, w_0); on a grid of `steps` per unit they have many ties."""
    u, w, fallback = rng.random((n, items)), rng.normal(size=(n, items)), rng.normal(size=n)
    if steps is not None:
        u, w, fallback = (np.round(a * steps) / steps for a in (u, w, fallback))
    return u, w, fallback


def brute_force(u: FloatArray, w: FloatArray, fallback: FloatArray, length: int) -> FloatArray:
    """Returns the best value (n,) by trying every list, longest loop over places."""
    best = np.full(len(u), -np.inf)
    for chunk in np.array_split(every_list(u.shape[1], length), 20):
        if len(chunk):
            values = list_value(chunk, u[:, None], w[:, None], fallback[:, None])
            best = np.maximum(best, values.max(axis=1))
    return best


def test_equals_brute_force_on_ten_thousand_instances() -> None:
    rng, compared = np.random.default_rng(0), 0
    for items, length in SIZES:
        for steps in (None, 4):
            u, w, fallback = draw(items, EACH // 2 + 1, rng, steps)
            lists, value = best_permutation(u, w, fallback, length)
            expected = brute_force(u, w, fallback, length)
            np.testing.assert_allclose(value, expected, rtol=0, atol=1e-12)
            np.testing.assert_allclose(list_value(lists, u, w, fallback), value, atol=1e-12)
            _, free = best_permutation(u, w, fallback, length, min_items=0)
            np.testing.assert_allclose(free, np.maximum(expected, fallback), atol=1e-12)
            compared += len(u)
    assert compared >= 10_000


def test_card_example() -> None:
    u, w = np.array([0.5, 0.9, 0.2, 0.4]), np.array([1.0, 0.6, 2.0, 0.1])
    lists, value = best_permutation(u, w, 0.2, 2)
    assert lists.tolist() == [2, 0]
    assert value == pytest.approx(0.88)
    assert list_value(np.array([2, 1]), u, w, 0.2) == pytest.approx(0.848)


def test_value_of_a_list_by_hand() -> None:
    u, w = np.array([0.5, 0.25]), np.array([1.0, 4.0])
    value = list_value(np.array([[0, 1], [1, 0], [0, 2], [2, 2]]), u, w, 2.0)
    expected = [0.5 + 0.5 * (1 + 0.75 * 2), 1 + 0.75 * (0.5 + 1), 0.5 + 1, 2.0]
    np.testing.assert_allclose(value, expected)


def test_lists_are_as_long_as_there_are_helpful_items() -> None:
    u, w = np.full((3, 4), 0.5), np.array([[1, 2, 3, 4.0], [0, 0, 9, 0], [-1, -1, 0, -1]])
    lists, value = best_permutation(u, w, 0.0, 3)
    assert lists.tolist() == [[3, 2, 1], [2, 4, 4], [2, 4, 4]]
    np.testing.assert_allclose(value, [2 + 0.75 + 0.25, 4.5, 0.0])
    assert best_permutation(u, w, 0.0, 3, min_items=0)[0][2].tolist() == [4, 4, 4]


def test_without_a_helpful_item_the_least_harmful_one_is_shown() -> None:
    u, w = np.array([0.9, 0.1, 0.5]), np.array([-0.1, -0.5, -1.0])
    lists, value = best_permutation(u, w, 0.0, 2)
    assert lists.tolist() == [1, 3]
    assert value == pytest.approx(-0.05)
    assert best_permutation(u, w, 0.0, 2, min_items=0)[1] == 0.0


def test_certain_first_item_is_still_followed_by_others() -> None:
    lists, value = best_permutation(np.ones(4), np.arange(4.0), 0.0, 3)
    assert lists.tolist() == [3, 2, 1]
    assert value == 3.0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9), st.data())
def test_symmetries(seed: int, items: int, data: st.DataObject) -> None:
    length = data.draw(st.integers(1, items))
    rng = np.random.default_rng(seed)
    u, w, fallback = draw(items, 5, rng, None)
    lists, value = best_permutation(u, w, fallback, length)
    # Renaming the items renames them in the list.
    order = rng.permutation(items)
    renamed, same = best_permutation(u[:, order], w[:, order], fallback, length)
    np.testing.assert_array_equal(np.append(order, items)[renamed], lists)
    np.testing.assert_allclose(same, value)
    # Scaling by a power of two and the batch around an instance change nothing.
    scaled, larger = best_permutation(u, 4 * w, 4 * fallback, length)
    np.testing.assert_array_equal(scaled, lists)
    np.testing.assert_array_equal(larger, 4 * value)
    alone, one = best_permutation(u[2], w[2], float(fallback[2]), length)
    np.testing.assert_array_equal(alone, lists[2])
    assert one == value[2]
    grid = best_permutation(u[:, None], w[:, None], fallback[:, None], length)
    np.testing.assert_array_equal(grid[0][:, 0], lists)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 9), st.data())
def test_optimum_rises_with_attraction_value_and_length(
    seed: int, items: int, data: st.DataObject
) -> None:
    length = data.draw(st.integers(1, items - 1))
    rng = np.random.default_rng(seed)
    u, w, fallback = draw(items, 20, rng, None)
    value = best_permutation(u, w, fallback, length, min_items=0)[1]
    more = u + (1 - u) * rng.random(u.shape)
    for other in (
        best_permutation(more, w, fallback, length, min_items=0),
        best_permutation(u, w + rng.random(w.shape), fallback, length, min_items=0),
        best_permutation(u, w, fallback, length + 1, min_items=0),
    ):
        assert (other[1] >= value - 1e-12).all()


@pytest.mark.parametrize("steps", [None, 4])
def test_discarding_hopeless_items_changes_no_value(
    monkeypatch: pytest.MonkeyPatch, steps: int | None
) -> None:
    rng = np.random.default_rng(1)
    for items, length, n in ((2000, 5, 3), (600, 1, 4), (40, 2, 100), (12, 12, 50)):
        u, w, fallback = draw(items, n, rng, steps)
        fallback[0] = w[0].max()  # no item helps
        fallback[-1] = np.partition(w[-1], -2)[-2]  # at most one does
        monkeypatch.setattr(module, "MANY_ITEMS", 10**9)
        plain, value = best_permutation(u, w, fallback, length)
        monkeypatch.setattr(module, "MANY_ITEMS", 1)
        pruned, same = best_permutation(u, w, fallback, length)
        np.testing.assert_allclose(same, value, rtol=0, atol=1e-12)
        if steps is None:
            np.testing.assert_array_equal(pruned, plain)


def test_every_list_is_listed_once() -> None:
    for items, length, count in ((10, 3, 820), (4, 4, 64), (5, 1, 5)):
        lists = every_list(items, length)
        assert lists.shape == (count, length)
        assert len({tuple(row) for row in lists.tolist()}) == count
        for row in lists.tolist():
            shown = [item for item in row if item < items]
            assert row == shown + [items] * (length - len(shown))
            assert len(set(shown)) == len(shown) >= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"length": 4}, "list length must be from 1 to the number of items, 3, got 4"),
        ({"length": 0}, "list length must be .* got 0"),
        ({"min_items": 2}, "min_items must be 0 or 1, got 2"),
        ({"attraction": np.array([0.1, 1.5, 0.2])}, r"attraction .* \[0, 1\], got 1.5 at \[1\]"),
        ({"attraction": np.array([0.1, np.nan, 0.2])}, "attraction .* got nan"),
        ({"value": np.ones(4)}, r"attraction and value .* \(3,\) and \(4,\)"),
        ({"value": np.array([0.0, np.inf, 1.0])}, "value and fallback must be finite"),
        ({"fallback": np.zeros(2)}, r"fallback must be a number or of shape \(\), got \(2,\)"),
    ],
)
def test_wrong_input_is_named(change: dict[str, Any], message: str) -> None:
    right: dict[str, Any] = {
        "attraction": np.full(3, 0.5),
        "value": np.ones(3),
        "fallback": 0.0,
        "length": 2,
    }
    with pytest.raises(EnvError, match=message):
        best_permutation(**(right | change))
