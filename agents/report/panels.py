"""Figures with one panel per design: the parts of its pay, and its pay against the score."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rewardsmith.agents.answer import TaskVerdict
from rewardsmith.agents.records import Comparison, Run
from rewardsmith.agents.report.canvas import (
    DOTTED,
    INK,
    MUTED,
    SURFACE,
    WARN,
    Drawing,
    Palette,
    label_ends,
    new_figure,
    title,
    to_svg,
)
from rewardsmith.agents.report.curves import draw_bands, over_steps
from rewardsmith.agents.run_record import TERM, TRAIN
from rewardsmith.agents.statistics import curve_band
from rewardsmith.agents.verdict import DesignVerdict
from rewardsmith.agents.wording import listing

_ABSTAINED = f"{TRAIN}abstained"
_TRAINING = {
    f"{TRAIN}entropy": "entropy",
    f"{TRAIN}no_signal": "groups without signal",
    _ABSTAINED: "abstained",
}
_MOST_TERMS = 6
_DASHES = (
    "-",
    (0, (5, 1.6)),
    (0, (1.2, 1.6)),
    (0, (6, 1.5, 1.2, 1.5)),
    (0, (9, 2)),
    (0, (3, 3)),
)


def reward_parts(
    comparison: Comparison, verdict: TaskVerdict, palette: Palette, name: str
) -> Drawing | None:
    """Draws what each term pays per episode over training.

    Returns:
        The figure, or None if every design pays the task reward itself.
    """
    designs = _shaped(comparison, verdict)
    if not designs:
        return None
    figure, panels = panel_grid(len(designs), 2 if len(designs) in (1, 2, 4) else 3, 230)
    for axes, design in zip(panels, designs, strict=True):
        _draw_parts(axes, comparison, verdict, design.design, palette)
    return Drawing(
        "Parts of each reward",
        "What every term earns per episode (thin, before weighting) and the designed return that "
        "the agent maximises (thick): look for a term that climbs while the score stays flat "
        "(scales differ; designs that pay the task reward itself are left out).",
        to_svg(figure, name, f"Every reward term over training, for {_names(designs)}."),
        wide=True,
    )


def pay_against_score(
    comparison: Comparison, verdict: TaskVerdict, palette: Palette, name: str
) -> Drawing | None:
    """Draws each run's way through designed return and score.

    Returns:
        The figure, or None if every design pays the task reward itself.
    """
    designs = _shaped(comparison, verdict)
    if not designs:
        return None
    figure, panels = panel_grid(len(designs), min(max(len(designs), 3), 4), 270, same_scale=True)
    for axes, design in zip(panels, designs, strict=True):
        _draw_ways(axes, comparison.of(verdict.task, design.design), design, palette)
        axes.axhline(verdict.scale.half, color=MUTED, linewidth=1.2, linestyle=DOTTED)
    panels[0].set_ylabel(verdict.score, fontsize=11)
    hacked = _names([d for d in designs if d.hacked]) or "none"
    return Drawing(
        "Designed return against score",
        "Each line is one run, from the hollow dot before training to the filled dot after: a "
        "sound design climbs to the right; a run that goes right without climbing is paid for "
        "something else (✕ suspected hacking, ★ the scripted solver, dotted: half way).",
        to_svg(figure, name, f"Score against designed return. Suspected of hacking: {hacked}."),
        wide=True,
    )


def training(
    comparison: Comparison, verdict: TaskVerdict, palette: Palette, name: str
) -> Drawing | None:
    """Draws how the training of language models went; None if the runs do not tell."""
    runs = comparison.of(verdict.task)
    told = [
        (column, label)
        for column, label in _TRAINING.items()
        if all(np.isfinite(run.metrics.get(column, np.nan)).any() for run in runs)
        and (column != _ABSTAINED or any(np.nanmax(run.metrics[column]) > 0 for run in runs))
    ]
    if not told:
        return None
    figure, panels = panel_grid(len(told), len(told), 260)
    for axes, (column, label) in zip(panels, told, strict=True):
        ends = draw_bands(axes, comparison, verdict, palette, column)
        if column != f"{TRAIN}entropy":
            axes.set_ylim(-0.03, 1.03)
        over_steps(axes, verdict.unit)
        title(axes, label)
        label_ends(axes, ends, 190, size=10.5)
    return Drawing(
        "How training went",
        "Means over the batches since the evaluation before. Entropy of the policy, in nats per "
        "token: near 0 it tries nothing new. Groups without signal: all rollouts of a question "
        "are paid alike, so most credit methods learn nothing from them. Abstained: rollouts that "
        "a verifier could not score.",
        to_svg(figure, name, f"{listing([label for _, label in told])} over training."),
        wide=True,
    )


def _draw_parts(
    axes: Axes, comparison: Comparison, verdict: TaskVerdict, design: str, palette: Palette
) -> None:
    task = verdict.task
    steps, paid = comparison.curves(task, design, "designed_return")
    band, colour = curve_band(paid), palette.colour(design)
    ends = [(float(band.value[-1]), "paid in all", colour)]
    terms = {
        term: curve_band(comparison.curves(task, design, f"{TERM}{term}")[1]).value
        for term in comparison.terms(task, design)
    }
    largest = sorted(terms, key=lambda term: -np.abs(terms[term]).max())[:_MOST_TERMS]
    for term, dash in zip(largest, _DASHES, strict=False):
        axes.plot(steps, terms[term], color=INK, linewidth=1.3, linestyle=dash, alpha=0.75)
        ends.append((float(terms[term][-1]), term, INK))
    axes.fill_between(steps, band.low, band.high, color=colour, alpha=0.16, linewidth=0)
    axes.plot(steps, band.value, color=colour, linewidth=2.6)
    over_steps(axes, verdict.unit)
    title(axes, design, colour)
    if len(terms) > len(largest):
        note = f"{len(terms) - len(largest)} smaller terms not shown"
        axes.annotate(
            note,
            (0, 0),
            xycoords="axes fraction",
            xytext=(6, 6),
            textcoords="offset points",
            color=MUTED,
            fontsize=10,
        )
    label_ends(axes, ends, 165, size=10.5)


def _draw_ways(axes: Axes, runs: Sequence[Run], verdict: DesignVerdict, palette: Palette) -> None:
    colour = palette.colour(verdict.design)
    for run, suspicion in zip(runs, verdict.suspicions, strict=True):
        pay, score = run.metrics["designed_return"], run.curve
        axes.plot(pay, score, color=colour, linewidth=1.1, alpha=0.5)
        axes.plot(pay[:1], score[:1], "o", markersize=5, color=SURFACE, mec=colour)
        if suspicion.is_hacking:
            axes.plot(pay[-1:], score[-1:], "X", markersize=10, color=WARN, mec=SURFACE)
        else:
            axes.plot(pay[-1:], score[-1:], "o", markersize=7, color=colour, mec=SURFACE)
    oracle = runs[0].oracle or {}
    if {"designed_return", runs[0].score_column} <= oracle.keys():
        solver = oracle["designed_return"], oracle[runs[0].score_column]
        axes.plot(*solver, "*", markersize=13, color=INK, mec=SURFACE)
    axes.grid(axis="y")
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.08, y=0.06)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlabel("designed return", fontsize=11)
    title(axes, verdict.design, colour)


def panel_grid(
    n: int, columns: int, height: float, *, same_scale: bool = False
) -> tuple[Figure, list[Axes]]:
    """Returns a figure of the page's width with n panels, `columns` in a row."""
    rows = math.ceil(n / columns)
    figure = new_figure(1120, 20 + height * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=same_scale)
    for axes in grid.flat[n:]:
        axes.set_axis_off()
    return figure, list(grid.flat[:n])


def _shaped(comparison: Comparison, verdict: TaskVerdict) -> list[DesignVerdict]:
    """Returns the designs that pay something else than the task reward."""
    return [
        design
        for design in verdict.designs
        if not all(run.pays_the_task for run in comparison.of(verdict.task, design.design))
    ]


def _names(designs: Sequence[DesignVerdict]) -> str:
    return ", ".join(design.design for design in designs)
