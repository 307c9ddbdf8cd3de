"""Which processes descend from this one, how much they hold, and their end."""

from __future__ import annotations

import contextlib
import glob
import itertools
import os
import signal
import stat
import sys
import uuid
from pathlib import Path

from rewardsmith.llm_reward_design.jail import privileges

_SET_CHILD_SUBREAPER = 36
_MOST_FILES = 10_000
_BLOCK = 512


def adopt_orphans() -> None:
    """Makes descendants whose parents end children of this process (Linux)."""
    if sys.platform == "linux":
        privileges.prctl(_SET_CHILD_SUBREAPER, 1)


def children_of(pid: int) -> list[int]:
    """Returns the ids of a process's children; none where there is no /proc."""
    found: list[int] = []
    for listing in glob.glob(f"/proc/{pid}/task/*/children"):
        with contextlib.suppress(OSError):
            found += [int(word) for word in Path(listing).read_text().split()]
    return found


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


def size(folder: Path) -> float:
    """Returns the bytes a folder takes on disk; infinite if it is too wide or deep to count."""
    total, seen, pending = 0, 0, [os.fspath(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    seen += 1
                    total += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
        except FileNotFoundError:  # removed meanwhile
            continue
        except OSError:
            return float("inf")
        if seen > _MOST_FILES:
            return float("inf")
    return total


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


def empty(folder: Path) -> None:
    """Removes all that is in a folder, however deep: paths too long to be named do not stop it.

    What lies in a folder is moved up before the folder is removed. Nothing may run in it any more.
    """
    unheard, count = uuid.uuid4().hex, itertools.count()
    pending = [entry.path for entry in os.scandir(folder)]
    while pending:
        path = pending.pop()
        if os.path.islink(path) or not os.path.isdir(path):
            os.unlink(path)
            continue
        os.chmod(path, stat.S_IRWXU)
        for name in os.listdir(path):
            moved = os.path.join(folder, f"{unheard}.{next(count)}")
            os.rename(os.path.join(path, name), moved)
            pending.append(moved)
        os.rmdir(path)
