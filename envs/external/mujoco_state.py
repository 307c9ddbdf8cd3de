"""Exact snapshots of Gymnasium environments: MuJoCo, classic control, and their wrappers.

A snapshot holds, layer by layer through the wrappers, every attribute that is plain data
(numbers, text, arrays, random generators, containers of these), of MuJoCo's `MjData` the full
integration state, and of its `MjModel` the places that tasks change from episode to episode.
What cannot change while running (spaces, cards, functions) is left out. An environment that
holds anything else, such as a Box2D world, is refused: its future would not be in the
snapshot.
"""

from __future__ import annotations

import copy
import dataclasses
import enum
from collections import deque
from collections.abc import Mapping
from functools import partial
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec

from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.stateful import Stateful

AnyEnv: TypeAlias = gym.Env[Any, Any] | gym.vector.VectorEnv[Any, Any, Any]
Snapshot = dict[str, Any]

_DERIVED = (
    "xpos", "xquat", "xmat", "xipos", "ximat", "geom_xpos", "geom_xmat", "site_xpos",
    "site_xmat", "subtree_com", "cinert", "cvel", "cacc", "cfrc_int", "cfrc_ext", "qacc",
    "qfrc_actuator", "actuator_force", "sensordata",
)  # fmt: skip
"""Arrays of `MjData` that an environment may read before it next steps.

After a step they belong to the last substep, one integration behind the state, so that
`mj_forward` would not bring them back as they were."""

_PLACES = ("body_pos", "body_quat", "site_pos")
"""Arrays of `MjModel` that a reset may change, to put furniture and targets elsewhere."""

_SETTINGS = (
    "spec", "metadata", "_metadata", "render_mode", "autoreset_mode", "_saved_kwargs",
    "_ezpickle_args", "_ezpickle_kwargs",
)  # fmt: skip
"""Attributes that say how an environment was made; those of the target stay."""

_NOT_STATE = object()


def snapshot(env: AnyEnv) -> Snapshot:
    """Returns everything the next steps of `env` depend on, as data fit for pickle.

    Args:
        env: A single environment with its wrappers, or a `SyncVectorEnv` of such. Spaces
            keep their own random state, which `env.step` never reads.

    Raises:
        EnvError: If a layer holds an object whose state cannot be copied.

    Example:
        >>> env = gym.make("MountainCarContinuous-v0")
        >>> _ = env.reset(seed=0)
        >>> saved, push = snapshot(env), np.array([1.0], dtype=np.float32)
        >>> first = env.step(push)[0]
        >>> restore(env, saved)
        >>> bool((env.step(push)[0] == first).all())
        True
    """
    if _saves_itself(env):
        return {"layer": type(env).__name__, "own": env.snapshot()}  # type: ignore[union-attr]
    state = {}
    for name, value in vars(env).items():
        saved = _NOT_STATE if name in _SETTINGS else _save(value, f"{type(env).__name__}.{name}")
        if saved is not _NOT_STATE:
            state[name] = saved
    return {"layer": type(env).__name__, "state": state}


def restore(env: AnyEnv, snapshot: Snapshot) -> None:
    """Puts a snapshot back, bit for bit, into `env` or another environment made the same way.

    Raises:
        EnvError: If the layers of `env` are not those the snapshot was taken of.
    """
    if snapshot["layer"] != type(env).__name__:
        raise EnvError(
            f"the snapshot was taken of {snapshot['layer']}, but here stands "
            f"{type(env).__name__}; make the environment the way the saved one was made"
        )
    if "own" in snapshot:
        env.restore(snapshot["own"])  # type: ignore[union-attr]
        return
    for name, saved in snapshot["state"].items():
        _load(env, name, saved)


def can_snapshot(env: AnyEnv) -> bool:
    """Tells whether `snapshot` and `restore` work for `env`."""
    try:
        snapshot(env)
    except EnvError:
        return False
    return True


def _saves_itself(env: AnyEnv) -> bool:
    return all(hasattr(type(env), name) for name in ("snapshot", "restore"))


def _save(value: Any, where: str) -> Any:
    if isinstance(value, gym.Env | gym.vector.VectorEnv):
        return snapshot(value)
    if _is_envs(value):
        return [snapshot(env) for env in value]
    if isinstance(value, Stateful):
        return value.state_dict()
    if type(value).__name__ == "MjData":
        return _save_physics(value)
    if type(value).__name__ == "MjModel":
        return {name: getattr(value, name).copy() for name in _PLACES}
    if _is_view_of_physics(value):
        return _NOT_STATE
    if _is_plain(value):
        return copy.deepcopy(value)
    if _is_constant(value):
        return _NOT_STATE
    raise EnvError(
        f"{where} holds a {type(value).__name__}, whose state cannot be copied; this environment "
        "can only be replayed from its seed"
    )


def _load(env: AnyEnv, name: str, saved: Any) -> None:
    current: Any = getattr(env, name, None)
    if isinstance(current, gym.Env | gym.vector.VectorEnv):
        restore(current, saved)
    elif _is_envs(current):
        if len(current) != len(saved):
            raise EnvError(
                f"the snapshot holds {len(saved)} environments, this one {len(current)}; make it "
                f"with num_envs={len(saved)}"
            )
        for inner, state in zip(current, saved, strict=True):
            restore(inner, state)
    elif isinstance(current, Stateful):
        current.load_state_dict(saved)
    elif type(current).__name__ == "MjData":
        _load_physics(current, saved)
    elif type(current).__name__ == "MjModel":
        for place in _PLACES:
            getattr(current, place)[...] = saved[place]
    else:
        setattr(env, name, copy.deepcopy(saved))


def _is_envs(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, gym.Env) for v in value)


def _is_view_of_physics(value: Any) -> bool:
    """Tells whether an array lies in MuJoCo's own memory, where it changes with the state."""
    owner = value
    while isinstance(owner, np.ndarray) and owner.base is not None:
        owner = owner.base
    return type(owner).__name__ == "PyCapsule"


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(map(_is_plain, value.values()))
    if isinstance(value, list | tuple | set | deque):
        return all(map(_is_plain, value))
    if isinstance(value, np.ndarray):
        return value.dtype != object or all(map(_is_plain, value.ravel()))
    plain = bool | int | float | complex | str | bytes | np.generic | np.random.Generator
    return value is None or isinstance(value, plain | enum.Enum)


def _is_constant(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(map(_is_constant, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_constant, value))
    if dataclasses.is_dataclass(value):
        parameters = getattr(value, "__dataclass_params__")  # noqa: B009
        return isinstance(value, EnvSpec) or bool(parameters.frozen)
    if isinstance(value, gym.Space | type | ModuleType | FunctionType | BuiltinFunctionType):
        return True
    names = ("pygame", "gymnasium.envs.mujoco", "gymnasium_robotics.utils")
    return isinstance(value, partial) or type(value).__module__.startswith(names)


def _save_physics(data: Any) -> dict[str, np.ndarray]:
    import mujoco

    kind = mujoco.mjtState.mjSTATE_INTEGRATION
    state = np.empty(mujoco.mj_stateSize(data.model, kind))
    mujoco.mj_getState(data.model, data, state, kind)
    return {"state": state} | {name: getattr(data, name).copy() for name in _DERIVED}


def _load_physics(data: Any, saved: Mapping[str, np.ndarray]) -> None:
    import mujoco

    mujoco.mj_setState(data.model, data, saved["state"], mujoco.mjtState.mjSTATE_INTEGRATION)
    for name in _DERIVED:
        getattr(data, name)[...] = saved[name]
