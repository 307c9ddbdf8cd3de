"""Ranking metrics equal their definitions; Rerank pays and tells them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from rewardsmith.envs import ConfigError, EnvError
from rewardsmith.envs.bandits.ranking_metrics import ndcg, pair_easiness, recall, reciprocal_rank
from rewardsmith.envs.bandits.rerank import METRICS, Rerank

SEEDS = st.integers(0, 2**32 - 1)


def dcg_by_loop(gains: list[float], k: int) -> float:
    """Returns DCG@k of one list."""
    return sum(gain / math.log2(place + 2) for place, gain in enumerate(gains[:k]))


# ---- Metrics ----------------------------------------------------------------------------


@settings(max_examples=60)
@given(SEEDS, st.integers(1, 6), st.integers(1, 8))
def test_metrics_equal_plain_loops(seed: int, places: int, k: int) -> None:
    random = np.random.default_rng(seed)
    grade = np.floor(4 * random.random((5, 6))) * (random.random((5, 1)) < 0.8)
    lists = random.permuted(np.tile(np.arange(6), (5, 1)), axis=1)[:, :places]
    listed = np.take_along_axis(grade, lists, axis=1)
    count = (grade > 0).sum(axis=1)
    found = recall(listed > 0, count, k), reciprocal_rank(listed > 0), ndcg(listed, grade, k)
    for row in range(5):
        relevant = {i for i in range(6) if grade[row, i]}
        hits = [item in relevant for item in lists[row].tolist()]
        ideal = dcg_by_loop(sorted(grade[row].tolist(), reverse=True), k)
        expected = (
            sum(hits[:k]) / len(relevant) if relevant else 0.0,
            1 / (hits.index(True) + 1) if any(hits) else 0.0,
            dcg_by_loop(listed[row].tolist(), k) / ideal if ideal else 0.0,
        )
        assert [metric[row] for metric in found] == pytest.approx(expected)


def test_ndcg_of_a_known_list() -> None:
    grades = np.array([3.0, 0.0, 2.0, 1.0])
    assert float(ndcg(grades, grades, 4)) == pytest.approx(0.9305, abs=5e-5)
    assert float(ndcg(2**grades - 1, 2**grades - 1, 4)) == pytest.approx(0.9508, abs=5e-5)
    assert float(ndcg(np.array([3.0, 2.0]), grades, 2)) == 1.0


@settings(max_examples=40)
@given(SEEDS, st.integers(2, 10))
def test_easiness_is_the_mean_over_all_pairs(seed: int, items: int) -> None:
    relevant = np.random.default_rng(seed).random((4, items)) < 0.4
    relevant[:, 0], relevant[:, -1] = True, False
    for row, easiness in zip(relevant, pair_easiness(relevant), strict=True):
        pairs = [
            (1 / (i + 1) - 1 / (j + 1) + 1) / 2
            for i in np.flatnonzero(row)
            for j in np.flatnonzero(~row)
        ]
        assert easiness == pytest.approx(np.mean(pairs))


def test_an_item_that_the_first_stage_put_last_is_hard_to_tell() -> None:
    relevant = np.ones(10, dtype=bool)
    relevant[0] = False
    others = [(1 / rank - 1 + 1) / 2 for rank in range(2, 11)]
    assert others[-1] == pytest.approx(0.05)  # of ranks 10 and 1
    assert pair_easiness(relevant) == pytest.approx(np.mean(others))


# ---- The environment --------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
def test_reward_is_the_chosen_metric_and_a_repetition_voids_the_list(metric: str) -> None:
    env = Rerank(4, candidates=3, metric=metric)
    env.reset(seed=0)
    env.grade[:] = [0, 0, 1]
    action = np.array([[2, 0, 1], [0, 2, 1], [2, 2, 1], [2, 1, 0]])
    _, reward, _, _, info = env.step(action)
    expected = {
        "recall_1": [1.0, 0.0, 0.0, 1.0],
        "recall_3": [1.0, 1.0, 0.0, 1.0],
        "recall_5": [1.0, 1.0, 0.0, 1.0],
        "mrr": [1.0, 0.5, 0.0, 1.0],
        "ndcg": [1.0, 1 / np.log2(3), 0.0, 1.0],
    }
    for name, value in expected.items():
        np.testing.assert_allclose(info[name], value)
    mean = np.mean([expected[f"recall_{k}"] for k in (1, 3, 5)], axis=0)
    np.testing.assert_allclose(reward, (expected | {"mean_recall": mean})[metric])
    assert info["valid"].tolist() == [True, True, False, True]
    assert info["success"].tolist() == [True, False, False, True]
    np.testing.assert_allclose(info["easiness"], (1 / 3 - 3 / 4 + 1) / 2)


def test_graded_relevance_counts_in_ndcg_and_in_success() -> None:
    env = Rerank(2, candidates=4, list_length=2, metric="ndcg")
    env.reset(seed=0)
    env.grade[:] = [1, 0, 3, 0]
    _, reward, _, _, info = env.step(np.array([[2, 0], [0, 2]]))
    best = 7 + 1 / np.log2(3)
    np.testing.assert_allclose(reward, [1.0, (1 + 7 / np.log2(3)) / best])
    assert info["success"].tolist() == [True, False]
    assert info["recall_1"].tolist() == [0.5, 0.5]


def test_candidates_come_in_the_order_of_the_first_stage_and_can_be_bettered() -> None:
    n = 4000
    env = Rerank(n, time_limit=None)
    observation, info = env.reset(seed=0)
    evidence = observation.reshape(n, 5, 3)
    assert (np.diff(evidence[:, :, 0], axis=1) <= 0.0).all()
    assert ((env.grade > 0).any(axis=1) & (env.grade == 0).any(axis=1)).all()
    assert not any(info[name].any() for name in ("valid", "recall_1", "mrr", "easiness"))
    snapshot = env.snapshot()
    orders = {
        "first stage": np.tile(np.arange(3), (n, 1)),
        "overlaps": np.argsort(-np.log(evidence / (1 - evidence))[:, :, 1:].sum(axis=2))[:, :3],
        "grades": np.argsort(-env.grade)[:, :3],
    }
    paid = {}
    for name, lists in orders.items():
        env.restore(snapshot)
        paid[name] = env.step(lists)[1].mean()
    assert paid["first stage"] + 0.1 < paid["overlaps"] < paid["grades"] - 0.03


def test_grades_are_as_frequent_as_merit_says() -> None:
    env = Rerank(2000, candidates=50, list_length=3)
    env.reset(seed=0)
    share = np.bincount(env.grade.ravel(), minlength=4) / env.grade.size
    np.testing.assert_allclose(
        share, -np.diff(norm.sf([-np.inf, 0.5, 1.2, 1.9, np.inf])), atol=6e-3
    )


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"candidates": 1}, EnvError, "candidates must be at least 2, got 1"),
        ({"list_length": 6}, EnvError, "list length must be from 1 to the number of items, 5, got"),
        ({"overlaps": 0}, EnvError, "overlaps must be at least 1, got 0"),
        ({"metric": "recall_2"}, ConfigError, "unknown metric 'recall_2' in Rerank; did you mean"),
    ],
)
def test_wrong_options_are_named(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Rerank(**options)
