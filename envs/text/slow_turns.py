"""Turns that wait for slow tools, in threads, so that the other conversations go on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from rewardsmith.envs.text.transcript import Transcript


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    row: int
    future: Future[Transcript]
    deadline: float
    late: Callable[[], Transcript]


class SlowTurns:
    """Runs turns in up to `workers` threads; after `timeout_s` seconds a turn is given up.

    Nothing here takes longer the more turns are waiting.
    """

    def __init__(self, workers: int, timeout_s: float) -> None:
        self._workers, self._timeout_s = workers, timeout_s
        self._pool: ThreadPoolExecutor | None = None
        self._jobs: dict[int, _Job] = {}  # by row, the oldest first
        self._ended: SimpleQueue[_Job] = SimpleQueue()

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, row: int) -> bool:
        return row in self._jobs

    def start(
        self, row: int, work: Callable[[], Transcript], late: Callable[[], Transcript]
    ) -> None:
        """Starts a row's turn; `late` takes the place of one that is given up."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="tool")
        deadline = time.monotonic() + self._timeout_s
        job = _Job(row, self._pool.submit(work), deadline, late)
        self._jobs[row] = job
        job.future.add_done_callback(lambda _: self._ended.put(job))

    def collect(self, block: bool) -> list[tuple[int, Transcript]]:
        """Returns the rows that are done or late; with `block` it waits for the next one."""
        arrived = self._done() + self._late()
        while block and self._jobs and not arrived:
            oldest = next(iter(self._jobs.values()))
            arrived = self._done(max(0.0, oldest.deadline - time.monotonic())) + self._late()
        return arrived

    def close(self) -> None:
        """Forgets what is running; threads end when their tools do."""
        self._jobs.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _done(self, wait_s: float = 0.0) -> list[tuple[int, Transcript]]:
        """Takes what has ended; waits for the first one."""
        arrived = []
        with contextlib.suppress(Empty):
            while True:
                job = self._ended.get(timeout=wait_s)
                wait_s = 0.0
                if self._jobs.get(job.row) is job:  # it was not given up
                    del self._jobs[job.row]
                    arrived.append((job.row, job.future.result()))
        return arrived

    def _late(self) -> list[tuple[int, Transcript]]:
        """Gives up what has taken too long."""
        arrived, now = [], time.monotonic()
        while self._jobs and (oldest := next(iter(self._jobs.values()))).deadline <= now:
            del self._jobs[oldest.row]
            arrived.append((oldest.row, oldest.late()))
        return arrived
