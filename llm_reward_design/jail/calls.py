"""Calls of a program behind the lock: one child, asked again and again over shared memory."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import select
import tempfile
import time
import weakref
from collections.abc import Mapping
from pathlib import Path

from rewardsmith.envs.errors import RewardError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.llm_reward_design.compiled import MOST_PARTS, PART_NAME, Paid
from rewardsmith.llm_reward_design.jail.board import REPLY, REQUEST, TEXT_BYTES, Board, Said
from rewardsmith.llm_reward_design.jail.launch import Child
from rewardsmith.llm_reward_design.jail.limits import Limits
from rewardsmith.llm_reward_design.jail.selftest import granted
from rewardsmith.llm_reward_design.jail.tier import Tier

TIMEOUT_S = 10.0
"""How long one call may take, in seconds."""

_START_TIMEOUT_S, _GRACE_S = 60.0, 2.0
_AWAKE_S = 100e-6
_LONGEST_ERROR = 500
_LIMITS = Limits(wall_s=float("inf"), cpu_s=float("inf"), processes=4, file_bytes=1 << 20)
_ENTRY = "rewardsmith.llm_reward_design.jail.serve:serve"


class JailedCalls:
    """A program as a function of arrays, run in a locked child that stays for the next call.

    The child starts with the first call, and again after a call that failed, with more
    environments than it has room for, or in a process forked or unpickled from this one. It
    ends with this object, with `close`, and with this process, however that ends. What it
    leaves in the shared memory is copied before it is looked at.

    Args:
        source: The program.
        tier: The strength of the jail; None for the strongest there is.
        timeout_s: How long one call may take.

    Example:
        >>> import numpy as np
        >>> program = '''def compute_reward(distance):
        ...     return -distance, {"near": -distance}'''
        >>> calls = JailedCalls(program)
        >>> calls({"distance": np.array([1.0, 2.0])}, 2).names
        ('near',)
        >>> calls.close()
    """

    def __init__(self, source: str, tier: Tier | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self.source, self.tier, self.timeout_s = source, tier, timeout_s
        self._worker: _Worker | None = None

    def __reduce__(self) -> tuple[type[JailedCalls], tuple[str, Tier | None, float]]:
        return JailedCalls, (self.source, self.tier, self.timeout_s)

    def __call__(self, values: Mapping[str, FloatArray], n: int) -> Paid:
        """Runs the program on n environments.

        Args:
            values: The inputs by name, float64 (n,) or (n, k), in the same order every time.
            n: How many environments.

        Raises:
            RewardError: If the program fails, takes too long or ends its process; as
                `Compiled` otherwise.
            ConfigError: If this machine does not grant the tier.
        """
        worker = self._worker
        if worker is None or not (worker.is_ours() and worker.takes(values, n)):
            self.close()
            self._worker = worker = _Worker(self.source, Board.of(values, n), granted(self.tier))
            worker.takes(values, n)
        try:
            return worker.call(values, n, self.timeout_s)
        except BaseException:  # a reply may still come, which the next call would take for its own
            self.close()
            raise

    def close(self) -> None:
        """Ends the child, if there is one."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None


