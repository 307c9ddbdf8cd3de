"""Telling how far a run is, and being asked to stop."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rewardsmith.envs.errors import RewardsmithError

Progress = Callable[[int, Mapping[str, float]], None]
"""Called with the training step and the latest evaluation."""


class Interrupted(RewardsmithError):
    """Training was asked to stop; a checkpoint was written first."""

    @classmethod
    def at(cls, step: int) -> Interrupted:
        """Returns the error of a run stopped at `step`."""
        return cls(f"stopped at step {step}; the same command continues from there")


class StopRequest:
    """Whether a run should stop at its next safe point.

    It should after a SIGINT or SIGTERM that came within `catching_signals`; and in a worker
    process whose `master` is gone, for a run nobody waits for must not hold its folder.

    Args:
        master: Process id that a worker works for; None, or this process itself, for a run
            that is nobody's worker and goes on when its terminal is closed.
    """

    def __init__(self, master: int | None = None) -> None:
        self._master = None if master == os.getpid() else master
        self._signalled = False

    @contextmanager
    def catching_signals(self) -> Iterator[None]:
        """Takes over SIGINT and SIGTERM for a while; a second signal stops at once."""
        caught = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._handle) for number in caught}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def is_asked(self) -> bool:
        """Tells whether to stop."""
        return self._signalled or self._master not in (None, os.getppid())

    def _handle(self, number: int, frame: Any) -> None:
        if self._signalled:
            raise KeyboardInterrupt
        self._signalled = True
