"""Draws docs/images/credit.svg: how a reward reaches a token, under four credit methods.

    python docs/scripts/text_figures.py

Four rollouts of one question, written by hand, are played and paid as in training. The picture
shows one of them; nothing is trained and nothing is random.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from pathlib import Path

import numpy as np

from rewardsmith.agents.llm.pay import pay
from rewardsmith.envs.text.batch import turn_facts
from rewardsmith.envs.text.calculator import Calculator
from rewardsmith.envs.text.message import parse, write
from rewardsmith.envs.text.transcript import ToolCall
from rewardsmith.rewards import RewardDesign, TaskReward
from rewardsmith.rewards.credit import (
    CreditLens,
    DualLevel,
    GroupRelative,
    PrefixTree,
    Rollouts,
    StateGroups,
)
from rewardsmith.rewards.episode import Episode, Group, Step, TokenSpan
from rewardsmith.rewards.verify import ErrorFree, Verified

SEED = 4  # Tom has 39 eggs. He gets 30 more. Then he has 6 times as many.
METHODS = {
    "GRPO": GroupRelative(),
    "GiGPO": StateGroups(),
    "MatchTIR": DualLevel(),
    "TEMPO": PrefixTree(),
}
NOTES = {
    "GRPO": "the whole episode alike",
    "GiGPO": "a turn against turns from the same state",
    "MatchTIR": "a turn against turns at the same place",
    "TEMPO": "a token by how the prospects change there",
}
INK, MUTED, GRID, MORE, LESS = "#1a1f2b", "#6f7787", "#dfe3ea", "#2662c4", "#c7690a"
LABELS, COLUMN, GAP, LETTER, LINE = 176, 238, 12, 6.6, 17
PIECE = re.compile(r"</?\w+>|\w+|\W")


def call(expression: str) -> str:
    """Returns a message that calls the calculator."""
    return write([ToolCall("calculator", {"expression": expression})])


ROLLOUTS = (
    (call("39+30"), call("69+6"), write(answer="75")),
    (call("39+30"), call("69*6"), write(answer="414")),
    (call("39+30*6"), write(answer="219")),
    (call("39+*30"), write(answer="6")),
)
"""What the policy says in each: the first is shown."""


def episode(messages: Sequence[str], vocabulary: dict[str, int]) -> Episode:
    """Plays messages; a token is a word or a sign."""
    dialogue = Calculator(1, difficulty=2).dialogue
    transcript = start = dialogue.begin(SEED)
    steps = []
    for message in messages:
        ids = [vocabulary.setdefault(piece, len(vocabulary)) for piece in PIECE.findall(message)]
        span = TokenSpan(np.zeros(0, np.int64), np.array(ids), np.zeros(len(ids)))
        seen, transcript = transcript.observation, dialogue.reply(transcript, parse(message))
        reward = transcript.turns[-1].reward
        steps.append(Step(seen, message, reward, turn_facts(transcript), span))
    return Episode(tuple(steps), transcript.observation, transcript.over, turn_facts(start))


def rollouts() -> tuple[Episode, Rollouts]:
    """Returns the episode on show, and the group paid as the trainer pays it."""
    design = RewardDesign(
        {"answer": TaskReward(), "calls": Verified(ErrorFree("message"), at="turn", scale=0.1)}
    )
    design.bind(Calculator(1).card)
    vocabulary: dict[str, int] = {}
    group = Group(tuple(episode(messages, vocabulary) for messages in ROLLOUTS), SEED)
    return group.episodes[0], pay(design, [group]).rollouts


class Picture:
    """An SVG that grows downwards; letters have one width, whatever the typeface."""

    def __init__(self, width: int) -> None:
        self.width, self.y = width, 0.0
        self.parts: list[str] = []

    def write(self, x: float, y: float, text: str, size: int = 13, colour: str = INK) -> None:
        """Writes a line in the page's typeface."""
        style = f'font-size="{size}" fill="{colour}"'
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>')

    def code(self, x: float, y: float, text: str, value: float = 0.0, share: float = 0.0) -> None:
        """Writes letters of equal width, tinted by their share of the largest advantage."""
        width, left = len(text) * LETTER, len(text) - len(text.lstrip())
        if share:
            colour = MORE if share > 0 else LESS
            self.parts.append(
                f'<rect x="{x:.1f}" y="{y - 12.5:.1f}" width="{width:.1f}" height="{LINE - 1}" '
                f'fill="{colour}" fill-opacity="{0.6 * abs(share):.2f}">'
                f"<title>{value:+.2f}</title></rect>"
            )
        shown = text.strip()
        if shown:
            at, length = x + left * LETTER, len(shown) * LETTER
            self.parts.append(
                f'<text class="c" x="{at:.1f}" y="{y:.1f}" textLength="{length:.1f}">'
                f"{escape(shown)}</text>"
            )

    def rule(self) -> None:
        """Draws a line across, and goes on below it."""
        self.parts.append(f'<path d="M0 {self.y:.1f}H{self.width}" stroke="{GRID}"/>')
        self.y += 10

    def svg(self) -> str:
        """Returns the picture."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-20 -16 {self.width + 40} '
            f'{self.y + 28:.0f}" font-family="system-ui, Helvetica, Arial, sans-serif">'
            "<style>.c{font:11px ui-monospace,Menlo,Consolas,monospace;white-space:pre;"
            f"fill:{INK}}}</style>"
            f'<rect x="-20" y="-16" width="100%" height="100%" rx="8" fill="#fff"/>'
            f"{''.join(self.parts)}</svg>\n"
        )


def lines(pieces: Sequence[str], values: Sequence[float]) -> Iterator[tuple[int, int, str, float]]:
    """Yields (line, place in it, text, value) of a turn; equal neighbours on a line are joined."""
    width = int(COLUMN / LETTER)
    laid, end = [], 0
    for piece, value in zip(pieces, values, strict=True):
        if end // width != (end + len(piece) - 1) // width:
            end = (end // width + 1) * width
        laid.append((end // width, end % width, piece, value))
        end += len(piece)
    for (line, value), run in groupby(laid, key=lambda part: (part[0], part[3])):
        joined = list(run)
        yield line, joined[0][1], "".join(part[2] for part in joined), value


def place(turn: int) -> float:
    """Returns where the column of a turn starts."""
    return LABELS + turn * (COLUMN + GAP)


def draw(path: Path) -> None:
    """Credits the group and writes the picture."""
    shown, paid = rollouts()
    rows = CreditLens(METHODS).rows(paid, 0)
    largest = max(abs(v) for row in rows for part in row.tokens for v in part)
    picture = Picture(round(place(len(shown)) - GAP))
    texts = [PIECE.findall(str(step.action)) for step in shown.steps]
    _head(picture, shown, paid)
    for row in rows:
        picture.rule()
        picture.write(0, picture.y + 12, row.method, 14)
        for i, words in enumerate(_wrapped(NOTES[row.method], 27)):
            picture.write(0, picture.y + 30 + 14 * i, words, 11, MUTED)
        height = 0
        for turn, (text, values) in enumerate(zip(texts, row.tokens, strict=True)):
            for line, column, run, value in lines(text, values):
                x, y = place(turn) + column * LETTER, picture.y + 12 + line * LINE
                picture.code(x, y, run, value, value / largest)
                height = max(height, line + 1)
            low, high = min(values), max(values)
            told = f"{low:+.2f}" if low == high else f"{low:+.2f} to {high:+.2f}"
            picture.write(place(turn), picture.y + 28 + 2 * LINE, told.replace("-", "−"), 11, MUTED)
        picture.y += 22 + height * LINE
        print(row.method, np.round(row.turns, 2), "ok" if row.ok else "not ok", row.check)
    path.write_text(picture.svg(), encoding="utf-8")


def _head(picture: Picture, shown: Episode, paid: Rollouts) -> None:
    """Writes the question, the group, and what every turn was told and paid."""
    picture.write(0, 4, str(shown.steps[0].observation), 14)
    others = ", ".join(f"{value:g}" for value in paid.returns[1:])
    told = (
        f"This rollout is paid {paid.returns[0]:g} in all, the three others of its group {others}."
    )
    picture.write(0, 24, told, 12, MUTED)
    picture.y = 38
    picture.rule()
    replies = [step.info["transcript"].turns[t].reply for t, step in enumerate(shown.steps)]
    for row, (name, values) in enumerate(
        {
            "": [f"turn {t + 1}" for t in range(len(shown))],
            "the tool replied": [reply or "(the end)" for reply in replies],
            "the design pays": [f"{value:g}" for value in paid.reward[: len(shown)]],
        }.items()
    ):
        y = picture.y + 12 + 19 * row
        picture.write(0, y, name, 12, MUTED)
        for turn, value in enumerate(values):
            picture.write(place(turn), y, value, 12, INK if row else MUTED)
    picture.y += 66


def _wrapped(text: str, width: int) -> list[str]:
    found = [""]
    for word in text.split():
        if len(found[-1]) + len(word) >= width:
            found.append("")
        found[-1] = f"{found[-1]} {word}".strip()
    return found


if __name__ == "__main__":
    draw(Path(__file__).parents[1] / "images" / "credit.svg")
