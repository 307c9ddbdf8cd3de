"""Environments that others wrote: a card and a success predicate each, no copy."""

from rewardsmith.envs.external.make import make_external, make_external_vec
from rewardsmith.envs.external.mujoco_state import can_snapshot, restore, snapshot
from rewardsmith.envs.external.preset import Preset
from rewardsmith.envs.external.presets import PRESETS
from rewardsmith.envs.external.sparse import SparseTask
from rewardsmith.envs.external.success import Threshold

__all__ = [
    "PRESETS",
    "Preset",
    "SparseTask",
    "Threshold",
    "can_snapshot",
    "make_external",
    "make_external_vec",
    "restore",
    "snapshot",
]
