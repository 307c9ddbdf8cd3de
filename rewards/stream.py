"""`RewardStream`: the one code path that turns environment steps into pay.

Every wrapper feeds it arrays in Gymnasium's vector form. It remembers where each row
stands, so that a transition always joins an observation to its *true* successor, whatever
the environment returned in its place after an autoreset.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError, RewardError
from rewardsmith.envs.stateful import BoolArray, FloatArray, Stateful
from rewardsmith.rewards.design import Payment, RewardDesign
from rewardsmith.rewards.transition import Batch, Transition


class RewardStream(Stateful):
    """Pays a stream of environment steps by a design.

    Args:
        design: What to pay by. It is bound to `card` and used by this stream alone.
        card: The task's card.
        n: Number of rows.
    """

    state_names = ("design", "_observation", "_info", "_steps")

    def __init__(self, design: RewardDesign, card: EnvCard, n: int) -> None:
        check_online(design)
        design.bind(card)
        design.reset(np.ones(n, dtype=np.bool_))
        self.design = design
        self.n = n
        self._observation: Batch = None
        self._info: Mapping[str, Any] = {}
        self._steps = 0
        self._every_row = np.ones(n, dtype=np.bool_)

    def begin(
        self, observation: Batch, info: Mapping[str, Any], mask: BoolArray | None = None
    ) -> None:
        """Takes the observation of a reset, of all rows or of those where `mask` is true."""
        if mask is None or self._observation is None:
            self._observation, self._info = observation, info
            self.design.reset(np.ones(self.n, dtype=np.bool_))
            return
        self._observation = observation
        self._info = merge_info(self._info, info, mask)
        self.design.reset(mask)

    def step(
        self,
        action: Batch,
        observation: Batch,
        reward: FloatArray,
        terminated: BoolArray,
        truncated: BoolArray,
        info: Mapping[str, Any],
        *,
        successor: tuple[Batch, Mapping[str, Any]] | None = None,
        active: BoolArray | None = None,
        restarted: BoolArray | None = None,
    ) -> Payment:
        """Pays one step.

        Args:
            action: Actions taken, leading axis n.
            observation: What the environment returned; a start observation in restarted rows.
            reward: The environment's own reward (n,).
            terminated: (n,) bool.
            truncated: (n,) bool.
            info: Vector-form info belonging to `observation`.
            successor: True next observation and info, where they differ from the returned.
            active: False in rows where no step took place; default all true.
            restarted: True in rows where `observation` starts a new episode; default none.
        """
        next_observation, next_info = successor if successor is not None else (observation, info)
        transition = Transition(
            self._observation,
            action,
            next_observation,
            np.asarray(reward, dtype=np.float64),
            terminated,
            truncated,
            next_info,
            self._info,
            self._every_row if active is None else active,
        )
        try:
            payment = self.design.pay(transition)
        except RewardError as error:
            raise RewardError(f"step {self._steps}: {error}") from None
        self._observation, self._info = observation, info
        self._steps += 1
        if restarted is not None:
            self.design.reset(restarted)
        return payment


def check_online(design: RewardDesign) -> None:
    """Raises ConfigError if a design cannot pay step by step, because it compares episodes."""
    if design.group:
        raise ConfigError(
            f"the design compares episodes that share a start ({type(design.group[0]).__name__}"
            "), which are not known step by step; use an agent that plays groups, such as "
            "agent=grpo on a text task"
        )


def merge_info(
    info: Mapping[str, Any], newer: Mapping[str, Any], rows: BoolArray
) -> dict[str, Any]:
    """Returns `info` with the rows where `rows` (n,) is true taken from `newer`."""
    merged = dict(info)
    for key, value in newer.items():
        if key.startswith("_") or not isinstance(value, np.ndarray):
            continue
        mask = newer.get(f"_{key}", rows) & rows
        old = info.get(key)
        if not isinstance(old, np.ndarray) or old.shape != value.shape:
            merged[key], merged[f"_{key}"] = value, mask
        else:
            cells = mask if value.ndim == 1 else mask.reshape(-1, *[1] * (value.ndim - 1))
            merged[key] = np.where(cells, value, old)
            merged[f"_{key}"] = mask | (info.get(f"_{key}", True) & ~rows)
    return merged


def vectorise_infos(infos: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Turns one info dictionary per environment into Gymnasium's vector form.

    Numbers and equal-shaped arrays become arrays with a mask `_key`; anything else is
    kept in an object array.
    """
    n = len(infos)
    if n == 1:
        return _vectorise_one(infos[0])
    vector: dict[str, Any] = {}
    for key in {key: None for info in infos for key in info}:
        mask = np.array([key in info for info in infos])
        values = [np.asarray(info[key]) for info in infos if key in info]
        plain = all(v.shape == values[0].shape and v.dtype.kind in "biuf" for v in values)
        if plain:
            array = np.zeros((n, *values[0].shape), dtype=np.result_type(*values))
            array[mask] = np.stack(values)
        else:
            array = np.full(n, None, dtype=object)
            for row in np.flatnonzero(mask):
                array[row] = infos[row][key]
        vector[key], vector[f"_{key}"] = array, mask
    return vector


def _vectorise_one(info: Mapping[str, Any]) -> dict[str, Any]:
    """Does the same for one environment: finished episodes are paid step by step."""
    vector: dict[str, Any] = {}
    mask = np.ones(1, dtype=np.bool_)
    for key, value in info.items():
        array = np.array(value)
        if array.dtype.kind in "biuf":
            vector[key] = array[None]
        else:
            vector[key] = np.full(1, None, dtype=object)
            vector[key][0] = value
        vector[f"_{key}"] = mask
    return vector
