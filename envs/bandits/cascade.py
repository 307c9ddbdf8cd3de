"""Lists read in order: who clicks where, and the decision process that such clicks drive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardsmith.envs.bandits.best_permutation import (
    best_permutation,
    check_length,
    check_probabilities,
    list_value,
)
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.stateful import FloatArray, IntArray

SPREAD = 0.3
"""Parameter of the Dirichlet distribution that random transitions are drawn from."""


def click_position(attraction: FloatArray, draw: FloatArray) -> IntArray:
    """Returns the first place that is clicked, int64 (n,): 0 to m - 1, or m for none.

    Place i is clicked with probability u_i when the reader gets there:
    P(position >= i) = prod_{j<i} (1 - u_j), inverted at one uniform draw.

    Args:
        attraction: u of the items at the places, (n, m); 0 where a place is empty.
        draw: Uniform in [0, 1), (n,).

    Example:
        >>> click_position(np.array([[0.5, 0.5]] * 3), np.array([0.6, 0.3, 0.2]))
        array([0, 1, 2])
    """
    unread = np.cumprod(1.0 - attraction, axis=1)
    return np.asarray((draw[:, None] < unread).sum(axis=1))


def without_repeats(lists: IntArray, items: int) -> IntArray:
    """Returns lists (n, m) in which N stands for every item that was listed before.

    Example:
        >>> without_repeats(np.array([[4, 1, 4], [2, 2, 2]]), items=5)
        array([[4, 1, 5],
               [2, 5, 5]])
    """
    places = lists.shape[-1]
    same = lists[..., :, None] == lists[..., None, :]
    earlier = np.tri(places, k=-1, dtype=np.bool_)
    return np.where((same & earlier).any(axis=-1), items, lists)


def filled(lists: IntArray, items: int) -> IntArray:
    """Returns lists (..., m) with the first item repeated where N marks an empty place.

    This is the form of an action; `without_repeats` is its inverse.
    """
    return np.where(lists == items, lists[..., :1], lists)


@dataclass(frozen=True, slots=True)
class CascadeModel:
    """A cascading Markov decision process with S states, N items and horizon H.

    A step shows a list of 1 to m different items to a user in state s, who reads it in
    order. Item a is clicked with probability q(s, a) when it is read; the first click pays
    r(s, a), ends the reading and moves the user to s' ~ p(. | s, a). Without a click nothing
    is paid and s' ~ p(. | s, none).

    Attributes:
        attraction: q, (..., S, N), in [0, 1].
        reward: r, (..., S, N), in [0, 1].
        transition: p, (..., S, N + 1, S); index N is "none". Every p(. | s, a) sums to 1.
        list_length: m, 1 to N.
        horizon: H, at least 1.

    Leading axes hold separate processes, played side by side.

    Raises:
        EnvError: If a shape, a probability or a number is wrong.

    Du, Srikant and Chen 2024, Cascading Reinforcement Learning, arXiv 2401.08961.
    """

    attraction: FloatArray
    reward: FloatArray
    transition: FloatArray
    list_length: int
    horizon: int

    def __post_init__(self) -> None:
        shape = self.attraction.shape
        if self.attraction.ndim < 2 or self.reward.shape != shape:
            raise EnvError(
                f"attraction and reward must have one shape (..., S, N), got {shape} and "
                f"{self.reward.shape}"
            )
        expected = (*shape[:-1], shape[-1] + 1, shape[-2])
        if self.transition.shape != expected:
            raise EnvError(
                f"transition must have shape (..., S, N + 1, S) = {expected}, got "
                f"{self.transition.shape}"
            )
        for name in ("attraction", "reward", "transition"):
            check_probabilities(name, getattr(self, name))
        if not np.allclose(self.transition.sum(axis=-1), 1.0):
            raise EnvError("transition must sum to 1 over the next state, its last axis")
        check_length(self.items, self.list_length)
        if self.horizon < 1:
            raise EnvError(f"horizon must be at least 1 step, got {self.horizon}")

    @classmethod
    def random(
        cls,
        seed: int,
        states: int,
        items: int,
        list_length: int,
        horizon: int,
        n: int | None = None,
    ) -> CascadeModel:
        """Draws q and r uniformly from [0, 1] and every p(. | s, a) from Dirichlet(0.3).

        Args:
            seed: Non-negative integer.
            states: S.
            items: N.
            list_length: m.
            horizon: H.
            n: Number of processes on a leading axis; None makes one, without that axis.
        """
        rng = np.random.default_rng(seed)
        shape = (states, items) if n is None else (n, states, items)
        attraction, reward = rng.random(shape), rng.random(shape)
        transition = rng.dirichlet(np.full(states, SPREAD), (*shape[:-1], items + 1))
        return cls(attraction, reward, transition, list_length, horizon)

    @property
    def states(self) -> int:
        """The number of states S."""
        return int(self.attraction.shape[-2])

    @property
    def items(self) -> int:
        """The number of items N."""
        return int(self.attraction.shape[-1])

    def worth(self, following: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Returns w (..., S, N) of every item's click and w_0 (..., S) of none.

        w(s, a) = r(s, a) + p(. | s, a)^T V and w_0(s) = p(. | s, none)^T V.

        Args:
            following: V, the value of the next state, (..., S).
        """
        ahead = (self.transition @ following[..., None, :, None])[..., 0]
        return self.reward + ahead[..., :-1], ahead[..., -1]

    def optimal(self) -> tuple[IntArray, FloatArray]:
        """Returns the best lists (..., H, S, m), padded with N, and values V* (..., H + 1, S)."""
        lists: list[IntArray] = []
        values = [np.zeros(self.attraction.shape[:-1])]
        for _ in range(self.horizon):
            worth, fallback = self.worth(values[0])
            best, value = best_permutation(self.attraction, worth, fallback, self.list_length)
            lists.insert(0, best)
            values.insert(0, value)
        return np.stack(lists, axis=-3), np.stack(values, axis=-2)

    def policy_value(self, lists: IntArray) -> FloatArray:
        """Returns V of showing `lists` (..., H, S, m) in step h and state s, (..., H + 1, S)."""
        values = [np.zeros(self.attraction.shape[:-1])]
        for step in reversed(range(self.horizon)):
            worth, fallback = self.worth(values[0])
            shown = lists[..., step, :, :]
            values.insert(0, list_value(shown, self.attraction, worth, fallback))
        return np.stack(values, axis=-2)
