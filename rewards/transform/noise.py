"""Wrong verdicts, on purpose: how much noise does a learner survive?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from rewardsmith.envs.errors import ConfigError, unknown
from rewardsmith.envs.stateful import BoolArray, FloatArray
from rewardsmith.envs.streams import Streams
from rewardsmith.rewards.component import Transform
from rewardsmith.rewards.transition import Transition

Per = Literal["step", "episode"]


@dataclass
class FlipNoise(Transform):
    """With probability p a verdict is turned round: r' = low + high - r, that is 1 - c.

    per="step":     every step carries a verdict, and each is flipped on its own.
    per="episode":  the last step of an episode carries its verdict; the others pass as
                    they are. One draw per environment and episode.

    Row i draws from the random stream of `seed + i`, so that its draws depend neither on
    the other rows nor on the autoreset mode.

    Source: arXiv 2505.22653 (The Climb Carves Wisdom Deeper Than the Summit), which makes
    one draw per prompt, common to all responses to it, and never flips an answer that
    could not be read.

    Args:
        probability: Chance of a flip, in [0, 1].
        per: "step" or "episode".
        seed: Seed of row 0's stream, at least 0.
        high: Value of a right verdict.
        low: Value of a wrong verdict.

    Raises:
        ConfigError: If a parameter is out of range.

    Example:
        >>> step = Transition(0, 0, 0, np.zeros(2), np.ones(2, bool), np.zeros(2, bool))
        >>> noise = FlipNoise(probability=1.0)
        >>> noise.reset(np.ones(2, bool))
        >>> noise(np.array([1.0, 0.0]), step)
        array([0., 1.])
    """

    probability: float
    per: Per = "step"
    seed: int = 0
    high: float = 1.0
    low: float = 0.0
    _streams: Streams = field(
        default_factory=lambda: Streams(0), init=False, repr=False, compare=False
    )

    state_names = ("_streams",)

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ConfigError(f"FlipNoise.probability must be in [0, 1], got {self.probability}")
        if self.per not in get_args(Per):
            raise unknown("unit", self.per, get_args(Per), where="FlipNoise.per")
        if self.seed < 0:
            raise ConfigError(f"FlipNoise.seed must be at least 0, got {self.seed}")

    def reset(self, mask: BoolArray) -> None:
        """Seeds the streams if the number of rows is new; they run on over episodes."""
        if self._streams.key.size != mask.size:
            rows = np.arange(mask.size)
            self._streams = Streams(mask.size)
            self._streams.seed(rows, self.seed + rows)

    def __call__(self, reward: FloatArray, transition: Transition) -> FloatArray:
        """Returns the noisy pay, float64 (n,)."""
        verdict = transition.active
        if self.per == "episode":
            verdict = verdict & transition.done
        rows = np.flatnonzero(verdict)
        flipped = rows[self._streams.uniform(rows) < self.probability]
        noisy = reward.copy()
        noisy[flipped] = self.low + self.high - reward[flipped]
        return noisy
