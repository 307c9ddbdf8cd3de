"""Running source text whose tracebacks show its own lines."""

from __future__ import annotations

import io
import linecache
from collections.abc import Callable
from typing import Any

FILE = "<program>"
"""What a program's file is called in tracebacks."""


def execute(source: str, **names: Any) -> dict[str, Any]:
    """Runs a program's top level and returns its names.

    Args:
        source: Python.
        names: What it finds at hand.

    Example:
        >>> execute("y = x + 1", x=1)["y"]
        2
    """
    lines = io.StringIO(f"{source}\n", newline=None).readlines()
    linecache.cache[FILE] = (len(source), None, lines, FILE)
    scope: dict[str, Any] = {"__name__": "program", **names}
    exec(compile(source, FILE, "exec", dont_inherit=True), scope)
    return scope


def reward(source: str) -> Callable[[], dict[str, list[float]]]:
    """Entry: calls a program's `compute_reward(x)` on ones; answers each part's values by name.

    Args:
        source: The program; `np` is at hand.
    """
    import numpy as np

    def work() -> dict[str, list[float]]:
        _, parts = execute(source, np=np)["compute_reward"](np.ones(4))
        return {name: value.tolist() for name, value in parts.items()}

    return work
