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


_FETCH_STEP = 0.05
"""Shift (m) of the gripper that a full action asks for."""

_RUN_UP, _CLEARANCE = 0.09, 0.10
"""How far (m) behind the box the gripper comes down to push, and how high above it it passes."""


def fetch_reach(observation: np.ndarray) -> np.ndarray:
    """Moves the gripper straight to the target.

    Args:
        observation: Flat `FetchReach-v4` observations (n, 13), the target first.

    Returns:
        Shifts as shares of 5 cm, float32 (n, 4) in [-1, 1].
    """
    return _fetch_move(observation[:, 3:6], observation[:, 0:3])


def fetch_push(observation: np.ndarray) -> np.ndarray:
    """Goes behind the box, as seen from the target, comes down and pushes.

    Args:
        observation: Flat `FetchPush-v4` observations (n, 28), the target first.

    Returns:
        Shifts as shares of 5 cm, float32 (n, 4) in [-1, 1].
    """
    target, gripper, box = observation[:, 0:3], observation[:, 3:6], observation[:, 6:9]
    way = (target - box)[:, :2]
    left = _length(way)
    way = way / np.maximum(left, 1e-9)
    offset, height = (gripper - box)[:, :2], gripper[:, 2:] - box[:, 2:]
    along = (offset * way).sum(axis=1, keepdims=True)
    aside = offset - along * way

    start = np.concatenate([box[:, :2] - _RUN_UP * way, box[:, 2:]], axis=1)
    above = start + np.array([0.0, 0.0, _CLEARANCE])
    straight_up = np.concatenate([gripper[:, :2], above[:, 2:]], axis=1)
    through_box = np.concatenate([gripper[:, :2] + left * way - aside, box[:, 2:]], axis=1)
    over_start = _length(gripper[:, :2] - start[:, :2]) < 0.02
    behind = (height < 0.03) & (along < 0.0) & (_length(aside) < 0.02)

    goal = np.where(height < _CLEARANCE - 0.03, straight_up, above)
    goal = np.where(over_start, start, goal)
    goal = np.where(behind, through_box, goal)
    return _fetch_move(gripper, np.where(left < 0.025, gripper, goal))


def _fetch_move(gripper: np.ndarray, goal: np.ndarray) -> np.ndarray:
    shift = np.clip((goal - gripper) / _FETCH_STEP, -1.0, 1.0)
    return np.concatenate([shift, np.zeros((len(shift), 1))], axis=1).astype(np.float32)


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.norm(vectors, axis=1, keepdims=True))
