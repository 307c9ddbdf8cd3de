"""Every task by others that has a card, as test parameters."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, NamedTuple

import gymnasium as gym
import pytest

from rewardsmith.envs.external import PRESETS, Preset, SparseTask, make_external
from rewardsmith.envs.external.suites import EXTRA, SUITES


class Case(NamedTuple):
    """A task by others: its Gymnasium id and its name there."""

    env_id: str
    task: str

    @property
    def preset(self) -> Preset:
        """What is known of it."""
        return PRESETS[self.env_id][self.task]

    def make(self, **options: Any) -> SparseTask:
        """Makes the task."""
        env = make_external(self.env_id, task=self.task, **options)
        assert isinstance(env, SparseTask)
        return env

    def bare(self) -> gym.Env[Any, Any]:
        """Makes the environment as its authors ship it, with the options of the task."""
        limit = {"max_episode_steps": self.preset.time_limit} if self.preset.time_limit else {}
        return gym.make(self.env_id, **limit, **self.preset.options)


def needs_suite(env_id: str) -> list[pytest.MarkDecorator]:
    """Returns the mark that skips a test where the package with this id is not installed."""
    package = next((p for prefix, p in SUITES.items() if env_id.startswith(prefix)), None)
    missing = package is not None and find_spec(package) is None
    return [pytest.mark.skipif(missing, reason=f"{package} comes with the extra {EXTRA!r}")]


def cases(*env_ids: str) -> list[Any]:
    """Returns the tasks of these ids, of all by default, as parameters."""
    return [
        pytest.param(Case(env_id, task), id=f"{env_id} {task}", marks=needs_suite(env_id))
        for env_id in env_ids or PRESETS
        for task in PRESETS[env_id]
    ]
