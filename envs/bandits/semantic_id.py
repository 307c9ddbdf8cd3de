"""`SemanticID-v0`: an item is recommended by spelling its id, token by token."""

from __future__ import annotations

import functools

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.bandits.item_catalogue import CUTOFF, Catalogue
from rewardsmith.envs.bandits.item_trie import OPEN, ItemTrie, semantic_ids
from rewardsmith.envs.bandits.semantic_id_card import semantic_id_card
from rewardsmith.envs.batch import BatchEnv, Info
from rewardsmith.envs.drawing import BLUE, GREEN, GREY, GRID, PAPER, Canvas
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray

NO_ITEM_COSINE = -1.0
"""Cosine told for an id that no item has, the least there is."""


class SemanticID(BatchEnv):
    """A user (or query) appears; the agent spells the id of one item in L tokens.

    The ids make up a trie (`semantic_ids`, `ItemTrie`). A token that no item's id goes on
    with ends the episode and pays 0; the fact `legal` tells which do. The L-th token names
    the item and ends the episode, and the task pays the item's score (`Catalogue`):

    - "recommend": 1 / log2(1 + rank), rank being the item's place in the user's order of
      affinity, and 0 below place 10. Success is rank 1, the item the user wants next.
    - "search": (1 + ctr cvr) / 2 if the item is one of the ten relevant to the query, else 0:
      relevance first, engagement second. Success is a relevant item.

    The target, which the facts of progress speak of, is the item of highest score; the items
    that follow it in that order are the ones wanted after it.

    With `unordered`, an item is a set of L tokens, one of each of L codebooks that look at
    different features. They may be given in any order; a codebook is used once.

    Observation, float32 of shape (d + L V,): features of the user or query; the tokens so
    far, one-hot per level. Action: the next token v, or if unordered m V + v for token v of
    codebook m.

    Args:
        num_envs: Number of rows n.
        kind: "recommend" or "search".
        items: I, from V to V^L.
        levels: Tokens of an id L.
        tokens: Tokens to choose from at a level V.
        unordered: Whether tokens may be given in any order.
        features: d of items, users and queries, at least 2.
        contexts: Number C of users or queries; each episode draws one.
        ahead: How many of the wanted items the fact `hits_ahead` tells of, 1 to 10.
        instance_seed: Draws the catalogue, once for all rows and episodes.
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.

    Raises:
        EnvError: If an argument is out of range.

    Example:
        >>> env = SemanticID(2)
        >>> observation, info = env.reset(seed=0)
        >>> for _ in range(3):
        ...     action = env.card.oracle(observation)
        ...     observation, reward, terminated, _, info = env.step(action)
        >>> reward, terminated, info["success"]
        (array([1., 1.]), array([ True,  True]), array([ True,  True]))

    arXiv 2602.10699 and arXiv 2508.15308 (recommendation), arXiv 2509.03236 (search).
    """

    state_names = ("context", "node", "level", "valid", "hit")

    def __init__(
        self,
        num_envs: int = 1,
        *,
        kind: str = "recommend",
        items: int = 200,
        levels: int = 3,
        tokens: int = 8,
        unordered: bool = False,
        features: int = 8,
        contexts: int = 20,
        ahead: int = 3,
        instance_seed: int = 0,
        time_limit: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        self.catalogue = Catalogue.random(kind, instance_seed, items, contexts, features)
        if not 1 <= ahead <= min(CUTOFF, items):
            raise EnvError(f"ahead must be from 1 to {min(CUTOFF, items)}, got {ahead}")
        embedding = self.catalogue.item
        codes = semantic_ids(embedding, levels, tokens, instance_seed, residual=not unordered)
        self.trie = ItemTrie.of(codes, tokens, embedding, unordered=unordered)
        self.wanted = self.catalogue.wanted(ahead)
        self.kind, self.tokens, self.unordered = kind, tokens, unordered
        self._match = self.trie.matches(self.wanted[:, 0])
        self._cosine = self.trie.cosine(embedding[self.wanted[:, 0]])
        self._of_item = self._item_tables()
        self._shown = self.catalogue.context.astype(np.float32)
        self.card = semantic_id_card(
            kind, self._shown, codes, self.wanted[:, 0], tokens, unordered, time_limit
        )
        width = features + levels * tokens
        self.single_observation_space = gym.spaces.Box(-1.0, 1.0, (width,), np.float32)
        self.single_action_space = gym.spaces.Discrete(self.trie.child.shape[1])
        super().__init__(
            num_envs,
            time_limit=time_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
        self.context = np.zeros(num_envs, dtype=np.int64)
        self.node = np.zeros(num_envs, dtype=np.int64)
        self.level = np.zeros(num_envs, dtype=np.int64)
        self.valid = np.ones(num_envs, dtype=np.bool_)
        self.hit = np.zeros(num_envs, dtype=np.bool_)

    @property
    def levels(self) -> int:
        """The number of tokens of an id, L."""
        return int(self.trie.codes.shape[1])

    def _spawn(self, rows: IntArray) -> None:
        self.context[rows] = self.streams.integers(rows, len(self.wanted))
        self.node[rows] = self.level[rows] = 0
        self.valid[rows] = True
        self.hit[rows] = False

    def _advance(self, action: np.ndarray) -> tuple[FloatArray, BoolArray]:
        # Under NEXT_STEP a finished row is stepped once more before it is reset.
        level = action // self.tokens if self.unordered else np.minimum(self.level, self.levels - 1)
        following = self.trie.child[self.node, action]
        self.valid = np.asarray(following != OPEN)
        target = self.trie.codes[self.wanted[self.context, 0], level]
        self.hit = self.valid & (action % self.tokens == target)
        self.node = np.where(self.valid, following, self.node)
        self.level = self.level + 1
        item = self._item()
        return self._of_item["score"][self.context, item], ~self.valid | (item < self._none)

    def _observe(self) -> np.ndarray:
        chosen = self.trie.chosen[self.node]
        code = (chosen[:, :, None] == np.arange(self.tokens)).reshape(self.num_envs, -1)
        return np.concatenate((self._shown[self.context], code.astype(np.float32)), axis=1)

    def _facts(self) -> Info:
        item, context = self._item(), self.context
        match, cosine = self._match[self.node, context], self._cosine[self.node, context]
        told = {name: table[context, item] for name, table in self._of_item.items()}
        exact, relevant = item == self.wanted[context, 0], told["relevance"] > 0.0
        return {
            "success": exact if self.kind == "recommend" else relevant,
            "legal": (self.trie.child[self.node] != OPEN) & self.valid[:, None],
            "valid": self.valid.copy(),
            "level": self.level.copy(),
            "item": item,
            "target": self.wanted[context, 0],
            "prefix_match": match & self.valid,
            "prefix_cosine": np.where(self.valid, cosine, NO_ITEM_COSINE),
            "step_hit": self.hit.copy(),
            "hits_ahead": item[:, None] == self.wanted[context],
            **{name: told[name] for name in ("relevance", "ctr", "cvr")},
        }

    @property
    def _none(self) -> int:
        """The number that stands for no item, I."""
        return len(self.trie.codes)

    def _item(self) -> IntArray:
        """Returns the item that was spelled in every row, (n,); I where none is yet."""
        return np.where(self.valid, self.trie.item[self.node], self._none)

    def _item_tables(self) -> dict[str, FloatArray]:
        """Returns what the catalogue tells of an item, each (C, I + 1): 0 of no item."""
        names = ("score", "relevance", "ctr", "cvr")
        return {name: np.pad(getattr(self.catalogue, name), ((0, 0), (0, 1))) for name in names}

    def _draw(self, row: int) -> np.ndarray:
        canvas = Canvas(self.levels + 0.4, self.tokens + 0.4, 40, PAPER)
        chosen = self.trie.chosen[self.node[row]]
        target = self.trie.codes[self.wanted[self.context[row], 0]]
        for level in range(self.levels):
            for token in range(self.tokens):
                top, left = level + 0.3, token + 0.3
                colour = GREY if chosen[level] == token else GRID
                if token == target[level]:
                    canvas.rectangle((top - 0.07, left - 0.07), (top + 0.87, left + 0.87), GREEN)
                    colour = BLUE if chosen[level] == token else GRID
                canvas.rectangle((top, left), (top + 0.8, left + 0.8), colour)
        return canvas.picture()


single = functools.partial(SingleEnv, SemanticID)
