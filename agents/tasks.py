"""From the `env` group of a configuration to an environment that is paid and recorded."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
from gymnasium.vector import AutoresetMode

from rewardsmith.agents.recorder import EpisodeRecorder
from rewardsmith.envs.errors import unknown
from rewardsmith.rewards.design import RewardDesign
from rewardsmith.rewards.wrappers import VectorRewardWrapper

PREFIX = "rewardsmith/"


def make_task(
    env: Mapping[str, Any], n: int, autoreset_mode: AutoresetMode = AutoresetMode.SAME_STEP
) -> gym.vector.VectorEnv[Any, Any, Any]:
    """Makes `n` rows of the task, by default in same-step autoreset mode.

    Ids of this suite come numpy-vectorised; any other Gymnasium id through the adapter of
    `rewardsmith.envs.external`, with the configured success predicate.

    Raises:
        ConfigError: If the id, an option or the predicate is wrong.
    """
    env_id, options = str(env["id"]), dict(env.get("options") or {})
    if env_id.startswith(PREFIX):
        _check_ours(env_id, options)
        return gym.make_vec(env_id, n, autoreset_mode=autoreset_mode, **options)
    from rewardsmith.envs.external import make_external_vec

    return make_external_vec(
        env_id,
        n,
        success=env.get("success"),
        terminate_on_success=env.get("terminate_on_success"),
        autoreset_mode=autoreset_mode,
        **options,
    )


def _check_ours(env_id: str, options: Mapping[str, Any]) -> None:
    ours = [known for known in gym.registry if known.startswith(PREFIX)]
    if env_id not in ours:
        raise unknown("environment", env_id, ours, where="env.id")
    batch = _batch_class(env_id)
    known_options = inspect.signature(batch).parameters.keys() - {"num_envs", "autoreset_mode"}
    for option in options:
        if option not in known_options:
            raise unknown("option", option, known_options, where=f"env.options of {env_id}")


def _batch_class(env_id: str) -> Any:
    return gym.envs.registration.load_env_creator(str(gym.spec(env_id).vector_entry_point))


def make_single(env: Mapping[str, Any]) -> gym.Env[Any, Any]:
    """Makes one environment of the task, able to give pictures where the task has any."""
    env_id, options = str(env["id"]), dict(env.get("options") or {})
    if env_id.startswith(PREFIX):
        drawn = "rgb_array" in _batch_class(env_id).metadata["render_modes"]
        return gym.make(env_id, render_mode="rgb_array" if drawn else None, **options)
    from rewardsmith.envs.external import make_external

    return make_external(
        env_id,
        success=env.get("success"),
        terminate_on_success=env.get("terminate_on_success"),
        **options,
    )


def pay_and_record(
    task: gym.vector.VectorEnv[Any, Any, Any], design: RewardDesign, gamma: float
) -> EpisodeRecorder:
    """Wraps a task so that the design pays it, and records its episodes."""
    return EpisodeRecorder(VectorRewardWrapper(task, design), gamma)
