"""Turns that wait for slow tools, in threads, so that the other conversations go on."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from rewardsmith.envs.text.transcript import Transcript


@dataclass(frozen=True, slots=True)
class _Job:
    row: int
    deadline: float
    late: Callable[[], Transcript]


class SlowTurns:
    """Runs turns in up to `workers` threads; each has its own deadline."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: ThreadPoolExecutor | None = None
        self._jobs: dict[Future[Transcript], _Job] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, row: int) -> bool:
        return any(job.row == row for job in self._jobs.values())

    def start(
        self,
        row: int,
        work: Callable[[], Transcript],
        late: Callable[[], Transcript],
        timeout_s: float,
    ) -> None:
        """Starts a row's turn; after `timeout_s` seconds `late` takes its place."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="tool")
        job = _Job(row, time.monotonic() + timeout_s, late)
        self._jobs[self._pool.submit(work)] = job

    def collect(self, block: bool) -> list[tuple[int, Transcript]]:
        """Returns the rows that are done or late; with `block` it waits for the next one."""
        if not self._jobs:
            return []
        left = min(job.deadline for job in self._jobs.values()) - time.monotonic()
        wait(self._jobs, max(left, 0.0) if block else 0.0, return_when=FIRST_COMPLETED)
        now, arrived = time.monotonic(), []
        for future, job in list(self._jobs.items()):
            if future.done():
                arrived.append((job.row, future.result()))
            elif now >= job.deadline:
                arrived.append((job.row, job.late()))
            else:
                continue
            del self._jobs[future]
        return arrived

    def close(self) -> None:
        """Forgets what is running; threads end when their tools do."""
        self._jobs.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
