"""R12: how long the first word takes: importing the package, and the command's help."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

from protocol import Contest, Outcome, Race, Side, Skipped, Target


def contests(quick: bool) -> Iterator[Contest | Skipped]:
    command = Path(sysconfig.get_path("scripts"), "rewardsmith")
    for name, arguments, bound in (
        ("`import rewardsmith`", [sys.executable, "-c", "import rewardsmith"], 0.2),
        ("`rewardsmith --help`", [str(command), "--help"], 0.5),
    ):
        yield Contest(
            name,
            _process(*arguments),
            _process(sys.executable, "-c", "pass"),
            Target("seconds", bound),
            clock=time.perf_counter,
        )


def _process(*arguments: str) -> Side:
    """Starts a fresh process and waits for its end."""

    def run() -> Outcome:
        done = subprocess.run(arguments, stdout=subprocess.DEVNULL, cwd="/", check=True)
        return {"status": done.returncode}

    return Side(run)


RACE = Race(
    "R12",
    "Starting up",
    """\
Seconds on the clock, no ratio: from starting a fresh process to its end, Python's own start
included.""",
    contests,
)
