"""Figures with one row per design: its name, its number, and a dot with an interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rewardsmith.agents.answer import TaskVerdict
from rewardsmith.agents.records import Comparison
from rewardsmith.agents.report.canvas import (
    DOTTED,
    MUTED,
    SURFACE,
    Drawing,
    Palette,
    new_figure,
    shorten,
    to_svg,
)
from rewardsmith.agents.statistics import Estimate
from rewardsmith.agents.wording import estimate_text, reach_text, score_text, steps_text

_ROW = 52


def final_scores(verdict: TaskVerdict, palette: Palette, name: str) -> Drawing:
    """Draws the final score of every run, and each design's IQM with its interval."""
    labels = {d.design: estimate_text(d.iqm, verdict.score) for d in verdict.designs}
    figure, axes = _rows(labels, palette, width=470, least_height=390)
    for row, design in enumerate(verdict.designs):
        colour = palette.colour(design.design)
        beside = row + np.linspace(-0.22, 0.22, len(design.scores) + 2)[1:-1]
        axes.plot(design.scores, beside, "o", markersize=5, color=colour, alpha=0.4, mew=0)
        _estimate(axes, row, design.iqm, colour)
    if verdict.score == "success":
        _unit_axis(axes)
    axes.set_xlabel(verdict.score, fontsize=11)
    return Drawing(
        "Final scores",
        "Small dots are seeds, the large dot is their interquartile mean, the bar its 95% "
        "bootstrap interval; designs whose bars lie far apart really differ.",
        to_svg(figure, name, f"Final {verdict.score}: {_read_out(labels)}."),
    )


def improvement(verdict: TaskVerdict, palette: Palette, name: str) -> Drawing | None:
    """Draws how probably a run of each design beats a run of the baseline."""
    estimates = {d.design: d.contrast.improvement for d in verdict.designs if d.contrast}
    if not estimates:
        return None
    labels = {design: estimate_text(e, "success") for design, e in estimates.items()}
    figure, axes = _rows(labels, palette)
    axes.axvline(0.5, color=MUTED, linewidth=1.2, linestyle=DOTTED)
    for row, (design, estimate) in enumerate(estimates.items()):
        _estimate(axes, row, estimate, palette.colour(design))
    _unit_axis(axes)
    axes.set_xlabel(f"probability of beating {shorten(str(verdict.baseline), 20)}", fontsize=11)
    return Drawing(
        "Probability of improvement",
        f"How probably one run of a design beats one run of {verdict.baseline}, by whatever "
        "margin; a bar that stays right of the dotted line means better.",
        to_svg(figure, name, f"Probability of beating {verdict.baseline}: {_read_out(labels)}."),
    )


def sample_efficiency(
    comparison: Comparison, verdict: TaskVerdict, palette: Palette, name: str
) -> Drawing:
    """Draws when runs came half way up the task's scale, "never" at the right edge."""
    labels = {d.design: reach_text(d.reach) for d in verdict.designs}
    figure, axes = _rows(labels, palette)
    longest = max(1, *(int(run.steps[-1]) for run in comparison.of(verdict.task)))
    never = 1.12 * longest
    axes.axvline(never, color=MUTED, linewidth=1.2, linestyle=DOTTED)
    for row, design in enumerate(verdict.designs):
        reach = design.reach
        median, low, high = (min(x, never) for x in (reach.median, reach.low, reach.high))
        # The interval of one run's median is the run itself.
        interval = Estimate(median, low if reach.n > 1 else math.nan, high)
        hollow = math.isinf(reach.median)
        _estimate(axes, row, interval, palette.colour(design.design), hollow=hollow)
    axes.set_xlim(-0.03 * longest, 1.16 * longest)
    ticks = [t for t in MaxNLocator(4).tick_values(0, longest) if 0 <= t <= 0.9 * longest]
    axes.set_xticks([*ticks, never], [*map(steps_text, ticks), "never"])
    half = score_text(verdict.scale.half, verdict.score)
    label = f"training {verdict.unit} to {verdict.score} {half}"
    axes.set_xlabel(label, fontsize=11)
    level = max(d.reach.level for d in verdict.designs)
    interval_text = f", the bar its {level:.0%} interval" if level > 0 else ""
    return Drawing(
        f"{verdict.unit.capitalize()} to half way",
        f"The dot is the median number of training {verdict.unit} until {verdict.score} was first "
        f"at least {half}, half of what is possible{interval_text}; runs that never got there "
        "count as never.",
        to_svg(figure, name, f"{label.capitalize()}: {_read_out(labels)}."),
    )


def over_all_tasks(estimates: Mapping[str, Estimate], palette: Palette, name: str) -> Drawing:
    """Draws the IQM of normalised scores over all tasks."""
    labels = {design: estimate_text(e, "success") for design, e in estimates.items()}
    figure, axes = _rows(labels, palette)
    for row, (design, estimate) in enumerate(estimates.items()):
        _estimate(axes, row, estimate, palette.colour(design))
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_xlabel("normalised score", fontsize=11)
    return Drawing(
        "Over all tasks",
        "Interquartile mean over all runs of all tasks, each task scaled so that 0 is an "
        "untrained policy and 1 the best known; the bar is its 95% interval, stratified by task.",
        to_svg(figure, name, f"Normalised score over all tasks: {_read_out(labels)}."),
    )


def _rows(
    labels: Mapping[str, str], palette: Palette, width: float = 540, least_height: float = 0
) -> tuple[Figure, Axes]:
    """Returns axes with a row per design: its name, and its number below the name."""
    figure = new_figure(width, max(least_height, 64 + _ROW * len(labels)))
    axes = figure.add_subplot()
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_yticks(range(len(labels)), [""] * len(labels))
    for row, (design, number) in enumerate(labels.items()):
        colour = palette.colour(design)
        _beside(axes, row, shorten(design, 20), 8, color=colour, fontsize=13, fontweight="bold")
        _beside(axes, row, number, -9, color=MUTED, fontsize=11)
    axes.grid(axis="x")
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: score_text(x, "return")))
    return figure, axes


def _beside(axes: Axes, row: int, text: str, up: float, **font: Any) -> None:
    axes.annotate(
        text,
        (0, row),
        xycoords=("axes fraction", "data"),
        xytext=(-16, up),
        textcoords="offset points",
        ha="right",
        va="center",
        **font,
    )


def _unit_axis(axes: Axes) -> None:
    axes.set_xlim(-0.04, 1.04)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])


def _estimate(
    axes: Axes, row: int, estimate: Estimate, colour: str, *, hollow: bool = False
) -> None:
    if estimate.has_interval:
        ends = [estimate.low, estimate.high]
        axes.plot(ends, [row, row], color=colour, linewidth=5, alpha=0.4)
    fill, edge = (SURFACE, colour) if hollow else (colour, SURFACE)
    axes.plot(estimate.value, row, "o", markersize=11, color=fill, mec=edge, mew=1.5)


def _read_out(labels: Mapping[str, str]) -> str:
    return "; ".join(f"{design} {number}" for design, number in labels.items())
