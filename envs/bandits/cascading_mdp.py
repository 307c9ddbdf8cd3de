"""`CascadingMDP-v0`: what a user clicks decides what state the user is in next."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.bandits.best_permutation import list_value
from rewardsmith.envs.bandits.cascade import CascadeModel, filled
from rewardsmith.envs.bandits.cascade_batch import TIE, CascadeBatch, action_field, click_fields
from rewardsmith.envs.batch import Info
from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray

TABLES = ("attraction", "reward", "transition")


class CascadingMDP(CascadeBatch):
    """A user in one of S states is shown a list of m of N items at each of H steps.

    The user reads the list in order and clicks item a with probability q(s, a) on reading
    it; the first click pays r(s, a) and leads to a state drawn from p(. | s, a). Without a
    click nothing is paid and the state is drawn from p(. | s, none). Episodes start in state
    0 and terminate after H steps. An item listed again is passed over: with m = 3,
    [4, 1, 4] is the list (4, 1).

    Observation, float32 of shape (S + 1,) in [0, 1]: the state one-hot, steps taken / H.
    Action, (m,): items.

    Args:
        num_envs: Number of rows n.
        states: S, by default 5.
        items: N, by default 5.
        list_length: m, 1 to N.
        horizon: H.
        instance_seed: Draws q and r uniformly from [0, 1] and p from Dirichlet(0.3), once
            for all rows and episodes; by default 0.
        tables: In place of a random instance, `attraction` q (S, N), `reward` r (S, N) and
            `transition` p (S, N + 1, S), of which item N is "none".
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.

    Attributes:
        known: What an agent is told beforehand: r as `reward`, (S, N), and H as `horizon`.

    Raises:
        EnvError: If an argument is out of range, or `tables` has the wrong names or shapes.

    Example:
        >>> env = CascadingMDP(horizon=2)
        >>> observation, _ = env.reset(seed=0)
        >>> observation
        array([[1., 0., 0., 0., 0., 0.]], dtype=float32)
        >>> best = env.card.oracle(observation)
        >>> round(float(env.step(best)[4]["regret"][0]), 9)
        0.0

    Du, Srikant and Chen 2024, Cascading Reinforcement Learning, arXiv 2401.08961.
    """

    state_names = ("state", "moment", "lost", *CascadeBatch.state_names)

    def __init__(
        self,
        num_envs: int = 1,
        *,
        states: int | None = None,
        items: int | None = None,
        list_length: int = 3,
        horizon: int = 5,
        instance_seed: int | None = None,
        tables: Mapping[str, Any] | None = None,
        time_limit: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        sizes = {"states": states, "items": items, "instance_seed": instance_seed}
        self.model = (
            _drawn(sizes, list_length, horizon)
            if tables is None
            else _written(tables, sizes, list_length, horizon)
        )
        self.known = {"reward": self.model.reward, "horizon": horizon}
        lists, self._values = self.model.optimal()
        self._worth, self._idle = self.model.worth(self._values[1:])
        self._reward = np.pad(self.model.reward, ((0, 0), (0, 1)))
        self._upto = self.model.transition.cumsum(axis=-1)
        self.card = _card(self.model, lists, time_limit)
        self.single_observation_space = gym.spaces.Box(
            0.0, 1.0, (self.model.states + 1,), np.float32
        )
        super().__init__(
            self.model.items,
            list_length,
            num_envs,
            time_limit=time_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
        self.state = np.zeros(num_envs, dtype=np.int64)
        self.moment = np.zeros(num_envs, dtype=np.int64)
        self.lost = np.zeros(num_envs)

    def _spawn(self, rows: IntArray) -> None:
        self.state[rows] = self.moment[rows] = 0
        self.lost[rows] = 0.0
        self._hide(rows)

    def _advance(self, action: np.ndarray) -> tuple[FloatArray, BoolArray]:
        state, model = self.state, self.model
        self._show(action, model.attraction[state])
        # Under NEXT_STEP a finished row is stepped once more before it is reset.
        now = np.minimum(self.moment, model.horizon - 1), state
        value = list_value(self.shown, model.attraction[state], self._worth[now], self._idle[now])
        self.regret = np.maximum(self._values[now] - value, 0.0)
        self.lost = self.lost + self.regret
        self.moment = self.moment + 1
        draw = self.streams.uniform(self._rows)[:, None]
        arrived = (draw >= self._upto[state, self.item]).sum(axis=1)
        self.state = np.minimum(arrived, model.states - 1)
        return self._reward[state, self.item], self.moment >= model.horizon

    def _observe(self) -> np.ndarray:
        code = np.eye(self.model.states, dtype=np.float32)[self.state]
        return np.column_stack((code, (self.moment / self.model.horizon).astype(np.float32)))

    def _facts(self) -> Info:
        over = self.moment >= self.model.horizon
        return self._click_facts() | {
            "success": over & (self.lost < TIE),
            "state": self.state.copy(),
        }

    def _draw(self, row: int) -> np.ndarray:
        return self._list_picture(row, self.model.attraction[self.state[row]])


single = functools.partial(SingleEnv, CascadingMDP)


def _drawn(sizes: Mapping[str, int | None], list_length: int, horizon: int) -> CascadeModel:
    """Returns a random instance."""
    states, items, seed = (
        default if size is None else size
        for size, default in zip(sizes.values(), (5, 5, 0), strict=True)
    )
    if states < 1 or items < 1 or seed < 0:
        raise EnvError(
            f"states and items must be at least 1 and instance_seed at least 0, got {states}, "
            f"{items} and {seed}"
        )
    return CascadeModel.random(seed, states, items, list_length, horizon)


def _written(
    tables: Mapping[str, Any], sizes: Mapping[str, int | None], list_length: int, horizon: int
) -> CascadeModel:
    """Returns the instance that a user wrote down."""
    if set(tables) != set(TABLES):
        raise EnvError(f"tables must have the entries {', '.join(TABLES)}, got {sorted(tables)}")
    for name, size in sizes.items():
        if size is not None:
            raise EnvError(f"{name} is {size} but tables say it all; leave {name} out")
    attraction, reward, transition = (np.asarray(tables[name], dtype=np.float64) for name in TABLES)
    if attraction.ndim != 2:
        raise EnvError(f"attraction must have shape (S, N), got {attraction.shape}")
    return CascadeModel(attraction, reward, transition, list_length, horizon)


def _oracle(actions: IntArray, observation: np.ndarray) -> IntArray:
    """Shows the best list of the moment and state in each of n rows, from (n, S + 1)."""
    horizon = len(actions)
    moment = np.rint(observation[:, -1] * horizon).astype(np.int64)
    state = observation[:, :-1].argmax(axis=1)
    return np.asarray(actions[np.minimum(moment, horizon - 1), state])


def _card(model: CascadeModel, lists: IntArray, time_limit: int | None) -> EnvCard:
    states, items, length = model.states, model.items, model.list_length
    return EnvCard(
        id="rewardsmith/CascadingMDP-v0",
        goal=f"Show a user lists of {length} of {items} items, so that the clicks pay well and "
        "lead to states in which later clicks do.",
        observation=(
            Field("state_code", "one-hot state of the user", (0, states), low=0.0, high=1.0),
            Field(
                "time", f"steps taken, divided by {model.horizon}", (states, states + 1),
                low=0.0, high=1.0,
            ),
        ),
        action=(action_field(items),),
        facts=(
            Field("success", "only best lists were shown, to the end", low=0.0, high=1.0),
            *click_fields(items, length, float(model.horizon)),
            Field("state", "state of the user", low=0.0, high=states - 1),
        ),
        success="All lists of the episode were best ones.",
        score="return",
        time_limit=time_limit,
        oracle=functools.partial(_oracle, filled(lists, items)),
        human_design="Besides the task's reward, charge every list its regret.",
        source="Du et al. 2024, Cascading Reinforcement Learning, arXiv 2401.08961.",
    )  # fmt: skip
