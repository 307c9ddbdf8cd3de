"""System calls that a jailed program may make, and their numbers.

A number that is not here is refused: sockets of every kind, starting programs and processes,
signals and memory of others, changing owners, modes and times of files (which Landlock does not
govern), links, shared memory, mounts, namespaces, keys, tracing, io_uring, BPF and the rest.
"""

from __future__ import annotations

import os
from typing import NamedTuple

_TABLE = """
# Reading and writing what is open
read 0 63; write 1 64; readv 19 65; writev 20 66; pread64 17 67; pwrite64 18 68;
preadv 295 69; pwritev 296 70; preadv2 327 286; pwritev2 328 287; lseek 8 62; close 3 57;
close_range 436 436; ftruncate 77 46; fallocate 285 47; fsync 74 82; fdatasync 75 83;
sync_file_range 277 84; fadvise64 221 223; flock 73 32; copy_file_range 326 285;
sendfile 40 71; dup 32 23; dup2 33 -; dup3 292 24; pipe 22 -; pipe2 293 59;
# Files by name; Landlock decides which
open 2 -; openat 257 56; stat 4 -; fstat 5 80; lstat 6 -; newfstatat 262 79; statx 332 291;
statfs 137 43; fstatfs 138 44; access 21 -; faccessat 269 48; faccessat2 439 439;
readlink 89 -; readlinkat 267 78; getdents 78 -; getdents64 217 61; getcwd 79 17;
chdir 80 49; fchdir 81 50; umask 95 166; unlink 87 -; unlinkat 263 35; rmdir 84 -;
rename 82 -; renameat 264 38; renameat2 316 276; mkdir 83 -; mkdirat 258 34;
# Waiting
poll 7 -; ppoll 271 73; select 23 -; pselect6 270 72; epoll_create 213 -;
epoll_create1 291 20; epoll_ctl 233 21; epoll_wait 232 -; epoll_pwait 281 22;
epoll_pwait2 441 441; eventfd2 290 19; timerfd_create 283 85; timerfd_settime 286 86;
timerfd_gettime 287 87; pause 34 -; restart_syscall 219 128; wait4 61 260; waitid 247 95;
# Memory
mmap 9 222; mprotect 10 226; munmap 11 215; mremap 25 216; madvise 28 233; brk 12 214;
msync 26 227; mincore 27 232; membarrier 324 283; get_mempolicy 239 236;
set_mempolicy 238 237; mbind 237 235; pkey_alloc 330 289; pkey_free 331 290;
pkey_mprotect 329 288;
# Threads of this process
clone 56 220; clone3 435 435; futex 202 98; futex_waitv 449 449; set_robust_list 273 99;
set_tid_address 218 96; rseq 334 293; arch_prctl 158 -; sched_yield 24 124;
sched_getaffinity 204 123; sched_setaffinity 203 122; sched_getparam 143 121;
sched_getscheduler 145 120; sched_get_priority_max 146 125; sched_get_priority_min 147 126;
getcpu 309 168; gettid 186 178; exit 60 93; exit_group 231 94;
# Signals to this process
rt_sigaction 13 134; rt_sigprocmask 14 135; rt_sigreturn 15 139; rt_sigpending 127 136;
rt_sigtimedwait 128 137; rt_sigsuspend 130 133; sigaltstack 131 132; alarm 37 -;
getitimer 36 102; setitimer 38 103; timer_create 222 107; timer_settime 223 110;
timer_gettime 224 108; timer_getoverrun 225 109; timer_delete 226 111; tgkill 234 131;
kill 62 129;
# Questions about this process and the system
getpid 39 172; getppid 110 173; getuid 102 174; geteuid 107 175; getgid 104 176;
getegid 108 177; getgroups 115 158; getresuid 118 148; getresgid 120 150; getpgrp 111 -;
getpgid 121 155; getsid 124 156; capget 125 90; getpriority 140 141; getrlimit 97 163;
prlimit64 302 261; getrusage 98 165; times 100 153; time 201 -; gettimeofday 96 169;
clock_gettime 228 113; clock_getres 229 114; nanosleep 35 101; clock_nanosleep 230 115;
uname 63 160; sysinfo 99 179; getrandom 318 278;
# Doors with many rooms
fcntl 72 25; ioctl 16 29; prctl 157 167;
"""
"""Name, number on x86_64, number on aarch64 ("-": there is none)."""

HIGHEST = 462
"""Calls above this number are newer than this table; they are answered with "not there"."""


class Only(NamedTuple):
    """A call is allowed for some values of one argument.

    Attributes:
        argument: Its index. The kernel reads 32 bits of it.
        values: Allowed values of the bits under the mask.
        mask: Which bits are looked at.
    """

    argument: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF


_MODE = os.O_ACCMODE | os.O_TRUNC
_OPENINGS = (
    os.O_RDONLY,
    os.O_WRONLY,
    os.O_RDWR,
    os.O_WRONLY | os.O_TRUNC,
    os.O_RDWR | os.O_TRUNC,
)
"""All but truncating what is opened to read, which Landlock before its third ABI lets pass."""

_THREAD = 0x00010000 | 0x00000800 | 0x00000100  # CLONE_THREAD, CLONE_SIGHAND, CLONE_VM
_NEW_NAMESPACES = 0x7E020000 | 0x00000080
_DUPLICATE, _FLAGS, _LOCKS, _PIPE_SIZE = (0, 1030), (1, 2, 3, 4), (5, 6, 7), (1032,)
_TERMINAL, _READABLE, _NON_BLOCKING = (0x5401, 0x5413), (0x541B,), (0x5421, 0x5450, 0x5451)
_NAME, _MEMORY_NAME, _QUESTIONS = (15, 16), (0x53564D41,), (3, 21, 23, 39)


def numbers(machine: str) -> dict[str, int] | None:
    """Returns the table of "x86_64" or "aarch64"; None for another machine.

    Example:
        >>> numbers("x86_64")["openat"], numbers("aarch64")["openat"]
        (257, 56)
        >>> "open" in numbers("aarch64")
        False
    """
    if machine not in ("x86_64", "aarch64"):
        return None
    lines = "".join(line for line in _TABLE.splitlines(True) if not line.startswith("#"))
    entries = (entry.split() for entry in lines.split(";") if entry.strip())
    column = 1 if machine == "x86_64" else 2
    return {entry[0]: int(entry[column]) for entry in entries if entry[column] != "-"}


def conditions(pid: int) -> dict[str, Only]:
    """Returns the calls allowed for some arguments only, to the process `pid`."""
    return {
        "open": Only(1, _OPENINGS, _MODE),
        "openat": Only(2, _OPENINGS, _MODE),
        "clone": Only(0, (_THREAD,), _THREAD | _NEW_NAMESPACES),
        "kill": Only(0, (pid,)),
        "tgkill": Only(0, (pid,)),
        "prlimit64": Only(0, (0, pid)),
        "sched_setaffinity": Only(0, (0, pid)),
        "fcntl": Only(1, _DUPLICATE + _FLAGS + _LOCKS + _PIPE_SIZE),
        "ioctl": Only(1, _TERMINAL + _READABLE + _NON_BLOCKING),
        "prctl": Only(0, _NAME + _MEMORY_NAME + _QUESTIONS),
    }
