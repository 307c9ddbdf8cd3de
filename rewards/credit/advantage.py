"""`Advantage`: who deserves how much of what an episode was paid."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rewardsmith.envs.errors import RewardError
from rewardsmith.envs.stateful import BoolArray, FloatArray
from rewardsmith.rewards.credit.rollouts import Level, Rollouts
from rewardsmith.rewards.episode import Group

_MENDS = {
    "state": "give Rollouts.state a key of the state every step was taken in, a hash of its text",
    "node": "sample by tree rollouts, and give Rollouts.node the key of every step's node",
    "tokens": "only episodes that a language model wrote have tokens",
}


@dataclass(frozen=True)
class Advantage(ABC):
    """Base of the credit estimators: frozen dataclasses whose fields are their settings.

    A new one defines `credit`, its `level`, what it `needs`, and one sum that must come out
    (`invariant` and `violation`), which the credit lens shows.
    """

    level: ClassVar[Level]
    """What one advantage is given to."""
    invariant: ClassVar[str]
    """The sum that must come out, as a sentence."""

    @property
    def needs(self) -> tuple[str, ...]:
        """What the rollouts must hold: "state", "node", "tokens", or names of signals."""
        return ()

    @abstractmethod
    def credit(self, rollouts: Rollouts) -> FloatArray:
        """Returns the advantages at `level`; what unscored episodes get is not looked at."""

    @abstractmethod
    def violation(self, rollouts: Rollouts, credit: FloatArray) -> float:
        """Returns by how much, at worst, the advantages miss the `invariant`; at least 0."""

    def __call__(self, rollouts: Rollouts) -> FloatArray:
        """Returns the advantages at `level`: float64 (E,), (S,) or (N,); 0 where not scored.

        Raises:
            RewardError: If the rollouts lack what this estimator needs.
        """
        for name in self.needs:
            self._require(name, rollouts)
        credit = self.credit(rollouts)
        if rollouts.scored.all():
            return credit
        return np.where(_scored(rollouts, self.level), credit, 0.0)

    def tokens(self, rollouts: Rollouts) -> FloatArray:
        """Returns the advantage of every token, float64 (N,)."""
        return rollouts.to_tokens(self.level, self(rollouts))

    def of_group(self, group: Group, pay: Sequence[FloatArray]) -> list[FloatArray]:
        """Returns one array per episode of a group: (1,), (T,) or (tokens of the episode,).

        Args:
            group: Episodes that share a start.
            pay: What the design pays the steps of each, (T,).
        """
        rollouts = Rollouts.of([group], [pay])
        sizes = {
            "episode": np.ones(len(group), dtype=np.int64),
            "step": rollouts.lengths,
            "token": np.bincount(rollouts.token_episode, minlength=len(group)),
        }[self.level]
        return np.split(self(rollouts), np.cumsum(sizes)[:-1])

    def _require(self, name: str, rollouts: Rollouts) -> None:
        present = {
            "state": rollouts.state is not None,
            "node": rollouts.node is not None,
            "tokens": rollouts.n_tokens > 0,
        }.get(name, name in rollouts.signals)
        if not present:
            mend = _MENDS.get(name, f"put {name!r} among Rollouts.signals")
            raise RewardError(
                f"{type(self).__name__} needs {name!r}, which these rollouts lack: {mend}"
            )


def _scored(rollouts: Rollouts, level: Level) -> BoolArray:
    """Returns whether the episode of every row of a level is scored."""
    if level == "episode":
        return rollouts.scored
    return rollouts.counted if level == "step" else rollouts.counted[rollouts.step]
