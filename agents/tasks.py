"""From the `env` group of a configuration to an environment that is paid and recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
from gymnasium.vector import AutoresetMode

from rewardsmith.agents.recorder import EpisodeRecorder
from rewardsmith.envs.errors import ConfigError
from rewardsmith.rewards.config import build_design
from rewardsmith.rewards.design import RewardDesign
from rewardsmith.rewards.wrappers import VectorRewardWrapper

PREFIX = "rewardsmith/"


def make_task(env: Mapping[str, Any], n: int) -> gym.vector.VectorEnv[Any, Any, Any]:
    """Makes `n` rows of the task in same-step autoreset mode.

    Ids of this suite come numpy-vectorised; any other Gymnasium id through the adapter of
    `rewardsmith.envs.external`, with the configured success predicate.

    Raises:
        ConfigError: If the id, an option or the predicate is wrong.
    """
    env_id, options = str(env["id"]), dict(env.get("options") or {})
    if env_id.startswith(PREFIX):
        try:
            return gym.make_vec(env_id, n, autoreset_mode=AutoresetMode.SAME_STEP, **options)
        except (gym.error.Error, TypeError) as error:
            raise ConfigError(f"env.id {env_id!r} with env.options {options}: {error}") from None
    from rewardsmith.envs.external import make_external_vec

    return make_external_vec(
        env_id, n, success=env.get("success"),
        terminate_on_success=bool(env.get("terminate_on_success", False)),
        autoreset_mode=AutoresetMode.SAME_STEP, **options)


def make_single(env: Mapping[str, Any]) -> gym.Env[Any, Any]:
    """Makes one environment of the task, able to give pictures where the task has any."""
    env_id, options = str(env["id"]), dict(env.get("options") or {})
    if env_id.startswith(PREFIX):
        return gym.make(env_id, render_mode="rgb_array", **options)
    from rewardsmith.envs.external import make_external

    return make_external(
        env_id, success=env.get("success"),
        terminate_on_success=bool(env.get("terminate_on_success", False)), **options)


def pay_and_record(
    task: gym.vector.VectorEnv[Any, Any, Any], reward: Mapping[str, Any] | RewardDesign
) -> EpisodeRecorder:
    """Wraps a task so that the design of the `reward` group pays it, and records episodes."""
    design = reward if isinstance(reward, RewardDesign) else build_design(reward)
    return EpisodeRecorder(VectorRewardWrapper(task, design))


