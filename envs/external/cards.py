"""Gymnasium's mountain car, reacher and pusher: cards and success predicates."""

from __future__ import annotations

from typing import Any

import numpy as np

from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.external import oracles
from rewardsmith.envs.external.preset import GYMNASIUM, MUJOCO, Preset, columns
from rewardsmith.envs.external.success import Threshold

# ---- Mountain car --------------------------------------------------------------------

MOUNTAIN_CAR = Preset(
    EnvCard(
        id="MountainCarContinuous-v0",
        goal="Rock an underpowered car out of a valley up to the flag on the right hill.",
        observation=columns(
            ("position", "place along the valley; the flag stands at 0.45", "m", -1.2, 0.6),
            ("velocity", "speed to the right", "m/step", -0.07, 0.07),
        ),
        action=columns(("force", "push to the right", "", -1.0, 1.0)),
        oracle=oracles.mountain_car,
        human_design="100 at the flag, -0.1 force^2 at every step",
        source=f"Moore 1990, Efficient memory-based learning for robot control; {GYMNASIUM}",
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
        action=columns(
            ("shoulder_torque", "share of 200 N m at the shoulder", "", -1.0, 1.0),
            ("elbow_torque", "share of 200 N m at the elbow", "", -1.0, 1.0),
        ),
        oracle=oracles.reacher,
        human_design="-distance from fingertip to target - |action|^2 at every step",
        source=MUJOCO,
    ),
    success=(Threshold("fingertip_to_target", below=0.05),),
    terminate_on_success=False,
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
        source=MUJOCO,
    ),
    success=(Threshold("object_to_goal", below=0.08),),  # the radius of the goal disc
    terminate_on_success=False,
    facts={"object_to_goal": _object_to_goal, "fingertip_to_object": _fingertip_to_object},
)
