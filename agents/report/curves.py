"""The score over training, with what all figures over training share."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rewardsmith.agents.answer import TaskVerdict
from rewardsmith.agents.records import Comparison
from rewardsmith.agents.report.canvas import (
    DOTTED,
    MUTED,
    Drawing,
    Palette,
    label_ends,
    new_figure,
    to_svg,
)
from rewardsmith.agents.statistics import curve_band
from rewardsmith.agents.wording import score_text, steps_text

WIDTH, HEIGHT = 660, 390
"""Size of a figure over training in CSS pixels."""


def learning_curves(
    comparison: Comparison, verdict: TaskVerdict, palette: Palette, name: str
) -> Drawing:
    """Draws the score over training: IQM, bootstrap band, and every seed thinly."""
    figure = new_figure(WIDTH, HEIGHT)
    axes = figure.add_subplot()
    column = comparison.of(verdict.task)[0].score_column
    ends = draw_bands(axes, comparison, verdict, palette, column)
    _mark_solver(axes, comparison, verdict.task, column)
    if verdict.score == "success":
        axes.set_ylim(-0.03, 1.09)
    axes.set_ylabel(verdict.score, fontsize=11)
    over_steps(axes, verdict.unit)
    label_ends(axes, ends, 0.85 * HEIGHT, size=12)
    final = ", ".join(f"{d.design} {score_text(d.iqm.value, d.score)}" for d in verdict.designs)
    return Drawing(
        "Learning curves",
        "Score by the task itself while training: the thick line is the interquartile mean over "
        "seeds, the band its 95% interval, thin lines are single seeds; higher and sooner is "
        "better.",
        to_svg(figure, name, f"{verdict.score} over training {verdict.unit}. At the end: {final}."),
    )


def draw_bands(
    axes: Axes, comparison: Comparison, verdict: TaskVerdict, palette: Palette, column: str
) -> list[tuple[float, str, str]]:
    """Draws one column of every design; returns (last value, design, colour) for the labels."""
    ends = []
    for design in sorted((d.design for d in verdict.designs), key=palette.number):
        steps, curves = comparison.curves(verdict.task, design, column)
        told = np.isfinite(curves).all(axis=0)
        steps, curves = steps[told], curves[:, told]
        colour, band = palette.colour(design), curve_band(curves)
        axes.plot(steps, curves.T, color=colour, linewidth=0.8, alpha=0.28)
        axes.fill_between(steps, band.low, band.high, color=colour, alpha=0.16, linewidth=0)
        axes.plot(steps, band.value, color=colour, linewidth=2.6, linestyle=palette.dash(design))
        ends.append((float(band.value[-1]), design, colour))
    return ends


def over_steps(axes: Axes, unit: str = "steps") -> None:
    """Lays out axes whose x axis is training, counted in a unit."""
    axes.grid(axis="y")
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.02)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: steps_text(x)))
    axes.set_xlabel(f"training {unit}", fontsize=11)


def _mark_solver(axes: Axes, comparison: Comparison, task: str, column: str) -> None:
    solved = [
        run.oracle[column] for run in comparison.of(task) if run.oracle and column in run.oracle
    ]
    if solved:
        axes.axhline(solved[0], color=MUTED, linewidth=1.2, linestyle=DOTTED)
        axes.annotate(
            "solver",
            (0, solved[0]),
            xytext=(6, 4),
            textcoords="offset points",
            color=MUTED,
            fontsize=11,
        )
