"""Draws docs/images/reward_programs.svg: the way of a reward program, and where it is held.

python docs/scripts/design_figure.py
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path

INK, MUTED, TRUSTED, UNTRUSTED = "#1a1f2b", "#6f7787", "#2662c4", "#c7690a"
LEGEND = "Orange: written or touched by the program. Blue: ours, and never runs it."
WIDTH, HEIGHT, SIZE = 914, 452, (146, 62)


@dataclass(frozen=True)
class Box:
    """One station on the way.

    Attributes:
        x: Left edge.
        y: Upper edge.
        title: What it is.
        said: What happens there, in up to two lines.
        colour: Of its edge: whether its outcome can be relied on.
    """

    x: float
    y: float
    title: str
    said: tuple[str, ...]
    colour: str = TRUSTED

    def side(self, towards: str) -> tuple[float, float]:
        """Returns the middle of an edge: "left", "right", "top" or "bottom"."""
        width, height = SIZE
        across = {"left": 0.0, "right": 1.0}.get(towards, 0.5)
        down = {"top": 0.0, "bottom": 1.0}.get(towards, 0.5)
        return self.x + across * width, self.y + down * height

    def svg(self) -> str:
        """Returns the drawing."""
        lines = [text(self.x + 12, self.y + 22, self.title, 14)]
        lines += [text(self.x + 12, self.y + 39 + 14 * i, s, 11, MUTED)
                  for i, s in enumerate(self.said)]  # fmt: skip
        return (
            f'<rect x="{self.x}" y="{self.y}" width="{SIZE[0]}" height="{SIZE[1]}" rx="6" '
            f'fill="#fff" stroke="{self.colour}" stroke-width="1.5"/>{"".join(lines)}'
        )


WRITER = Box(0, 40, "writer", ("a language model, or", "the offline search"), UNTRUSTED)
EXTRACT = Box(192, 40, "extract", ("finds the program", "in the answer"))
LINT = Box(384, 40, "lint", ("reads it: quick advice,", "no protection"))
SMOKE = Box(576, 40, "try", ("fifty random steps,", "in the jail already"), UNTRUSTED)
TRAIN = Box(768, 40, "train", ("an agent on it,", "start to end"), UNTRUSTED)
WEIGHTS = Box(768, 180, "weights", ("checked: plain file,", "shapes, finite"))
JUDGE = Box(480, 180, "judge", ("plays the task; never", "ran the program"))
REFLECT = Box(192, 180, "reflection", ("score and parts over", "training, as a table"))
BEST = Box(0, 336, "best.yaml", ("the program that", "scored highest"), UNTRUSTED)
ALONE = Box(384, 336, "the program alone", ("arrays in, arrays out,", "step by step"), UNTRUSTED)
LEARNER = Box(768, 336, "learner and judge", ("fresh runs, beside", "sparse and human"))
BOXES = (WRITER, EXTRACT, LINT, SMOKE, TRAIN, WEIGHTS, JUDGE, REFLECT, BEST, ALONE, LEARNER)


def text(x: float, y: float, said: str, size: int, colour: str = INK) -> str:
    """Returns a line of text."""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{colour}">{escape(said)}</text>'


def arrow(*points: tuple[float, float]) -> str:
    """Returns a line through points that ends in a head."""
    path = " ".join(f"{'L' if i else 'M'}{x:g} {y:g}" for i, (x, y) in enumerate(points))
    return f'<path d="{path}" fill="none" stroke="{INK}" marker-end="url(#head)"/>'


def jail(x: float, y: float, width: float, height: float, said: str) -> str:
    """Returns the walls around what the kernel holds."""
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="10" fill="{UNTRUSTED}" '
        f'fill-opacity="0.08" stroke="{UNTRUSTED}" stroke-dasharray="5 4"/>'
        f"{text(x + 10, y + 17, said, 12, UNTRUSTED)}"
    )


def draw() -> str:
    """Returns the picture."""
    parts = [
        jail(562, 10, 366, 106, "jail: no network, no process, no file but its own"),
        jail(370, 306, 174, 106, "jail"),
        text(0, 18, "search", 12, MUTED),
        text(0, 318, "final comparison", 12, MUTED),
    ]
    parts += [box.svg() for box in BOXES]
    chain = (WRITER, EXTRACT, LINT, SMOKE, TRAIN)
    parts += [arrow(a.side("right"), b.side("left")) for a, b in pairwise(chain)]
    parts += [
        arrow(TRAIN.side("bottom"), WEIGHTS.side("top")),
        arrow(WEIGHTS.side("left"), JUDGE.side("right")),
        arrow(JUDGE.side("left"), REFLECT.side("right")),
        arrow(REFLECT.side("left"), (73, REFLECT.side("left")[1]), WRITER.side("bottom")),
        arrow(BEST.side("right"), ALONE.side("left")),
        arrow((768, 356), (530, 356)),
        arrow((530, 378), (768, 378)),
        text(638, 171, "safetensors,", 11, MUTED),
        text(638, 185, "no pickle", 11, MUTED),
        text(350, 203, "task score", 11, MUTED),
        text(82, 168, "next round", 11, MUTED),
        text(590, 349, "what the step was", 11, MUTED),
        text(590, 393, "one finite number each", 11, MUTED),
        text(0, 436, LEGEND, 12, MUTED),
    ]
    head = (
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="{INK}"/></marker></defs>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-20 -16 {WIDTH + 40} {HEIGHT + 24}" '
        'font-family="system-ui, Helvetica, Arial, sans-serif">'
        f'{head}<rect x="-20" y="-16" width="100%" height="100%" rx="8" fill="#fff"/>'
        f"{''.join(parts)}</svg>\n"
    )


if __name__ == "__main__":
    image = Path(__file__).parents[1] / "images" / "reward_programs.svg"
    image.write_text(draw(), encoding="utf-8")
