"""Which processes descend from this one, how many threads they have, and their end."""

from __future__ import annotations

import contextlib
import glob
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from rewardsmith.llm_reward_design.jail import privileges

_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Makes descendants whose parents end children of this process (Linux)."""
    if sys.platform == "linux":
        privileges.prctl(_SET_CHILD_SUBREAPER, 1)


def children_of(pid: int) -> list[int]:
    """Returns the ids of a process's children; none where there is no /proc."""
    found: list[int] = []
    listings = glob.glob(f"/proc/{pid}/task/*/children")
    for listing in listings:
        with contextlib.suppress(OSError):
            found += [int(word) for word in Path(listing).read_text().split()]
    return found if listings else [c for c, parent in _parents() if parent == pid]


def _parents() -> Iterator[tuple[int, int]]:
    """Yields each process with its parent, for kernels that list no children."""
    for path in glob.glob("/proc/[0-9]*/stat"):
        with contextlib.suppress(OSError):
            after_name = Path(path).read_text().rpartition(")")[2].split()
            yield int(path.split("/")[2]), int(after_name[1])


def descendants() -> list[int]:
    """Returns the ids of all processes that descend from this one."""
    found, pending = [], [os.getpid()]
    while pending:
        children = children_of(pending.pop())
        found += children
        pending += children
    return found


def threads() -> int:
    """Returns how many threads all descendants have together."""
    count = 0
    for pid in descendants():
        with contextlib.suppress(OSError):
            count += len(os.listdir(f"/proc/{pid}/task"))
    return count


def end_all(child: int) -> None:
    """Ends `child`, its session and every other descendant, and waits until all are gone."""
    while True:
        with contextlib.suppress(OSError):
            os.killpg(child, signal.SIGKILL)
        for pid in descendants():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return
