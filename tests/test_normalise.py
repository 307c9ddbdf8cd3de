"""Running statistics: closed forms, and the wrappers of other libraries."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import NormalizeReward
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from rewardsmith.envs import ConfigError
from rewardsmith.rewards import (
    Normalise,
    RewardDesign,
    SB3RewardWrapper,
    TaskReward,
    Transition,
    VectorRewardWrapper,
)


def step(n: int, **changes: Any) -> Transition:
    no = np.zeros(n, dtype=np.bool_)
    return Transition(0, 0, 0, np.zeros(n), no, no, **changes)


def started(transform: Normalise, n: int) -> Normalise:
    transform.reset(np.ones(n, dtype=np.bool_))
    return transform


@given(st.lists(st.lists(st.floats(-9, 9), min_size=3, max_size=3), min_size=1, max_size=9))
@settings(max_examples=40)
def test_running_moments_are_those_of_all_samples(batches: list[list[float]]) -> None:
    """The start counts as 1e-4 samples of mean 0 and variance 1."""
    transform = started(Normalise(by="reward", clip=np.inf), 3)
    paid = [transform(np.array(batch), step(3)) for batch in batches][-1]
    samples = np.concatenate(batches)
    weight = samples.size + 1e-4
    mean = samples.sum() / weight
    variance = ((samples - mean) ** 2).sum() / weight + 1e-4 * (1 + mean**2) / weight
    expected = (np.array(batches[-1]) - mean) / np.sqrt(variance + 1e-8)
    assert_allclose(paid, expected, rtol=1e-6, atol=1e-6)


def test_return_scaling_by_hand() -> None:
    transform = started(Normalise(gamma=0.5, clip=np.inf), 2)
    transform(np.array([2.0, 4.0]), step(2))
    transform.reset(np.array([True, False]))
    paid = transform(np.array([1.0, 1.0]), step(2))
    samples = np.array([2.0, 4.0, 1.0, 3.0])
    assert_allclose(paid, 1.0 / samples.std(), rtol=1e-3)


def test_the_result_is_clipped() -> None:
    transform = started(Normalise(by="reward", clip=1.5), 9)
    paid = transform(np.array([0.0] * 7 + [100.0, -100.0]), step(9))
    assert_array_equal(paid[-2:], [1.5, -1.5])


def test_inactive_rows_are_no_samples() -> None:
    some, all_ = started(Normalise(by="reward"), 3), started(Normalise(by="reward"), 2)
    active = np.array([True, False, True])
    rewards = np.array([1.0, 99.0, 3.0])
    assert_array_equal(
        some(rewards, step(3, active=active))[active], all_(rewards[active], step(2))
    )


def test_return_scaling_is_that_of_vec_normalize() -> None:
    """Over many episodes: Stable-Baselines3 restarts the return wherever one ends."""

    def make() -> DummyVecEnv:
        cart = lambda: gym.make("CartPole-v1", max_episode_steps=15)  # noqa: E731
        return DummyVecEnv([cart] * 3)

    theirs = VecNormalize(make(), norm_obs=False, gamma=0.9)
    design = RewardDesign({"task": TaskReward()}, transforms=[Normalise(gamma=0.9)])
    ours = SB3RewardWrapper(make(), design)
    theirs.seed(3)
    ours.seed(3)
    theirs.reset()
    ours.reset()
    rng, ends = np.random.default_rng(0), 0
    for _ in range(80):
        actions = rng.integers(0, 2, 3)
        _, expected, done, _ = theirs.step(actions)
        assert_allclose(ours.step(actions)[1], expected, rtol=1e-6)
        ends += int(done.sum())
    assert ends > 5


def test_return_scaling_is_that_of_gymnasium() -> None:
    """Under same-step autoreset and truncation, where its return restarts as well."""

    def make() -> SyncVectorEnv:
        pendulum = lambda: gym.make("Pendulum-v1", max_episode_steps=9)  # noqa: E731
        return SyncVectorEnv([pendulum] * 3, autoreset_mode=AutoresetMode.SAME_STEP)

    theirs = NormalizeReward(make(), gamma=0.9)
    design = RewardDesign({"task": TaskReward()}, transforms=[Normalise(gamma=0.9, clip=np.inf)])
    ours = VectorRewardWrapper(make(), design)
    theirs.reset(seed=3)
    ours.reset(seed=3)
    rng = np.random.default_rng(0)
    for _ in range(40):
        actions = rng.uniform(-2, 2, (3, 1)).astype(np.float32)
        assert_allclose(ours.step(actions)[1], theirs.step(actions)[1], rtol=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Normalise(by="episode"), "unknown statistic 'episode' in Normalise.by"),  # type: ignore[arg-type]
        (lambda: Normalise(gamma=1.5), r"gamma must be in \[0, 1\], got 1.5"),
        (lambda: Normalise(epsilon=0.0), "epsilon must be positive, got 0.0"),
        (lambda: Normalise(clip=-1.0), "clip must be positive, got -1.0"),
    ],
)
def test_errors(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
