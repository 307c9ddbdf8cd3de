"""`Turning`: how far a body has rolled and pitched since it last touched the floor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np

TURNED = "turned"


class Turning(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Adds the fact `turned`: roll and pitch (2,) of the torso (rad), added up step by step.

    With q_t the torso's orientation after step t, turned = sum_t log(q_t^-1 q_t+1), of which
    the components about the torso's own x and y axis are told; a whole somersault counts
    2 pi, where an angle read off the orientation would be back at 0. The count starts again
    at reset, and whenever anything but `feet` touches the floor, so that rolling on the
    ground is no somersault.

    Args:
        env: A MuJoCo environment with a body `torso` and a geometry `floor`.
        feet: Geometries that may touch the floor.
    """

    def __init__(self, env: gym.Env[Any, Any], feet: Sequence[str] = ()) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, feet=feet)
        super().__init__(env)
        task: Any = env.unwrapped
        self._floor = task.model.geom("floor").id
        self._feet = np.array([task.model.geom(name).id for name in feet], dtype=np.int64)
        self._orientation = np.array([1.0, 0.0, 0.0, 0.0])
        self._turned = np.zeros(3)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode, turned by nothing."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._orientation = self._torso()
        self._turned = np.zeros(3)
        return observation, info | {TURNED: self._turned[:2].copy()}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Plays one step and adds its rotation."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        before, self._orientation, rotation = self._orientation, self._torso(), np.zeros(3)
        mujoco.mju_subQuat(rotation, self._orientation, before)
        self._turned = np.zeros(3) if self._fallen() else self._turned + rotation
        return observation, reward, terminated, truncated, info | {TURNED: self._turned[:2].copy()}

    def _torso(self) -> np.ndarray:
        task: Any = self.unwrapped
        return np.array(task.data.body("torso").xquat)

    def _fallen(self) -> bool:
        """Whether anything but the feet touches the floor."""
        task: Any = self.unwrapped
        pairs = task.data.contact.geom  # Shape (contacts, 2)
        on_floor = pairs[(pairs == self._floor).any(axis=1)]
        return bool((~np.isin(on_floor, [self._floor, *self._feet])).any())
