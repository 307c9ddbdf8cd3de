"""`Transition`: one step of `n` environments, and the two states it connects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rewardsmith.envs.card import fact
from rewardsmith.envs.stateful import BoolArray, FloatArray

Batch = Any
"""Observations or actions of n environments: an array, a dict of arrays, or a list of str."""


@dataclass(slots=True)
class State:
    """What is known of `n` environments at one moment: observation and facts.

    Attributes:
        observation: Batched observation, leading axis n.
        info: Gymnasium's vector form: key -> array with leading axis n, mask under `_key`.
        n: Number of environments.
    """

    observation: Batch
    info: Mapping[str, Any]
    n: int

    def fact(self, name: str) -> FloatArray:
        """Returns fact `name` of `info` as float64 (n, k); NaN where a row lacks it."""
        return fact(self.info, name, self.n)

    def take(self, rows: np.ndarray) -> State:
        """Returns the state of the environments in `rows` (an index array) alone."""
        return State(take(self.observation, rows), _Rows(self.info, rows), len(rows))


class _Rows(Mapping[str, Any]):
    """Some rows of an info, each entry taken when it is read: most never are."""

    def __init__(self, info: Mapping[str, Any], rows: np.ndarray) -> None:
        self._info, self._rows = info, rows

    def __getitem__(self, key: str) -> Any:
        return self._info[key][self._rows]

    def __iter__(self) -> Iterator[str]:
        return (key for key, value in self._info.items() if isinstance(value, np.ndarray))

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of `n` environments; every field has a leading axis n.

    Attributes:
        observation: What the agent saw.
        action: What it did.
        next_observation: The true successor, never the observation after an autoreset.
        reward: The environment's own reward, float64 (n,).
        terminated: The task ended, bool (n,).
        truncated: The episode was cut off, bool (n,).
        info: Facts at the successor, in Gymnasium's vector form.
        previous_info: Facts at `observation`.
        active: False where no step took place (Gymnasium's autoreset step), bool (n,).
            Such rows are paid 0 and count in no statistic.
    """

    observation: Batch
    action: Batch
    next_observation: Batch
    reward: FloatArray
    terminated: BoolArray
    truncated: BoolArray
    info: Mapping[str, Any] = field(default_factory=dict)
    previous_info: Mapping[str, Any] = field(default_factory=dict)
    active: BoolArray = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if getattr(self, "active", None) is None:
            object.__setattr__(self, "active", np.ones(len(self.reward), dtype=np.bool_))

    @property
    def n(self) -> int:
        """Number of environments."""
        return len(self.reward)

    @property
    def before(self) -> State:
        """The state the step started from."""
        return State(self.observation, self.previous_info, len(self.reward))

    @property
    def after(self) -> State:
        """The state it led to."""
        return State(self.next_observation, self.info, len(self.reward))

    @property
    def done(self) -> BoolArray:
        """Where the episode ended, bool (n,)."""
        return self.terminated | self.truncated


def take(batch: Batch, rows: np.ndarray) -> Batch:
    """Returns the given rows of a batch of observations or actions."""
    if isinstance(batch, np.ndarray):
        return batch[rows]
    if isinstance(batch, Mapping):
        return {key: take(value, rows) for key, value in batch.items()}
    if isinstance(batch, tuple):
        return tuple(take(value, rows) for value in batch)
    if isinstance(batch, list):
        return [batch[row] for row in rows]
    raise TypeError(f"a batch is an array, a mapping, a tuple or a list, got {type(batch)}")


def put(batch: Batch, rows: np.ndarray, values: Batch) -> Batch:
    """Returns a copy of `batch` in which `rows` hold `values` (as many entries as rows)."""
    if isinstance(batch, np.ndarray):
        copy = batch.copy()
        copy[rows] = values
        return copy
    if isinstance(batch, Mapping):
        return {key: put(value, rows, values[key]) for key, value in batch.items()}
    if isinstance(batch, tuple):
        return tuple(put(b, rows, v) for b, v in zip(batch, values, strict=True))
    if isinstance(batch, list):
        changed = list(batch)
        for row, value in zip(rows, values, strict=True):
            changed[row] = value
        return changed
    raise TypeError(f"a batch is an array, a mapping, a tuple or a list, got {type(batch)}")


def stack(items: list[Any]) -> Batch:
    """Joins single observations, actions or facts into one batch."""
    first = items[0]
    if isinstance(first, Mapping):
        return {key: stack([item[key] for item in items]) for key in first}
    if isinstance(first, tuple):
        return tuple(stack([item[i] for item in items]) for i in range(len(first)))
    if isinstance(first, str):
        return list(items)
    return np.stack([np.asarray(item) for item in items])
