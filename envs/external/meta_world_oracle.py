"""The scripted policies that MetaWorld ships, for batches."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np

_STOP = 0.9
"""Share of the radius of success at which a policy that would go on is stopped."""


def scripted(
    observation: np.ndarray, *, env_name: str, hold: str = "", radius: float = 0.0
) -> np.ndarray:
    """Plays the scripted policy of a MetaWorld task, row by row.

    Several of these policies go on after success, until it is lost; those stop moving the
    hand as soon as the object is at the target.

    Args:
        observation: Observations (n, 39) with the target visible.
        env_name: MetaWorld's name of the task, such as "push-v3".
        hold: The axes, of "xyz", along which object and target are compared; "" never stops.
        radius: Distance (m) along these axes that counts as success.

    Returns:
        Actions, float32 (n, 4) in [-1, 1].
    """
    policy = _policy(env_name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # each tells that its actions have to be clipped
        # A copy per row: some policies write into what they read.
        rows = [policy.get_action(row) for row in observation.astype(np.float64, copy=True)]
    action = np.asarray(np.clip(rows, -1.0, 1.0), dtype=np.float32)
    if hold:
        axes = ["xyz".index(axis) for axis in hold]
        distance = np.linalg.norm((observation[:, 4:7] - observation[:, 36:39])[:, axes], axis=1)
        action[distance <= _STOP * radius, :3] = 0.0
    return action


@cache
def _policy(env_name: str) -> Any:
    from metaworld.policies import ENV_POLICY_MAP

    return ENV_POLICY_MAP[env_name]()
