"""Landlock: from here on this process opens, writes and removes files in named places only.

Needs no privileges (Linux 5.13 or later). The rights a kernel knows are told by its ABI
version; all of them are taken away, then reading or writing is given back place by place.
Landlock governs what is *opened*; that a file exists, and its size, can still be asked.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # on every architecture
_VERSION = 1
_PATH_BENEATH = 1

_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_TRUNCATE = 1 << 14
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""ABI version -> how many rights over files it knows, from bit 0 upwards."""
_NET_RIGHTS = 0b11  # bind and connect TCP, from ABI 4
_SCOPES = 0b11  # abstract UNIX sockets and signals, from ABI 6

READ = _READ_FILE | _READ_DIR
"""Files are read, folders listed."""
USE = _READ_FILE | _WRITE_FILE
"""A device is read and written."""
WRITE = READ | _WRITE_FILE | _TRUNCATE | _MAKE_REG | _REMOVE_FILE
"""Regular files are made, written and removed; folders, links, pipes and sockets are not made."""
NEST = WRITE | _MAKE_DIR | _REMOVE_DIR
"""And folders are."""
_OF_FILES = USE | _TRUNCATE


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


_libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """Returns the ABI version of the kernel's Landlock, 0 where there is none."""
    try:
        return _call(_CREATE_RULESET, None, 0, _VERSION)
    except OSError:
        return 0


def restrict(places: Iterable[tuple[Path, int]]) -> None:
    """Takes every right away from this thread but those over `places`, for good.

    Threads and processes it starts afterwards inherit this. Needs no-new-privileges.

    Args:
        places: Pairs of an existing file or folder and the rights over it and what is beneath:
            `READ`, `USE`, `WRITE` or `NEST`. A place that is not there, or may not be looked at, is
            left out.

    Raises:
        OSError: If the kernel refuses.
    """
    abi = version()
    handled = (1 << _FILE_RIGHTS.get(abi, 16)) - 1
    attributes = _Ruleset(handled, _NET_RIGHTS if abi >= 4 else 0, _SCOPES if abi >= 6 else 0)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset = _call(_CREATE_RULESET, ctypes.byref(attributes), size, 0)
    try:
        for place, rights in places:
            _allow(ruleset, place, rights & handled)
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, place: Path, rights: int) -> None:
    try:
        parent = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(parent).st_mode):
            rights &= _OF_FILES
        rule = _PathBeneath(rights, parent)
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(parent)


def _call(number: int, *arguments: object) -> int:
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *wide)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return result
