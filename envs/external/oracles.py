"""Scripted policies that solve tasks which others wrote: what success looks like."""

from __future__ import annotations

import numpy as np

_REACHER_LINKS = (0.10, 0.11)
"""Length (m) from shoulder to elbow, and from elbow to fingertip."""

_REACHER_STIFFNESS, _REACHER_DAMPING = 100.0, 19.0
"""Proportional and derivative gain: with armature 1 and joint damping 1, critically damped
at 10 rad/s."""

_REACHER_GEAR = 200.0
"""Torque (N m) of a full action."""


def mountain_car(observation: np.ndarray) -> np.ndarray:
    """Pushes the way the car is rolling, so that every swing gains height.

    Args:
        observation: Position and velocity (n, 2).

    Returns:
        Full force forwards or backwards, float32 (n, 1).
    """
    return np.where(observation[:, 1:2] >= 0.0, 1.0, -1.0).astype(np.float32)


def reacher(observation: np.ndarray) -> np.ndarray:
    """Drives both joints to the angles that put the fingertip on the target.

    The elbow angle follows from the law of cosines, |target|^2 = a^2 + b^2 + 2 a b cos(elbow),
    with the sign of the present elbow angle; torques are proportional-derivative.

    Args:
        observation: `Reacher-v5` observations (n, 10).

    Returns:
        Torques as shares of the full torque, float32 (n, 2) in [-1, 1].
    """
    near, far = _REACHER_LINKS
    target, velocity = observation[:, 4:6], observation[:, 6:8]
    angle = np.arctan2(observation[:, 2:4], observation[:, 0:2])
    reach = np.square(target).sum(axis=1)
    cosine = np.clip((reach - near**2 - far**2) / (2 * near * far), -1.0, 1.0)
    elbow = np.copysign(np.arccos(cosine), angle[:, 1])
    bearing = np.arctan2(target[:, 1], target[:, 0])
    shoulder = bearing - np.arctan2(far * np.sin(elbow), near + far * np.cos(elbow))
    error = np.stack([_wrapped(shoulder - angle[:, 0]), elbow - angle[:, 1]], axis=1)
    torque = _REACHER_STIFFNESS * error - _REACHER_DAMPING * velocity
    return np.clip(torque / _REACHER_GEAR, -1.0, 1.0).astype(np.float32)


def _wrapped(angle: np.ndarray) -> np.ndarray:
    return (angle + np.pi) % (2 * np.pi) - np.pi
