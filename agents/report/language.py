"""What a language model's run leaves to read: conversations, and who got credit for them.

`transcripts.json` holds words that a model wrote. They reach the page as text and nothing else.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rewardsmith.agents.records import Run
from rewardsmith.agents.wording import count, listing, score_text
from rewardsmith.envs.text.message import ANSWER, CALL, THINK, parse

Kind = Literal["text", "think", "call", "answer"]

_BLOCK = re.compile(rf"<({THINK}|{CALL}|{ANSWER})>(.*?)</\1>", re.DOTALL)
_KINDS: dict[str, Kind] = {THINK: "think", CALL: "call", ANSWER: "answer"}
_ROUNDING = 1e-9
_STRONGEST = 56


@dataclass(frozen=True)
class Piece:
    """A part of a message: loose text, a thought, a tool call or the answer."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Turn:
    """What the policy said, what it was told, and what the design paid for it."""

    said: tuple[Piece, ...]
    reply: str
    paid: float


@dataclass(frozen=True)
class Talk:
    """A conversation.

    Attributes:
        right: Whether it ended with a right answer.
        prompt: The question.
        answer: The right answer.
        turns: What followed.
        paid: What the design paid in all.
    """

    right: bool
    prompt: str
    answer: str
    turns: tuple[Turn, ...]
    paid: float


@dataclass(frozen=True)
class Credit:
    """What a piece of text got.

    Attributes:
        label: The advantage, as it is read.
        tint: Strength of its colour in percent, 56 at most so that text stays legible, below 0
            for less likely: proportional to the square root, so that small ones can be seen.
        text: The text; "" for a whole turn.
    """

    label: str
    tint: int
    text: str = ""


@dataclass(frozen=True)
class Method:
    """A credit method's row.

    Attributes:
        name: Its name.
        trained: Whether the run was trained with it.
        turns: What every turn got; the mean over its tokens under a method on that level.
        tokens: What the tokens of every turn got, equal neighbours joined; none under a method
            on the level of turns or episodes.
        check: The sum that must come out, and whether it does.
        ok: Whether it does.
    """

    name: str
    trained: bool
    turns: tuple[Credit, ...]
    tokens: tuple[tuple[Credit, ...], ...]
    check: str
    ok: bool


@dataclass(frozen=True)
class Lens:
    """One training episode under every credit method.

    Attributes:
        prompt: The question.
        group: What it was compared with, in words.
        turns: Text that the policy wrote, reply, and pay of every turn.
        methods: The methods that could be applied.
        missing: Why the others could not.
        largest: The largest advantage on show, as it is read.
    """

    prompt: str
    group: str
    turns: tuple[Turn, ...]
    methods: tuple[Method, ...]
    missing: tuple[str, ...]
    largest: str


@dataclass(frozen=True)
class Spoken:
    """What the page shows of one run of one design."""

    design: str
    label: str
    talks: tuple[Talk, ...]
    more: tuple[Talk, ...]
    lens: Lens | None


def spoken(run: Run, label: str) -> Spoken | None:
    """Returns what a run left to read; None if that is nothing, or cannot be read."""
    try:
        data = json.loads((run.folder / "transcripts.json").read_text(encoding="utf-8"))
        talks = [_talk(told) for told in data["transcripts"]]
        lens = _lens(data["credit"]) if data.get("credit") else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if not talks and lens is None:
        return None
    shown = [next((t for t in talks if t.right is right), None) for right in (True, False)]
    first = tuple(talk for talk in shown if talk is not None)
    more = tuple(talk for talk in talks if all(talk is not one for one in first))
    return Spoken(run.design, label, first, more, lens)


