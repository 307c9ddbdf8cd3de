"""`Outcome`: what comes of judging a transcript. An error is never a score of 0."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from rewardsmith.envs.errors import RewardError


@dataclass(frozen=True, slots=True)
class Scored:
    """A judgement was reached.

    Attributes:
        value: Score in [0, 1].
        parts: What it is made of, by name.
        reason: Why, in a sentence, for people.

    Raises:
        RewardError: If the value is not in [0, 1].
    """

    value: float
    parts: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and 0.0 <= self.value <= 1.0):
            raise RewardError(f"a score must be in [0, 1], got {self.value!r}; {self.reason}")


@dataclass(frozen=True, slots=True)
class Abstained:
    """The verifier cannot judge this, for instance because no reference is known."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The verifier itself went wrong; says nothing of the transcript."""

    error: str


Outcome = Scored | Abstained | Failed
