"""What the tools were used for and cost: the less, the higher the score."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

from rewardsmith.envs.errors import ConfigError, unknown
from rewardsmith.envs.text.message import write
from rewardsmith.envs.text.transcript import TextTask, ToolCall, Transcript
from rewardsmith.rewards.verify.examples import spoken
from rewardsmith.rewards.verify.outcome import Scored
from rewardsmith.rewards.verify.verifier import Fixture, Verifier

Form = Literal["linear", "otc"]


@dataclass
class FewCalls(Verifier):
    """What is left after m tool calls, in [0, 1].

        "linear":  max(0, 1 - m / most)
        "otc":     cos(m pi / (2m + most)), which falls from 1 and never reaches 0

    "otc" is the factor of OTC-PPO, arXiv 2504.14870. It multiplies a right answer (`Product`):
    added, it would pay for calling nothing. Of learners that play groups, `FewestCalls` compares
    m with the fewest calls known to do.

    Args:
        most: The most calls allowed, at least 1.
        form: "linear" or "otc".

    Raises:
        ConfigError: If an argument is out of range.
    """

    most: int = 5
    form: Form = "linear"

    judges_content = False
    prices_effort = True

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ConfigError(f"FewCalls.most must be at least 1, got {self.most}")
        if self.form not in get_args(Form):
            raise unknown("form", self.form, get_args(Form), where="FewCalls.form")

    def score(self, transcript: Transcript) -> Scored:
        """Returns what is left; m counts the calls that were run."""
        m = len(transcript.results)
        if self.form == "otc":
            return Scored(math.cos(m * math.pi / (2 * m + self.most)), {"calls": m})
        return Scored(max(0.0, 1.0 - m / self.most), {"calls": m})

    def fixtures(self) -> list[Fixture]:
        """Returns examples with no call, the most calls, and one that could not be read."""
        most, otc = write([_CALL] * self.most), self.form == "otc"
        return [
            Fixture("full", spoken(_TASK, write(answer="2")), 1.0),
            Fixture("zero", spoken(_TASK, most), 0.5 if otc else 0.0),
            Fixture("partial", spoken(_TASK, most, most), math.cos(0.4 * math.pi) * otc),
            Fixture("malformed", spoken(_TASK, "<tool_call>add</tool_call>"), 1.0),
        ]


@dataclass
class LowCost(Verifier):
    """max(0, 1 - cost / most), with the cost of all calls in the task's unit.

    Args:
        most: Cost at which nothing is left, positive.

    Raises:
        ConfigError: If it is not positive.
    """

    most: float = 1.0

    judges_content = False
    prices_effort = True

    def __post_init__(self) -> None:
        if not self.most > 0:
            raise ConfigError(f"LowCost.most must be positive, got {self.most}")

    def score(self, transcript: Transcript) -> Scored:
        """Returns what is left."""
        return Scored(max(0.0, 1.0 - transcript.cost / self.most), {"cost": transcript.cost})

    def fixtures(self) -> list[Fixture]:
        """Returns examples with calls of several prices."""
        return [
            Fixture("full", _priced(0.0), 1.0),
            Fixture("partial", _priced(self.most / 4), 0.75),
            Fixture("zero", _priced(2 * self.most), 0.0),
            Fixture("malformed", spoken(_TASK, "<tool_call>add</tool_call>"), 1.0),
        ]


_TASK = TextTask("sum", "1 + 1?", "2")
_CALL = ToolCall("add", {"a": 1, "b": 1})


def _priced(cost: float) -> Transcript:
    (turn,) = spoken(_TASK, write([_CALL])).turns
    results = tuple(replace(result, cost=cost) for result in turn.results)
    return Transcript(_TASK, (replace(turn, results=results),))
