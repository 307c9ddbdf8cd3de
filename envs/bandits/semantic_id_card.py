"""The card of `SemanticID-v0`, and the oracle that spells every target."""

from __future__ import annotations

import functools

import numpy as np

from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.stateful import IntArray


def spell(
    shown: np.ndarray, codes: IntArray, tokens: int, unordered: bool, observation: np.ndarray
) -> IntArray:
    """Gives the next token of the target in each of n rows, int64 (n,).

    Args:
        shown: Features of the contexts, (C, d).
        codes: Tokens of their targets, (C, L).
        tokens: V.
        unordered: Whether an action names its codebook.
        observation: (n, d + L V).

    Example:
        >>> shown, codes = np.array([[1.0], [-1.0]]), np.array([[0, 1], [1, 1]])
        >>> spell(shown, codes, 2, False, np.array([[-1.0, 0, 0, 0, 0], [1.0, 1, 0, 0, 0]]))
        array([1, 1])
    """
    features = shown.shape[1]
    gap = np.square(observation[:, None, :features] - shown).sum(axis=2)
    level = np.rint(observation[:, features:].sum(axis=1)).astype(np.int64)
    level = np.minimum(level, codes.shape[1] - 1)
    token = codes[gap.argmin(axis=1), level]
    return np.asarray(level * tokens + token if unordered else token)


def semantic_id_card(
    kind: str,
    shown: np.ndarray,
    codes: IntArray,
    target: IntArray,
    tokens: int,
    unordered: bool,
    time_limit: int | None,
) -> EnvCard:
    """Returns the card.

    Args:
        kind: "recommend" or "search".
        shown: Features of the contexts as observed, (C, d).
        codes: Tokens of the items, (I, L).
        target: Item of highest score by context, (C,).
        tokens: V.
        unordered: Whether an action names its codebook.
        time_limit: Steps per episode.
    """
    (items, levels), features = codes.shape, shown.shape[1]
    width, actions = features + levels * tokens, tokens * (levels if unordered else 1)
    asker, aim, success = {
        "recommend": ("user", f"the one of {items} items that the user wants next",
                      "the item wanted next was spelled"),
        "search": ("query", f"one of {items} items that is relevant to the query and engages",
                   "a relevant item was spelled"),
    }[kind]  # fmt: skip
    return EnvCard(
        id="rewardsmith/SemanticID-v0",
        goal=f"Spell, in {levels} tokens, the id of {aim}.",
        observation=(
            Field("context", f"features of the {asker}", (0, features), low=-1.0, high=1.0),
            Field("prefix", "tokens so far, one-hot per level", (features, width),
                  low=0.0, high=1.0),
        ),
        action=(Field("token", "the next token", low=0.0, high=actions - 1),),
        facts=_facts(success, items, levels),
        success=f"At the end, {success}.",
        time_limit=time_limit,
        oracle=functools.partial(spell, shown, codes[target], tokens, unordered),
        human_design="Besides the task's reward, pay a little for every token of the target.",
        source="arXiv 2602.10699; arXiv 2508.15308; arXiv 2509.03236.",
    )  # fmt: skip


def _facts(success: str, items: int, levels: int) -> tuple[Field, ...]:
    shares = {
        "success": success,
        "legal": "which actions lead on to an item, one entry per action",
        "valid": "the last token led on to an item; true at the start",
        "prefix_match": "all tokens so far are the target's",
        "step_hit": "the last token is the target's at its level",
        "hits_ahead": "the spelled item is the j-th of the wanted ones, one entry per j",
        "relevance": "1 / log2(1 + rank) of the spelled item up to rank 10, else 0",
        "ctr": "click-through rate of the spelled item, 0 if there is none",
        "cvr": "conversion rate of the spelled item, 0 if there is none",
    }
    return (
        *(Field(name, meaning, low=0.0, high=1.0) for name, meaning in shares.items()),
        Field("level", "tokens given so far", low=0.0, high=levels),
        Field("item", f"the spelled item, {items} if none", low=0.0, high=items),
        Field("target", "the item of highest score", low=0.0, high=items - 1),
        Field("prefix_cosine", "cosine of the target with the mean of the items that the "
              "tokens leave open, -1 if there is none", low=-1.0, high=1.0),
    )  # fmt: skip
