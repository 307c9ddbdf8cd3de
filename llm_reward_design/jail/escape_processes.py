"""Attempts to read, signal, start and become other processes."""

from __future__ import annotations

import ctypes
import os
import resource
from pathlib import Path

from rewardsmith.llm_reward_design.jail.attempts import Targets, attempt, reaches


@attempt
def _read_the_callers_environment(t: Targets) -> object:
    return Path(f"/proc/{t.caller}/environ").read_bytes()


@attempt
def _read_the_callers_memory(t: Targets) -> object:
    with open(f"/proc/{t.caller}/mem", "rb") as memory:
        memory.seek(t.address)
        return memory.read(len(t.word)).decode() == t.word


@attempt
def _copy_the_callers_memory(t: Targets) -> object:
    here = ctypes.create_string_buffer(len(t.word))
    local = (ctypes.c_size_t * 2)(ctypes.addressof(here), len(here))
    remote = (ctypes.c_size_t * 2)(t.address, len(here))
    return reaches("process_vm_readv", t.caller, local, 1, remote, 1, 0)


@attempt
def _trace_itself(t: Targets) -> object:
    return reaches("ptrace", 99, 0, 0, 0)  # an unknown request


@attempt
def _signal_the_caller(t: Targets) -> object:
    os.kill(t.caller, 0)
    return True


@attempt
def _signal_every_process(t: Targets) -> object:
    os.kill(-1, 0)
    return True


@attempt
def _hold_the_caller(t: Targets) -> object:
    return reaches("pidfd_open", t.caller, 0)


@attempt
def _limit_the_caller(t: Targets) -> object:
    return resource.prlimit(t.caller, resource.RLIMIT_NOFILE)


@attempt
def _raise_a_limit(t: Targets) -> object:
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard == resource.RLIM_INFINITY:
        return True
    resource.setrlimit(resource.RLIMIT_AS, (hard + 1, hard + 1))
    return True


@attempt
def _fork(t: Targets) -> object:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return True


@attempt
def _start_a_program(t: Targets) -> object:
    return os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)


@attempt
def _become_a_program(t: Targets) -> object:
    return reaches("execve", b"/nowhere", 0, 0)


@attempt
def _become_root(t: Targets) -> object:
    os.setuid(0)
    return True
