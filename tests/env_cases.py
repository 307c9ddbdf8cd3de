"""Every registered environment, for tests that hold of all of them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np

from rewardsmith.envs import BatchEnv, SingleEnv
from rewardsmith.envs.registration import ENTRY_POINTS

TEXT_NAMES = sorted(name for name, place in ENTRY_POINTS.items() if ".envs.text." in place)
"""Conversations, whose observations and actions are texts; see `test_text_envs`."""

NAMES = sorted(ENTRY_POINTS.keys() - set(TEXT_NAMES))
DETERMINISTIC = {"DeepSea-v0"}
"""Tasks that draw nothing, so that every seed gives the same trajectory."""


def batch_class(name: str) -> type[BatchEnv]:
    """Returns the vectorised class registered under `rewardsmith/name`."""
    module, _, attribute = ENTRY_POINTS[name].partition(":")
    found: type[BatchEnv] = getattr(importlib.import_module(module), attribute)
    return found


def make(name: str, n: int = 1, **options: Any) -> BatchEnv:
    """Makes the vectorised environment of n rows."""
    return batch_class(name)(n, **options)


def make_single(name: str, **options: Any) -> SingleEnv:
    """Makes the single view, without Gymnasium's wrappers."""
    env = gym.make(f"rewardsmith/{name}", **options).unwrapped
    assert isinstance(env, SingleEnv)
    return env


def random_actions(env: BatchEnv, steps: int, seed: int = 0) -> list[np.ndarray]:
    """Draws `steps` batches of actions, each (n, ...)."""
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(steps)]


def play(env: BatchEnv, steps: int, seed: int | None) -> list[Any]:
    """Returns everything that `steps` random steps after a reset give."""
    seen: list[Any] = [env.reset(seed=seed)]
    seen += [env.step(action) for action in random_actions(env, steps)]
    return seen


def values(info: dict[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the facts of a vector-form info, without masks and final info."""
    for key, value in info.items():
        if not key.startswith("_") and key not in ("final_obs", "final_info"):
            yield key, value


def assert_equal(left: Any, right: Any) -> None:
    """Holds that two nests of arrays are equal bit for bit, dtype and shape included."""
    if isinstance(left, dict):
        assert left.keys() == right.keys()
        for key in left:
            assert_equal(left[key], right[key])
    elif isinstance(left, list | tuple):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            assert_equal(one, other)
    else:
        one, other = np.asarray(left), np.asarray(right)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