class _Worker:
    """One child, the memory shared with it and the pipes that wake it and tell of its end."""

    def __init__(self, source: str, board: Board, tier: Tier) -> None:
        self._board, self._owner = board, os.getpid()
        self._names: tuple[str, ...] = ()
        self._n = -1
        memory = _shared_memory(board.size)
        self._memory = mmap.mmap(memory, board.size)
        asked, self._requests = os.pipe()
        self._replies, answered = os.pipe()
        self._poll = select.poll()
        self._poll.register(self._replies, select.POLLIN)
        theirs = {"memory": memory, "requests": asked, "replies": answered}
        payload = {"source": source, "columns": dict(board.columns), "room": board.room, **theirs}
        # The child may write into its folder, but has no need of it once it runs.
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as opened:
            for descriptor in (self._requests, self._replies):
                opened.callback(os.close, descriptor)
            with contextlib.ExitStack() as passed:
                for descriptor in theirs.values():
                    passed.callback(os.close, descriptor)
                self._child = opened.enter_context(
                    Child(
                        _ENTRY,
                        payload,
                        folder=Path(folder),
                        limits=_LIMITS,
                        tier=tier,
                        inherit=tuple(theirs.values()),
                    )
                )
            self._wait_for_start()
            self.close = weakref.finalize(self, _end, opened.pop_all(), self._owner)
            _workers.add(self)

    def _wait_for_start(self) -> None:
        self._child.pump(_START_TIMEOUT_S, self._replies)
        if not self._poll.poll(0):
            raise RewardError(f"the jail did not start within {_START_TIMEOUT_S:g} s")
        self._hear("as it started")

    def let_go(self) -> None:
        """Closes the pipes, if they are open, in a fork of the process that they belong to.

        A child whose owner is killed learns of it when the last copy of the pipe is closed.
        """
        if self.close.alive:
            os.close(self._requests)
            os.close(self._replies)

    def is_ours(self) -> bool:
        """Tells whether the child is this process's own, alive and waiting to be asked."""
        return self._owner == os.getpid() and not self._poll.poll(0)

    def takes(self, values: Mapping[str, FloatArray], n: int) -> bool:
        """Tells whether the board has places for such inputs."""
        if n != self._n:
            if n > self._board.room:
                return False
            self._inputs, self._pay = self._board.views(self._memory, n)
            self._n = n
        return self._inputs.keys() == values.keys() and all(
            values[name].shape == place.shape for name, place in self._inputs.items()
        )

    def call(self, values: Mapping[str, FloatArray], n: int, timeout_s: float) -> Paid:
        """Puts the inputs on the board, wakes the child, and returns a copy of the pay."""
        for name, place in self._inputs.items():
            place[...] = values[name]
        with contextlib.suppress(BrokenPipeError):  # where there is no child, no reply tells why
            os.write(self._requests, REQUEST.pack(n))
        if not self._is_answered(timeout_s):
            raise RewardError(f"the program took longer than {timeout_s:g} s on {n:,} environments")
        self._hear(f"on {n:,} environments")
        return Paid(self._names, self._pay[: 1 + len(self._names)].copy())

    def _is_answered(self, timeout_s: float) -> bool:
        """Waits for a reply; at first awake, for waking up takes longer than most programs."""
        until = time.perf_counter() + _AWAKE_S
        while not self._poll.poll(0):
            if time.perf_counter() > until:
                return bool(self._poll.poll(timeout_s * 1000))
        return True

    def _hear(self, doing: str) -> None:
        """Takes a reply, and the names of the parts if it has some."""
        reply = os.read(self._replies, REPLY.size)
        if len(reply) < REPLY.size:
            ended = self._child.pump(_GRACE_S)
            why = f"{ended.how} {ended.error[-_LONGEST_ERROR:]}" if ended else "it closed its pipe"
            raise RewardError(f"the program ended its process {doing}: {_printable(why)}")
        said, length = REPLY.unpack(reply)
        if said == Said.PAID:
            return
        text = self._memory[: min(max(length, 0), TEXT_BYTES)].decode(errors="replace")
        if said == Said.FAILED:
            raise RewardError(_printable(text))
        self._names = _names(text)


_workers = weakref.WeakSet[_Worker]()
"""The workers of this process, some of them closed."""


def _after_fork() -> None:
    for worker in list(_workers):
        worker.let_go()
    _workers.clear()


os.register_at_fork(after_in_child=_after_fork)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _names(text: str) -> tuple[str, ...]:
    """Returns the names of the parts, one to a line, which an honest child has checked."""
    names = tuple(text.split("\n")) if text else ()
    if (
        len(names) > MOST_PARTS
        or len(set(names)) < len(names)
        or not all(map(PART_NAME.fullmatch, names))
    ):
        raise RewardError("the process of the program sent names that are none")
    return names


def _shared_memory(size: int) -> int:
    """Returns a descriptor of `size` bytes of memory that no holder of it can resize.

    Were it to shrink, reading it would end this process with a bus error.
    """
    if not hasattr(os, "memfd_create"):  # not Linux, where no tier is a boundary
        with tempfile.TemporaryFile() as file:
            file.truncate(size)
            return os.dup(file.fileno())
    descriptor = os.memfd_create("board", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


def _end(opened: contextlib.ExitStack, owner: int) -> None:
    """Ends a child, unless this is a copy of the process that started it."""
    if os.getpid() == owner:
        opened.close()
