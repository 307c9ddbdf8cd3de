"""Saving a training run whole, so that it continues bit for bit.

Besides the agent this takes what is usually forgotten: the random states of python, numpy
and torch, the environment in the middle of its episodes, the state of the reward design,
and the running sums of the recorder.
"""

from __future__ import annotations

import io
import pickle
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np

from rewardsmith.agents.files import read_sealed, write_sealed
from rewardsmith.envs.batch import BatchEnv
from rewardsmith.envs.stateful import Stateful

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm


def save(
    path: Path, model: BaseAlgorithm, env: gym.vector.VectorEnv[Any, Any, Any], extra: Any
) -> None:
    """Writes agent, environment, random states and `extra` to one sealed file."""
    agent = io.BytesIO()
    model.save(agent)
    state = {
        "agent": agent.getvalue(),
        "action_space": model.action_space,
        "replay_buffer": getattr(model, "replay_buffer", None),
        "random": random_state(),
        "env": env_state(env),
        "extra": extra,
    }
    write_sealed(path, pickle.dumps(state))


def load(path: Path) -> dict[str, Any] | None:
    """Reads a checkpoint of our own making; None if there is none."""
    data = read_sealed(path)
    return None if data is None else pickle.loads(data)


def put_back(
    state: dict[str, Any],
    model_class: type[BaseAlgorithm],
    env: gym.vector.VectorEnv[Any, Any, Any],
    adapter: Any,
    device: str,
) -> BaseAlgorithm:
    """Rebuilds the agent, restores the environment, and sets the random states last.

    An environment that cannot be restored starts new episodes instead.
    """
    exact = restore_env(env, state["env"])
    model = model_class.load(
        io.BytesIO(state["agent"]), env=adapter, device=device, force_reset=not exact
    )
    model.action_space = state["action_space"]  # loading seeds it anew; exploration draws from it
    if state["replay_buffer"] is not None:
        model.replay_buffer = state["replay_buffer"]  # type: ignore[attr-defined]
    set_random_state(state["random"])
    return model


def random_state() -> dict[str, Any]:
    """Returns the global random states of python, numpy and torch."""
    import torch

    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),  # noqa: NPY002
        "torch": torch.get_rng_state(),
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Sets the global random states that `random_state` returned."""
    import torch

    random.setstate(state["python"])
    np.random.set_state(state["numpy"])  # noqa: NPY002
    torch.set_rng_state(state["torch"])


def env_state(env: gym.vector.VectorEnv[Any, Any, Any]) -> dict[str, Any]:
    """Returns the state of every wrapper that has one, and of the environment inside."""
    wrappers, inner = layers(env)
    return {"wrappers": [w.state_dict() for w in wrappers], "inner": _snapshot(inner)}


def restore_env(env: gym.vector.VectorEnv[Any, Any, Any], state: dict[str, Any]) -> bool:
    """Puts `env_state` back; returns False if the environment inside could not be restored."""
    wrappers, inner = layers(env)
    if state["inner"] is None:
        return False
    _restore(inner, state["inner"])
    for wrapper, saved in zip(wrappers, state["wrappers"], strict=True):
        wrapper.load_state_dict(saved)
    return True


def layers(
    env: gym.vector.VectorEnv[Any, Any, Any],
) -> tuple[list[Stateful], gym.vector.VectorEnv[Any, Any, Any]]:
    """Returns the stateful wrappers from the outside in, and the innermost environment."""
    wrappers: list[Stateful] = []
    while isinstance(env, gym.vector.VectorWrapper):
        if isinstance(env, Stateful):
            wrappers.append(env)
        env = env.env
    return wrappers, env


def _snapshot(env: gym.vector.VectorEnv[Any, Any, Any]) -> Any:
    if isinstance(env, BatchEnv):
        return env.snapshot()
    from rewardsmith.envs.external import can_snapshot, snapshot

    return snapshot(env) if can_snapshot(env) else None


def _restore(env: gym.vector.VectorEnv[Any, Any, Any], state: Any) -> None:
    if isinstance(env, BatchEnv):
        env.restore(state)
        return
    from rewardsmith.envs.external import restore

    restore(env, state)
