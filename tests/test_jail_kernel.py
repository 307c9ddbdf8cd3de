"""What the kernel is told by the jail: the filter of system calls, and each layer by itself."""

from __future__ import annotations

import errno
import json
import os
import struct
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from jail_cases import held

from rewardsmith.llm_reward_design.jail import (
    Child,
    Limits,
    Tier,
    escapes,
    landlock,
    seccomp,
)
from rewardsmith.llm_reward_design.jail.selftest import targets
from rewardsmith.llm_reward_design.jail.system_calls import HIGHEST, conditions, numbers

REWARD = "rewardsmith.llm_reward_design.jail.source:reward"
LIMITS = Limits(wall_s=20.0, cpu_s=10.0, memory_bytes=1 << 30)
MACHINES = ("x86_64", "aarch64")


def verdict(code: list[seccomp.Instruction], machine: int, number: int, *arguments: int) -> int:
    """Runs a filter as the kernel would; returns its answer."""
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, machine, 0, *padded)
    at, value = 0, 0
    while True:
        operation, when, otherwise, operand = code[at]
        at += 1
        if operation == 0x20:
            (value,) = struct.unpack_from("<I", data, operand)
        elif operation == 0x54:
            value &= operand
        elif operation == 0x06:
            return operand
        else:
            holds = value == operand if operation == 0x15 else value > operand
            assert operation in (0x15, 0x25)
            at += when if holds else otherwise


ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, ENOSYS = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


@pytest.mark.parametrize("machine", MACHINES)
def test_the_filter_allows_its_table_and_nothing_else(machine: str) -> None:
    table, code = numbers(machine), seccomp.assemble(machine, 77)
    assert table is not None
    free = {number for name, number in table.items() if name not in conditions(77)}
    free.discard(table["clone3"])
    for number in range(1000):
        answer = verdict(code, AUDIT[machine], number, 2**32 - 9, 2**32 - 9, 0o1000)
        if number in free:
            assert answer == ALLOW
        elif number > HIGHEST or number == table["clone3"]:
            assert answer == ENOSYS
        else:
            assert answer == EPERM, number
    assert max(len(code), 1) < 4096
    assert all(jump < 256 for _, when, otherwise, _ in code for jump in (when, otherwise))


@pytest.mark.parametrize("machine", MACHINES)
def test_other_tables_of_the_same_machine_end_the_process(machine: str) -> None:
    code = seccomp.assemble(machine, 77)
    assert verdict(code, 0x40000003, 1) == KILL  # 32-bit x86
    assert verdict(code, 0x40000028, 1) == KILL  # 32-bit Arm
    assert verdict(code, AUDIT[machine], 0x40000000 + 1) == ENOSYS  # x32


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("clone", (0x3D0F00,), ALLOW),  # what glibc asks for a thread
        ("clone", (17,), EPERM),
        ("clone", (0x00000900 | 17,), EPERM),  # a process that shares memory
        ("clone", (0x10010900,), EPERM),
        ("clone", (0x00010900 | 0x7E020000,), EPERM),
        ("kill", (77, 10), ALLOW),
        ("kill", (1, 10), EPERM),
        ("kill", (0, 10), EPERM),
        ("kill", (2**64 - 1, 10), EPERM),
        ("tgkill", (77, 78, 10), ALLOW),
        ("tgkill", (76, 76, 10), EPERM),
        ("prlimit64", (0,), ALLOW),
        ("prlimit64", (1,), EPERM),
        ("openat", (0, 0, os.O_RDONLY | os.O_CLOEXEC), ALLOW),
        ("openat", (0, 0, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), ALLOW),
        ("openat", (0, 0, os.O_RDONLY | os.O_TRUNC), EPERM),
        ("fcntl", (0, 2), ALLOW),
        ("fcntl", (0, 8), EPERM),  # F_SETOWN
        ("fcntl", (0, 1024), EPERM),  # F_SETLEASE
        ("ioctl", (0, 0x5401), ALLOW),
        ("ioctl", (0, 0x5412), EPERM),  # TIOCSTI
        ("prctl", (15,), ALLOW),
        ("prctl", (22,), EPERM),  # PR_SET_SECCOMP
        ("prctl", (4,), EPERM),  # PR_SET_DUMPABLE
    ],
)
def test_arguments_are_looked_at(
    machine: str, name: str, arguments: tuple[int, ...], answer: int
) -> None:
    table = numbers(machine)
    assert table is not None
    code = seccomp.assemble(machine, 77)
    assert verdict(code, AUDIT[machine], table[name], *arguments) == answer


