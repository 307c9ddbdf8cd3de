"""Telling how far a run is, and being asked to stop."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
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

    It should after SIGINT or SIGTERM, once `catch_signals` was called, and when the process
    that started it is gone: a run nobody waits for must not hold its folder.
    """

    def __init__(self) -> None:
        self._parent = os.getppid()
        self._signalled = False

    def catch_signals(self) -> None:
        """Takes over SIGINT and SIGTERM; a second signal stops at once."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def is_asked(self) -> bool:
        """Tells whether to stop."""
        return self._signalled or os.getppid() != self._parent

    def _handle(self, number: int, frame: Any) -> None:
        if self._signalled:
            raise KeyboardInterrupt
        self._signalled = True
