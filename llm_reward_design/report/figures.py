"""The figures of a search: who descends from whom, and how the best program's parts paid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from rewardsmith.agents.report.canvas import (
    GOOD,
    GRID,
    INK,
    MUTED,
    SURFACE,
    WARN,
    Drawing,
    Palette,
    label_ends,
    new_figure,
    to_svg,
)
from rewardsmith.agents.report.curves import HEIGHT, WIDTH, over_steps
from rewardsmith.agents.wording import count, score_text
from rewardsmith.llm_reward_design.record import SearchRecord, Tried

_ROW, _COLUMN, _MARGIN = 30.0, 220.0, 90.0
_WIDTH = 1100.0
_NARROW = 470.0
_LARGEST = 150.0
_UNTRAINED = {"failed": "x", "rejected": "x", "lost": "|"}


def family_tree(record: SearchRecord) -> Drawing:
    """Draws every program by round, joined to those its writer was shown; the best stands out."""
    rounds = list(dict.fromkeys(one.round for one in record.tried))
    columns = [ordered(record.tried, number) for number in rounds]
    places = {
        one.id: (x, -(y + (max(map(len, columns)) - len(column)) / 2))
        for x, column in enumerate(columns)
        for y, one in enumerate(column)
    }
    line = ancestry(record)
    tallest = max(len(column) for column in columns)
    width = max(_WIDTH, _MARGIN + _COLUMN * len(rounds))
    figure = new_figure(width, _MARGIN + _ROW * tallest)
    axes = figure.add_subplot()
    for one in record.tried:
        for parent in one.parents:
            if parent in places:
                _join(axes, places[parent], places[one.id], one.id in line and parent in line)
    for one in record.tried:
        _mark(axes, one, places[one.id], record, lit=one.id in line)
    axes.set_xlim(-0.3, len(rounds) - 0.3)
    axes.set_ylim(-tallest + 0.3, 0.7)
    axes.set_xticks(range(len(rounds)), [round_name(number) for number in rounds])
    axes.set_yticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    trained = sum(one.state == "trained" for one in record.tried)
    return Drawing(
        "Family tree",
        "Every program by round, the highest score on top, joined to the programs its writer was "
        "shown. Larger dots score higher; a hollow dot did not go on to the longest training; ✕ "
        "was rejected or failed. The best program and its ancestors are coloured.",
        to_svg(
            figure,
            "family",
            f"{count(len(record.tried), 'program')} in {count(len(rounds), 'round')}, "
            f"{trained} of them trained.",
        ),
        wide=True,
    )


def scores_by_round(record: SearchRecord) -> Drawing | None:
    """Draws the score of each trained program by round, with the best so far."""
    trained = [one for one in record.tried if one.score is not None]
    if not trained:
        return None
    figure = new_figure(_NARROW, HEIGHT)
    axes = figure.add_subplot()
    numbers = sorted({one.round for one in trained})
    for one in trained:
        assert one.score is not None
        axes.plot(one.round, one.score, "o", color=MUTED, alpha=0.6, markersize=6)
    best = [
        max(one.score for one in trained if one.round <= number and one.score is not None)
        for number in numbers
    ]
    axes.plot(numbers, best, color=GOOD, linewidth=2.6, drawstyle="steps-post")
    axes.set_xticks(numbers, [round_name(number) for number in numbers])
    axes.grid(axis="y")
    axes.spines["left"].set_visible(False)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_ylabel(record.score, fontsize=11)
    _scale(axes, record.score)
    return Drawing(
        "Scores by round",
        "The task's score of every trained program, one dot each, and the best so far as a line. "
        "These are the search's own judgements, on one training seed each; the comparison above "
        "judges afresh.",
        to_svg(figure, "rounds", f"Best {score_text(best[-1], record.score)}."),
    )


def parts_over_training(one: Tried, score: str) -> Drawing | None:
    """Draws what each part of a program paid per step over its training, beside the score."""
    series = one.reflection
    if series is None or not series.parts:
        return None
    figure = new_figure(WIDTH, HEIGHT)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[1, 2])
    above.plot(series.steps, series.score, color=INK, linewidth=2.2)
    above.set_ylabel(score, fontsize=11)
    over_steps(above)
    above.set_xlabel("")
    _scale(above, score)
    palette, ends = Palette(tuple(series.parts), None), []
    for name, values in series.parts.items():
        colour = palette.colour(name)
        below.plot(series.steps, values, color=colour, linewidth=2.2, linestyle=palette.dash(name))
        last = [value for value in values if np.isfinite(value)]
        ends.append((last[-1] if last else 0.0, name, colour))
    over_steps(below)
    below.set_ylabel("pay per step", fontsize=11)
    label_ends(below, ends, 0.55 * HEIGHT, size=11)
    return Drawing(
        "Parts of the best program",
        "Mean pay per step of each part of the reward while the search trained on it, under the "
        "task's score.",
        to_svg(figure, "parts", f"Parts: {', '.join(series.parts)}."),
    )


def ordered(tried: Sequence[Tried], number: int) -> list[Tried]:
    """Returns the programs of a round, trained ones first, the highest score on top."""
    members = [one for one in tried if one.round == number]
    return sorted(members, key=lambda one: (-one.rung, -(one.score or 0.0), one.sample))


def ancestry(record: SearchRecord) -> frozenset[str]:
    """Returns the best program and its ancestors, by id."""
    by_id = {one.id: one for one in record.tried}
    line: set[str] = set()
    waiting = [record.best] if record.best is not None else []
    while waiting:
        one = by_id.get(waiting.pop())
        if one is not None and one.id not in line:
            line.add(one.id)
            waiting += one.parents
    return frozenset(line)


def round_name(number: int) -> str:
    """Returns how a round is called.

    Example:
        >>> round_name(0), round_name(-1)
        ('round 1', 'brought')
    """
    return "brought" if number < 0 else f"round {number + 1}"


def _scale(axes: Axes, score: str) -> None:
    if score == "success":
        axes.set_ylim(-0.05, 1.09)


def _join(axes: Axes, start: tuple[float, float], end: tuple[float, float], lit: bool) -> None:
    t = np.linspace(0, 1, 24)
    bend = 3 * t**2 - 2 * t**3
    axes.plot(
        start[0] + 0.03 + (end[0] - start[0] - 0.06) * t,
        start[1] + (end[1] - start[1]) * bend,
        color=GOOD if lit else GRID,
        linewidth=2.4 if lit else 1.0,
        zorder=2 if lit else 1,
    )


def _mark(
    axes: Axes, one: Tried, place: tuple[float, float], record: SearchRecord, *, lit: bool
) -> None:
    scores = [t.score for t in record.tried if t.score is not None]
    if one.score is None:
        axes.scatter(*place, marker=_UNTRAINED[one.state], s=34, color=WARN, zorder=3)
        label = one.state
    else:
        span = max(scores) - min(scores)
        height = (one.score - min(scores)) / span if span else 1.0
        longest = one.rung == max(t.rung for t in record.tried)
        colour = GOOD if lit else MUTED
        axes.scatter(
            *place,
            s=30 + _LARGEST * height,
            facecolor=colour if longest else SURFACE,
            edgecolor=colour,
            linewidth=1.6,
            zorder=3,
        )
        label = score_text(one.score, record.score)
    axes.annotate(
        f"{one.program}  {label}" if one.program else label,
        place,
        xytext=(11, 0),
        textcoords="offset points",
        va="center",
        fontsize=10,
        color=INK if lit else MUTED,
        fontweight="bold" if one.id == record.best else "normal",
    )
