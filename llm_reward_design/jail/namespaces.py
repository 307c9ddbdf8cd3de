"""Namespaces: users, processes, network, mounts and inter-process objects of one's own.

Needs no privileges where the kernel lets users make namespaces; some distributions and
containers do not. What is outside is not merely forbidden there, it has no name.
"""

from __future__ import annotations

import ctypes
import os
import platform
import stat
from collections.abc import Iterable
from pathlib import Path

from rewardsmith.llm_reward_design.jail.places import temporary

_MOUNTS, _HOST, _IPC, _USERS, _PROCESSES, _NETWORK = (
    0x00020000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
_NOSUID, _NODEV, _NOEXEC, _BIND, _RECURSIVE, _PRIVATE = 2, 4, 8, 1 << 12, 1 << 14, 1 << 18
_DETACH = 2
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

_libc = ctypes.CDLL(None, use_errno=True)


def leave() -> None:
    """Leaves this process's namespaces; its children get process ids of their own.

    The process must have one thread. Its user and group keep their numbers and lose their
    meaning outside.

    Raises:
        OSError: If the kernel refuses.
    """
    user, group = os.geteuid(), os.getegid()
    _checked(_libc.unshare(_USERS | _PROCESSES | _NETWORK | _IPC | _HOST), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def settle() -> None:
    """Gives the first process of a process namespace its own mounts, with a /proc of its own.

    Raises:
        OSError: If the kernel refuses.
    """
    _checked(_libc.unshare(_MOUNTS), "unshare")
    _mount(b"none", b"/", None, _RECURSIVE | _PRIVATE)
    _mount(b"proc", b"/proc", b"proc", _NOSUID | _NODEV | _NOEXEC)


def hide_all_but(places: Iterable[Path], folder: Path) -> None:
    """Leaves a tree of files with nothing in it but `places`, `folder` and /proc.

    What is elsewhere cannot even be asked for its size. The tree is built in a file system put
    over the folder's `tmp`; what that covers is still reached by the descriptor of the folder.

    Raises:
        OSError: If the kernel refuses.
    """
    held = {}
    for place in (*places, folder, Path("/proc")):
        for name in {place, place.resolve()}:
            if name.exists() and (name == Path("/proc") or Path("/proc") not in name.parents):
                held[name] = os.open(name, os.O_PATH)
    root = temporary(folder)
    _mount(b"none", os.fsencode(root), b"tmpfs", _NOSUID | _NODEV)
    for name, descriptor in held.items():
        target = root / name.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            target.mkdir(exist_ok=True)
        else:
            target.touch()
        beneath = 0 if name in (folder, folder.resolve()) else _RECURSIVE
        _mount(b"/proc/self/fd/%d" % descriptor, os.fsencode(target), None, _BIND | beneath)
        os.close(descriptor)
    os.chdir(root)
    _checked(_libc.syscall(ctypes.c_long(_PIVOT_ROOT[platform.machine()]), b".", b"."), "pivot")
    _checked(_libc.umount2(b".", _DETACH), "umount2")
    os.chdir(folder)


def _mount(source: bytes, target: bytes, kind: bytes | None, flags: int) -> None:
    _checked(_libc.mount(source, target, kind, ctypes.c_ulong(flags), None), "mount")


def _checked(result: int, call: str) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, f"{call}: {os.strerror(code)}")
