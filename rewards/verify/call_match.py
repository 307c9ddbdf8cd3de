"""All calls of an episode against the right ones, as ToolRL scores them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from rewardsmith.envs.errors import unknown
from rewardsmith.envs.text.message import write
from rewardsmith.envs.text.transcript import TextTask, ToolCall, Transcript
from rewardsmith.rewards.verify.assignment import greedy, hungarian
from rewardsmith.rewards.verify.calls import GoldCall, gold_calls, overlap
from rewardsmith.rewards.verify.examples import spoken
from rewardsmith.rewards.verify.outcome import Abstained, Outcome, Scored
from rewardsmith.rewards.verify.verifier import Fixture, Verifier

Granularity = Literal["fine", "refined", "intermediate", "coarse"]
Assignment = Literal["greedy", "hungarian"]

_ASSIGN = {"greedy": greedy, "hungarian": hungarian}


@dataclass
class CallMatch(Verifier):
    """How well the calls agree with the right ones: R_correct of ToolRL, in [0, 1].

        score = (overlap(names, names') + sum over matched pairs w) / (1 + sum_g (1 + |keys_g|))
        w     = overlap(keys, keys') + #{k: v_k = v'_k}    of two calls of the same name

    with overlap the |A n B| / |A u B| of multisets. ToolRL pays 6 score - 3: give `Verified`
    `scale=6, offset=-3`. Calls that cannot be read count as none, so "no call" pays -3. What a
    gold call lets one leave out is no key of it unless it is said; w is then scaled to the
    keys that must be there.

    Abstains where no right calls are known.

    Source: ToolRL, arXiv 2504.13958.

    Args:
        granularity: "fine": as above. "refined": an overlap is 1 if both are equal, else 0.
            "intermediate": a pair counts 1 if the calls are the same, else 0. "coarse": the
            score is 1 if all is right, else 0.
        assignment: "greedy": each right call in turn takes the best call left, as ToolRL has
            it. "hungarian": the pairs that are worth the most together.

    Raises:
        ConfigError: If a setting is unknown.
    """

    granularity: Granularity = "fine"
    assignment: Assignment = "greedy"

    def __post_init__(self) -> None:
        for name, known in (("granularity", Granularity), ("assignment", Assignment)):
            value = getattr(self, name)
            if value not in get_args(known):
                raise unknown(name, value, get_args(known), where=f"CallMatch.{name}")

    def score(self, transcript: Transcript) -> Outcome:
        """Returns the agreement of all calls of the transcript."""
        gold, said = gold_calls(transcript.task), transcript.calls
        if not gold:
            return Abstained("the task does not say which calls are right")
        names = self._overlap([good.name for good in gold], [call.name for call in said])
        table = [[self._worth(good, call) for call in said] for good in gold]
        worth = np.array(table, dtype=np.float64).reshape(len(gold), len(said))
        matched = sum(worth[i, j] for i, j in _ASSIGN[self.assignment](worth))
        value = float(names + matched) / (1.0 + sum(map(self._most, gold)))
        parts = {"names": names, "calls": float(matched)}
        return Scored(float(value == 1.0) if self.granularity == "coarse" else value, parts)

    def _overlap(self, gold: list[str], said: list[str]) -> float:
        if self.granularity == "refined":
            return float(sorted(gold) == sorted(said))
        return overlap(gold, said)

    def _worth(self, good: GoldCall, call: ToolCall) -> float:
        if self.granularity == "intermediate":
            return float(good.accepts(call))
        if good.name != call.name:
            return 0.0
        keys = good.keys(call)
        agreed = self._overlap(list(keys), list(call.arguments)) + good.right_values(call)
        return agreed / (1 + len(keys)) * self._most(good)

    def _most(self, good: GoldCall) -> int:
        if self.granularity == "intermediate":
            return 1
        return 1 + len(good.accepted) - len(good.optional)

    def fixtures(self) -> list[Fixture]:
        """Returns examples of two right calls; the first partial one pays 0.5 in ToolRL."""
        return [
            Fixture("full", _calls(_F, _G), 1.0),
            Fixture("full", _calls(_G, _F), 1.0),
            Fixture("partial", _calls(_F), self._at(7 / 12, 1 / 2, 1 / 2)),
            Fixture("partial", _calls(_G, _WRONG_VALUE), self._at(5 / 6, 5 / 6, 2 / 3)),
            Fixture("zero", _calls(ToolCall("h", {"x": 1})), 0.0),
            Fixture("zero", spoken(_TASK, write(answer="f(1, 2) and g(3)")), 0.0),
            Fixture("malformed", spoken(_TASK, "<tool_call>f(1, 2)</tool_call>"), 0.0),
            Fixture("abstain", spoken(TextTask("q", "?", "!"), write([_F])), None),
        ]

    def _at(self, fine: float, refined: float, intermediate: float) -> float:
        values = {"fine": fine, "refined": refined, "intermediate": intermediate, "coarse": 0.0}
        return values[self.granularity]


_F = ToolCall("f", {"a": 1, "b": 2})
_G = ToolCall("g", {"x": 3})
_WRONG_VALUE = ToolCall("f", {"a": 1, "b": 9})
_TASK = TextTask("calls", "Call f, then g.", "done", (_F, _G))


def _calls(*calls: ToolCall) -> Transcript:
    return spoken(_TASK, write(calls))
