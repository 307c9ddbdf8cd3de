"""`SessionRecommender-v0`: what is clicked now, against whether the user comes back."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.bandits.arms import NO_ARM
from rewardsmith.envs.bandits.cascade_batch import TIE
from rewardsmith.envs.bandits.drawing import draw_arms
from rewardsmith.envs.bandits.session_model import SessionModel
from rewardsmith.envs.batch import BatchEnv, Info
from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray

MYOPIC, NOURISHING = (0.6, 0.1), (0.4, 0.5)
"""Click and retention probability of the two kinds of item."""


class SessionRecommender(BatchEnv):
    """A user of one of G types is recommended one item at each of up to H steps.

    Item a is clicked with probability c_a and keeps the user with probability rho_a. A user
    who is not kept leaves with probability `leave`, which ends the session; so does step H.
    The task pays click + w_g * kept: clicks now, and retention by what it is worth for the
    type. Myopic items win a single step of a type with w_g < 1/2, nourishing ones make
    sessions longer; what is best depends on the type and the steps that remain.

    Observation, float32 of shape (G + 3,) in [0, 1]: the type one-hot, steps taken / H, the
    last click, whether the last step kept the user (0 at the start). Action: the item.

    The fact `regret` is V*_h(g) - Q*_h(g, a) of the last step, exact (`SessionModel`); its
    expected sum over a session is what the policy loses against the best one.

    Args:
        num_envs: Number of rows n.
        click: c of every item, in [0, 1]; by default five myopic items with 0.6, then five
            nourishing ones with 0.4.
        retention: rho of every item, in [0, 1]; by default 0.1 and 0.5.
        weights: w of every type, at least 0; types are equally frequent.
        leave: Chance that a user who was not kept leaves, in [0, 1].
        horizon: H, at least 1.
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.

    Raises:
        EnvError: If an argument is out of range.

    Example:
        >>> env = SessionRecommender(1, click=[1.0, 0.0], retention=[0.0, 1.0], weights=[0.5])
        >>> observation, _ = env.reset(seed=0)
        >>> _, reward, _, _, info = env.step(np.array([1]))
        >>> reward, info["click"], info["retention"]
        (array([0.5]), array([0.]), array([1.]))

    After the retention problem of arXiv 2404.03637; the numbers are our own.
    """

    state_names = ("user_type", "moment", "over", "item", "click", "retention", "regret", "lost")

    def __init__(
        self,
        num_envs: int = 1,
        *,
        click: Sequence[float] = (MYOPIC[0],) * 5 + (NOURISHING[0],) * 5,
        retention: Sequence[float] = (MYOPIC[1],) * 5 + (NOURISHING[1],) * 5,
        weights: Sequence[float] = (0.0, 0.4, 1.0),
        leave: float = 0.1,
        horizon: int = 10,
        time_limit: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        self.model = _model(click, retention, weights, leave, horizon)
        self._action_values, self._values = self.model.optimal()
        self.card = _card(self.model, self._action_values, time_limit)
        types, items = len(self.model.weight), len(self.model.click)
        self.single_observation_space = gym.spaces.Box(0.0, 1.0, (types + 3,), np.float32)
        self.single_action_space = gym.spaces.Discrete(items)
        super().__init__(
            num_envs,
            time_limit=time_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
        self.user_type = np.zeros(num_envs, dtype=np.int64)
        self.moment = np.zeros(num_envs, dtype=np.int64)
        self.over = np.zeros(num_envs, dtype=np.bool_)
        self.item = np.full(num_envs, NO_ARM, dtype=np.int64)
        self.click, self.retention = np.zeros(num_envs), np.zeros(num_envs)
        self.regret, self.lost = np.zeros(num_envs), np.zeros(num_envs)

    def _spawn(self, rows: IntArray) -> None:
        self.user_type[rows] = self.streams.integers(rows, len(self.model.weight))
        self.moment[rows] = 0
        self.over[rows] = False
        self.item[rows] = NO_ARM
        self.click[rows] = self.retention[rows] = 0.0
        self.regret[rows] = self.lost[rows] = 0.0

    def _advance(self, action: np.ndarray) -> tuple[FloatArray, BoolArray]:
        self.item = item = action.astype(np.int64)
        # Under NEXT_STEP a finished row is stepped once more before it is reset.
        now = np.minimum(self.moment, self.model.horizon - 1), self.user_type
        self.regret = self._values[now] - self._action_values[(*now, item)]
        self.lost = self.lost + self.regret
        self.click = self._happens(self.model.click[item])
        self.retention = self._happens(self.model.retention[item])
        unsettled = self.streams.uniform(self._rows) < self.model.leave
        self.moment = self.moment + 1
        self.over = (unsettled & (self.retention == 0.0)) | (self.moment >= self.model.horizon)
        reward = self.click + self.model.weight[self.user_type] * self.retention
        return reward, self.over.copy()

    def _happens(self, chance: FloatArray) -> FloatArray:
        """Draws 1 with the given chance (n,), else 0."""
        return (self.streams.uniform(self._rows) < chance).astype(np.float64)

    def _observe(self) -> np.ndarray:
        code = np.eye(len(self.model.weight))[self.user_type]
        time = self.moment / self.model.horizon
        return np.column_stack((code, time, self.click, self.retention)).astype(np.float32)

    def _facts(self) -> Info:
        return {
            "success": self.over & (self.lost < TIE),
            "regret": self.regret.copy(),
            "click": self.click.copy(),
            "retention": self.retention.copy(),
            "user_type": self.user_type.copy(),
        }

    def _draw(self, row: int) -> np.ndarray:
        step = min(int(self.moment[row]), self.model.horizon - 1)
        worth = self._action_values[step, self.user_type[row]]
        height = worth / max(float(worth.max()), TIE)
        return draw_arms(height, int(worth.argmax()), int(self.item[row]), float(self.click[row]))


single = functools.partial(SingleEnv, SessionRecommender)


def _model(
    click: Sequence[float],
    retention: Sequence[float],
    weights: Sequence[float],
    leave: float,
    horizon: int,
) -> SessionModel:
    """Returns the decision process that a user wrote down, or says what is wrong with it."""
    chances = {"click": click, "retention": retention, "leave": [leave]}
    arrays = {name: np.asarray(given, dtype=np.float64) for name, given in chances.items()}
    for name, array in arrays.items():
        if array.ndim != 1 or not ((array >= 0.0) & (array <= 1.0)).all():
            raise EnvError(f"{name} must hold probabilities in [0, 1], got {chances[name]}")
    if not 2 <= len(click) == len(retention):
        raise EnvError(
            "click and retention need one entry for each of at least 2 items, got "
            f"{len(click)} and {len(retention)}"
        )
    weight = np.asarray(weights, dtype=np.float64)
    if weight.ndim != 1 or weight.size < 1 or not ((weight >= 0) & np.isfinite(weight)).all():
        raise EnvError(f"weights must be finite numbers of at least 0, got {weights}")
    if horizon < 1:
        raise EnvError(f"horizon must be at least 1 step, got {horizon}")
    return SessionModel(arrays["click"], arrays["retention"], weight, float(leave), horizon)


def _oracle(best: IntArray, observation: np.ndarray) -> IntArray:
    """Shows the best item (H, G) of the step and type in each of n rows, from (n, G + 3)."""
    horizon, types = best.shape
    step = np.rint(observation[:, types] * horizon).astype(np.int64)
    return np.asarray(best[np.minimum(step, horizon - 1), observation[:, :types].argmax(axis=1)])


def _card(model: SessionModel, action_values: FloatArray, time_limit: int | None) -> EnvCard:
    types, items = len(model.weight), len(model.click)
    most = float((action_values.max(axis=-1) - action_values.min(axis=-1)).max())
    return EnvCard(
        id="rewardsmith/SessionRecommender-v0",
        goal=f"Recommend one of {items} items at a time, so that users click, and stay for as "
        "much as their type makes that worth.",
        observation=(
            Field("user", "one-hot type of the user", (0, types), low=0.0, high=1.0),
            Field("time", f"steps taken, divided by {model.horizon}", (types, types + 1),
                  low=0.0, high=1.0),
            Field("last_click", "the last item was clicked", (types + 1, types + 2),
                  low=0.0, high=1.0),
            Field("last_retention", "the last item kept the user", (types + 2, types + 3),
                  low=0.0, high=1.0),
        ),
        action=(Field("item", "the item to recommend", low=0.0, high=items - 1),),
        facts=(
            Field("success", "only best items were recommended, to the end", low=0.0, high=1.0),
            Field("regret", "value of the best item - value of the recommended one, 0 at the "
                  "start", low=0.0, high=most),
            Field("click", "the item was clicked", low=0.0, high=1.0),
            Field("retention", "the item kept the user", low=0.0, high=1.0),
            Field("user_type", "type of the user", low=0.0, high=types - 1),
        ),
        success="All items of the session were best ones for the type and time.",
        score="return",
        time_limit=time_limit,
        oracle=functools.partial(_oracle, action_values.argmax(axis=-1)),
        human_design="Besides the task's reward, charge every item its regret.",
        source="After arXiv 2404.03637; the numbers are our own.",
    )  # fmt: skip
