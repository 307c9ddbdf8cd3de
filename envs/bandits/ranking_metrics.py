"""Metrics of ranked lists, for any number of lists at once."""

from __future__ import annotations

import numpy as np

from rewardsmith.envs.stateful import BoolArray, FloatArray


def discounts(places: int) -> FloatArray:
    """Returns 1 / log2(k + 1) for the places k = 1..m, float64 (m,).

    Example:
        >>> discounts(3).round(3)
        array([1.   , 0.631, 0.5  ])
    """
    return 1.0 / np.log2(np.arange(2, places + 2))


def recall(hits: BoolArray, relevant: np.ndarray, k: int) -> FloatArray:
    """Returns recall@k = (relevant items among the first k) / (relevant items), float64 (...).

    Args:
        hits: Which places hold a relevant item, (..., m).
        relevant: Number of relevant items there are, listed or not, (...); recall is 0 if none.
        k: Places that count, at least 1; more than m are m.

    Example:
        >>> recall(np.array([[False, True, True]]), np.array([4]), k=2)
        array([0.25])
    """
    return np.asarray(hits[..., :k].sum(axis=-1) / np.maximum(relevant, 1))


def reciprocal_rank(hits: BoolArray) -> FloatArray:
    """Returns 1 / (place of the first relevant item), 0 if none is listed, float64 (...).

    Its mean over queries is the MRR.

    Args:
        hits: Which places hold a relevant item, (..., m).

    Example:
        >>> reciprocal_rank(np.array([[False, True, True], [False, False, False]]))
        array([0.5, 0. ])
    """
    return np.where(hits.any(axis=-1), 1.0 / (hits.argmax(axis=-1) + 1), 0.0)


def ndcg(gains: FloatArray, all_gains: FloatArray, k: int) -> FloatArray:
    """Returns NDCG@k = DCG@k of the list / DCG@k of the best list, float64 (...).

    DCG@k = sum over the first k places of gain / log2(place + 1). Gains are grades, or
    2^grade - 1 to make the high ones count more.

    Args:
        gains: Gain of the item at every place, at least 0, (..., m).
        all_gains: Gain of every item there is, listed or not, (..., N); NDCG is 0 if all are 0.
        k: Places that count, at least 1.

    Example:
        >>> grades = np.array([3.0, 0.0, 2.0, 1.0])
        >>> round(float(ndcg(grades, grades, k=4)), 4)
        0.9305

    Järvelin and Kekäläinen 2002, doi:10.1145/582415.582418.
    """
    ideal = _dcg(-np.sort(-all_gains, axis=-1), k)
    return _dcg(gains, k) / np.where(ideal > 0.0, ideal, 1.0)


def pair_easiness(relevant: BoolArray) -> FloatArray:
    """Returns how easy it is to tell the relevant items from the others, float64 (...).

    A pair of a relevant item of first-stage rank i and another of rank j has the easiness
    D = (1/i - 1/j + 1) / 2 in (0, 1), high where the first stage ranks it rightly. The result
    is the mean of D over all such pairs of a query.

    Args:
        relevant: Which items are relevant, in first-stage order, (..., N); at least one of a
            query is and one is not.

    Example:
        >>> pair_easiness(np.array([[True, False], [False, True]]))
        array([0.75, 0.25])

    MacAvaney et al. 2020, Training Curricula for Open Domain Answer Re-Ranking,
    arXiv 2004.14269, with the reciprocal rank as heuristic.
    """
    score = 1.0 / np.arange(1, relevant.shape[-1] + 1)
    count = relevant.sum(axis=-1)
    for_relevant = (score * relevant).sum(axis=-1) / count
    for_others = (score * ~relevant).sum(axis=-1) / (relevant.shape[-1] - count)
    return np.asarray((for_relevant - for_others + 1.0) / 2.0)


def _dcg(gains: FloatArray, k: int) -> FloatArray:
    first = gains[..., :k]
    return np.asarray((first * discounts(first.shape[-1])).sum(axis=-1))
