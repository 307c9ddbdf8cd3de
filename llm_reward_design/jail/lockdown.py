"""`lock`: everything that holds a program, applied to the process it is about to run in."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from rewardsmith.llm_reward_design.jail import landlock, namespaces, privileges, seccomp
from rewardsmith.llm_reward_design.jail.limits import Limits
from rewardsmith.llm_reward_design.jail.places import NULL, readable, temporary
from rewardsmith.llm_reward_design.jail.tier import Tier

_OPEN_FILES = 256
_locked = False


def inside() -> bool:
    """Returns whether this process is locked."""
    return _locked


def lock(folder: Path, limits: Limits, tier: Tier) -> None:
    """Locks this process as its tier says, for good.

    Limits come first, then no-new-privileges and the last capabilities, Landlock, and at last
    the list of system calls, which has none of those that applied the rest.

    Args:
        folder: The only place that stays writable, and only its `tmp` for folders.
        limits: Processor time, memory, file sizes and numbers from here on.
        tier: `PROCESS` applies the limits alone.

    Raises:
        OSError: If the kernel refuses, or there are other threads, which Landlock would not bind.
    """
    global _locked
    _limit(limits)
    if tier.is_boundary:
        threads = len(os.listdir("/proc/self/task"))
        if threads != 1:
            raise OSError(f"{threads} threads run before the lock, expected 1; start none")
        if tier == Tier.NAMESPACED:
            namespaces.hide_all_but([*readable(), NULL], folder)
        privileges.drop_capabilities()
        privileges.forbid_new_privileges()
        landlock.restrict(
            [
                *((place, landlock.READ) for place in readable()),
                (NULL, landlock.USE),
                (folder, landlock.WRITE),
                (temporary(folder), landlock.NEST),
            ]
        )
        seccomp.install()
    _locked = True


def _limit(limits: Limits) -> None:
    _bound(resource.RLIMIT_CPU, max(1, round(min(limits.cpu_s, 1e9))))
    _bound(resource.RLIMIT_AS, limits.memory_bytes)
    _bound(resource.RLIMIT_FSIZE, limits.file_bytes)
    _bound(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _bound(resource.RLIMIT_CORE, 1)  # 0 would still feed a crash handler behind a pipe


def _bound(what: int, limit: int) -> None:
    highest = resource.getrlimit(what)[1]
    if highest != resource.RLIM_INFINITY:
        limit = min(limit, highest)
    try:
        resource.setrlimit(what, (limit, limit))
    except (OSError, ValueError):
        if sys.platform == "linux":
            raise  # other systems refuse some of these limits