def split(text: str) -> Iterator[Piece]:
    """Cuts a message into its parts, nothing left out but the tags of what could be read.

    Example:
        >>> [piece.text for piece in split("Hm. <think>Add.</think> <answer>65</answer>")]
        ['Hm.', 'Add.', '65']
        >>> next(split('<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>')).text
        'add(a=1)'
    """
    between, *found = _BLOCK.split(text)
    blocks = zip(found[::3], found[1::3], found[2::3], strict=True)
    for tag, content, after in (("", "", between), *blocks):
        if tag:
            yield Piece(_KINDS[tag], _call(content) if tag == CALL else content.strip())
        if after.strip():
            yield Piece("text", after.strip())


def _call(content: str) -> str:
    """Writes a block of calls as a person would; as it stands if it cannot be read."""
    message = parse(f"<{CALL}>{content}</{CALL}>")
    if message.errors:
        return content.strip()
    return "\n".join(
        f"{call.name}({', '.join(f'{k}={json.dumps(v)}' for k, v in call.arguments.items())})"
        for call in message.calls
    )


def _talk(told: Mapping[str, Any]) -> Talk:
    turns = tuple(
        Turn(tuple(split(turn["said"])), str(turn["reply"]), float(turn["paid"]))
        for turn in told["turns"]
    )
    record = told["record"]
    right, paid = bool(record["success"]), float(record["designed_return"])
    return Talk(right, str(told["prompt"]), str(told["answer"]), turns, paid)


def _lens(told: Mapping[str, Any]) -> Lens:
    texts = [[*map(str, turn["tokens"]), "…" * bool(turn["left_out"])] for turn in told["turns"]]
    rows = [row for row in told["rows"] if row["turns"]]
    values = [v for row in rows for part in (row["turns"], *row["tokens"]) for v in part]
    largest = max(map(abs, values), default=0.0)
    turns = tuple(
        Turn((Piece("text", "".join(text)),), str(turn["reply"]), float(paid))
        for text, turn, paid in zip(texts, told["turns"], told["paid"], strict=True)
    )
    return Lens(
        str(told["prompt"]),
        _group(told),
        turns,
        tuple(_method(row, texts, largest, told["trained"]) for row in rows),
        tuple(_lack(row) for row in told["rows"] if not row["turns"]),
        score_text(largest, "return"),
    )


def _lack(row: Mapping[str, Any]) -> str:
    """Says what a method misses, without the mend for those who write code."""
    return f"{row['method']} ({re.split('[:;]', str(row['check']))[0]})"


def _group(told: Mapping[str, Any]) -> str:
    returns = [float(value) for value in told["returns"]]
    counts = sorted(Counter(returns).items(), reverse=True)
    paid = [f"{n} × {value:.3g}" if n > 1 else f"{value:.3g}" for value, n in counts]
    if len(paid) > 4:
        paid = [f"{min(returns):.3g} to {max(returns):.3g}"]
    end = "right" if told["success"] else "wrong"
    rollouts = count(len(returns), "rollout")
    alike = ", all alike, so there is nothing to compare" if len(set(returns)) == 1 else ""
    return f"{end} in the end; paid within its group of {rollouts}: {listing(paid)}{alike}"


def _method(
    row: Mapping[str, Any], texts: Sequence[Sequence[str]], largest: float, trained: str
) -> Method:
    def credit(value: float, text: str = "") -> Credit:
        if abs(value) <= _ROUNDING:
            return Credit("0", 0, text)
        tint = round(_STRONGEST * math.sqrt(abs(value) / largest))
        return Credit(score_text(value, "return", signed=True), tint if value > 0 else -tint, text)

    tokens = tuple(
        tuple(
            credit(value, "".join(text for _, text in joined))
            for value, joined in itertools.groupby(
                zip(values, text, strict=False), lambda pair: float(pair[0])
            )
        )
        for values, text in zip(row["tokens"], texts, strict=bool(row["tokens"]))
    )
    off = f"off by {float(row['value']):.1g}" if row["value"] else "exactly"
    return Method(
        str(row["method"]),
        row["method"] == trained,
        tuple(credit(float(value)) for value in row["turns"]),
        tokens,
        f"{row['check']} ({off})",
        bool(row["ok"]),
    )
