"""Whether the arrays of a batch fit each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rewardsmith.envs.errors import RewardError

if TYPE_CHECKING:
    from rewardsmith.rewards.credit.rollouts import Rollouts


def check(rollouts: Rollouts) -> None:
    """Raises RewardError for the first field that does not fit the others."""
    episodes, steps = len(rollouts.group), len(rollouts.episode)
    if not episodes:
        raise RewardError("group: there is no episode; credit needs at least one")
    sizes = {"scored": episodes, "reward": steps, "state": steps, "node": steps}
    sizes["ids"] = len(rollouts.step)
    for name, size in sizes.items():
        values = getattr(rollouts, name)
        if values is not None and values.shape != (size,):
            raise RewardError(f"{name}: expected shape ({size},), got {values.shape}")
    for name, n in (("episode", episodes), ("step", steps)):
        values = getattr(rollouts, name)
        if np.any(values[1:] < values[:-1]):
            raise RewardError(f"{name}: must be sorted; order the rows by {name}")
        if values.size and not 0 <= values[0] <= values[-1] < n:
            raise RewardError(
                f"{name}: got {values[0]} to {values[-1]}; there are {n} {name}s, so number "
                f"them 0 to {n - 1}"
            )
    if not 0 <= rollouts.group.min() <= rollouts.group.max() < episodes:
        raise RewardError(
            f"group: got {rollouts.group.min()} to {rollouts.group.max()} for {episodes} "
            "episodes; number the groups from 0, without gaps"
        )
    if len(rollouts.first) < episodes:
        empty = np.setdiff1d(np.arange(episodes), rollouts.episode)[0]
        raise RewardError(f"episode: episode {empty} has no step; every episode needs one")
    for name, values in rollouts.signals.items():
        if values.shape not in ((steps,), (len(rollouts.ids),)):
            raise RewardError(
                f"signals: {name!r} has shape {values.shape}; give one value per step "
                f"({steps},) or per token ({len(rollouts.ids)},)"
            )
