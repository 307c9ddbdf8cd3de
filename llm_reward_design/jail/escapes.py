"""The escape corpus: attempts to get out of the jail, each of which must fail inside it.

Every attempt aims at something harmless that `selftest` or a test puts up (`Targets`), and
returns whether it got there; an error counts as a failure to get out.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from rewardsmith.llm_reward_design.jail import (  # noqa: F401  each fills the list
    escape_files,
    escape_kernel,
    escape_network,
    escape_processes,
)
from rewardsmith.llm_reward_design.jail.attempts import ATTEMPTS, Targets

__all__ = ["ATTEMPTS", "Targets", "attempt_all", "works"]


def attempt_all(targets: Targets) -> list[str]:
    """Returns the names of the attempts that got out."""
    out = []
    for name, attempt in ATTEMPTS.items():
        try:
            if attempt(targets):
                out.append(name)
        except (OSError, ValueError, RuntimeError):
            continue
    return out


def works() -> bool:
    """Returns whether what a jailed program needs is still there: threads, files, modules."""
    ran = threading.Event()
    thread = threading.Thread(target=ran.set)
    thread.start()
    thread.join()
    Path("kept").write_text("kept")
    kept = Path("kept").read_text() == "kept"
    os.remove("kept")
    import colorsys  # not imported before the lock

    signal.raise_signal(signal.SIGCHLD)  # ignored by default
    return ran.is_set() and kept and colorsys.rgb_to_yiq(0, 0, 0) == (0, 0, 0)
