"""`PageItemReward`: a page paid as a whole and item by item, learned from clicks alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError, RewardError
from rewardsmith.envs.stateful import FloatArray, IntArray
from rewardsmith.rewards.combine.sums import WeightedSum
from rewardsmith.rewards.component import Quantity, Term
from rewardsmith.rewards.design import RewardDesign
from rewardsmith.rewards.model.page_pairs import (
    PageLog,
    PagePairs,
    candidates,
    distinct,
    page_families,
)
from rewardsmith.rewards.transition import Transition


@dataclass
class PageScore(Term):
    """r = (w . sum_k g_k x(y_k) + v D + u Q - mean) / std, of the page y that was shown.

    g_k = 1 / log2(k + 1) at place k, x the features of an item, D the number of different
    categories on the page, Q the number of places that repeat an item.

    Args:
        relevance: w, one weight per feature of an item, (d,).
        diversity: v.
        redundancy: u, below 0 to charge repetitions.
        mean: What is subtracted.
        std: What it is divided by, above 0.
        features: Observation field of all items' features, item after item.
        categories: Observation field of all items' one-hot categories, item after item.

    Raises:
        ConfigError: If the task has no such fields, their widths do not fit `relevance`, or
            `std` is not positive.
        RewardError: If the actions are no lists of items.

    Example:
        >>> from rewardsmith.envs import EnvCard, Field
        >>> card = EnvCard("Page-v0", "", observation=(
        ...     Field("features", "", (0, 3)), Field("category_code", "", (3, 9))),
        ...     action=(Field("list", "", low=0, high=2),))
        >>> term = PageScore([1.0], diversity=0.5, redundancy=-2.0)
        >>> term.bind(card)
        >>> item = np.array([[0.1, 0.3, 0.2, 1, 0, 1, 0, 0, 1]])  # the third of category 1
        >>> step = Transition(np.repeat(item, 3, axis=0), np.array([[1, 0], [1, 2], [1, 1]]),
        ...                   0, np.zeros(3), np.zeros(3, bool), np.zeros(3, bool))
        >>> term(step).round(3)
        array([ 0.863,  1.426, -1.011])

    A head of PageLLM, arXiv 2506.09084, linear in place of a language model.
    """

    relevance: Sequence[float]
    diversity: float = 0.0
    redundancy: float = 0.0
    mean: float = 0.0
    std: float = 1.0
    features: str = "features"
    categories: str = "category_code"
    _features: Quantity = dataclasses.field(init=False, repr=False, compare=False)
    _categories: Quantity = dataclasses.field(init=False, repr=False, compare=False)
    _items: int = dataclasses.field(default=0, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.std > 0.0:
            raise ConfigError(f"std must be above 0, got {self.std}")
        self._features, self._categories = Quantity(self.features), Quantity(self.categories)

    def bind(self, card: EnvCard) -> None:
        """Looks the fields up on the card."""
        self._items = int(card.action[0].high) + 1 if card.action else 0
        widths = []
        for quantity in (self._features, self._categories):
            first, last = card.field(quantity.name).columns or (0, 0)
            widths.append(last - first)
            quantity.bind(card)
        d = len(self.relevance)
        fits = widths[0] == self._items * d and widths[1] % max(self._items, 1) == 0
        if not fits or 0 in widths:
            raise ConfigError(
                f"relevance has {d} weights, which do not fit {self.features!r} and "
                f"{self.categories!r} of {self._items} items in {card.id}, {widths[0]} and "
                f"{widths[1]} columns; fit the reward to this task"
            )

    def __call__(self, transition: Transition) -> FloatArray:
        """Returns the pay, float64 (n,)."""
        page = np.asarray(transition.action)
        if page.ndim != 2 or page.dtype.kind not in "iu":
            raise RewardError(
                f"PageScore pays lists of items, whole numbers (n, m), got {page.dtype} of shape "
                f"{page.shape}"
            )
        features = self._features.of(transition.before)
        code = self._categories.of(transition.before)
        return self.score(*candidates(features, code, self._items), page)

    def score(self, features: FloatArray, category: IntArray, pages: IntArray) -> FloatArray:
        """Returns r of pages (n, m), float64 (n,).

        Args:
            features: Features of all items, (n, N, d).
            category: Categories of all items, (n, N).
            pages: Items in order, (n, m).
        """
        weights = (*self.relevance, self.diversity, self.redundancy)
        measured = page_measures(features, category, pages)
        return np.asarray(((measured * weights).sum(axis=1) - self.mean) / self.std)

    @classmethod
    def fit(cls, log: PageLog, pairs: PagePairs, ridge: float = 0.001) -> PageScore:
        """Fits the weights to pairs and brings r to mean 0 and deviation 1 over the log.

        Minimises `bradley_terry_loss` of r(better) - r(worse) plus ridge / 2 |weights|^2, which
        is convex; measures that no pair tells apart get the weight 0.

        Args:
            log: The logged pages.
            pairs: Pairs for the log's candidates.
            ridge: At least 0; above 0 it keeps weights finite where pairs can be told apart
                without error.

        Raises:
            ConfigError: If there is no pair, or the pairs tell nothing of any measure.
        """
        from scipy.optimize import minimize

        if not len(pairs):
            raise ConfigError("no pairs to fit to; log more pages, some of them with clicks")
        features, category = log.features[pairs.row], log.categories[pairs.row]
        gap = page_measures(features, category, pairs.better)
        gap = gap - page_measures(features, category, pairs.worse)

        def objective(weights: FloatArray) -> tuple[float, FloatArray]:
            margin = gap @ weights
            doubt = np.exp(-np.logaddexp(0.0, margin))  # 1 - sigma(margin)
            loss = bradley_terry_loss(margin) + ridge / 2 * float(weights @ weights)
            return loss, ridge * weights - doubt @ gap / len(gap)

        found = minimize(objective, np.zeros(gap.shape[1]), jac=True, method="L-BFGS-B")
        weights = np.asarray(found.x)
        logged = page_measures(log.features, log.categories, log.pages) @ weights
        if not logged.std() > 0.0:
            raise ConfigError("the fitted reward is the same for all logged pages; log more pages")
        *relevance, diversity, redundancy = weights.tolist()
        return cls(relevance, diversity, redundancy, float(logged.mean()), float(logged.std()))


@dataclass
class PageItemReward(RewardDesign):
    """R = r_P + lambda r_I: a page-level and an item-level reward, both standardised.

    r_P, the term "page", is fitted to pairs of the four families relevance, ranking, diversity
    and redundancy; r_I, the term "item", to pairs of pages that differ in one swap by which a
    clicked item moves up. Both are a `PageScore` under the Bradley-Terry model
    P(y better than y') = sigma(r(y) - r(y')). A swap changes neither variety nor repetition,
    so that r_I is blind to both, and alone is best served by one item in all places.

    `fit` makes one from logged pages. It is a `RewardDesign` like any other: `save_design`
    writes it to YAML, and `rewardsmith train reward=FILE` trains on it.

    Args:
        terms: The terms "page" and "item".
        combine: Their weighted sum.
        transforms: Applied to the sum, in order.

    Example:
        >>> import gymnasium as gym
        >>> env = gym.make_vec("rewardsmith/WholePage-v0", 100, time_limit=None)
        >>> reward = PageItemReward.fit(PageLog.record(env, rounds=5), weight=0.5)
        >>> list(reward.terms), reward.combine
        (['page', 'item'], WeightedSum(weights={'item': 0.5}))

    Wang, Wu and Fu 2025, Enhanced Whole Page Optimization via Mixed-Grained Reward
    Mechanism-Adapted Language Models (PageLLM), arXiv 2506.09084. There both rewards are
    language models and PPO trains a third; the standardisation and lambda = 1 are ours.
    """

    @classmethod
    def fit(
        cls, log: PageLog, weight: float = 1.0, ridge: float = 0.001, seed: int = 0
    ) -> PageItemReward:
        """Fits both rewards to logged pages.

        Args:
            log: The logged pages.
            weight: lambda.
            ridge: Of both fits, see `PageScore.fit`.
            seed: Draws what is random in the pairs.

        Raises:
            ConfigError: If the log has no clicks, or too few pages to tell anything.
        """
        page = PageScore.fit(log, PagePairs.join(*page_families(log, seed).values()), ridge)
        swaps = PagePairs.swaps(log, np.random.default_rng(seed))
        terms = {"page": page, "item": PageScore.fit(log, swaps, ridge)}
        return cls(terms, WeightedSum({"item": weight}))


def bradley_terry_loss(margin: FloatArray) -> float:
    """Returns the mean of -log sigma(margin), margins r(better) - r(worse) of shape (P,).

    Example:
        >>> round(bradley_terry_loss(np.zeros(3)), 4)
        0.6931
    """
    return float(np.logaddexp(0.0, -margin).mean())


def page_measures(features: FloatArray, category: IntArray, pages: IntArray) -> FloatArray:
    """Returns what `PageScore` weighs, float64 (n, d + 2).

    Args:
        features: Features of all items, (n, N, d).
        category: Categories of all items, (n, N).
        pages: Items in order, (n, m).
    """
    places = pages.shape[1]
    discount = 1.0 / np.log2(np.arange(2, places + 2))
    shown = np.take_along_axis(features, pages[:, :, None], axis=1)
    kinds = distinct(np.take_along_axis(category, pages, axis=1))
    repeats = places - distinct(pages)
    return np.column_stack(((shown * discount[:, None]).sum(axis=1), kinds, repeats))
