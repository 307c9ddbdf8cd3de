"""The report of a comparison: one self-contained HTML page, a CSV, a terminal table."""

from __future__ import annotations

from pathlib import Path

from rewardsmith.agents.answer import judge
from rewardsmith.agents.files import write_atomically
from rewardsmith.agents.records import load_comparison
from rewardsmith.agents.report.table import print_table, unfinished_states, write_csv
from rewardsmith.envs.errors import ConfigError

__all__ = ["print_table", "write_report"]


def write_report(folder: str | Path) -> Path:
    """Writes `report.html` and `summary.csv` over the finished runs below a folder.

    Args:
        folder: A comparison, or the folder of one training run.

    Returns:
        The path of the page, which needs no other file and no network.

    Raises:
        ConfigError: If there is no finished run, or runs of one task are not comparable.
    """
    from rewardsmith.agents.report.page import render  # draws with matplotlib: slow to import

    comparison = load_comparison(folder)
    if not comparison.runs:
        first = next(
            (f"; the first error is: {one.reason}" for one in comparison.unfinished if one.reason),
            "",
        )
        raise ConfigError(
            f"no run in {str(folder)!r} is finished "
            f"({unfinished_states(comparison)}){first}; the command that started "
            "them continues them"
        )
    verdicts = judge(comparison)
    write_csv(verdicts, comparison.folder / "summary.csv")
    path = comparison.folder / "report.html"
    write_atomically(path, render(comparison, verdicts).encode(), durable=False)
    return path
