"""Drawing SVG that takes its colours from the page it stands in.

Figures are drawn with marker colours, which are then replaced by CSS variables: one figure
is legible on a light page, on a dark page and on paper, and a design has the same colour
everywhere. Text stays text, in the page's own typeface.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, GRID, SURFACE, WARN = "#e00001", "#e00002", "#e00003", "#e00004", "#e00005"
GOOD = "#e00006"
"""Marker colours of the page: text, secondary text, grid lines, background, warnings, what is
good."""

DOTTED = (0, (2, 3))
"""Line style of references, such as the solver's score."""

_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    SURFACE: "surface",
    WARN: "warn",
    GOOD: "good",
}
_HUES = 7
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (1.4, 1.4)), (0, (6, 1.5, 1.4, 1.5)))
_SOLID = 5

UNITS_PER_INCH = 72.0

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # names may hold a dollar sign
    "font.family": "sans-serif",
    "font.size": 12,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 1.0,
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "figure.facecolor": "none",
    "text.color": INK,
    "xtick.color": GRID,
    "xtick.labelcolor": MUTED,
    "xtick.labelsize": 11,
    "ytick.color": GRID,
    "ytick.labelcolor": MUTED,
    "ytick.labelsize": 11,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.solid_capstyle": "round",
}


@dataclass(frozen=True)
class Drawing:
    """One figure of the page.

    Attributes:
        title: What it shows.
        caption: How to read it, in one sentence.
        svg: The picture.
        wide: Whether it takes the page's full width.
    """

    title: str
    caption: str
    svg: Markup
    wide: bool = False


@dataclass(frozen=True)
class Palette:
    """A colour and a dash pattern for every design; the baseline is grey.

    Attributes:
        designs: The designs of the comparison, in a fixed order.
        baseline: The baseline among them, if any.
    """

    designs: tuple[str, ...]
    baseline: str | None

    def number(self, design: str) -> int:
        """Returns 0 for the baseline, else 1, 2, ... in order."""
        return 0 if design == self.baseline else 1 + self._coloured.index(design)

    def variable(self, design: str) -> str:
        """Returns the CSS variable that holds the colour of a design."""
        number = self.number(design)
        return f"--design-{1 + (number - 1) % _HUES if number else 0}"

    def colour(self, design: str) -> str:
        """Returns the marker colour of a design, for drawing."""
        return f"#d0000{self.variable(design)[-1]}"

    def dash(self, design: str) -> Any:
        """Returns the line style: solid for the first designs, then one per round of colours."""
        number = self.number(design)
        if number <= _SOLID:
            return _DASHES[0]
        return _DASHES[1 + (number - 1) // _HUES % (len(_DASHES) - 1)]

    @property
    def _coloured(self) -> list[str]:
        return [design for design in self.designs if design != self.baseline]


@contextmanager
def style() -> Iterator[None]:
    """Draws in the page's style for the length of a `with` block."""
    with mpl.rc_context(_STYLE):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Returns an empty figure of the given size in CSS pixels."""
    return Figure(figsize=(width / UNITS_PER_INCH, height / UNITS_PER_INCH), layout="constrained")


def to_svg(figure: Figure, name: str, description: str) -> Markup:
    """Returns a figure as inline SVG, its colours turned into CSS variables.

    Args:
        figure: The figure.
        name: Unique on the page; keeps the ids of its figures apart.
        description: What the figure shows, read out by screen readers.
    """
    buffer = io.StringIO()
    metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata=metadata)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    width, height = size.groups() if size else ("100", "100")
    head = (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(description)}" '
        f'style="--width: {float(width):.0f}px">'
    )
    body = svg[svg.index(">") + 1 :].replace("xlink:href", "href")
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", body)
    return Markup(head + re.sub(r"(?<=: )#[de]0000\d", _variable, body))


def title(axes: Axes, text: str, colour: str = INK) -> None:
    """Writes a title above the left end of the axes."""
    axes.set_title(shorten(text, 30), loc="left", color=colour, fontsize=12, fontweight="bold")


def shorten(text: str, length: int) -> str:
    """Cuts a name to `length` characters.

    Example:
        >>> shorten("potential_shaping", 10)
        'potential…'
    """
    return text if len(text) <= length else text[: length - 1] + "…"


def label_ends(
    axes: Axes, ends: Sequence[tuple[float, str, str]], height: float, size: float = 11
) -> None:
    """Writes the name of each line at its right end, pushed apart where they would overlap.

    Args:
        axes: Axes whose y limits are final.
        ends: Last y value, name and colour of every line.
        height: Height of the axes in CSS pixels, roughly.
        size: Font size.
    """
    bottom, top = axes.get_ylim()
    places = spread([(y - bottom) / (top - bottom) for y, _, _ in ends], 1.3 * size / height)
    for place, (_, name, colour) in zip(places, ends, strict=True):
        axes.annotate(
            shorten(name, 16),
            (1, place),
            xycoords="axes fraction",
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize=size,
        )


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Moves places in [0, 1] as little as needed for neighbours to be `gap` apart.

    Example:
        >>> [round(x, 2) for x in spread([0.5, 0.95, 0.98], 0.1)]
        [0.5, 0.9, 1.0]
    """
    order = np.argsort(places, kind="stable")
    moved = np.asarray(places, dtype=np.float64)[order]
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + gap)
    moved[-1:] = np.minimum(moved[-1:], 1.0)
    for i in range(len(moved) - 2, -1, -1):
        moved[i] = min(moved[i], moved[i + 1] - gap)
    result = np.empty_like(moved)
    result[order] = moved
    return [float(x) for x in result]


def _variable(match: re.Match[str]) -> str:
    marker = match[0]
    name = _VARIABLES.get(marker) or f"design-{marker[-1]}"
    return f"var(--{name})"
