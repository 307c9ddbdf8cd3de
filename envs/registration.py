"""Registers `rewardsmith/*` with Gymnasium, through its `gymnasium.envs` entry point.

Gymnasium calls `register_envs` while it is itself being imported, inside the namespace
`rewardsmith`; so this module imports nothing of ours and names the classes by string.
"""

from __future__ import annotations

ENTRY_POINTS = {
    "KeyDoor-v0": "rewardsmith.envs.control.key_door:KeyDoor",
    "DeepSea-v0": "rewardsmith.envs.control.deep_sea:DeepSea",
    "PointMaze-v0": "rewardsmith.envs.control.point_maze:PointMaze",
    "BernoulliBandit-v0": "rewardsmith.envs.bandits.bernoulli:BernoulliBandit",
}


def register_envs() -> None:
    """Registers every environment: single view and numpy-vectorised version."""
    from gymnasium.envs.registration import register

    for env_id, batch in ENTRY_POINTS.items():
        module = batch.partition(":")[0]
        register(env_id, entry_point=f"{module}:single", vector_entry_point=batch)
