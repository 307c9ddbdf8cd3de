"""The examples in docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import rewardsmith.agents
import rewardsmith.envs
import rewardsmith.llm_reward_design
import rewardsmith.rewards

PACKAGES = (
    rewardsmith.agents,
    rewardsmith.envs,
    rewardsmith.llm_reward_design,
    rewardsmith.rewards,
)
MODULES = [
    module.name
    for package in PACKAGES
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]


def test_modules_are_found() -> None:
    assert {"rewardsmith.envs.card", "rewardsmith.rewards.shaping.potential"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), report=True)
    assert result.failed == 0
