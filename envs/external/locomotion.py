"""Facts that the running, jumping and turning tasks of Gymnasium's MuJoCo robots share."""

from __future__ import annotations

from typing import Any

from rewardsmith.envs.card import Field
from rewardsmith.envs.external.turning import TURNED

X_VELOCITY = Field(
    "x_velocity", "mean velocity along x over the step; at reset the velocity", unit="m/s"
)
AIRBORNE = Field("airborne", "1 while nothing touches the floor", low=0.0, high=1.0)


def turned_field(touching: str) -> Field:
    """Returns the field of the fact that `Turning` adds, where `touching` ends a turn.

    Example:
        >>> turned_field("anything").description
        'roll and pitch of the torso since anything last touched the floor'
    """
    what = f"roll and pitch of the torso since {touching} last touched the floor"
    return Field(TURNED, what, (0, 2), unit="rad")


def x_position(env: Any) -> float:
    """Returns the place of the torso along x (m)."""
    return float(env.data.qpos[0])


def x_velocity(env: Any) -> float:
    """Returns the velocity of the torso along x (m/s)."""
    return float(env.data.qvel[0])


def healthy(env: Any) -> float:
    """Returns 1.0 while the suite counts the robot as healthy, else 0.0."""
    return float(env.is_healthy)


def airborne(env: Any) -> float:
    """Returns 1.0 while nothing touches anything, else 0.0."""
    return float(env.data.ncon == 0)
