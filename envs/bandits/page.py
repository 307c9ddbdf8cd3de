"""`WholePage-v0`: fill a page with items that are relevant, varied and not repeated."""

from __future__ import annotations

import functools

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.bandits.cascade_batch import TIE, action_field
from rewardsmith.envs.bandits.page_utility import PageUtility
from rewardsmith.envs.bandits.ranking_metrics import discounts
from rewardsmith.envs.batch import BatchEnv, Info
from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.drawing import BLUE, GOLD, GREEN, GREY, GRID, ORANGE, PAPER, RED, Canvas
from rewardsmith.envs.draws import normals, uniforms
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray

STEEPNESS = 4.0
"""How fast relevance rises with the features."""
_COLOURS = (BLUE, GREEN, ORANGE, RED)


class WholePage(BatchEnv):
    """Every round a user is shown a page: an ordered list of m of N candidate items.

    Candidate i has features x_i, uniform on the unit sphere of R^d (the user's context is in
    them), and a category, uniform over C; both are drawn anew for every round. Its relevance
    is rho_i = 1 / (1 + exp(-4 theta . x_i)) with a hidden unit vector theta. r = U(page), the
    `PageUtility`: relevance discounted by place, plus a bonus for different categories, less
    the price of repeated items.

    The user clicks place k, showing item i, with probability rho_i / log2(k + 1), whether or
    not i was shown above. A site can measure these clicks alone, and they say nothing of
    variety and reward repetition; the utility is what it would like to know. The task
    therefore pays the utility and so judges by it, and the clicks are facts: designs that pay
    by them, or by reward models fitted to them, are compared in the utility they lead to.

    Observation, float32 of shape (N (d + C),): features of the coming round, item after item,
    then one-hot categories. Action, (m,): items. The facts speak of the page just shown.

    Args:
        num_envs: Number of rows n.
        items: Number of candidate items N, at least 2.
        list_length: m, 1 to N.
        categories: Number of categories C, at least 1.
        features: Number of features d, at least 1.
        diversity: Weight of the bonus for different categories, at least 0.
        redundancy: Price of a page that shows one item only, at least 0.
        instance_seed: Draws theta, once for all rows and episodes.
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.

    Raises:
        EnvError: If an argument is out of range.

    Example:
        >>> env = WholePage(2, list_length=3)
        >>> observation, _ = env.reset(seed=0)
        >>> page = env.card.oracle(observation)
        >>> page[1] = page[1, 0]
        >>> info = env.step(page)[4]
        >>> info["duplicates"], info["success"], info["regret"].round(2)
        (array([0, 2]), array([ True, False]), array([0.  , 0.64]))

    Wang et al. 2025, Enhanced Whole Page Optimization via Mixed-Grained Reward
    Mechanism-Adapted Language Models (PageLLM), arXiv 2506.09084; the utility and the click
    model are this library's.
    """

    state_names = (
        "feature", "kind", "clicks", "relevance", "category", "duplicates", "utility", "regret",
        "success",
    )  # fmt: skip

    def __init__(
        self,
        num_envs: int = 1,
        *,
        items: int = 8,
        list_length: int = 4,
        categories: int = 3,
        features: int = 4,
        diversity: float = 0.3,
        redundancy: float = 0.3,
        instance_seed: int = 0,
        time_limit: int | None = 100,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        if items < 2:
            raise EnvError(f"items must be at least 2, got {items}")
        if features < 1:
            raise EnvError(f"features must be at least 1, got {features}")
        if instance_seed < 0:
            raise EnvError(f"instance_seed must be at least 0, got {instance_seed}")
        self.worth = PageUtility(items, list_length, categories, diversity, redundancy)
        self.theta = _unit(np.random.default_rng(instance_seed).standard_normal(features))
        self.card = _card(self.worth, self.theta, time_limit)
        width = items * (features + categories)
        self.single_observation_space = gym.spaces.Box(-1.0, 1.0, (width,), np.float32)
        self.single_action_space = gym.spaces.MultiDiscrete([items] * list_length)
        super().__init__(
            num_envs,
            time_limit=time_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
        self.feature = np.zeros((num_envs, items, features), dtype=np.float32)
        self.kind = np.zeros((num_envs, items), dtype=np.int64)
        self.clicks = np.zeros((num_envs, list_length), dtype=np.bool_)
        self.relevance = np.zeros((num_envs, list_length))
        self.category = np.full((num_envs, list_length), categories, dtype=np.int64)
        self.duplicates = np.zeros(num_envs, dtype=np.int64)
        self.utility, self.regret = np.zeros(num_envs), np.zeros(num_envs)
        self.success = np.zeros(num_envs, dtype=np.bool_)

    def _spawn(self, rows: IntArray) -> None:
        self._offer(rows)
        self.clicks[rows] = self.success[rows] = False
        self.category[rows] = self.worth.categories
        for told in (self.relevance, self.duplicates, self.utility, self.regret):
            told[rows] = 0

    def _advance(self, action: np.ndarray) -> tuple[FloatArray, BoolArray]:
        page, every = action.astype(np.int64), relevance_of(self.feature, self.theta)
        self.relevance = np.take_along_axis(every, page, axis=1)
        self.category = np.take_along_axis(self.kind, page, axis=1)
        self.duplicates = (~self.worth.new(page)).sum(axis=1)
        self.utility = self.worth(every, self.kind, page)
        best = self.worth(every, self.kind, self.worth.best(every, self.kind))
        self.regret = np.maximum(best - self.utility, 0.0)
        self.success = self.regret < TIE
        places = self.worth.list_length
        draw = uniforms(self.streams, self._rows, places)
        self.clicks = draw < self.relevance * discounts(places)
        self._offer(self._rows)
        return self.utility.copy(), np.zeros(self.num_envs, dtype=np.bool_)

    def _observe(self) -> np.ndarray:
        code = np.eye(self.worth.categories, dtype=np.float32)[self.kind]
        n = self.num_envs
        return np.concatenate((self.feature.reshape(n, -1), code.reshape(n, -1)), axis=1)

    def _facts(self) -> Info:
        return {
            "success": self.success.copy(),
            "clicks": self.clicks.copy(),
            "engagement": self.clicks.mean(axis=1),
            "relevance": self.relevance.copy(),
            "category": self.category.copy(),
            "duplicates": self.duplicates.copy(),
            "utility": self.utility.copy(),
            "regret": self.regret.copy(),
        }

    def _offer(self, rows: IntArray) -> None:
        """Draws the candidates of the next round."""
        _, items, features = self.feature.shape
        drawn = normals(self.streams, rows, items * features)
        self.feature[rows] = _unit(drawn.reshape(rows.size, items, features))
        kind = uniforms(self.streams, rows, items) * self.worth.categories
        self.kind[rows] = kind.astype(np.int64)

    def _draw(self, row: int) -> np.ndarray:
        canvas = Canvas(6, self.worth.list_length, 40, PAPER)
        for place, (height, kind) in enumerate(
            zip(self.relevance[row], self.category[row], strict=True)
        ):
            colour = _COLOURS[kind % len(_COLOURS)]
            canvas.rectangle((0.5, place + 0.15), (4.5, place + 0.85), GRID)
            canvas.rectangle((4.5 - 4.0 * height, place + 0.15), (4.5, place + 0.85), colour)
            canvas.disc((5.25, place + 0.5), 0.3, GOLD if self.clicks[row, place] else GREY)
        return canvas.picture()


single = functools.partial(SingleEnv, WholePage)


def relevance_of(feature: np.ndarray, theta: FloatArray) -> FloatArray:
    """Returns rho = 1 / (1 + exp(-4 theta . x)), (...), of features x (..., d)."""
    # A sum instead of a matrix product: its rounding does not depend on the batch.
    return np.asarray(1.0 / (1.0 + np.exp(-STEEPNESS * (feature * theta).sum(axis=-1))))


def _unit(vectors: FloatArray) -> FloatArray:
    """Brings the vectors along the last axis to length 1."""
    length = np.sqrt((vectors**2).sum(axis=-1, keepdims=True))
    return np.asarray(vectors / length)


def _oracle(worth: PageUtility, theta: FloatArray, observation: np.ndarray) -> IntArray:
    """Shows the best page in each of n rows."""
    n, split = len(observation), worth.items * theta.size
    feature = observation[:, :split].reshape(n, worth.items, theta.size)
    kind = observation[:, split:].reshape(n, worth.items, worth.categories).argmax(axis=2)
    return worth.best(relevance_of(feature, theta), kind)


def _card(worth: PageUtility, theta: FloatArray, time_limit: int | None) -> EnvCard:
    items, length, split = worth.items, worth.list_length, worth.items * theta.size
    return EnvCard(
        id="rewardsmith/WholePage-v0",
        goal=f"Fill pages with {length} of {items} items that suit the user, the best on top, of "
        "different categories and none of them twice.",
        observation=(
            Field("features", "features of every item, item after item", (0, split),
                  low=-1.0, high=1.0),
            Field("category_code", "one-hot category of every item, item after item",
                  (split, split + items * worth.categories), low=0.0, high=1.0),
        ),
        action=(action_field(items),),
        facts=(
            Field("success", "a best page was shown", low=0.0, high=1.0),
            Field("clicks", "whether each place was clicked", low=0.0, high=1.0),
            Field("engagement", "share of the places clicked", low=0.0, high=1.0),
            Field("relevance", "relevance of the item at each place, 0 at the start",
                  low=0.0, high=1.0),
            Field("category", f"category of the item at each place, {worth.categories} at the "
                  "start", low=0.0, high=worth.categories),
            Field("duplicates", "places that repeat an item", low=0.0, high=length - 1),
            Field("utility", "what the page was worth to the user, 0 at the start",
                  low=worth.least, high=1.0),
            Field("regret", "utility of a best page - that of the shown one",
                  low=0.0, high=1.0 - worth.least),
        ),
        success="The last page was a best one.",
        score="return",
        time_limit=time_limit,
        oracle=functools.partial(_oracle, worth, theta),
        human_design="The share of places clicked: all that a site can measure.",
        source="Wang et al. 2025, PageLLM, arXiv 2506.09084 (utility and clicks are our own).",
    )  # fmt: skip
