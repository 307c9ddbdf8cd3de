"""The numbers of a comparison as rows: for the terminal, and as CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rewardsmith.agents.answer import TaskVerdict, judge
from rewardsmith.agents.records import Comparison
from rewardsmith.agents.statistics import Estimate
from rewardsmith.agents.verdict import DesignVerdict
from rewardsmith.agents.wording import count, estimate_text, reach_text, score_text

_HEADINGS = (
    "design",
    "seeds",
    "{score} (IQM)",
    "difference",
    "P(better)",
    "p",
    "{unit} to {half}",
    "verdict",
)
_WIDE = 150
_NARROW = (0, 2, 3, 7)
_STYLES = {"better": "green", "worse": "yellow", "unclear": "default"}


def print_table(comparison: Comparison, console: Console) -> None:
    """Prints the answer and one row per design for every task.

    Narrow terminals get the columns that carry the verdict; the rest is in the report.
    """
    shown = range(len(_HEADINGS)) if console.width >= _WIDE else _NARROW
    for verdict in judge(comparison):
        table = Table(
            title=escape(verdict.task),
            title_justify="left",
            title_style="bold",
            box=None,
            pad_edge=False,
            header_style="dim",
        )
        names = headings(verdict)
        for column in shown:
            left = column in (0, len(names) - 1)
            table.add_column(
                escape(names[column]), justify="left" if left else "right", no_wrap=not left
            )
        for design in verdict.designs:
            row = cells(design)
            table.add_row(
                *(escape(row[column]) for column in shown), style=_STYLES.get(design.kind)
            )
        console.print(table)
        console.print(verdict.answer, markup=False, style="bold")
        for caution in verdict.cautions:
            console.print(caution, markup=False)
        console.print()
    if comparison.unfinished:
        console.print(
            f"{count(len(comparison.unfinished), 'run')} not in these numbers: "
            f"{unfinished_states(comparison)}.",
            style="dim",
        )


def headings(verdict: TaskVerdict) -> tuple[str, ...]:
    """Returns the columns' headings for a task."""
    half = score_text(verdict.scale.half, verdict.score)
    words = {"score": verdict.score, "half": half, "unit": verdict.unit}
    return tuple(heading.format(**words) for heading in _HEADINGS)


def cells(design: DesignVerdict) -> tuple[str, ...]:
    """Returns the row of a design as text, in the order of the table's columns."""
    contrast = design.contrast
    compared = (
        ("-", "-", "-")
        if contrast is None
        else (
            estimate_text(contrast.difference, design.score, signed=True),
            estimate_text(contrast.improvement, "success"),
            p_text(contrast.p_value),
        )
    )
    return (
        design.design,
        str(len(design.scores)),
        estimate_text(design.iqm, design.score),
        *compared,
        reach_text(design.reach),
        note(design),
    )


def note(design: DesignVerdict) -> str:
    """Says in a few words what a design's verdict is, hacking included."""
    words = {
        "better": "better",
        "worse": "worse",
        "unclear": "no clear difference",
        "undecided": "too few seeds",
        "baseline": "baseline",
        "alone": "",
    }[design.kind]
    if not design.hacked:
        return words
    hacking = f"suspected hacking ({design.hacked} of {len(design.scores)})"
    return f"{words}, {hacking}" if words else hacking


def p_text(p_value: float) -> str:
    """Writes a p-value.

    Example:
        >>> p_text(0.0079), p_text(0.00001), p_text(float("nan"))
        ('0.0079', '<0.001', '-')
    """
    if math.isnan(p_value):
        return "-"
    return "<0.001" if p_value < 0.001 else f"{p_value:.2g}"


def unfinished_states(comparison: Comparison) -> str:
    """Counts what is unfinished by state, such as "2 running, 1 failed"."""
    states = [one.state for one in comparison.unfinished]
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))


def write_csv(verdicts: Sequence[TaskVerdict], path: Path) -> None:
    """Writes one row per task and design; what does not exist is left empty."""
    rows = [row for verdict in verdicts for row in _rows(verdict)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _rows(verdict: TaskVerdict) -> Iterator[dict[str, Any]]:
    for d in verdict.designs:
        contrast, reach = d.contrast, d.reach
        difference, improvement = (
            (contrast.difference, contrast.improvement) if contrast else (None, None)
        )
        yield {
            "task": verdict.task,
            "design": d.design,
            "score": d.score,
            "n": len(d.scores),
            **_bounds(("iqm", "low", "high"), d.iqm),
            "verdict": d.kind,
            **_bounds(("diff", "diff_low", "diff_high"), difference),
            **_bounds(("prob_improvement", "prob_low", "prob_high"), improvement),
            "p_value": _cell(contrast.p_value if contrast else math.nan),
            "threshold": _cell(verdict.scale.half),
            "reached": reach.reached,
            **_bounds(
                ("steps_to_threshold", "steps_low", "steps_high"),
                Estimate(reach.median, reach.low, reach.high),
            ),
            "suspected_hacking": d.hacked,
        }


def _bounds(names: tuple[str, str, str], estimate: Estimate | None) -> dict[str, Any]:
    values = (estimate.value, estimate.low, estimate.high) if estimate else (math.nan,) * 3
    return dict(zip(names, map(_cell, values), strict=True))


def _cell(value: float) -> float | str:
    return "" if math.isnan(value) else float(value)
