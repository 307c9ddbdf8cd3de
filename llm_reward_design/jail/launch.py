"""`Child`: a jailed process as its caller sees it: started, listened to, ended."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.jail import folders
from rewardsmith.llm_reward_design.jail.answer import LONGEST
from rewardsmith.llm_reward_design.jail.limits import Ended, Limits
from rewardsmith.llm_reward_design.jail.places import environment, temporary
from rewardsmith.llm_reward_design.jail.tier import Tier
from rewardsmith.llm_reward_design.jail.verdict import Heard, verdict
from rewardsmith.llm_reward_design.jail.warden import LENGTH

_WARDEN = "rewardsmith.llm_reward_design.jail.warden"
_CHUNK = 1 << 16
_FLOOD = 64 << 20
_GRACE_S = 10.0


class Child:
    """A jailed process: `entry(payload)` prepares, the lock falls, the result is called.

    Use it as a context manager: leaving it ends the process and everything it started.
    The process is heard, and its time limit kept, while `pump` or `wait` runs.

    Args:
        entry: "module:function" of trusted code, as for `run`.
        payload: JSON data for it.
        folder: Where the child may write; made if it is not there.
        limits: What the child may use; the clock starts now.
        tier: How it is held, taken as it is; `granted` tells what this machine offers.
        inherit: File descriptors that stay open in the child, under their numbers.

    Raises:
        ConfigError: If a limit is not above 0.
        TypeError: If the payload is no JSON data.
    """

    def __init__(
        self,
        entry: str,
        payload: Any,
        *,
        folder: Path,
        limits: Limits,
        tier: Tier,
        inherit: Sequence[int] = (),
    ) -> None:
        for name, value in asdict(limits).items():
            if not value > 0:
                raise ConfigError(f"the jail's limit {name} must be above 0, got {value}")
        self.tier = tier
        self._limits, self._started = limits, time.monotonic()
        self._heard, self._printed = Heard(), 0
        self._ended: Ended | None = None
        self._temporary = temporary(folder.absolute())
        order = {
            "entry": entry,
            "payload": payload,
            "folder": str(folder.absolute()),
            "limits": asdict(limits),
            "tier": int(tier),
            "inherit": list(inherit),
        }
        self._process, self._answer, self._status, data = _start(folder, order, inherit)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._unsent = memoryview(LENGTH.pack(len(data)) + data)
        self._selector = selectors.DefaultSelector()
        for descriptor in (self._stdin, self._stdout, self._answer, self._status):
            os.set_blocking(descriptor, False)
            writes = descriptor == self._stdin
            event = selectors.EVENT_WRITE if writes else selectors.EVENT_READ
            self._selector.register(descriptor, event)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait(self) -> Ended:
        """Waits for the end and returns how it came about."""
        ended = None
        while ended is None:
            ended = self.pump(_GRACE_S)
        return ended

    def pump(self, timeout_s: float, *wake: int) -> Ended | None:
        """Listens for up to `timeout_s` seconds; returns how the child ended, None if it has not.

        Args:
            timeout_s: Longest wait, in seconds.
            wake: File descriptors; returns early once one of them can be read.
        """
        until = time.monotonic() + timeout_s
        with self._listening_to(wake):
            while self._ended is None:
                if why := self._excess():
                    self._end(why)
                    break
                next_s = min(until, self._started + self._limits.wall_s)
                ready = self._listen(next_s - time.monotonic())
                if self._is_gone():
                    self._end("")
                elif time.monotonic() >= until or not ready.isdisjoint(wake):
                    break
        return self._ended

    def close(self) -> None:
        """Ends the process, and everything it started, if it still runs."""
        if self._ended is None:
            self._end("ended by its caller")

    def _excess(self) -> str:
        """Returns why the child must end now, "" if it need not."""
        if time.monotonic() >= self._started + self._limits.wall_s:
            return "out_of_time"
        if self._printed > _FLOOD:
            return "flooded"
        if len(self._heard.answer) > LONGEST:
            return f"the answer is longer than {LONGEST} bytes"
        return ""

    def _is_gone(self) -> bool:
        """Whether the warden has ended: it alone holds the other end of the pipe for its status."""
        return self._status not in self._selector.get_map()

    def _end(self, why: str) -> None:
        """Has the warden end everything, ends a warden that does not, and notes the verdict."""
        self._heard.stopped = why
        if self._stdin in self._selector.get_map():
            self._selector.unregister(self._stdin)
        assert self._process.stdin is not None
        self._process.stdin.close()
        until = time.monotonic() + _GRACE_S
        while not self._is_gone() and time.monotonic() < until:
            self._listen(until - time.monotonic())
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for _ in range(2 * LONGEST // _CHUNK):
            if not self._listen(0.0):
                break
        self._selector.close()
        assert self._process.stdout is not None
        self._process.stdout.close()
        os.close(self._answer)
        os.close(self._status)
        with contextlib.suppress(OSError):
            folders.empty(self._temporary)
        self._heard.wall_s = time.monotonic() - self._started
        self._ended = verdict(self._heard, self._limits, self.tier)

    def _listen(self, timeout_s: float) -> set[int]:
        """Moves what can be moved within `timeout_s` seconds; returns the descriptors ready."""
        ready = {key.fd for key, _ in self._selector.select(max(0.0, timeout_s))}
        if self._stdin in ready:
            self._send()
        if self._stdout in ready:
            more = self._read(self._stdout)
            self._printed += len(more)
            self._heard.output += more
            del self._heard.output[: -self._limits.output_bytes]
        if self._answer in ready:
            more = self._read(self._answer)
            if len(self._heard.answer) <= LONGEST:
                self._heard.answer += more
        if self._status in ready:
            self._heard.status += self._read(self._status)
        return ready

    def _send(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            sent = os.write(self._stdin, self._unsent[:_CHUNK])
            self._unsent = self._unsent[sent:]
            if self._unsent:
                return
        self._selector.unregister(self._stdin)

    def _read(self, descriptor: int) -> bytes:
        """Returns what is there to read; stops listening where nothing more will come."""
        more = os.read(descriptor, _CHUNK)
        if not more:
            self._selector.unregister(descriptor)
        return more

    @contextlib.contextmanager
    def _listening_to(self, descriptors: Sequence[int]) -> Iterator[None]:
        if self._ended is not None:
            yield
            return
        for descriptor in descriptors:
            self._selector.register(descriptor, selectors.EVENT_READ)
        try:
            yield
        finally:
            if self._ended is None:
                for descriptor in descriptors:
                    self._selector.unregister(descriptor)


def _start(
    folder: Path, order: dict[str, Any], inherit: Sequence[int]
) -> tuple[subprocess.Popen[bytes], int, int, bytes]:
    """Starts the warden; returns it, our ends of its pipes, and the order with theirs in it."""
    temporary(folder).mkdir(parents=True, exist_ok=True)
    answer, order["answer"] = os.pipe()
    status, order["status"] = os.pipe()
    theirs = (order["answer"], order["status"])
    try:
        data = json.dumps(order).encode()
        process = subprocess.Popen(
            [sys.executable, "-I", "-X", "utf8", "-m", _WARDEN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            env=environment(folder.absolute()),
            cwd=folder,
            pass_fds=(*theirs, *inherit),
            start_new_session=True,
        )
    except BaseException:
        os.close(answer)
        os.close(status)
        raise
    finally:
        for descriptor in theirs:
            os.close(descriptor)
    return process, answer, status, data
