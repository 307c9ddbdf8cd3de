"""What an answer cites, against what supports it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from rewardsmith.envs.errors import unknown
from rewardsmith.envs.text.message import write
from rewardsmith.envs.text.transcript import TextTask, ToolCall, Transcript
from rewardsmith.rewards.verify.examples import spoken
from rewardsmith.rewards.verify.outcome import Abstained, Outcome, Scored
from rewardsmith.rewards.verify.verifier import Fixture, Verifier

Measure = Literal["precision", "recall", "f1"]


@dataclass
class CitationMatch(Verifier):
    """How far the cited ids are the supporting ones, as sets.

        precision = |cited n supports| / |cited|
        recall    = |cited n supports| / |supports|
        f1        = 2 |cited n supports| / (|cited| + |supports|)

    Cited is the argument `id` of every call of the tool `cite`; what supports the answer is the
    task's fact "supports". Nothing cited where nothing supports is 1. Precision alone pays for
    one safe citation, recall alone for citing everything. Abstains without the fact.

    Args:
        measure: "precision", "recall" or "f1".

    Raises:
        ConfigError: If the measure is unknown.
    """

    measure: Measure = "f1"

    def __post_init__(self) -> None:
        if self.measure not in get_args(Measure):
            raise unknown("measure", self.measure, get_args(Measure), where="CitationMatch.measure")

    def score(self, transcript: Transcript) -> Outcome:
        """Returns the measure, and all three as parts."""
        if "supports" not in transcript.task.facts:
            return Abstained("the task does not say what supports its answer")
        supports = {str(name) for name in transcript.task.facts["supports"]}
        cited = {
            str(call.arguments["id"])
            for call in transcript.calls
            if call.name == "cite" and "id" in call.arguments
        }
        if not cited and not supports:
            return Scored(1.0)
        shared = len(cited & supports)
        parts = {
            "precision": shared / max(len(cited), 1),
            "recall": shared / max(len(supports), 1),
            "f1": 2 * shared / (len(cited) + len(supports)),
        }
        return Scored(parts[self.measure], parts)

    def fixtures(self) -> list[Fixture]:
        """Returns examples with two supporting documents."""
        third = {"precision": 1 / 3, "recall": 0.5, "f1": 0.4}[self.measure]
        return [
            Fixture("full", _cites("a", "b", "b"), 1.0),
            Fixture("zero", _cites("x"), 0.0),
            Fixture("zero", spoken(_TASK, write([ToolCall("open", {"id": "a"})])), 0.0),
            Fixture("partial", _cites("a", "x", "y"), third),
            Fixture("malformed", spoken(_TASK, "<tool_call>cite a</tool_call>"), 0.0),
            Fixture("abstain", spoken(TextTask("q", "Why?", "So."), write(answer="So.")), None),
        ]


_TASK = TextTask("q", "Why?", "So.", facts={"supports": ("a", "b")})


def _cites(*names: str) -> Transcript:
    return spoken(_TASK, write([ToolCall("cite", {"id": name}) for name in names]))
