"""Items spelled as short token strings: how strings are given out, and the trie they span."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.optimize import linear_sum_assignment

from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray

ROUNDS = 20
"""Rounds of Lloyd's algorithm; the catalogues are small enough to settle well before."""
OPEN = -1
"""Stands for a token that is not chosen yet, and for a child that does not exist."""


def semantic_ids(
    embedding: FloatArray, levels: int, tokens: int, seed: int, *, residual: bool = True
) -> IntArray:
    """Returns an id of L tokens for each of I items, int64 (I, L), no two alike.

    Level l has a codebook of V centres, found by k-means, and an item gets the token of its
    nearest centre. The codebooks see

    - residual: what the levels before left over, x - c_1 - ... - c_{l-1}, so that early
      tokens are coarse and late ones fine;
    - otherwise: a block of the embedding's columns each, so that tokens speak of separate
      traits and their order means nothing.

    Where more items ask for a token than ids are left under it, V^(L-l) of them, the items
    under one prefix share out the tokens at the least total squared distance. That keeps
    ids apart; elsewhere it is plain nearest-centre quantisation.

    Args:
        embedding: Vector of every item, (I, d).
        levels: L, at least 1; at most d if not residual.
        tokens: V, at least 2.
        seed: Of the first centres, non-negative.
        residual: Whether levels refine each other or stand side by side.

    Raises:
        EnvError: If a size is out of range, or the items are not between V and V^L.

    Example:
        >>> semantic_ids(np.array([[0.0], [0.1], [5.0], [5.1]]), levels=2, tokens=2, seed=0)
        array([[0, 0],
               [0, 1],
               [1, 0],
               [1, 1]])

    Rajput et al. 2023, arXiv 2305.05065 (semantic ids); arXiv 2508.15308 (tokens side by side).
    """
    items, width = embedding.shape
    if levels < 1 or tokens < 2 or seed < 0:
        raise EnvError(
            f"levels must be at least 1, tokens at least 2 and the seed at least 0, got {levels}, "
            f"{tokens} and {seed}"
        )
    if not tokens <= items <= tokens**levels:
        raise EnvError(
            f"items must be from {tokens} to {tokens}**{levels} = {tokens**levels}, so that there "
            f"are enough for the centres and ids for all, got {items}"
        )
    if not residual and width < levels:
        raise EnvError(
            f"features must be at least levels ({levels}) when tokens are unordered: each codebook "
            f"takes some of them; got {width}"
        )
    rng = np.random.default_rng(seed)
    codes = np.full((items, levels), OPEN, dtype=np.int64)
    blocks = np.array_split(embedding, levels, axis=1)
    rest = embedding
    for level in range(levels):
        points = rest if residual else blocks[level]
        centres = k_means(points, tokens, rng)
        room = tokens ** (levels - 1 - level)
        codes[:, level] = _share_out(_squared_distance(points, centres), codes[:, :level], room)
        if residual:
            rest = rest - centres[codes[:, level]]
    return codes


def k_means(points: FloatArray, count: int, rng: np.random.Generator) -> FloatArray:
    """Returns `count` centres (count, d) of `points` (I, d) by Lloyd's algorithm.

    A centre that lost all its points stays where it is.

    Example:
        >>> points = np.array([[0.0], [2.0], [10.0], [12.0]])
        >>> k_means(points, 2, np.random.default_rng(0)).ravel().tolist()
        [1.0, 11.0]
    """
    centres = points[np.sort(rng.choice(len(points), count, replace=False))]
    for _ in range(ROUNDS):
        nearest = _squared_distance(points, centres).argmin(axis=1)
        total = np.zeros_like(centres)
        np.add.at(total, nearest, points)
        size = np.bincount(nearest, minlength=count)[:, None]
        centres = np.where(size > 0, total / np.maximum(size, 1), centres)
    return np.asarray(centres)


