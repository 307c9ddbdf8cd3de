"""Who belongs to whom, given a table of scores: greedy, Hungarian, and softly by Sinkhorn."""

from __future__ import annotations

import numpy as np

from rewardsmith.envs.stateful import FloatArray

Pairs = list[tuple[int, int]]

_TIE = 1e-9


def greedy(scores: FloatArray) -> Pairs:
    """Returns pairs (i, j): row after row takes the best column left, if it scores above 0.

    Args:
        scores: Worth of every pair, at least 0, float64 (G, P).

    Example:
        >>> greedy(np.array([[0.9, 0.8], [0.85, 0.1]]))
        [(0, 0), (1, 1)]
    """
    left, pairs = scores.copy(), []
    for i, row in enumerate(left):
        if row.size and row.max() > 0:
            j = int(row.argmax())
            pairs.append((i, j))
            left[:, j] = 0.0
    return pairs


def hungarian(scores: FloatArray) -> Pairs:
    """Returns the pairs (i, j), one to one, whose scores sum to the most; none that score 0.

    Of equally good assignments it is the one of the earliest columns.

    Source: Kuhn 1955; Munkres 1957.

    Args:
        scores: Worth of every pair, at least 0, float64 (G, P).

    Example:
        >>> hungarian(np.array([[0.9, 0.8], [0.85, 0.1]]))
        [(0, 1), (1, 0)]
    """
    from scipy.optimize import linear_sum_assignment  # takes longer to import than all the rest

    early = _TIE * np.arange(scores.shape[1]) / max(scores.shape[1], 1)
    rows, columns = linear_sum_assignment(scores - early, maximize=True)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(i, j) for i, j in pairs if scores[i, j] > 0]


def sinkhorn(scores: FloatArray, regularisation: float = 0.1, iterations: int = 500) -> FloatArray:
    """Returns the transport plan T between uniform marginals for the cost 1 - scores.

        T = argmin <T, C> - regularisation * H(T),  T 1 = 1/G,  T' 1 = 1/P,  C = 1 - scores

    by alternating the scaling of rows and columns in the log domain.

    Source: Cuturi 2013, arXiv 1306.0895.

    Args:
        scores: Worth of every pair, float64 (G, P) with G, P >= 1.
        regularisation: Weight of the entropy, positive.
        iterations: At most; it ends early once the row sums are right to 1e-9.

    Example:
        >>> sinkhorn(np.eye(2)).round(3)
        array([[0.5, 0. ],
               [0. , 0.5]])
    """
    kernel = (scores - 1.0) / regularisation
    n_rows, n_columns = scores.shape
    column = np.zeros(n_columns)
    for _ in range(iterations):
        row = -np.log(n_rows) - np.logaddexp.reduce(kernel + column, axis=1)
        column = -np.log(n_columns) - np.logaddexp.reduce(kernel + row[:, None], axis=0)
        plan = np.exp(kernel + row[:, None] + column)
        if np.abs(plan.sum(axis=1) - 1.0 / n_rows).max() < 1e-9:
            break
    return np.asarray(plan)
