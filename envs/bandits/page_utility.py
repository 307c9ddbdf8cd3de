"""`PageUtility`: what a whole page is worth to its user, and the page worth most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardsmith.envs.bandits.best_permutation import check_length
from rewardsmith.envs.bandits.cascade import without_repeats
from rewardsmith.envs.bandits.ranking_metrics import discounts
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class PageUtility:
    """The utility of a page y of m items, of which every item has a relevance and a category.

    U(y) = [sum_k w_k rho(y_k) [y_k is new] + b D(y) - c Q(y)] / (1 + b),  with
    w_k proportional to 1 / log2(k + 1) and summing to 1,
    D = (different categories - 1) / (min(m, C) - 1), 0 if only one is possible,
    Q = (places that repeat an item) / (m - 1), 0 on a page of one.

    An item is of use once: shown again it adds nothing. U is in [-c / (1 + b), 1].

    Attributes:
        items: Number of items N.
        list_length: m, 1 to N.
        categories: Number of categories C, at least 1.
        diversity: b, weight of the bonus for different categories, at least 0.
        redundancy: c, price of a page that shows one item only, at least 0.

    Raises:
        EnvError: If a number is out of range.

    Example:
        >>> utility = PageUtility(3, 2, categories=2, diversity=1.0, redundancy=0.5)
        >>> relevance, category = np.array([0.5, 1.0, 0.5]), np.array([0, 0, 1])
        >>> utility(relevance, category, np.array([[1, 0], [1, 2], [1, 1]])).round(3)
        array([0.403, 0.903, 0.057])
        >>> utility.best(relevance, category)
        array([1, 2])
    """

    items: int
    list_length: int
    categories: int
    diversity: float
    redundancy: float

    def __post_init__(self) -> None:
        check_length(self.items, self.list_length)
        if self.categories < 1:
            raise EnvError(f"categories must be at least 1, got {self.categories}")
        for name in ("diversity", "redundancy"):
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) >= 0.0):
                raise EnvError(
                    f"{name} must be a finite number of at least 0, got {getattr(self, name)}"
                )

    @property
    def least(self) -> float:
        """The least possible utility."""
        return -self.redundancy / (1.0 + self.diversity)

    def __call__(self, relevance: FloatArray, category: IntArray, page: IntArray) -> FloatArray:
        """Returns U, float64 (...).

        Args:
            relevance: rho of every item, (..., N), in [0, 1].
            category: Category of every item, (..., N), from 0 to C - 1.
            page: Items in order, (..., m). Leading axes broadcast.
        """
        new = self.new(page)
        weight = discounts(self.list_length)
        useful = (_shown(relevance, page) * new * (weight / weight.sum())).sum(axis=-1)
        kinds = (without_repeats(_shown(category, page), self.categories) < self.categories).sum(-1)
        most = min(self.list_length, self.categories)
        variety = (kinds - 1) / max(most - 1, 1)
        repeats = (~new).sum(axis=-1) / max(self.list_length - 1, 1)
        total = useful + self.diversity * variety - self.redundancy * repeats
        return np.asarray(total / (1.0 + self.diversity))

    def new(self, page: IntArray) -> BoolArray:
        """Tells which places of pages (..., m) show an item for the first time."""
        return np.asarray(without_repeats(page, self.items) < self.items)

    def best(self, relevance: FloatArray, category: IntArray) -> IntArray:
        """Returns a page of the highest utility, int64 (..., m).

        To put an unused item in the place of a repeated one never lowers U, so that pages of
        different items suffice, and of those the ones in falling relevance. The sets of m
        items of at least g categories are the bases of a matroid (the union of a truncated
        partition matroid and a uniform one), of which the greedy base has the highest k-th
        relevance for every k: the leading items of the g best-led categories and the m - g
        most relevant others. The best over g = 1..min(m, C) is the best of all.

        Args:
            relevance: rho of every item, (..., N), in [0, 1].
            category: Category of every item, (..., N).
        """
        order = np.argsort(-relevance, axis=-1, kind="stable")
        ranked = np.take_along_axis(category, order, axis=-1)
        leads = without_repeats(ranked, self.categories) < self.categories
        lead = leads.cumsum(axis=-1)
        pages = []
        for kinds in range(1, min(self.list_length, self.categories) + 1):
            last = np.argsort(~(leads & (lead <= kinds)), axis=-1, kind="stable")
            places = np.sort(last[..., : self.list_length], axis=-1)
            pages.append(np.take_along_axis(order, places, axis=-1))
        found = np.stack(pages, axis=-2)
        value = self(relevance[..., None, :], category[..., None, :], found)
        choice = value.argmax(axis=-1)[..., None, None]
        return np.take_along_axis(found, choice, axis=-2)[..., 0, :]


def _shown(table: np.ndarray, page: IntArray) -> np.ndarray:
    """Returns table (..., N) at the items of pages (..., m)."""
    leading = np.broadcast_shapes(table.shape[:-1], page.shape[:-1])
    return np.take_along_axis(
        np.broadcast_to(table, (*leading, table.shape[-1])),
        np.broadcast_to(page, (*leading, page.shape[-1])),
        axis=-1,
    )
