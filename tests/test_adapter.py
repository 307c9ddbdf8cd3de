"""The SB3 adapter: SB3's contract, and the same steps as SB3's own `DummyVecEnv`."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import A2C
from stable_baselines3.common.vec_env import DummyVecEnv

import rewardsmith.envs  # noqa: F401
from rewardsmith.agents.sb3.adapter import VectorAdapter
from rewardsmith.envs import EnvCard, EnvError
from rewardsmith.rewards import (
    Distance,
    RewardDesign,
    SB3RewardWrapper,
    TaskReward,
    VectorRewardWrapper,
)

ID, N, STEPS = "rewardsmith/KeyDoor-v0", 5, 400


def test_steps_equal_those_of_dummy_vec_env() -> None:
    ours = VectorAdapter(gym.make_vec(ID, N, autoreset_mode="SameStep", time_limit=30))
    theirs = DummyVecEnv([lambda: gym.make(ID, time_limit=30) for _ in range(N)])
    ours.seed(7)
    theirs.seed(7)
    np.testing.assert_array_equal(ours.reset(), theirs.reset())
    rng, ends = np.random.default_rng(0), 0
    for _ in range(STEPS):
        actions = rng.integers(4, size=N)
        (o1, r1, d1, i1), (o2, r2, d2, i2) = ours.step(actions), theirs.step(actions)
        np.testing.assert_array_equal(o1, o2)
        np.testing.assert_array_equal(r1, r2)
        np.testing.assert_array_equal(d1, d2)
        for row in np.flatnonzero(d1):
            ends += 1
            np.testing.assert_array_equal(
                i1[row]["terminal_observation"], i2[row]["terminal_observation"]
            )
            assert i1[row]["TimeLimit.truncated"] == i2[row]["TimeLimit.truncated"]
    assert ends > 2 * N


def test_needs_same_step_autoreset() -> None:
    with pytest.raises(EnvError, match="SAME_STEP"):
        VectorAdapter(gym.make_vec(ID, 2))


def test_sb3_trains_on_it() -> None:
    env = VectorAdapter(gym.make_vec(ID, 4, autoreset_mode="SameStep"))
    model = A2C("MlpPolicy", env, n_steps=8, device="cpu").learn(256)
    assert model.num_timesteps == 256


def test_seeding_and_attributes() -> None:
    env = VectorAdapter(gym.make_vec(ID, 3, autoreset_mode="SameStep"))
    env.seed(3)
    first = env.reset()
    env.seed(3)
    np.testing.assert_array_equal(first, env.reset())
    assert env.get_attr("num_envs") == [3, 3, 3]
    assert env.env_method("snapshot", indices=[0])[0]["done"].shape == (3,)


def test_sb3_wrapper_on_the_adapter_pays_like_the_vector_wrapper() -> None:
    design = RewardDesign({"task": TaskReward(), "near": Distance("agent", "goal")})
    inside = VectorAdapter(
        VectorRewardWrapper(gym.make_vec(ID, N, autoreset_mode="SameStep", time_limit=9), design)
    )
    inner = gym.make_vec(ID, N, autoreset_mode="SameStep", time_limit=9)
    outside = SB3RewardWrapper(VectorAdapter(inner), design, EnvCard.of(inner))
    for env in (inside, outside):
        env.seed(1)
        env.reset()
    rng = np.random.default_rng(1)
    for _ in range(60):
        actions = rng.integers(4, size=N)
        np.testing.assert_array_equal(inside.step(actions)[1], outside.step(actions)[1])
