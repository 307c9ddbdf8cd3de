"""Pairs of a better and a worse page, made of nothing but logged pages and clicks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from rewardsmith.envs.card import EnvCard, fact
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class PageLog:
    """What a site keeps of B pages: candidates, what was shown, what was clicked.

    Attributes:
        features: Features of every candidate item, (B, N, d).
        categories: Category of every candidate item, (B, N).
        pages: Items in the order they were shown, (B, m).
        clicks: Which places were clicked, bool (B, m).

    Raises:
        ConfigError: If pages and clicks differ in shape, or a page has one place only.
    """

    features: FloatArray
    categories: IntArray
    pages: IntArray
    clicks: BoolArray

    def __post_init__(self) -> None:
        if self.pages.shape != self.clicks.shape or self.pages.shape[1] < 2:
            raise ConfigError(
                "pages and clicks must have one shape (B, m) with m at least 2, got "
                f"{self.pages.shape} and {self.clicks.shape}"
            )

    def __len__(self) -> int:
        return len(self.pages)

    @classmethod
    def record(
        cls, env: gym.vector.VectorEnv[Any, Any, Any], rounds: int, seed: int = 0
    ) -> PageLog:
        """Shows pages of different items, drawn uniformly, for `rounds` rounds in every row.

        Args:
            env: One whose card has the fields `features` and `category_code` and the fact
                `clicks`, such as `WholePage-v0`, and whose episodes do not end meanwhile.
            rounds: Number of rounds, at least 1.
            seed: Seeds the environment and the pages.

        Raises:
            ConfigError: If the card lacks a field, a page needs more different items than
                there are, or `rounds` is below 1.
        """
        card, items = EnvCard.of(env), _items(env)
        places = int(env.single_action_space.shape[0])  # type: ignore[index]
        features, code = card.field("features"), card.field("category_code")
        card.field("clicks")
        if rounds < 1:
            raise ConfigError(f"rounds must be at least 1, got {rounds}")
        if places > items:
            raise ConfigError(f"pages of {places} different items need more than {items} items")
        random = np.random.default_rng(seed)
        observation, _ = env.reset(seed=seed)
        parts: list[tuple[np.ndarray, ...]] = []
        for _ in range(rounds):
            page = random.random((env.num_envs, items)).argsort(axis=1)[:, :places]
            shown = candidates(features.read(observation), code.read(observation), items)
            observation, _, terminated, truncated, info = env.step(page)
            parts.append((*shown, page, fact(info, "clicks", env.num_envs) > 0.5))
            if (terminated | truncated).any() and len(parts) < rounds:
                raise ConfigError(
                    f"an episode of {card.id} ended after {len(parts)} of {rounds} rounds; set its "
                    "time_limit to null"
                )
        return cls(*(np.concatenate(part) for part in zip(*parts, strict=True)))


@dataclass(frozen=True, slots=True)
class PagePairs:
    """P pairs of pages for the same candidates, of which the first is taken to be better.

    Attributes:
        row: Which candidates of the log, (P,).
        better: The better page, (P, m).
        worse: The worse page, (P, m).
    """

    row: IntArray
    better: IntArray
    worse: IntArray

    def __len__(self) -> int:
        return len(self.row)

    @classmethod
    def relevance(cls, log: PageLog, random: np.random.Generator) -> PagePairs:
        """Logged pages against those in which random unseen items replace the clicked ones."""
        spare = np.argsort(random.random(log.categories.shape) + _on_page(log), axis=1)
        which = np.cumsum(log.clicks, axis=1) - 1
        unseen = log.features.shape[1] - log.pages.shape[1]
        row = np.flatnonzero((which[:, -1] >= 0) & (which[:, -1] < unseen))
        replaced = np.take_along_axis(spare, np.maximum(which, 0), axis=1)
        worse = np.where(log.clicks, replaced, log.pages)
        return cls(row, log.pages[row], worse[row])

    @classmethod
    def ranking(cls, log: PageLog) -> PagePairs:
        """Logged items with the clicked ones first, against the reverse order."""
        row = np.flatnonzero(log.clicks.any(axis=1) & ~log.clicks.all(axis=1))
        order = np.argsort(~log.clicks[row], axis=1, kind="stable")
        better = np.take_along_axis(log.pages[row], order, axis=1)
        return cls(row, better, better[:, ::-1])

    @classmethod
    def diversity(cls, log: PageLog, random: np.random.Generator) -> PagePairs:
        """Logged pages against pages narrowed, as far as candidates go, to one category.

        The worse page keeps the first item, goes on with others of its category, and is filled
        up with what the logged page showed. Pairs of as many categories are left out.
        """
        places = log.pages.shape[1]
        first = log.pages[:, :1]
        same = log.categories == np.take_along_axis(log.categories, first, axis=1)
        item = np.arange(log.categories.shape[1])
        key = np.where(item == first, 0.0, np.where(same, 1.0, 3.0)) - (_on_page(log) & ~same)
        order = np.argsort(key + random.random(key.shape) / 2, axis=1)
        worse = order[:, :places]
        kinds = [
            distinct(np.take_along_axis(log.categories, page, axis=1))
            for page in (log.pages, worse)
        ]
        row = np.flatnonzero(kinds[0] > kinds[1])
        return cls(row, log.pages[row], worse[row])

    @classmethod
    def redundancy(cls, log: PageLog, random: np.random.Generator) -> PagePairs:
        """Logged pages against those in which one place repeats an item shown above it."""
        row = np.flatnonzero(distinct(log.pages) == log.pages.shape[1])
        later = random.integers(1, log.pages.shape[1], size=row.size)
        worse, every = log.pages[row].copy(), np.arange(row.size)
        worse[every, later] = worse[every, random.integers(0, later)]
        return cls(row, log.pages[row], worse)

    @classmethod
    def swaps(cls, log: PageLog, random: np.random.Generator) -> PagePairs:
        """Pages that differ in one swap, of a clicked place and one that was not.

        The better page has the clicked item in the upper of the two places.
        """
        row = np.flatnonzero(log.clicks.any(axis=1) & ~log.clicks.all(axis=1))
        clicks, pages, every = log.clicks[row], log.pages[row], np.arange(row.size)
        draw = random.random(clicks.shape)
        clicked, other = np.where(clicks, draw, -1.0), np.where(clicks, -1.0, draw)
        one, two = clicked.argmax(axis=1), other.argmax(axis=1)
        swapped = pages.copy()
        swapped[every, one], swapped[every, two] = pages[every, two], pages[every, one]
        above = (one < two)[:, None]
        return cls(row, np.where(above, pages, swapped), np.where(above, swapped, pages))

    @classmethod
    def join(cls, *pairs: PagePairs) -> PagePairs:
        """Returns all pairs in one."""
        return cls(
            np.concatenate([part.row for part in pairs]),
            np.concatenate([part.better for part in pairs]),
            np.concatenate([part.worse for part in pairs]),
        )


def page_families(log: PageLog, seed: int = 0) -> dict[str, PagePairs]:
    """Returns the four families of page-level pairs by name."""
    random = np.random.default_rng(seed)
    return {
        "relevance": PagePairs.relevance(log, random),
        "ranking": PagePairs.ranking(log),
        "diversity": PagePairs.diversity(log, random),
        "redundancy": PagePairs.redundancy(log, random),
    }


def candidates(features: FloatArray, code: FloatArray, items: int) -> tuple[FloatArray, IntArray]:
    """Returns features (n, N, d) and categories (n, N) from the fields of an observation."""
    n = len(features)
    return features.reshape(n, items, -1), code.reshape(n, items, -1).argmax(axis=2)


def distinct(values: IntArray) -> IntArray:
    """Returns how many different values there are along the last axis, int64 (...).

    Example:
        >>> distinct(np.array([[4, 1, 4], [2, 2, 2]]))
        array([2, 1])
    """
    return np.asarray(1 + (np.diff(np.sort(values, axis=-1), axis=-1) != 0).sum(axis=-1))


def _on_page(log: PageLog) -> BoolArray:
    """Tells which candidates are on the logged page, (B, N)."""
    shown = np.zeros(log.categories.shape, dtype=np.bool_)
    np.put_along_axis(shown, log.pages, True, axis=1)
    return shown


def _items(env: gym.vector.VectorEnv[Any, Any, Any]) -> int:
    space = env.single_action_space
    if not isinstance(space, gym.spaces.MultiDiscrete):
        raise ConfigError(f"pages are lists of items, MultiDiscrete([N] * m), got {space}")
    return int(space.nvec[0])
