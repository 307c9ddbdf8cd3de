"""Gymnasium's four-legged ant: forward, jump, flip."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.external.locomotion import (
    AIRBORNE,
    X_VELOCITY,
    airborne,
    healthy,
    turned_field,
    x_position,
    x_velocity,
)
from rewardsmith.envs.external.preset import MUJOCO, Preset
from rewardsmith.envs.external.success import Threshold
from rewardsmith.envs.external.turning import TURNED, Turning

_LEGS = "front left, front right, back left, back right"

_FORWARD = EnvCard(
    id="Ant-v5",
    goal="Run five metres forwards on four legs without falling.",
    observation=(
        Field("height", "height of the torso", (0, 1), unit="m", low=0.0),
        Field("orientation", "of the torso, as a quaternion w, x, y, z", (1, 5), low=-1, high=1),
        Field("joint_angles", f"hip, then ankle, of the legs {_LEGS}", (5, 13), unit="rad"),
        Field("velocity", "of the torso along x, y, z", (13, 16), unit="m/s"),
        Field("angular_velocity", "of the torso about its x, y, z", (16, 19), unit="rad/s"),
        Field("joint_velocities", "angular velocities of the joints", (19, 27), unit="rad/s"),
        Field(
            "contact_forces",
            "torque x, y, z and force x, y, z on each of 13 bodies, clipped",
            (27, 105),
            low=-1.0,
            high=1.0,
        ),
    ),
    action=(
        Field(
            "torques",
            "share of 150 N m at hip, then ankle, of the legs back right, front left, front "
            "right, back left",
            (0, 8),
            low=-1.0,
            high=1.0,
        ),
    ),
    facts=(
        Field("x_position", "place of the torso along x; starts near 0", unit="m"),
        X_VELOCITY,
        Field("upright", "cosine of the tilt of the torso: 1 level, -1 upside down", low=-1,
              high=1),
        Field("healthy", "1 while the torso is between 0.2 and 1 m high", low=0, high=1),
    ),
    human_design="1 while healthy + velocity along x - 0.5 |action|^2 - 0.0005 |contact forces|^2 "
    "at every step",
    source=f"Schulman et al. 2016 (arXiv:1506.02438); {MUJOCO}",
)  # fmt: skip


def _upright(env: Any) -> float:
    _, x, y, _ = env.data.qpos[3:7]
    return float(1.0 - 2.0 * (x * x + y * y))


_READERS = {
    "x_position": x_position,
    "x_velocity": x_velocity,
    "upright": _upright,
    "healthy": healthy,
}
_SHARED = tuple(fact for fact in _FORWARD.facts if fact.name != "healthy")

# Random torques carry it 3.9 m in the best of 60 episodes.
FORWARD = Preset(
    _FORWARD,
    success=(Threshold("x_position", above=5.0), Threshold("upright", above=0.5)),
    terminate_on_success=True,
    facts=_READERS,
)

# Random torques throw the torso no higher than 1.48 m in 100 episodes; an open-loop plan found
# by cross-entropy search reaches 2.7 m. The ant stands 0.75 m tall.
JUMP = Preset(
    dataclasses.replace(
        _FORWARD,
        id="Ant-v5 jump",
        goal="Jump so high that the torso rises to two metres.",
        facts=(*_SHARED, AIRBORNE),
        human_design="",  # what Gymnasium pays is for running forwards
    ),
    success=(Threshold("height", above=2.0), Threshold("airborne", above=1.0)),
    terminate_on_success=True,
    facts=_READERS | {"airborne": airborne},
    options={"terminate_when_unhealthy": False},  # above 1 m counts as unhealthy
    time_limit=100,
)

# Random torques turn the torso by no more than 4.3 rad in one flight, in 100 episodes; an
# open-loop plan found by cross-entropy search turns it by 2 pi after 31 steps.
FLIP = Preset(
    dataclasses.replace(
        _FORWARD,
        id="Ant-v5 flip",
        goal="Turn a somersault in the air: turn the torso once right round, in any direction, "
        "while nothing touches the floor.",
        facts=(*_SHARED, AIRBORNE, turned_field("anything")),
        human_design="",  # what Gymnasium pays is for running forwards
    ),
    success=(Threshold(TURNED, above=2.0 * math.pi),),
    terminate_on_success=True,
    facts=_READERS | {"airborne": airborne},
    options={"terminate_when_unhealthy": False},
    time_limit=100,
    wrap=Turning,
)
