"""`CascadingBandit-v0`: show a list, get paid for the first item on it that is clicked."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.bandits.arms import always
from rewardsmith.envs.bandits.best_permutation import (
    best_permutation,
    check_length,
    check_probabilities,
    list_value,
)
from rewardsmith.envs.bandits.cascade import filled
from rewardsmith.envs.bandits.cascade_batch import TIE, CascadeBatch, action_field, click_fields
from rewardsmith.envs.batch import Info
from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray


class CascadingBandit(CascadeBatch):
    """A user reads a list of m of N items in order and clicks the first that attracts.

    Item a attracts with probability q(a), alone; r = r(a) for the clicked item a and 0 if
    none is clicked. An item listed again is passed over, so that every action is a list of 1
    to m different items: with m = 3, [4, 1, 4] is the list (4, 1) and [4, 4, 4] is (4).

    Observation, float32 of shape (1,): the last reward, 0 at the start. Action, (m,): items.

    Args:
        num_envs: Number of rows n.
        items: Number of items N, at least 2; by default 10, or as many as `attraction`.
        list_length: m, 1 to N.
        attraction: q of every item, each in [0, 1], the same in all episodes; None draws
            them uniformly and anew for every episode.
        rewards: r of every item, each in [0, 1]; None pays 1 for every click.
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.

    Raises:
        EnvError: If an argument is out of range, or two disagree.

    Example:
        >>> env = CascadingBandit(2, attraction=[0.0, 1.0, 1.0], list_length=2)
        >>> observation, info = env.reset(seed=0)
        >>> _, reward, _, _, info = env.step(np.array([[0, 0], [0, 2]]))
        >>> reward, info["position"], info["item"], info["regret"]
        (array([0., 1.]), array([2, 1]), array([3, 2]), array([1., 0.]))

    Kveton, Szepesvari, Wen and Ashkan 2015, Cascading Bandits, arXiv 1502.02763.
    """

    state_names = ("attraction", "best_value", "payout", *CascadeBatch.state_names)

    def __init__(
        self,
        num_envs: int = 1,
        *,
        items: int | None = None,
        list_length: int = 3,
        attraction: Sequence[float] | None = None,
        rewards: Sequence[float] | None = None,
        time_limit: int | None = 100,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        self._given = None if attraction is None else np.asarray(attraction, dtype=np.float64)
        count = _count(items, self._given)
        check_length(count, list_length)
        self._pays = _pays(rewards, count)
        self.card = _card(list_length, self._given, self._pays, time_limit)
        self.single_observation_space = gym.spaces.Box(0.0, 1.0, (1,), np.float32)
        super().__init__(
            count,
            list_length,
            num_envs,
            time_limit=time_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
        self.attraction = np.zeros((num_envs, count))
        self.best_value = np.zeros(num_envs)
        self.payout = np.zeros(num_envs)

    def arm_values(self) -> FloatArray:
        """Returns what every item pays on average when shown alone, (n, N), for whoever judges."""
        return np.asarray(self.attraction * self._pays)

    def _spawn(self, rows: IntArray) -> None:
        if self._given is not None:
            self.attraction[rows] = self._given
        else:
            for item in range(self.items):
                self.attraction[rows, item] = self.streams.uniform(rows)
        chance = self.attraction[rows]
        pays = np.broadcast_to(self._pays, chance.shape)
        self.best_value[rows] = best_permutation(chance, pays, 0.0, self.list_length)[1]
        self.payout[rows] = 0.0
        self._hide(rows)

    def _advance(self, action: np.ndarray) -> tuple[FloatArray, BoolArray]:
        self._show(action, self.attraction)
        self.payout = np.append(self._pays, 0.0)[self.item]
        value = list_value(self.shown, self.attraction, self._pays, 0.0)
        self.regret = np.maximum(self.best_value - value, 0.0)
        return self.payout.copy(), np.zeros(self.num_envs, dtype=np.bool_)

    def _observe(self) -> np.ndarray:
        return self.payout[:, None].astype(np.float32)

    def _facts(self) -> Info:
        played = self.shown[:, 0] < self.items
        return self._click_facts() | {"success": played & (self.regret < TIE)}

    def _draw(self, row: int) -> np.ndarray:
        return self._list_picture(row, self.attraction[row])


single = functools.partial(SingleEnv, CascadingBandit)


def _count(items: int | None, given: FloatArray | None) -> int:
    """Returns the number of items, or says why the options cannot work."""
    if given is not None:
        if given.ndim != 1:
            raise EnvError(f"attraction must be a list of numbers, got shape {given.shape}")
        if items is not None and items != len(given):
            raise EnvError(
                f"items is {items} but attraction has {len(given)} entries; leave items out"
            )
        check_probabilities("attraction", given)
        items = len(given)
    count = 10 if items is None else items
    if count < 2:
        raise EnvError(f"a cascading bandit needs at least 2 items, got {count}")
    return count


def _pays(rewards: Sequence[float] | None, count: int) -> FloatArray:
    """Returns what a click on every item pays, (N,)."""
    if rewards is None:
        return np.ones(count)
    pays = np.asarray(rewards, dtype=np.float64)
    if pays.shape != (count,):
        raise EnvError(f"rewards must have one entry per item, {count}, got shape {pays.shape}")
    check_probabilities("rewards", pays)
    return pays


def _card(
    length: int, given: FloatArray | None, pays: FloatArray, time_limit: int | None
) -> EnvCard:
    items, oracle = len(pays), None
    if given is not None:
        best, _ = best_permutation(given, pays, 0.0, length)
        oracle = functools.partial(always, filled(best, items))
    return EnvCard(
        id="rewardsmith/CascadingBandit-v0",
        goal=f"Earn as much as possible by finding out which {length} of {items} items to show, "
        "in which order.",
        observation=(
            Field("last_reward", "what the last list paid, 0 at the start", (0, 1), low=0, high=1),
        ),
        action=(action_field(items),),
        facts=(
            Field("success", "a best list was shown", low=0.0, high=1.0),
            *click_fields(items, length, 1.0),
        ),
        success="The last list was a best one.",
        score="return",
        time_limit=time_limit,
        oracle=oracle,
        human_design="Besides the task's reward, charge every list its regret.",
        source="Kveton et al. 2015, Cascading Bandits, arXiv 1502.02763.",
    )
