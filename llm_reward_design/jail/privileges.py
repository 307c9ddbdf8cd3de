"""Giving up what root may do: becoming nobody, or keeping the name without the powers."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

NOBODY = 65534

_SET_DUMPABLE, _CAPBSET_DROP, _SET_NO_NEW_PRIVS, _SET_PDEATHSIG, _AMBIENT = 4, 24, 38, 1, 47
_CLEAR_ALL = 4
_CAPABILITY_VERSION = 0x20080522
_LAST_CAPABILITY = 63

_libc = ctypes.CDLL(None, use_errno=True)


def change_user(folder: Path, places: Iterable[Path]) -> None:
    """Makes root nobody, where nobody can read all of `places` and reach `folder`.

    Elsewhere, such as with an interpreter under /root, the process keeps the user id 0 and has
    to live on without capabilities: what file permissions grant to the owner root stays, and
    is for the other layers (Landlock, seccomp) to take away. Any other user stays who it is.

    Args:
        folder: The run folder; it and what is in it are given to the user that remains.
        places: What has to be readable.

    Raises:
        OSError: If the kernel refuses.
    """
    if os.geteuid() != 0:
        return
    user = NOBODY if _nobody_can_live(folder, places) else 0
    _give(folder, user)
    if user:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        prctl(_SET_DUMPABLE, 1)  # else /proc/self belongs to root and namespaces cannot be mapped


def drop_capabilities() -> None:
    """Gives up every capability, for good; the bounding set too where that is allowed."""
    for capability in range(_LAST_CAPABILITY + 1):
        _libc.prctl(_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0)
    _libc.prctl(_AMBIENT, ctypes.c_ulong(_CLEAR_ALL), 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    none = (ctypes.c_uint32 * 6)()
    if _libc.capset(header, none):
        raise OSError(ctypes.get_errno(), "capset: capabilities cannot be given up")


def forbid_new_privileges() -> None:
    """No program started from here on gains privileges; Landlock and seccomp ask for this."""
    prctl(_SET_NO_NEW_PRIVS, 1)


def die_with_parent(signal: int) -> None:
    """Asks the kernel to send `signal` to this process when its parent ends."""
    prctl(_SET_PDEATHSIG, signal)


def prctl(option: int, value: int) -> None:
    """Sets the attribute of this process that has the number `option`.

    Raises:
        OSError: If the kernel refuses.
    """
    wide = [ctypes.c_ulong(word) for word in (value, 0, 0, 0)]
    if _libc.prctl(option, *wide):
        raise OSError(ctypes.get_errno(), f"prctl: option {option} is refused")


def _nobody_can_live(folder: Path, places: Iterable[Path]) -> bool:
    """Tries it out; where root may not change its user, as in some containers, nobody cannot."""
    groups, group = os.getgroups(), os.getegid()
    try:
        os.setgroups([])
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
        needed = [(place, os.R_OK | os.X_OK) for place in places]
        needed.append((folder.parent, os.X_OK))
        return all(os.access(place, how, effective_ids=True) for place, how in needed)
    except OSError:
        return False
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def _give(folder: Path, user: int) -> None:
    os.chown(folder, user, user)
    for _, folders, files, descriptor in os.fwalk(folder):
        for name in (*folders, *files):
            os.chown(name, user, user, dir_fd=descriptor, follow_symlinks=False)
