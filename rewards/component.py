"""What every part of a reward design shares: binding to a task, state, and a config form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.errors import RewardError
from rewardsmith.envs.stateful import BoolArray, FloatArray, Stateful
from rewardsmith.rewards.transition import State, Transition


class Component(Stateful, ABC):
    """Base of terms, combiners, transforms and potentials: dataclasses with per-row state.

    The fields of the dataclass are its configuration and make its YAML form; what changes
    while running is named in `state_names` and is created in `reset`.
    """

    row_independent: bool = True
    """Whether a row's output depends on that row alone (false for shared statistics)."""

    def bind(self, card: EnvCard) -> None:
        """Resolves field names against the task; called once, before the first reset.

        Raises:
            ConfigError: If the task lacks what this component reads.
        """

    def reset(self, mask: BoolArray) -> None:
        """Clears the state of the rows where `mask` (n,) is true: a new episode starts there."""


class Term(Component):
    """Pays each of `n` environments for one step."""

    unscored: BoolArray | None = None
    """Rows (n,) of the last call whose pay is not known, because a verifier or judge abstained
    or failed; None where that cannot happen. They are paid 0."""

    @abstractmethod
    def __call__(self, transition: Transition) -> FloatArray:
        """Returns the pay as float64 of shape (n,)."""

    def place(self, transitions: list[Transition]) -> FloatArray:
        """Returns the pay (T,) of one finished episode, given its T steps of one row each.

        Terms that online pay late what they learn late override this to put the pay on
        the step it belongs to; the others are replayed.
        """
        self.reset(np.ones(1, dtype=np.bool_))
        pay, unscored = np.zeros(len(transitions)), np.zeros(1, dtype=np.bool_)
        for t, step in enumerate(transitions):
            pay[t] = self(step)[0]
            if self.unscored is not None:
                unscored |= self.unscored
        if self.unscored is not None:
            self.unscored = unscored
        return pay


class Combiner(Component):
    """Joins the values of several terms into one."""

    @abstractmethod
    def __call__(self, values: Mapping[str, FloatArray], transition: Transition) -> FloatArray:
        """Returns the combined pay, float64 (n,), from term values by name, each (n,)."""

    def check(self, names: Iterable[str]) -> None:
        """Raises ConfigError if this combiner speaks of terms that are not among `names`."""

    def place(self, values: Mapping[str, FloatArray], transitions: list[Transition]) -> FloatArray:
        """Returns the combined pay (T,) of one finished episode from term values (T,)."""
        self.reset(np.ones(1, dtype=np.bool_))
        rows = (
            {name: value[t : t + 1] for name, value in values.items()}
            for t in range(len(transitions))
        )
        return np.array([self(row, step)[0] for row, step in zip(rows, transitions, strict=True)])


class Transform(Component):
    """Maps a reward stream to a reward stream."""

    @abstractmethod
    def __call__(self, reward: FloatArray, transition: Transition) -> FloatArray:
        """Returns the transformed pay, float64 (n,)."""

    def place(self, reward: FloatArray, transitions: list[Transition]) -> FloatArray:
        """Returns the transformed pay (T,) of one finished episode."""
        self.reset(np.ones(1, dtype=np.bool_))
        return np.array([self(reward[t : t + 1], step)[0] for t, step in enumerate(transitions)])


@dataclass
class Function(Term):
    """A plain function of the transition as a term: r = function(transition).

    Args:
        function: `Transition -> (n,)`. To survive YAML it must be importable by name.
    """

    function: Callable[[Transition], Any]

    def __call__(self, transition: Transition) -> FloatArray:
        """Returns `function(transition)` as float64 (n,)."""
        return np.asarray(self.function(transition), dtype=np.float64)


@dataclass
class Quantity:
    """A named observation field or fact of `info`, bound to a task's card.

    Example:
        >>> card = EnvCard("Line-v0", "", observation=(Field("position", "", (0, 1)),))
        >>> quantity = Quantity("position").bind(card)
        >>> quantity.of(State(np.array([[0.5, 9.0]]), {}, 1))
        array([[0.5]])
    """

    name: str
    field: Field | None = field(default=None, repr=False)
    is_fact: bool = False

    def bind(self, card: EnvCard) -> Quantity:
        """Looks the name up on the card; raises ConfigError with the nearest names."""
        self.field = card.field(self.name)
        self.is_fact = card.is_fact(self.name)
        return self

    def of(self, state: State) -> FloatArray:
        """Returns the quantity at `state`, float64 (n, k).

        Raises:
            RewardError: If it was never bound.
        """
        if self.field is None:
            raise RewardError(
                f"field {self.name!r} is not bound to a task yet; wrap an "
                "environment with the design, or call design.bind(card)"
            )
        return state.fact(self.name) if self.is_fact else self.field.read(state.observation)

    def scalar(self, state: State) -> FloatArray:
        """Returns the quantity at `state` as (n,): its value, or its norm if it has parts."""
        value = self.of(state)
        return value[:, 0] if value.shape[1] == 1 else np.linalg.norm(value, axis=1)
