"""Stable-Baselines3 algorithms by name, with their settings checked before anything runs."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gymnasium as gym

from rewardsmith.envs.errors import ConfigError, unknown

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

ALGORITHMS = {"ppo": "PPO", "a2c": "A2C", "dqn": "DQN", "sac": "SAC", "td3": "TD3"}
_OURS = frozenset({"env", "seed", "device", "verbose", "tensorboard_log", "_init_setup_model"})


def algorithm(name: str) -> type[BaseAlgorithm]:
    """Returns the SB3 class of an algorithm.

    Raises:
        ConfigError: If the name is unknown; lists the nearest.
    """
    import stable_baselines3

    if name not in ALGORITHMS:
        raise unknown("algorithm", name, ALGORITHMS, where="agent.algorithm")
    found: type[BaseAlgorithm] = getattr(stable_baselines3, ALGORITHMS[name])
    return found


def check_settings(name: str, settings: Mapping[str, Any], action_space: gym.Space[Any]) -> None:
    """Checks an algorithm's name, settings and fit to the action space.

    Raises:
        ConfigError: Naming the setting or the space, and the mend.
    """
    known = inspect.signature(algorithm(name).__init__).parameters.keys() - _OURS - {"self"}
    for setting in settings:
        if setting not in known:
            raise unknown("setting", setting, known, where=f"agent.settings of {name}")
    discrete = isinstance(action_space, gym.spaces.Discrete)
    if name == "dqn" and not discrete:
        raise ConfigError(
            f"agent.algorithm 'dqn' needs discrete actions, this task has "
            f"{action_space}; use sac, td3, ppo or a2c"
        )
    if name in ("sac", "td3") and not isinstance(action_space, gym.spaces.Box):
        raise ConfigError(
            f"agent.algorithm {name!r} needs continuous actions, this task has "
            f"{action_space}; use ppo, a2c or dqn"
        )


def build_model(config: Mapping[str, Any], env: VecEnv, *, device: str) -> BaseAlgorithm:
    """Builds the agent of a configuration.

    Args:
        config: A `train` configuration. `agent.settings` are SB3's constructor arguments, of
            which `action_noise: 0.1` stands for Gaussian noise of that standard deviation per
            component, and `agent.gamma` is the discount where they name none; `seed` seeds
            numpy, torch, the action space and the environment.
        env: Where it learns.
        device: "cpu", "cuda" or "auto".

    Raises:
        ConfigError: If the algorithm is unknown, or it refuses its settings or the task.
    """
    agent = config["agent"]
    name, settings = agent["algorithm"], {"gamma": agent["gamma"], **agent["settings"]}
    check_settings(name, settings, env.action_space)
    arguments = dict(settings)
    noise = arguments.get("action_noise")
    if isinstance(noise, int | float):
        import numpy as np
        from stable_baselines3.common.noise import NormalActionNoise

        size = env.action_space.shape or (1,)
        arguments["action_noise"] = NormalActionNoise(np.zeros(size), np.full(size, float(noise)))
    arguments.setdefault("policy", "MlpPolicy")
    try:
        return algorithm(name)(env=env, seed=config["seed"], device=device, verbose=0, **arguments)
    except (AssertionError, TypeError, ValueError) as error:
        raise ConfigError(f"agent.settings {settings} do not suit {name}: {error}") from error
