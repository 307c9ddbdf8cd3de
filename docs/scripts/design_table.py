"""Prints how the offline search does on tasks with a human reward, as a Markdown table.

    python docs/scripts/design_table.py reacher hopper metaworld_reach -- search.steps=100000

Runs `rewardsmith design env=TASK llm=offline name=table/TASK` for each task, or continues what was
begun, and then reads what all of them came to. What follows `--` goes to every run.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rewardsmith.agents.wording import count, estimate_text, steps_text
from rewardsmith.llm_reward_design.final import (
    BEST,
    FINAL,
    HUMAN,
    SPARSE,
    final_of,
    normalised_text,
)
from rewardsmith.llm_reward_design.record import SearchRecord, is_search

HEAD = (
    "| task | sparse | human | best program | human-normalised | programs | longest training |\n"
    "|---|--:|--:|--:|--:|--:|--:|"
)


def main(arguments: list[str]) -> None:
    """Runs the searches named on the command line and prints the table."""
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    tasks, more = arguments[:cut], arguments[cut + 1 :]
    for task in tasks:
        job = ["rewardsmith", "design", f"env={task}", "llm=offline", f"name=table/{task}", *more]
        subprocess.run(job, check=False)
    print(HEAD)
    for task in tasks:
        print(row(task, Path("runs/table", task)))


def row(task: str, folder: Path) -> str:
    """Returns a task's line of the table; a search that failed says so."""
    final = final_of(folder / FINAL) if is_search(folder) else None
    if final is None:
        return f"| `{task}` | failed, see {folder} | | | | | |"
    record = SearchRecord.load(folder)
    cells = [
        estimate_text(final.scores[name], record.score) if name in final.scores else "-"
        for name in (SPARSE, HUMAN, BEST)
    ]
    scale = normalised_text(final)
    programs = f"{count(len(record.tried), 'program')}, {final.seeds[BEST]} seeds"
    return f"| `{task}` | {' | '.join(cells)} | {scale} | {programs} | {steps_text(final.steps)} |"


if __name__ == "__main__":
    main(sys.argv[1:])
