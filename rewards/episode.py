"""`Step`, `Episode`, `Group`: finished trajectories, for rewards that need to know the end."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.stateful import FloatArray, IntArray
from rewardsmith.rewards.design import RewardDesign
from rewardsmith.rewards.stream import vectorise_infos
from rewardsmith.rewards.transition import Transition, stack


@dataclass(frozen=True, slots=True)
class TokenSpan:
    """The tokens of one turn, as a language model read and wrote them.

    Attributes:
        context: Ids that came before the turn and since the last one: the prompt, what a tool
            said, the template's marks. int64 (C,). Never trained on.
        ids: Ids the policy wrote, int64 (L,).
        logprobs: Log-probability of each when it was drawn, in nats, float64 (L,).
        entropies: Entropy of the distribution each was drawn from, in nats, float64 (L,); None
            where nobody asked.
    """

    context: IntArray
    ids: IntArray
    logprobs: FloatArray
    entropies: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one environment; for text, one turn.

    Attributes:
        observation: What the agent saw.
        action: What it did.
        reward: The environment's own reward.
        info: Facts at the successor.
        tokens: The turn's tokens, where a language model took it.
    """

    observation: Any
    action: Any
    reward: float
    info: Mapping[str, Any] = field(default_factory=dict)
    tokens: TokenSpan | None = None


@dataclass(frozen=True, slots=True)
class Episode:
    """A finished trajectory of T steps.

    Attributes:
        steps: The T steps in order.
        final_observation: The observation after the last step.
        terminated: Whether the task ended, rather than being cut off.
        initial_info: Facts at the start.

    Raises:
        EnvError: If there is no step.
    """

    steps: tuple[Step, ...]
    final_observation: Any
    terminated: bool
    initial_info: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.steps:
            raise EnvError("an episode needs at least one step; steps is empty")

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def rewards(self) -> FloatArray:
        """The environment's own rewards, float64 (T,)."""
        return np.array([step.reward for step in self.steps], dtype=np.float64)

    @property
    def success(self) -> bool:
        """Whether the last step's info reports success."""
        return bool(self.steps[-1].info.get("success", False))

    def transitions(self) -> list[Transition]:
        """Returns the T steps as transitions of one row each."""
        observations = [stack([step.observation]) for step in self.steps]
        observations.append(stack([self.final_observation]))
        infos = [vectorise_infos([self.initial_info])]
        infos += [vectorise_infos([step.info]) for step in self.steps]
        last = len(self.steps) - 1
        return [
            Transition(
                observations[t],
                stack([step.action]),
                observations[t + 1],
                np.array([float(step.reward)]),
                np.array([t == last and self.terminated]),
                np.array([t == last and not self.terminated]),
                infos[t + 1],
                infos[t],
            )
            for t, step in enumerate(self.steps)
        ]

    def pay(self, design: RewardDesign) -> FloatArray:
        """Returns what a bound design pays each step, (T,).

        Pay that depends on the end of the episode, such as a gate, stands on the steps it
        belongs to; online the same design pays it when it becomes known. The design itself,
        which may be paying elsewhere, is left as it is.
        """
        return copy.deepcopy(design).place(self.transitions())


@dataclass(frozen=True, slots=True)
class Group:
    """Episodes that share a start.

    Attributes:
        episodes: The G episodes.
        start: What they share: a prompt, a seed, a snapshot.
    """

    episodes: tuple[Episode, ...]
    start: Any = None

    def __len__(self) -> int:
        return len(self.episodes)

    def __iter__(self) -> Iterator[Episode]:
        return iter(self.episodes)

    @property
    def returns(self) -> FloatArray:
        """Undiscounted task return of every episode, float64 (G,)."""
        return np.array([episode.rewards.sum() for episode in self.episodes], dtype=np.float64)
