"""A range to attack on: things worth stealing or changing, and a check that none of it happened."""

from __future__ import annotations

import ctypes
import os
import re
import secrets
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from socket import AF_UNIX
from typing import Any

from attacks import Attack

from rewardsmith.llm_reward_design import jail
from rewardsmith.llm_reward_design.jail import Ended, Limits, Tier
from rewardsmith.llm_reward_design.jail.census import children_of

ENTRY = "rewardsmith.llm_reward_design.jail.source:reward"
KEY = "REWARDSMITH_TEST_KEY"
LIMITS = Limits(
    wall_s=20.0,
    cpu_s=1.0,
    memory_bytes=1 << 30,
    processes=16,
    file_bytes=8 << 20,
    output_bytes=8 << 10,
)
_SHORT_S = 2.5
_SHOWN_BYTES = 16 << 20
_SET_CHILD_SUBREAPER = 36


@dataclass
class Range:
    """What attacks aim at.

    Attributes:
        place: The folder that holds everything.
        folder: The jail's run folder in it.
        words: What must not be found anywhere, by where it is kept.
        aims: The capital words of an attack and what they stand for.
        listeners: What must not be reached, by its name.
        signals: The signals that this process received.
        before: What lies outside, before the attack.
        children: This process's children, before the attack.
    """

    place: Path
    folder: Path
    words: dict[str, str]
    aims: dict[str, object]
    listeners: dict[str, socket.socket]
    signals: list[int] = field(default_factory=list)
    before: dict[str, object] = field(default_factory=dict)
    children: frozenset[int] = frozenset()

    def attack(self, attack: Attack, tier: Tier, limits: Limits = LIMITS) -> Ended:
        """Runs an attack in a jail; one that wants to take long is given little time."""
        if attack.kind == "exhaustion":
            limits = replace(limits, wall_s=_SHORT_S)
        return jail.run(
            ENTRY, attack.source(self.aims), folder=self.folder, limits=limits, tier=tier
        )

    def harm(self, ended: Ended) -> list[str]:
        """Returns what an attack achieved outside its jail, in words; empty if nothing."""
        found = [f"{where} leaked" for where in self._leaked(ended)]
        after = self._outside()
        changed = {
            name for name in {*self.before, *after} if self.before.get(name) != after.get(name)
        }
        found += [f"{name} changed" for name in sorted(changed)]
        found += [f"{name} was reached" for name, s in self.listeners.items() if _reached(s)]
        found += [f"signal {number} arrived" for number in self.signals]
        found += [f"process {pid} survived" for pid in survivors(self.children)]
        if len(ended.output.encode()) > 4 * LIMITS.output_bytes:
            found.append("the output is not bounded")
        odd = [p for p in self.folder.rglob("*") if p.is_symlink() or not p.is_file()]
        found += [f"{p.name} was left behind" for p in odd if p != self.folder / "tmp"]
        return found

    def _leaked(self, ended: Ended) -> Iterator[str]:
        parts = [ended.output, ended.error, repr(ended.value)]
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        small = [path for path in files if path.stat().st_size < _SHOWN_BYTES]
        parts += [path.read_bytes().decode(errors="replace") for path in small]
        text = "\n".join(parts)
        return (where for where, word in self.words.items() if word in text)

    def _outside(self) -> dict[str, object]:
        """Returns name -> everything about each file outside the run folder."""
        told: dict[str, object] = {}
        shared = Path("/dev/shm")
        names = list(shared.glob("*jail*")) if shared.is_dir() else []
        for path in (*self.place.rglob("*"), *names):
            if path == self.folder or self.folder in path.parents:
                continue
            about = path.lstat()
            content = path.read_bytes() if path.is_file() else None
            mode = (about.st_mode, about.st_uid, about.st_gid)
            attributes = os.listxattr(path) if hasattr(os, "listxattr") else []
            told[path.name] = (mode, content, attributes, content and about.st_mtime_ns)
        return told


def survivors(known: Sequence[int] | frozenset[int]) -> list[int]:
    """Returns the children of this process that are not in `known`, orphans among them."""
    return sorted(set(children_of(os.getpid())) - set(known))


@contextmanager
def shooting_range(place: Path) -> Iterator[Range]:
    """Puts a range up in an empty folder; orphans become this process's children meanwhile."""
    words = {where: secrets.token_hex(16) for where in ("file", "memory", "os.environ")}
    words |= _given_at_start()
    outside = place / "outside"
    outside.mkdir()
    outside.chmod(0o777)
    (outside / "secret").write_text(words["file"])
    memory = ctypes.create_string_buffer(words["memory"].encode())
    path, name = str(place / "listener"), f"jail-range-{words['file'][:8]}"
    listeners = {
        "tcp": _listener(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
        **_listener_of_ipv6(),
        "udp": _listener(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
        "unix": _listener(AF_UNIX, socket.SOCK_STREAM, path),
        "abstract": _listener(AF_UNIX, socket.SOCK_STREAM, "\0" + name),
    }
    ports = {name: s.getsockname()[1] for name, s in listeners.items() if s.family != AF_UNIX}
    aims: dict[str, object] = {
        "SECRET": str(outside / "secret"),
        "OUTSIDE": str(outside),
        "PARENT": os.getpid(),
        "ADDRESS": ctypes.addressof(memory),
        "TCP4": ports["tcp"],
        "TCP6": ports.get("tcp6", 0),
        "UDP": ports["udp"],
        "UNIX": path,
        "ABSTRACT": name,
        "KEY": KEY,
    }
    there = Range(place, place / "run", words, aims, listeners)
    libc = ctypes.CDLL(None)
    handler = signal.signal(signal.SIGUSR1, lambda number, _: there.signals.append(number))
    os.environ[KEY] = words["os.environ"]
    libc.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        there.before = there._outside()
        there.children = frozenset(children_of(os.getpid()))
        yield there
    finally:
        for pid in survivors(there.children):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        libc.prctl(_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        del os.environ[KEY]
        signal.signal(signal.SIGUSR1, handler)
        for listener in listeners.values():
            listener.close()


def _given_at_start() -> dict[str, str]:
    """Returns an entry of the environment that this process was started with, if there is one."""
    entries = Path("/proc/self/environ").read_bytes().decode(errors="replace").split("\0")
    plain = [entry for entry in entries if re.fullmatch(r"\w+=[\w./:-]{8,}", entry)]
    return {"environment": max(plain, key=len)} if plain else {}


def _listener(family: int, kind: int, address: Any) -> socket.socket:
    server = socket.socket(family, kind)
    server.bind(address)
    server.setblocking(False)
    if kind == socket.SOCK_STREAM:
        server.listen()
    return server


def _listener_of_ipv6() -> dict[str, socket.socket]:
    try:
        return {"tcp6": _listener(socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0))}
    except OSError:  # a machine without IPv6
        return {}


def _reached(listener: socket.socket) -> bool:
    try:
        if listener.type == socket.SOCK_STREAM:
            listener.accept()[0].close()
        else:
            listener.recv(100)
    except BlockingIOError:
        return False
    return True
