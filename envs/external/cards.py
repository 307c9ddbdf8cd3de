"""Cards and success predicates of tasks that others wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.external import oracles
from rewardsmith.envs.external.sparse import FactReader
from rewardsmith.envs.external.success import Threshold

_GYMNASIUM = "Gymnasium (Towers et al. 2024, arXiv:2407.17032)"
_MUJOCO = f"{_GYMNASIUM}; physics by MuJoCo (Todorov et al. 2012, doi:10.1109/IROS.2012.6386109)"


@dataclass(frozen=True, slots=True)
class Preset:
    """A task by others, ready for `SparseTask`.

    Attributes:
        card: What the observation, the action and `info` hold.
        success: All of these must hold.
        terminate_on_success: Whether the first success ends the episode.
        facts: Readers of facts that the environment's `info` does not always hold.
    """

    card: EnvCard
    success: tuple[Threshold, ...]
    terminate_on_success: bool
    facts: Mapping[str, FactReader] = field(default_factory=dict)


def _columns(*named: tuple[str, str, str, float, float], start: int = 0) -> tuple[Field, ...]:
    """Makes one field per column from (name, description, unit, low, high)."""
    return tuple(
        Field(name, description, (i, i + 1), unit=unit, low=low, high=high)
        for i, (name, description, unit, low, high) in enumerate(named, start)
    )


# ---- Mountain car --------------------------------------------------------------------

MOUNTAIN_CAR = Preset(
    EnvCard(
        id="MountainCarContinuous-v0",
        goal="Rock an underpowered car out of a valley up to the flag on the right hill.",
        observation=_columns(
            ("position", "place along the valley; the flag stands at 0.45", "m", -1.2, 0.6),
            ("velocity", "speed to the right", "m/step", -0.07, 0.07),
        ),
        action=_columns(("force", "push to the right", "", -1.0, 1.0)),
        oracle=oracles.mountain_car,
        human_design="100 at the flag, -0.1 force^2 at every step",
        source=f"Moore 1990, Efficient memory-based learning for robot control; {_GYMNASIUM}",
    ),
    # The environment ends at the float32 nearest to 0.45, which is a little less than 0.45.
    success=(Threshold("position", above=float(np.float32(0.45))),),
    terminate_on_success=True,
)


# ---- Reacher -------------------------------------------------------------------------

# A distance of 0.05 m is the tolerance of the sparse, "easy" reacher of the DeepMind Control
# Suite (Tassa et al. 2018, arXiv:1801.00690), an arm of nearly the same length. A flailing arm
# passes that close to the target in about half of all episodes and ends there in one of
# twenty, so the fingertip has to stay.
REACHER = Preset(
    EnvCard(
        id="Reacher-v5",
        goal="Bring the fingertip of a two-joint arm to the target and keep it there.",
        observation=(
            Field("joint_cosines", "cosines of shoulder and elbow angle", (0, 2), low=-1, high=1),
            Field("joint_sines", "sines of shoulder and elbow angle", (2, 4), low=-1, high=1),
            Field(
                "target_position",
                "x and y of the target, at most 0.2 from the shoulder",
                (4, 6),
                unit="m",
                low=-0.2,
                high=0.2,
            ),
            Field(
                "joint_velocities", "angular velocities of shoulder and elbow", (6, 8), unit="rad/s"
            ),
            Field(
                "fingertip_to_target",
                "x and y of fingertip minus target",
                (8, 10),
                unit="m",
                low=-0.42,
                high=0.42,
            ),
        ),
        action=_columns(
            ("shoulder_torque", "share of 200 N m at the shoulder", "", -1.0, 1.0),
            ("elbow_torque", "share of 200 N m at the elbow", "", -1.0, 1.0),
        ),
        oracle=oracles.reacher,
        human_design="-distance from fingertip to target - |action|^2 at every step",
        source=_MUJOCO,
    ),
    success=(Threshold("fingertip_to_target", below=0.05),),
    terminate_on_success=False,
)


# ---- Hopper --------------------------------------------------------------------------


def _hopper_x(env: Any) -> float:
    return float(env.data.qpos[0])


def _hopper_velocity(env: Any) -> float:
    return float(env.data.qvel[0])


def _hopper_upright(env: Any) -> float:
    return float(env.is_healthy)


# Two metres are out of reach of falling: the hopper is 1.25 m tall, and random torques tip
# it over within 0.6 m.
HOPPER = Preset(
    EnvCard(
        id="Hopper-v5",
        goal="Hop two metres forwards on one leg without falling.",
        observation=_columns(
            ("height", "height of the torso; below 0.7 it has fallen", "m", 0.0, np.inf),
            ("torso_angle", "lean of the torso; beyond 0.2 it has fallen", "rad", -np.inf, np.inf),
            ("thigh_angle", "angle of the thigh joint", "rad", -np.inf, np.inf),
            ("leg_angle", "angle of the leg joint", "rad", -np.inf, np.inf),
            ("foot_angle", "angle of the foot joint", "rad", -np.inf, np.inf),
            ("forward_velocity", "velocity of the torso along x", "m/s", -10.0, 10.0),
            ("vertical_velocity", "velocity of the torso along z", "m/s", -10.0, 10.0),
            ("torso_angular_velocity", "turning of the torso", "rad/s", -10.0, 10.0),
            ("thigh_angular_velocity", "turning of the thigh joint", "rad/s", -10.0, 10.0),
            ("leg_angular_velocity", "turning of the leg joint", "rad/s", -10.0, 10.0),
            ("foot_angular_velocity", "turning of the foot joint", "rad/s", -10.0, 10.0),
        ),
        action=_columns(
            ("thigh_torque", "share of 200 N m at the thigh", "", -1.0, 1.0),
            ("leg_torque", "share of 200 N m at the knee", "", -1.0, 1.0),
            ("foot_torque", "share of 200 N m at the ankle", "", -1.0, 1.0),
        ),
        facts=(
            Field("x_position", "place of the torso along x; starts at 0", unit="m"),
            Field(
                "x_velocity",
                "mean velocity along x over the step; at reset the velocity",
                unit="m/s",
            ),
            Field("upright", "1 while neither height nor lean counts as fallen", low=0, high=1),
        ),
        human_design="1 while upright + velocity along x - 0.001 |action|^2 at every step",
        source=f"Erez, Tassa and Todorov 2011; {_MUJOCO}",
    ),
    success=(Threshold("x_position", above=2.0), Threshold("upright", above=1.0)),
    terminate_on_success=True,
    facts={"x_position": _hopper_x, "x_velocity": _hopper_velocity, "upright": _hopper_upright},
)


# ---- Pusher --------------------------------------------------------------------------


def _object_to_goal(env: Any) -> np.ndarray:
    return np.asarray((env.get_body_com("object") - env.get_body_com("goal"))[:2])


def _fingertip_to_object(env: Any) -> np.ndarray:
    return np.asarray(env.get_body_com("tips_arm") - env.get_body_com("object"))


PUSHER = Preset(
    EnvCard(
        id="Pusher-v5",
        goal="Push the cylinder onto the goal disc with a seven-joint arm.",
        observation=(
            Field("joint_angles", "angles of the seven joints, shoulder first", (0, 7), unit="rad"),
            Field("joint_velocities", "their angular velocities", (7, 14), unit="rad/s"),
            Field("fingertip_position", "x, y and z of the fingertip", (14, 17), unit="m"),
            Field("object_position", "x, y and z of the cylinder", (17, 20), unit="m"),
            Field("goal_position", "x, y and z of the goal disc", (20, 23), unit="m"),
        ),
        action=(
            Field(
                "joint_torques",
                "torques of the seven joints, shoulder first",
                (0, 7),
                unit="N m",
                low=-2.0,
                high=2.0,
            ),
        ),
        facts=(
            Field("object_to_goal", "x and y of cylinder minus goal", (0, 2), unit="m"),
            Field(
                "fingertip_to_object", "x, y and z of fingertip minus cylinder", (0, 3), unit="m"
            ),
        ),
        human_design="-distance from cylinder to goal - 0.5 distance from fingertip to cylinder "
        "- 0.1 |action|^2 at every step",
        source=_MUJOCO,
    ),
    success=(Threshold("object_to_goal", below=0.08),),  # the radius of the goal disc
    terminate_on_success=False,
    facts={"object_to_goal": _object_to_goal, "fingertip_to_object": _fingertip_to_object},
)


PRESETS: Mapping[str, Preset] = {
    preset.card.id: preset for preset in (MOUNTAIN_CAR, REACHER, HOPPER, PUSHER)
}
"""Tasks by Gymnasium id."""