@pytest.mark.parametrize(
    ("machine", "header", "rename"),
    [
        ("x86_64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h", {}),
        ("aarch64", "/usr/include/asm-generic/unistd.h", {"fstatat": "newfstatat"}),
    ],
)
def test_numbers_are_the_kernels(machine: str, header: str, rename: dict[str, str]) -> None:
    if not Path(header).exists():
        pytest.skip("no kernel headers here")
    words = [line.split() for line in Path(header).read_text().splitlines()]
    known = {
        rename.get(name := w[1].removeprefix("__NR3264_").removeprefix("__NR_"), name): int(w[2])
        for w in words
        if len(w) > 2 and w[0] == "#define" and w[2].isdigit() and w[1].startswith("__NR")
    }
    table = numbers(machine)
    assert table is not None
    assert {name: known[name] for name in table} == table


FORBIDDEN = """
socket socketpair connect bind listen accept4 sendto sendmsg recvmsg execve execveat ptrace
process_vm_readv process_vm_writev pidfd_open pidfd_getfd pidfd_send_signal setuid setresuid
capset unshare setns mount umount2 pivot_root chroot bpf perf_event_open userfaultfd
io_uring_setup io_uring_enter keyctl add_key request_key memfd_create shmget mq_open fchmod
fchmodat fchown fchownat utimensat setxattr linkat symlinkat mknodat open_by_handle_at
name_to_handle_at seccomp setsid setpgid setpriority personality kexec_load init_module reboot
quotactl inotify_init1 fanotify_init truncate vmsplice splice tee process_madvise move_pages
migrate_pages kcmp rt_sigqueueinfo rt_tgsigqueueinfo tkill sched_setscheduler clock_settime
settimeofday swapon
"""


@pytest.mark.parametrize("machine", MACHINES)
def test_dangerous_calls_are_in_no_table(machine: str) -> None:
    assert not set(numbers(machine) or ()) & set(FORBIDDEN.split())


# Each layer by itself

LAYERS = """
import json, os, sys
from pathlib import Path
from rewardsmith.llm_reward_design.jail import escapes, landlock, places, privileges, seccomp
layers, abi, aims, folder = json.loads(sys.argv[1])
os.chdir(folder)
privileges.drop_capabilities()
privileges.forbid_new_privileges()
landlock.version = lambda: abi
if "landlock" in layers:
    readable = [(place, landlock.READ) for place in places.readable()]
    landlock.restrict([*readable, (Path(folder), landlock.WRITE)])
if "seccomp" in layers:
    seccomp.install()
print(json.dumps(escapes.attempt_all(escapes.Targets(**aims))))
"""
FOR_LIMITS = {"raise_a_limit", "allocate_beyond_the_limit"}


def escaped(place: Path, *layers: str, abi: int | None = None) -> set[str]:
    """Returns the attempts that get past some layers, as on a kernel with this Landlock."""
    folder = place / "-".join(layers)
    folder.mkdir()
    with targets(folder) as aims:
        version = landlock.version() if abi is None else abi
        order = json.dumps([layers, version, asdict(aims), str(folder / "run")])
        (folder / "run").mkdir()
        command = [sys.executable, "-I", "-c", LAYERS, order]
        ran = subprocess.run(command, capture_output=True, check=True, timeout=60)
    return set(json.loads(ran.stdout))


@held
def test_each_layer_stops_what_it_is_for(tmp_path: Path) -> None:
    past_landlock, past_seccomp = escaped(tmp_path, "landlock"), escaped(tmp_path, "seccomp")
    files = {"read_a_file", "list_a_folder", "make_a_file", "read_through_proc_root"}
    assert files <= past_seccomp
    assert not files & past_landlock
    calls = {"fork", "change_a_mode", "change_times", "open_any_socket", "call_the_kernel"}
    assert calls <= past_landlock
    assert not calls & past_seccomp
    assert past_landlock & past_seccomp <= FOR_LIMITS
    if landlock.version() >= 4:
        assert not {"connect_tcp", "connect_tcp6", "listen_on_a_port"} & past_landlock
    if landlock.version() >= 6:
        assert not {"connect_an_abstract_socket", "signal_the_caller"} & past_landlock


@held
@pytest.mark.parametrize("abi", range(1, 7))
def test_older_kernels_hold_as_well(abi: int, tmp_path: Path) -> None:
    if abi > landlock.version():
        pytest.skip(f"this kernel has Landlock {landlock.version()}")
    assert escaped(tmp_path, "landlock", "seccomp", abi=abi) <= FOR_LIMITS


def test_the_corpus_gets_out_where_nothing_holds_it(tmp_path: Path) -> None:
    with (
        targets(tmp_path) as aims,
        Child(
            "rewardsmith.llm_reward_design.jail.selftest:attempts",
            asdict(aims),
            folder=tmp_path / "run",
            limits=LIMITS,
            tier=Tier.PROCESS,
        ) as child,
    ):
        value = child.wait().value
    stopped = set(escapes.ATTEMPTS) - set(value["out"])
    if os.geteuid() == 0:
        assert stopped <= {"raise_a_limit", "allocate_beyond_the_limit", "connect_tcp6"}
    else:
        assert len(stopped) < len(escapes.ATTEMPTS) / 3
    assert value["works"]
