"""Turns that wait for slow tools, in threads, so that the other conversations go on."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.text.transcript import Transcript

Turn = Callable[[], Transcript]


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    row: int
    deadline: float
    work: Turn
    late: Turn


class SlowTurns:
    """Runs turns in up to `workers` threads; after `timeout_s` seconds a turn is given up.

    Nothing here takes longer the more turns are waiting. A tool that never ends keeps nobody from
    going on: a thread whose turn was given up is replaced, and all are daemons, so that the
    program may end.
    """

    def __init__(self, workers: int, timeout_s: float) -> None:
        self._workers, self._timeout_s = workers, timeout_s
        self._jobs: dict[int, _Job] = {}  # by row, the oldest first
        self._todo: SimpleQueue[_Job | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[_Job, Transcript | Exception]] = SimpleQueue()
        self._threads = self._busy = 0

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, row: int) -> bool:
        return row in self._jobs

    def __reduce__(self) -> tuple[type[SlowTurns], tuple[int, float]]:
        """Lets the environment be copied while no tool is running.

        Raises:
            EnvError: If one is.
        """
        if self._jobs:
            raise EnvError("rows wait for tools; receive their replies before you copy them")
        return SlowTurns, (self._workers, self._timeout_s)

    def start(self, row: int, work: Turn, late: Turn) -> None:
        """Starts a row's turn; `late` takes the place of one that is given up."""
        job = _Job(row, time.monotonic() + self._timeout_s, work, late)
        self._jobs[row] = job
        self._todo.put(job)
        self._busy += 1
        given_up = self._busy - len(self._jobs)
        if self._threads < min(self._busy, self._workers + given_up):
            self._threads += 1
            threading.Thread(
                target=_run, args=(self._todo, self._done), name="tool", daemon=True
            ).start()

    def collect(self, block: bool) -> list[tuple[int, Transcript]]:
        """Returns the rows that are done or late; with `block` it waits for the next one."""
        arrived = self._take_done() + self._give_up()
        while block and self._jobs and not arrived:
            oldest = next(iter(self._jobs.values()))
            left = max(0.0, oldest.deadline - time.monotonic())
            arrived = self._take_done(left) + self._give_up()
        return arrived

    def close(self) -> None:
        """Forgets what is running; threads end when their tools do."""
        self._jobs.clear()
        for _ in range(self._threads):
            self._todo.put(None)
        self._threads = self._busy = 0
        self._todo, self._done = SimpleQueue(), SimpleQueue()

    def _take_done(self, wait_s: float = 0.0) -> list[tuple[int, Transcript]]:
        """Takes what has ended; waits for the first one."""
        arrived = []
        with contextlib.suppress(Empty):
            while True:
                job, outcome = self._done.get(timeout=wait_s)
                wait_s = 0.0
                self._busy -= 1
                if self._jobs.get(job.row) is not job:  # it was given up
                    continue
                del self._jobs[job.row]
                if isinstance(outcome, Exception):
                    raise outcome
                arrived.append((job.row, outcome))
        return arrived

    def _give_up(self) -> list[tuple[int, Transcript]]:
        """Ends what has taken too long."""
        arrived, now = [], time.monotonic()
        while self._jobs and (oldest := next(iter(self._jobs.values()))).deadline <= now:
            del self._jobs[oldest.row]
            arrived.append((oldest.row, oldest.late()))
        return arrived


def _run(
    todo: SimpleQueue[_Job | None], done: SimpleQueue[tuple[_Job, Transcript | Exception]]
) -> None:
    """Does what is to do, one job after another; None ends the thread."""
    while (job := todo.get()) is not None:
        try:
            done.put((job, job.work()))
        except Exception as error:
            done.put((job, error))
