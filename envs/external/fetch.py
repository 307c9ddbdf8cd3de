"""Gymnasium-Robotics' Fetch arm: reach and push."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.external import oracles
from rewardsmith.envs.external.preset import Preset, columns
from rewardsmith.envs.external.sparse import FactReader
from rewardsmith.envs.external.success import Threshold

_SOURCE = "Plappert et al. 2018 (arXiv:1802.09464); Gymnasium-Robotics (de Lazcano et al. 2023)"
_RADIUS = 0.05
"""Distance (m) at which the suite counts a goal as reached."""

_TARGET = Field("target_position", "x, y, z of the target", (0, 3), unit="m")
_GRIPPER = Field("gripper_position", "x, y, z of the gripper", (3, 6), unit="m")
_ACTION = columns(
    ("move_x", "shift of the gripper along x, share of 5 cm", "", -1.0, 1.0),
    ("move_y", "shift of the gripper along y, share of 5 cm", "", -1.0, 1.0),
    ("move_z", "shift of the gripper along z, share of 5 cm", "", -1.0, 1.0),
    ("fingers", "without effect: the fingers are blocked", "", -1.0, 1.0),
)


def _fingers(start: int) -> Field:
    what = "opening of the right and the left finger"
    return Field("finger_positions", what, (start, start + 2), unit="m")


def _motion(start: int) -> tuple[Field, Field]:
    """Returns the velocities of gripper and fingers, 5 columns from `start` on."""
    fingers, what = start + 3, "shift of the gripper in a step along x, y, z"
    return (
        Field("gripper_velocity", what, (start, fingers), unit="m/step"),
        Field("finger_velocities", "shift of the fingers in a step", (fingers, fingers + 2),
              unit="m/step"),
    )  # fmt: skip


def _flat(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """Lays target and observation side by side; `achieved_goal` repeats part of the latter."""
    kept = gym.wrappers.FilterObservation(env, ["desired_goal", "observation"])
    return gym.wrappers.FlattenObservation(kept)


def _gripper_to_target(env: Any) -> np.ndarray:
    return np.asarray(env.data.site("robot0:grip").xpos - env.goal)


def _object_to_target(env: Any) -> np.ndarray:
    return np.asarray(env.data.site("object0").xpos - env.goal)


def _gripper_to_object(env: Any) -> np.ndarray:
    return np.asarray(env.data.site("robot0:grip").xpos - env.data.site("object0").xpos)


def _preset(card: EnvCard, distance: str, facts: Mapping[str, FactReader]) -> Preset:
    """Returns a task that is solved while the fact `distance` is within `_RADIUS`."""
    return Preset(
        card,
        success=(Threshold(distance, below=_RADIUS),),
        terminate_on_success=False,
        facts=facts,
        options={"reward_type": "dense"},
        wrap=_flat,
    )


# Random actions end within 5 cm in 2 of 100 episodes.
REACH = _preset(
    EnvCard(
        id="FetchReach-v4",
        goal="Bring the gripper of a robot arm to a point in the air and keep it there.",
        observation=(
            _TARGET,
            _GRIPPER,
            _fingers(6),
            *_motion(8),
        ),
        action=_ACTION,
        facts=(Field("gripper_to_target", "x, y, z of gripper minus target", (0, 3), unit="m"),),
        oracle=oracles.fetch_reach,
        human_design="-distance from gripper to target at every step",
        source=_SOURCE,
    ),
    "gripper_to_target",
    {"gripper_to_target": _gripper_to_target},
)


# Random actions succeed in 5 of 100 episodes, where the target was drawn that near to the box.
PUSH = _preset(
    EnvCard(
        id="FetchPush-v4",
        goal="Push a box across a table to the target with the closed gripper of a robot arm.",
        observation=(
            _TARGET,
            _GRIPPER,
            Field("object_position", "x, y, z of the box", (6, 9), unit="m"),
            Field("object_from_gripper", "x, y, z of box minus gripper", (9, 12), unit="m"),
            _fingers(12),
            Field("object_rotation", "Euler angles of the box", (14, 17), unit="rad"),
            Field("object_velocity", "shift of the box in a step, less that of the gripper",
                  (17, 20), unit="m/step"),
            Field("object_angular_velocity", "turning of the box in a step", (20, 23),
                  unit="rad/step"),
            *_motion(23),
        ),
        action=_ACTION,
        facts=(
            Field("object_to_target", "x, y, z of box minus target", (0, 3), unit="m"),
            Field("gripper_to_object", "x, y, z of gripper minus box", (0, 3), unit="m"),
        ),
        oracle=oracles.fetch_push,
        human_design="-distance from box to target at every step",
        source=_SOURCE,
    ),
    "object_to_target",
    {"object_to_target": _object_to_target, "gripper_to_object": _gripper_to_object},
)  # fmt: skip
