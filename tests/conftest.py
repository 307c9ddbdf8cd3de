"""What every test shares."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci")


@pytest.fixture
def small_run() -> list[str]:
    """Overrides of a training run of a second or two."""
    return [
        "env=key_door",
        "reward=sparse",
        "total_steps=4096",
        "evaluation.points=4",
        "evaluation.episodes=4",
        "evaluation.final_episodes=8",
        "agent.n_envs=8",
        "agent.settings.n_steps=64",
    ]


@pytest.fixture
def small_config(small_run: list[str]) -> dict[str, Any]:
    """The configuration of that run."""
    from rewardsmith.agents.configs import compose

    return compose(small_run)
