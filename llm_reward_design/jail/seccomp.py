"""Seccomp: from here on the kernel answers only the system calls on a list.

The list becomes a program in classic BPF that the kernel runs before each call. It cannot be
taken back, and threads that are already there are bound as well.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

from rewardsmith.llm_reward_design.jail.system_calls import HIGHEST, Only, conditions, numbers

_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_JUMP_EQUAL, _JUMP_ABOVE = 0x15, 0x25
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets into struct seccomp_data
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SET_FILTER, _ALL_THREADS = 1, 1
_NOT_THERE = ("clone3",)
"""Refused as if the kernel were older: libraries then use a call whose flags can be read."""

Instruction = tuple[int, int, int, int]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def supported() -> bool:
    """Returns whether this machine's calls are in the table."""
    return platform.machine() in _SECCOMP


def assemble(machine: str, pid: int) -> list[Instruction]:
    """Returns the filter as (code, jump if true, jump if false, operand).

    Calls of another architecture end the process; others are refused with EPERM, and those
    newer than the table with ENOSYS.

    Args:
        machine: "x86_64" or "aarch64".
        pid: The process that may be sent signals.
    """
    table, only = numbers(machine) or {}, conditions(pid)
    code: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, _AUDIT[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    for name, number in table.items():
        answer = _conditional(only[name]) if name in only else [(_RETURN, 0, 0, _verdict(name))]
        code += [(_JUMP_EQUAL, 0, len(answer), number), *answer]
    return [
        *code,
        (_JUMP_ABOVE, 0, 1, HIGHEST),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
    ]


def install() -> None:
    """Applies the filter to this process for good; needs no-new-privileges.

    Raises:
        OSError: If the kernel refuses.
    """
    machine = platform.machine()
    code = assemble(machine, os.getpid())
    packed = b"".join(struct.pack("HBBI", *instruction) for instruction in code)
    program = _Program(len(code), packed)
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(
        ctypes.c_long(_SECCOMP[machine]),
        ctypes.c_long(_SET_FILTER),
        ctypes.c_long(_ALL_THREADS),
        ctypes.byref(program),
    )
    if result:
        raise OSError(ctypes.get_errno(), "seccomp: the kernel refuses the filter")


def _verdict(name: str) -> int:
    return _ERRNO | errno.ENOSYS if name in _NOT_THERE else _ALLOW


def _conditional(only: Only) -> list[Instruction]:
    low = _ARGUMENTS + 8 * only.argument  # the low half: both machines are little-endian
    code: list[Instruction] = [(_LOAD, 0, 0, low), (_AND, 0, 0, only.mask)]
    for value in only.values:
        code += [(_JUMP_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]
    return [*code, (_RETURN, 0, 0, _ERRNO | errno.EPERM)]
