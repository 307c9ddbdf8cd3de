"""`Generator`: what writes the turns of conversations; `Finished`: a turn it wrote."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import BoolArray, IntArray
from rewardsmith.rewards.episode import TokenSpan


@dataclass(frozen=True, slots=True)
class Finished:
    """A turn that ended.

    Attributes:
        slot: The conversation it belongs to.
        span: What was fed since the last turn, and what the policy wrote.
        stopped: Whether its last id is a stop id; false if it was cut off by
            `max_new_tokens` or the end of the context.
    """

    slot: int
    span: TokenSpan
    stopped: bool


class Generator(Protocol):
    """Writes turns of many conversations at once, each in a slot of its own."""

    def feed(self, slot: int, context: IntArray) -> None:
        """Appends tokens the policy did not write (C,) and starts a turn.

        Raises:
            ConfigError: If they leave no room for a turn.
        """

    def run(self, at_least: int = 1) -> list[Finished]:
        """Decodes every started turn until this many have ended, or all if they are fewer."""

    def room(self, slot: int) -> int:
        """Returns how many tokens may still be fed to a slot so that a turn can start."""

    def close(self, slot: int) -> None:
        """Forgets a conversation; its slot may be fed anew."""

    def fork(self, source: int, target: int) -> None:
        """Makes `target` a copy of the conversation in `source`, which is between turns."""


def stop_table(stop_ids: Iterable[int], vocabulary: int) -> BoolArray:
    """Returns which ids end a turn, bool (V,).

    Raises:
        ConfigError: If an id is outside the vocabulary.
    """
    table = np.zeros(vocabulary, dtype=np.bool_)
    for stop in stop_ids:
        if not 0 <= stop < vocabulary:
            raise ConfigError(f"stop id {stop} is outside the model's vocabulary of {vocabulary}")
        table[stop] = True
    return table
