"""What the attempts of the escape corpus share: their list, their aims, raw system calls."""

from __future__ import annotations

import ctypes
import errno
import platform
from collections.abc import Callable
from dataclasses import dataclass

Attempt = Callable[["Targets"], object]

ATTEMPTS: dict[str, Attempt] = {}
"""Name -> attempt; truthy means out."""

_CALLS = {  # number on x86_64, number on aarch64
    "io_uring_setup": (425, 425),
    "pidfd_open": (434, 434),
    "openat2": (437, 437),
    "add_key": (248, 217),
    "perf_event_open": (298, 241),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "memfd_create": (319, 279),
    "shmget": (29, 194),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "socket": (41, 198),
    "execve": (59, 221),
    "name_to_handle_at": (303, 264),
    "inotify_init1": (294, 26),
}
_REFUSED = (errno.EPERM, errno.ENOSYS, errno.EACCES)
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Targets:
    """What attempts aim at, all of it outside the jail.

    Attributes:
        secret: A file that holds `word`.
        outside: A folder that may be written by whoever is not jailed.
        word: What must not be read.
        caller: A process id.
        address: Where `word` lies in that process's memory.
        tcp4: A port that listens on 127.0.0.1.
        tcp6: A port that listens on ::1, 0 where there is none.
        udp: A port that receives datagrams on 127.0.0.1.
        path: A UNIX socket that listens.
        name: The name of an abstract UNIX socket that listens.
    """

    secret: str
    outside: str
    word: str
    caller: int
    address: int
    tcp4: int
    tcp6: int
    udp: int
    path: str
    name: str


def attempt(function: Attempt) -> Attempt:
    """Puts a function on the list under its name."""
    ATTEMPTS[function.__name__.strip("_")] = function
    return function


def reaches(call: str, *arguments: object) -> bool:
    """Returns whether the kernel looks at a system call's arguments at all."""
    number = _CALLS[call][platform.machine() == "aarch64"]
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    if _libc.syscall(ctypes.c_long(number), *wide) >= 0:
        return True
    return ctypes.get_errno() not in _REFUSED
