"""Attempts to use powers over the machine, and to exceed limits."""

from __future__ import annotations

import fcntl
import os
import resource

from rewardsmith.llm_reward_design.jail.attempts import Targets, attempt, reaches


@attempt
def _call_the_kernel(t: Targets) -> object:
    return [
        name
        for name, arguments in {
            "io_uring_setup": (1, 0),
            "bpf": (0, 0, 0),
            "userfaultfd": (1,),
            "add_key": (b"user", b"jail", b"x", 1, -1),
            "perf_event_open": (0, 0, -1, -1, 0),
            "memfd_create": (b"jail", 0),
            "shmget": (0, 4096, 0o1600),
            "unshare": (0,),
            "setns": (-1, 0),
            "mount": (0, 0, 0, 0, 0),
            "name_to_handle_at": (-100, b"/", 0, 0, 0),
            "inotify_init1": (0,),
            "openat2": (-100, b"/", 0, 0),
        }.items()
        if reaches(name, *arguments)
    ]


@attempt
def _change_the_root(t: Targets) -> object:
    os.chroot("/")
    return True


@attempt
def _take_signals_of_a_pipe(t: Targets) -> object:
    return fcntl.fcntl(0, fcntl.F_SETOWN, t.caller) == 0


@attempt
def _allocate_beyond_the_limit(t: Targets) -> object:
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    try:
        return limit == resource.RLIM_INFINITY or bytearray(limit)
    except MemoryError:
        return False
