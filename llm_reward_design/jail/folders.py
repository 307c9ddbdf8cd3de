"""The run folder: how large it is, and what empties it whatever lies in it."""

from __future__ import annotations

import itertools
import os
import stat
import uuid
from pathlib import Path

_MOST_FILES = 10_000
_BLOCK = 512


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


def empty(folder: Path) -> None:
    """Removes all that is in a folder, however deep: paths too long to be named do not stop it.

    What lies in a folder is moved up before the folder is removed. Nothing may run in it any more.
    """
    unheard, count = uuid.uuid4().hex, itertools.count()
    while paths := [entry.path for entry in os.scandir(folder)]:
        for path in paths:
            if not _opened(path):
                os.unlink(path)
                continue
            for entry in list(os.scandir(path)):
                _opened(entry.path)  # a folder that is closed to its owner cannot be moved
                os.rename(entry.path, os.path.join(folder, f"{unheard}.{next(count)}"))
            os.rmdir(path)


def _opened(path: str) -> bool:
    """Returns whether this is a folder, which its owner may then enter and change."""
    is_folder = stat.S_ISDIR(os.lstat(path).st_mode)
    if is_folder:
        os.chmod(path, stat.S_IRWXU)
    return is_folder
