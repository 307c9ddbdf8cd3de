"""A made-up catalogue: items, who asks for them, and how well an item answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardsmith.envs.bandits.ranking_metrics import discounts
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.stateful import FloatArray, IntArray

KINDS = ("recommend", "search")
CUTOFF = 10
"""Places of an order of affinity that are worth anything."""
TOPICS = 8
ITEM_SPREAD, CONTEXT_SPREAD = 0.6, 0.3
"""Expected length of the noise that sets an item off its topic, a context off its item."""


@dataclass(frozen=True)
class Catalogue:
    """I items and C contexts (users or queries) with features on the unit sphere of R^d.

    Items scatter around eight topics, contexts around an item each. The rank of an item in a
    context is its place, from 1, in the order of falling cosine. Then

        relevance = 1 / log2(1 + rank) up to rank 10, else 0
        ctr = sigmoid(-3 + 4 popularity + relevance), popularity = U^3, U ~ Uniform[0, 1]
        cvr = sigmoid(-3 + 3 relevance)
        score = relevance                                      of kind "recommend"
              = (1 + ctr cvr) / 2 if relevance > 0, else 0     of kind "search"

    so that a few popular items are clicked whatever was asked for, but seldom bought.

    Attributes:
        item: Features of the items, (I, d).
        context: Features of the contexts, (C, d).
        relevance: (C, I), in [0, 1].
        ctr: Click-through rate, (C, I), in [0, 1].
        cvr: Conversion rate, purchases per click, (C, I), in [0, 1].
        score: What the task pays for an item, (C, I), in [0, 1].
    """

    item: FloatArray
    context: FloatArray
    relevance: FloatArray
    ctr: FloatArray
    cvr: FloatArray
    score: FloatArray

    @classmethod
    def random(cls, kind: str, seed: int, items: int, contexts: int, features: int) -> Catalogue:
        """Draws a catalogue.

        Args:
            kind: "recommend" or "search".
            seed: Non-negative.
            items: I, at least 2.
            contexts: C, at least 1.
            features: d, at least 2.

        Raises:
            EnvError: If an argument is out of range.
        """
        _check(kind, seed, items, contexts, features)
        rng = np.random.default_rng(seed)
        topic = _unit(rng.standard_normal((TOPICS, features)))
        item = _near(topic[rng.integers(TOPICS, size=items)], ITEM_SPREAD, rng)
        context = _near(item[rng.integers(items, size=contexts)], CONTEXT_SPREAD, rng)
        relevance = rank_discount(context @ item.T)
        ctr = _sigmoid(-3.0 + 4.0 * rng.random(items) ** 3 + relevance)
        cvr = _sigmoid(-3.0 + 3.0 * relevance)
        by_relevance = np.where(relevance > 0.0, (1.0 + ctr * cvr) / 2.0, 0.0)
        score = relevance if kind == "recommend" else by_relevance
        return cls(item, context, relevance, ctr, cvr, score)

    def wanted(self, count: int) -> IntArray:
        """Returns the items of highest score in every context, best first, (C, count)."""
        return np.argsort(-self.score, axis=1, kind="stable")[:, :count]


def rank_discount(affinity: FloatArray) -> FloatArray:
    """Returns 1 / log2(1 + rank) for the ten highest of every row of (C, I), 0 for others.

    Example:
        >>> rank_discount(np.array([[0.2, 0.9, 0.1]])).round(3)
        array([[0.631, 1.   , 0.5  ]])

    Jarvelin and Kekalainen 2002, doi:10.1145/582415.582418 (discounted cumulative gain).
    """
    first = np.argsort(-affinity, axis=1, kind="stable")[:, :CUTOFF]
    relevance = np.zeros_like(affinity)
    np.put_along_axis(relevance, first, discounts(first.shape[1])[None], axis=1)
    return relevance


def _near(centre: FloatArray, spread: float, rng: np.random.Generator) -> FloatArray:
    """Returns points of the unit sphere scattered around each of `centre` (k, d)."""
    noise = rng.standard_normal(centre.shape) / np.sqrt(centre.shape[1])
    return _unit(centre + spread * noise)


def _unit(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _sigmoid(x: FloatArray) -> FloatArray:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def _check(kind: str, seed: int, items: int, contexts: int, features: int) -> None:
    """Says which option cannot work."""
    if kind not in KINDS:
        raise EnvError(f"kind must be one of {', '.join(map(repr, KINDS))}, got {kind!r}")
    least = {"instance_seed": 0, "items": 2, "contexts": 1, "features": 2}
    given = (seed, items, contexts, features)
    for (name, low), value in zip(least.items(), given, strict=True):
        if value < low:
            raise EnvError(f"{name} must be at least {low}, got {value}")
