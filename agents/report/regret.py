"""Figures of agents judged while they learn: their regret, and which arms they play."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from rewardsmith.agents.answer import TaskVerdict
from rewardsmith.agents.records import Comparison
from rewardsmith.agents.report.canvas import (
    GOOD,
    MUTED,
    SURFACE,
    Drawing,
    Palette,
    label_ends,
    new_figure,
    shorten,
    title,
    to_svg,
)
from rewardsmith.agents.report.curves import HEIGHT, WIDTH, draw_bands, over_steps
from rewardsmith.agents.report.panels import panel_grid
from rewardsmith.agents.run_record import PULLS
from rewardsmith.agents.wording import score_text
from rewardsmith.envs.stateful import FloatArray, IntArray

_DASHED = (0, (6, 4))
_ROOM = 1.5
"""How many times as high as the curves a picture may become to show a bound."""

_LEAST_LABELLED = 0.05


def regret_curves(
    comparison: Comparison, verdict: TaskVerdict, palette: Palette, name: str
) -> Drawing | None:
    """Draws what the runs have lost so far to always acting best; None if the task does not tell.

    Regret that flattens has been learned from; a straight line has not. Dashed lines are the
    bounds on the regret at the last step, of the designs whose runs tell one.
    """
    bounds = _bounds(comparison, verdict)
    drawn = _loss(comparison, verdict, palette, "regret", bounds)
    if drawn is None:
        return None
    figure, final = drawn
    dashed = "; dashed: what theory promises it to stay below on average" if bounds else ""
    return Drawing(
        "Regret",
        "What the runs have lost so far to always playing the best arm: a line that flattens "
        f"has found it, a straight one has not; lower is better{dashed}.",
        to_svg(figure, name, f"Regret over training steps. At the end: {final}."),
    )


def policy_regret_curves(
    comparison: Comparison, verdict: TaskVerdict, palette: Palette, name: str
) -> Drawing | None:
    """Draws what the runs have lost so far to the best play from the start; None if untold."""
    drawn = _loss(comparison, verdict, palette, "policy_regret", {})
    if drawn is None:
        return None
    figure, final = drawn
    return Drawing(
        "Policy regret",
        "What the runs have lost so far to the best play from the first step on, with the pay "
        "that this play itself would have brought about; lower is better.",
        to_svg(figure, name, f"Policy regret over training steps. At the end: {final}."),
    )


def arms_over_time(
    comparison: Comparison, verdict: TaskVerdict, palette: Palette, name: str
) -> Drawing | None:
    """Draws which arms every design played, as shares; None if its runs do not tell alike."""
    runs = comparison.of(verdict.task)
    columns = [column for column in runs[0].metrics if column.startswith(PULLS)]
    if not columns or any(column not in run.metrics for run in runs for column in columns):
        return None
    designs = [design.design for design in verdict.designs]
    figure, panels = panel_grid(len(designs), 2 if len(designs) in (1, 2, 4) else 3, 210)
    first, told = columns[0].removeprefix(PULLS), []
    for axes, design in zip(panels, designs, strict=True):
        curves = [comparison.curves(verdict.task, design, column) for column in columns]
        mean = np.stack([shares.mean(axis=0) for _, shares in curves])
        _stack(axes, curves[0][0], mean, [column.removeprefix(PULLS) for column in columns])
        title(axes, design, palette.colour(design))
        told.append(f"{design} {mean[0, -1]:.0%}")
    return Drawing(
        "Arms played over time",
        "Share of the plays of every arm since the evaluation before, mean over all runs; arms "
        "have the same place and shade everywhere, the best one in colour at the bottom: the "
        "sooner it fills the picture, the sooner it was found.",
        to_svg(figure, name, f"Share of the plays at the end, {first}: {', '.join(told)}."),
        wide=True,
    )


def _loss(
    comparison: Comparison,
    verdict: TaskVerdict,
    palette: Palette,
    column: str,
    bounds: Mapping[str, float],
) -> tuple[Figure, str] | None:
    """Draws a column of losses with bounds by design; returns it with the last values in words."""
    if not all(column in run.metrics for run in comparison.of(verdict.task)):
        return None
    figure = new_figure(WIDTH, HEIGHT)
    axes = figure.add_subplot()
    ends = draw_bands(axes, comparison, verdict, palette, column)
    axes.set_ylim(bottom=min(0.0, axes.dataLim.y0))  # below 0 where a changing best arm is beaten
    axes.set_ylabel(f"{column.replace('_', ' ')} so far", fontsize=11)
    over_steps(axes)
    _draw_bounds(figure, axes, bounds, palette)
    label_ends(axes, ends, 0.85 * HEIGHT, size=12)
    return figure, ", ".join(f"{design} {value:.3g}" for value, design, _ in ends)


def _bounds(comparison: Comparison, verdict: TaskVerdict) -> dict[str, float]:
    """Returns the mean bound at the last step of every design whose runs all tell one."""
    bounds = {}
    for design in (d.design for d in verdict.designs):
        told = [run.final.get("bound") for run in comparison.of(verdict.task, design)]
        if all(bound is not None for bound in told):
            bounds[design] = float(np.mean([np.mean(bound) for bound in told if bound is not None]))
    return bounds


def _draw_bounds(figure: Figure, axes: Axes, bounds: Mapping[str, float], palette: Palette) -> None:
    """Draws the bounds that lie not too far above the curves, and names all of them below."""
    top = axes.get_ylim()[1]
    inside = {design: bound for design, bound in bounds.items() if bound <= _ROOM * top}
    axes.set_ylim(top=max([top, *(1.04 * bound for bound in inside.values())]))
    for design, bound in sorted(bounds.items(), key=lambda item: palette.number(item[0])):
        where = "" if design in inside else ", above the picture"
        label = f"bound of {shorten(design, 24)}: {score_text(bound, 'return')}{where}"
        x, y = ((0, 1), (bound, bound)) if design in inside else ((), ())
        axes.plot(
            x,
            y,
            transform=axes.get_yaxis_transform(),
            color=palette.colour(design),
            linewidth=1.6,
            linestyle=_DASHED,
            label=label,
        )
    if bounds:
        figure.legend(
            loc="outside lower left", ncols=2, frameon=False, fontsize=10, labelcolor=MUTED
        )


def _stack(axes: Axes, steps: IntArray, shares: FloatArray, names: Sequence[str]) -> None:
    """Stacks shares (K, P) at steps (P,), the best arm in colour, the others ever paler."""
    best = "best" in names[0]
    pale = np.linspace(0.6, 0.1, len(names))
    edges = np.vstack([np.zeros(len(steps)), shares.cumsum(axis=0)])
    for i in range(len(names)):
        colour, alpha = (GOOD, 0.85) if best and i == 0 else (MUTED, pale[i])
        axes.fill_between(steps, edges[i], edges[i + 1], color=colour, alpha=alpha, linewidth=0)
        axes.plot(steps, edges[i + 1], color=SURFACE, linewidth=0.8)
    over_steps(axes)
    axes.margins(x=0)
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    middles = (edges[1:, -1] + edges[:-1, -1]) / 2
    ends = [
        (float(middle), name, GOOD if best and i == 0 else MUTED)
        for i, (middle, name) in enumerate(zip(middles, names, strict=True))
        if shares[i, -1] >= _LEAST_LABELLED
    ]
    label_ends(axes, ends, 145, size=10.5)
