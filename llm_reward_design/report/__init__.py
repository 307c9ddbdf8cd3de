"""The report of a search: one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path

from rewardsmith.agents.files import write_atomically
from rewardsmith.agents.report import write_report
from rewardsmith.llm_reward_design.final import FINAL, final_of
from rewardsmith.llm_reward_design.record import SearchRecord

__all__ = ["write_design_report"]


def write_design_report(folder: Path) -> Path:
    """Writes `report.html` over a search's folder, and that of its final comparison.

    Returns:
        The path of the page, which needs no other file and no network.

    Raises:
        ConfigError: If there is no search in the folder.
    """
    from rewardsmith.llm_reward_design.report.page import render  # draws: slow to import

    record, final = SearchRecord.load(folder), final_of(folder / FINAL)
    if final is not None:
        write_report(folder / FINAL)
    path = folder / "report.html"
    write_atomically(path, render(record, final).encode(), durable=False)
    return path
