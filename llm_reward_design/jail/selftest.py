"""`granted`: which tier this machine offers, found out by trying to escape from each."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import secrets
import socket
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.jail import escapes, landlock, seccomp
from rewardsmith.llm_reward_design.jail.launch import Child
from rewardsmith.llm_reward_design.jail.limits import Limits
from rewardsmith.llm_reward_design.jail.tier import Tier

_LIMITS = Limits(wall_s=30.0, cpu_s=20.0, memory_bytes=1 << 30, file_bytes=1 << 20)


def granted(wanted: Tier | None = None) -> Tier:
    """Returns the tier to use: the strongest whose self-test passed here, or the one wanted.

    The self-test runs the escape corpus in a jail of that tier, once per process and tier; a
    tier that one attempt gets out of is not granted.

    Args:
        wanted: The tier asked for.

    Raises:
        ConfigError: If the wanted tier is not granted; tells what is missing. A weaker one is
            never taken in its place.
    """
    if wanted is None:
        strongest = next(tier for tier in reversed(Tier) if not missing(tier))
        if not strongest.is_boundary:
            _warn(missing(Tier.LOCKED))
        return strongest
    if lack := missing(wanted):
        raise ConfigError(
            f"the jail's tier {wanted.name.lower()} is not to be had here: {lack}; use Linux "
            "5.13 or later with Landlock and seccomp, or ask for the tier process, which is no "
            "security boundary"
        )
    return wanted


def lacking() -> str:
    """Returns what this machine's kernel lacks for any boundary, "" if nothing."""
    if sys.platform != "linux":
        return f"{platform.system()} has neither Landlock nor seccomp"
    if not landlock.version():
        return "the kernel offers no Landlock"
    if not seccomp.supported():
        return f"the system calls of {platform.machine()} are not in our table"
    return ""


@functools.cache
def missing(tier: Tier) -> str:
    """Returns why a tier is not to be had: what the kernel lacks, or what its self-test found.

    It is "" for a tier that is granted.
    """
    if not tier.is_boundary:
        return ""
    if lack := lacking():
        return lack
    with tempfile.TemporaryDirectory() as place, targets(Path(place)) as aims:
        folder = Path(place, "jail")
        with Child(
            f"{__name__}:attempts", asdict(aims), folder=folder, limits=_LIMITS, tier=tier
        ) as child:
            ended = child.wait()
    if ended.how != "finished":
        return ended.error or ended.how
    if ended.value["out"]:
        return f"the self-test got out by: {', '.join(ended.value['out'])}"
    return "" if ended.value["works"] else "a jailed program cannot work"


def attempts(payload: Mapping[str, Any]) -> Callable[[], dict[str, Any]]:
    """Entry: tries to escape; answers by which ways it got out and whether work is possible."""
    aims = escapes.Targets(**payload)

    def work() -> dict[str, Any]:
        return {"out": escapes.attempt_all(aims), "works": escapes.works()}

    return work


@contextmanager
def targets(place: Path) -> Iterator[escapes.Targets]:
    """Puts up what attempts aim at: a file, a folder, a word in memory and listeners.

    Args:
        place: An empty folder.
    """
    word = secrets.token_hex(16)
    outside = place / "outside"
    outside.mkdir()
    outside.chmod(0o777)
    secret = outside / "secret"
    secret.write_text(word)
    secret.chmod(0o644)
    memory = ctypes.create_string_buffer(word.encode())
    path, name = str(place / "socket"), f"rewardsmith-{word}"
    with ExitStack() as stack:
        tcp4 = _listen(stack, socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
        udp = _listen(stack, socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
        tcp6 = _listen(stack, socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0))
        _listen(stack, socket.AF_UNIX, socket.SOCK_STREAM, path)
        _listen(stack, socket.AF_UNIX, socket.SOCK_STREAM, "\0" + name)
        yield escapes.Targets(
            secret=str(secret),
            outside=str(outside),
            word=word,
            caller=os.getpid(),
            address=ctypes.addressof(memory),
            tcp4=tcp4,
            tcp6=tcp6,
            udp=udp,
            path=path,
            name=name,
        )


def _listen(stack: ExitStack, family: int, kind: int, address: Any) -> int:
    """Opens a listener; returns its port, 0 if it has none."""
    try:
        server = stack.enter_context(socket.socket(family, kind))
        server.bind(address)
    except OSError:  # such as a machine without IPv6
        return 0
    if kind == socket.SOCK_STREAM:
        server.listen()
    return 0 if family == socket.AF_UNIX else int(server.getsockname()[1])


@functools.cache
def _warn(lack: str) -> None:
    warnings.warn(
        f"the jail is no security boundary here ({lack}): programs run in a process of their "
        "own with limits and timeouts only; run programs of a language model on Linux",
        stacklevel=4,
    )
