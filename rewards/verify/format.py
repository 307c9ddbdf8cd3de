"""The form of messages: the right blocks in the right order, and calls that work."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from rewardsmith.envs.errors import unknown
from rewardsmith.envs.text.message import ANSWER, CALL, THINK, write
from rewardsmith.envs.text.tools import ToolError
from rewardsmith.envs.text.transcript import Message, TextTask, ToolCall, Transcript, Turn
from rewardsmith.rewards.verify.examples import spoken
from rewardsmith.rewards.verify.outcome import Scored
from rewardsmith.rewards.verify.verifier import Fixture, Verifier

Scope = Literal["message", "episode"]

_TAG = re.compile(f"<(/?)({THINK}|{CALL}|{ANSWER})>")


def blocks(text: str) -> tuple[str, ...] | None:
    """Returns the names of a message's blocks in order.

    None if anything but space stands outside of them, or a tag is nested, open or repeated.

    Example:
        >>> blocks("<think>Add.</think> <answer>65</answer>")
        ('think', 'answer')
        >>> blocks("It is <answer>65</answer>"), blocks("<answer>6</answer><answer>5</answer>")
        (None, None)
    """
    names: list[str] = []
    at, inside = 0, ""
    for mark in _TAG.finditer(text):
        closing, name = mark.groups()
        if closing:
            if name != inside:
                return None
            inside = ""
        else:
            if inside or name in names or text[at : mark.start()].strip():
                return None
            inside = name
            names.append(name)
        at = mark.end()
    return None if inside or text[at:].strip() else tuple(names)


@dataclass
class MessageFormat(Verifier):
    """1 if messages have the form, else 0: R_format of ToolRL, arXiv 2504.13958.

    The form, from the first character to the last: a block of thought, then one block of calls
    or one answer; each tag once, nothing besides, and every call readable.

    Args:
        think: Whether a message must begin with a thought; if not, it may.
        scope: "message": the newest message is judged, as ToolRL judges each reply; for
            `Verified(at="turn")`. "episode": all messages must have the form.

    Raises:
        ConfigError: If the scope is unknown.
    """

    think: bool = False
    scope: Scope = "episode"

    judges_content = False

    def __post_init__(self) -> None:
        _check(self.scope, "MessageFormat.scope")

    def score(self, transcript: Transcript) -> Scored:
        """Returns whether the form was kept, and the share of the messages that keep it."""
        kept = [self._kept(turn.message) for turn in _judged(transcript, self.scope)]
        share = sum(kept) / max(len(kept), 1)
        return Scored(float(share == 1.0), {"share": share})

    def _kept(self, message: Message) -> bool:
        found = blocks(message.text)
        if not found or message.errors:
            return False
        thought, *rest = found if found[0] == THINK else ("", *found)
        return rest in ([CALL], [ANSWER]) and bool(thought or not self.think)

    def fixtures(self) -> list[Fixture]:
        """Returns examples with and without thought."""
        call, bare = write([_CALL], think="Add."), write(answer="2")
        last = write(answer="2", think="Done.")
        late = f"{bare}<{THINK}>Done.</{THINK}>"
        return [
            Fixture("full", spoken(_TASK, call, last), 1.0),
            Fixture("full", spoken(_TASK, call, bare), float(not self.think)),
            Fixture("partial", spoken(_TASK, "Hm.", last), float(self.scope == "message")),
            Fixture("zero", spoken(_TASK, "2"), 0.0),
            Fixture("zero", spoken(_TASK, f"It is {last}"), 0.0),
            Fixture("zero", spoken(_TASK, late), 0.0),
            Fixture("zero", spoken(_TASK, write([_CALL]) * 2), 0.0),
            Fixture("zero", spoken(_TASK, f"<{THINK}>2</{THINK}>"), 0.0),
            Fixture("malformed", spoken(_TASK, f"<{CALL}>add 1 1</{CALL}>"), 0.0),
            Fixture("malformed", spoken(_TASK, f"<{ANSWER}>2"), 0.0),
        ]


@dataclass
class ErrorFree(Verifier):
    """The share of calls that did what was asked, of those that ran or could not be read.

        score = done / (done + failed + unreadable), 1 where nothing was tried

    The "valid execution" of agents with tools: VerlTool, arXiv 2509.01055, whose turn reward is
    0.3 of this share.

    Args:
        scope: "message": of the newest message. "episode": of all.

    Raises:
        ConfigError: If the scope is unknown.
    """

    scope: Scope = "episode"

    judges_content = False

    def __post_init__(self) -> None:
        _check(self.scope, "ErrorFree.scope")

    def score(self, transcript: Transcript) -> Scored:
        """Returns the share."""
        turns = _judged(transcript, self.scope)
        done = [result.ok for turn in turns for result in turn.results]
        tried = len(done) + sum(len(turn.message.errors) for turn in turns)
        return Scored(sum(done) / tried if tried else 1.0)

    def fixtures(self) -> list[Fixture]:
        """Returns examples with calls that work and calls that fail."""
        failed, call = ToolError("no."), write([_CALL])
        return [
            Fixture("full", spoken(_TASK, call, call, values=[2, 2]), 1.0),
            Fixture("full", spoken(_TASK, write(answer="2")), 1.0),
            Fixture("zero", spoken(_TASK, call, values=[failed]), 0.0),
            Fixture("partial", spoken(_TASK, write([_CALL] * 3), values=[2, failed, 2]), 2 / 3),
            Fixture("malformed", spoken(_TASK, f"<{CALL}>add</{CALL}>"), 0.0),
        ]


_TASK = TextTask("sum", "1 + 1?", "2")
_CALL = ToolCall("add", {"a": 1, "b": 1})


def _judged(transcript: Transcript, scope: Scope) -> tuple[Turn, ...]:
    return transcript.turns[-1:] if scope == "message" else transcript.turns


def _check(scope: str, where: str) -> None:
    if scope not in get_args(Scope):
        raise unknown("scope", scope, get_args(Scope), where=where)
