"""`Preset`: a task by others, with what it takes to make it, read it and judge it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym

from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.external.sparse import FactReader
from rewardsmith.envs.external.success import Threshold

GYMNASIUM = "Gymnasium (Towers et al. 2024, arXiv:2407.17032)"
MUJOCO = f"{GYMNASIUM}; physics by MuJoCo (Todorov et al. 2012, doi:10.1109/IROS.2012.6386109)"


@dataclass(frozen=True, slots=True)
class Preset:
    """A task by others, ready for `SparseTask`.

    Attributes:
        card: What the observation, the action and `info` hold.
        success: All of these must hold.
        terminate_on_success: Whether the first success ends the episode.
        facts: Readers of facts that the environment's `info` does not always hold.
        options: Arguments of `gymnasium.make` that the task cannot do without.
        time_limit: Steps after which an episode is truncated unless the user says otherwise;
            None leaves it to Gymnasium's registration.
        wrap: What is put around the environment, innermost; None for nothing.
    """

    card: EnvCard
    success: tuple[Threshold, ...]
    terminate_on_success: bool
    facts: Mapping[str, FactReader] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    time_limit: int | None = None
    wrap: Callable[[gym.Env[Any, Any]], gym.Env[Any, Any]] | None = None


def columns(*named: tuple[str, str, str, float, float], start: int = 0) -> tuple[Field, ...]:
    """Makes one field per column from (name, description, unit, low, high)."""
    return tuple(
        Field(name, description, (i, i + 1), unit=unit, low=low, high=high)
        for i, (name, description, unit, low, high) in enumerate(named, start)
    )