@dataclass(frozen=True)
class ItemTrie:
    """What can follow what in the ids of a catalogue, as tables over nodes.

    A node is a set of chosen tokens that some item has. In order, nodes are the prefixes of
    ids and an action is the next token, 0 to V - 1; unordered, they are all partial sets and
    action m V + v chooses token v of codebook m. Node 0 has no token chosen.

    Attributes:
        codes: Token of every item at every level, (I, L).
        chosen: Tokens of every node, (nodes, L); -1 where none is chosen yet.
        child: Node that an action leads to, (nodes, A); -1 where no item has such an id.
        item: The item whose id is complete, (nodes,); I elsewhere.
        mean: Mean embedding of the items that a node leaves open, (nodes, d).

    Example:
        >>> codes = np.array([[0, 0], [0, 1], [1, 1]])
        >>> trie = ItemTrie.of(codes, tokens=2, embedding=np.array([[0.0], [1.0], [7.0]]))
        >>> after_0 = trie.child[0, 0]
        >>> float(trie.mean[after_0, 0]), trie.item[trie.child[after_0]].tolist()
        (0.5, [0, 1])
        >>> int(trie.child[trie.child[0, 1], 0])
        -1
    """

    codes: IntArray
    chosen: IntArray
    child: IntArray
    item: IntArray
    mean: FloatArray

    @classmethod
    def of(
        cls, codes: IntArray, tokens: int, embedding: FloatArray, *, unordered: bool = False
    ) -> ItemTrie:
        """Builds the trie of `codes` (I, L) over items of `embedding` (I, d)."""
        items, levels = codes.shape
        patterns = _patterns(levels, unordered)
        partial = np.where(patterns[:, None, :], codes, OPEN)
        chosen, inverse = np.unique(partial.reshape(-1, levels), axis=0, return_inverse=True)
        node = inverse.reshape(len(patterns), items)
        child = np.full((len(chosen), tokens * (levels if unordered else 1)), OPEN, dtype=np.int64)
        number = {tuple(pattern): i for i, pattern in enumerate(patterns.tolist())}
        for start, pattern in enumerate(patterns):
            left = np.flatnonzero(~pattern)
            for level in left if unordered else left[:1]:
                longer = tuple((pattern | (np.arange(levels) == level)).tolist())
                action = codes[:, level] + (level * tokens if unordered else 0)
                child[node[start], action] = node[number[longer]]
        item = np.full(len(chosen), items, dtype=np.int64)
        item[node[-1]] = np.arange(items)
        total = np.zeros((len(chosen), embedding.shape[1]))
        np.add.at(total, node, embedding)
        return cls(codes, chosen, child, item, total / np.bincount(node.ravel())[:, None])

    def matches(self, items: IntArray) -> BoolArray:
        """Tells whether a node's tokens are all those of an item, (nodes, k) for `items` (k,)."""
        chosen = self.chosen[:, None, :]
        return np.asarray(((chosen == OPEN) | (chosen == self.codes[items])).all(axis=2))

    def cosine(self, vectors: FloatArray) -> FloatArray:
        """Returns cos(mean of a node, vector), (nodes, k) for `vectors` (k, d), in [-1, 1].

        It is 0 where one of the two has no direction.
        """
        length = np.linalg.norm(self.mean, axis=1)[:, None] * np.linalg.norm(vectors, axis=1)
        product = self.mean @ vectors.T
        cosine = np.divide(product, length, out=np.zeros_like(product), where=length > 0.0)
        return np.asarray(cosine.clip(-1.0, 1.0))


def _patterns(levels: int, unordered: bool) -> BoolArray:
    """Returns which levels may be chosen at a time, (P, L): first none, last all."""
    if unordered:
        return np.array(list(product((False, True), repeat=levels)))
    return np.tri(levels + 1, levels, -1, dtype=np.bool_)


def _share_out(distance: FloatArray, prefixes: IntArray, room: int) -> IntArray:
    """Returns tokens (I,) by distance (I, V), at most `room` items each under one prefix."""
    token = distance.argmin(axis=1)
    group = np.unique(prefixes, axis=0, return_inverse=True)[1].ravel()
    for rows in (np.flatnonzero(group == number) for number in range(group.max() + 1)):
        if np.bincount(token[rows]).max() > room:
            seats = np.repeat(np.arange(distance.shape[1]), min(room, rows.size))
            token[rows] = seats[linear_sum_assignment(distance[np.ix_(rows, seats)])[1]]
    return np.asarray(token)


def _squared_distance(points: FloatArray, centres: FloatArray) -> FloatArray:
    """Returns |x - c|^2, (I, V)."""
    return np.asarray(np.square(points[:, None, :] - centres).sum(axis=2))
