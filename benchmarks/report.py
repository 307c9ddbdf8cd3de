"""The performance page: a table per race, and where it was measured."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import joblib
from protocol import LEAST_ROUNDS, Race, Result, Skipped, Target

PACKAGES = ("rewardsmith", "numpy", "gymnasium", "stable-baselines3", "torch", "imitation")
INTRODUCTION = """\
# Performance

Every race times two things side by side in a process of its own, on the same cores and with one
thread each, by the CPU time they take: after two warm-up rounds, {rounds} rounds in the order
ours, theirs, theirs, ours. A table shows the median over the rounds of the ratio of the two, with
its 95% bootstrap interval. A target counts as met only if the whole interval meets it. In
every round the two sides' results are compared, so that both did the same work.

`make benchmarks` runs all of it again and writes this page.
"""


@dataclass(frozen=True)
class Machine:
    """Where and when something was measured."""

    cpu: str
    cores: int
    load: tuple[float, float, float]
    date: str
    versions: dict[str, str]

    @classmethod
    def here(cls) -> Machine:
        """Looks at this machine now."""
        versions = {"Python": platform.python_version()}
        for package in PACKAGES:
            try:
                versions[package] = version(package)
            except PackageNotFoundError:
                versions[package] = "not installed"
        return cls(
            _cpu(),
            joblib.cpu_count(),
            os.getloadavg(),
            datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            versions,
        )


def line(result: Result) -> str:
    """Returns a row of a race's table."""
    low, high = (_number(result.target, end) for end in (result.low, result.high))
    verdict = "met" if result.won else "**missed**"
    return (
        f"| {result.contest} | {_goal(result.target)} | {_number(result.target, result.median)}"
        f" | {low} to {high} | {verdict} |"
    )


def section(race: Race, results: Sequence[Result | Skipped]) -> str:
    """Returns a race's part of the page as Markdown."""
    rows = [line(r) for r in results if isinstance(r, Result)]
    skipped = [f"\nSkipped: {r.reason}." for r in results if isinstance(r, Skipped)]
    head = ["| contest | target | median | 95% interval | |", "|---|--:|--:|--:|---|"]
    return "\n".join(
        [f"## {race.title} ({race.key})", "", race.about, "", *head, *rows, *skipped, ""]
    )


def page(
    sections: Sequence[str], before: Machine, after: Machine, rounds: int = LEAST_ROUNDS
) -> str:
    """Returns the whole page as Markdown."""
    return "\n".join([INTRODUCTION.format(rounds=rounds), *sections, _where(before, after)])


def _where(before: Machine, after: Machine) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in before.versions.items())
    load = " and ".join(
        ", ".join(f"{average:.2f}" for average in machine.load) for machine in (before, after)
    )
    return f"""\
## Where this was measured

- {before.date} to {after.date}, on {before.cores} cores of {before.cpu}
- load average over 1, 5 and 15 minutes before and after: {load}
- {versions}
"""


def _cpu() -> str:
    details = Path("/proc/cpuinfo")
    for entry in details.read_text().splitlines() if details.exists() else ():
        if entry.startswith("model name"):
            return entry.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _goal(target: Target) -> str:
    return f"{'at least' if target.kind == 'faster' else 'at most'} {_number(target, target.bound)}"


def _number(target: Target, value: float) -> str:
    return f"{value:.3g} {'s' if target.kind == 'seconds' else '×'}"
