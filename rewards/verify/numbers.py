"""The final answer as a number."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.text.arithmetic import read_number
from rewardsmith.envs.text.message import write
from rewardsmith.envs.text.transcript import TextTask, Transcript
from rewardsmith.rewards.verify.examples import spoken
from rewardsmith.rewards.verify.outcome import Abstained, Outcome, Scored
from rewardsmith.rewards.verify.verifier import Fixture, Verifier


@dataclass
class NumericMatch(Verifier):
    """1 if the answer is one number and the right one, `wrong` if it is another number, else 0.

    Signs of money and per cent, thousands separators, decimals and fractions are read; numbers
    are compared exactly, as fractions. With `wrong=0.1` this is the partial reward of ReFT,
    arXiv 2401.08967, which keeps a policy from falling silent.

    Abstains where the right answer is no number.

    Args:
        tolerance: Largest difference that still counts as equal, at least 0.
        wrong: Score of a number that is not the right one, in [0, 1).

    Raises:
        ConfigError: If an argument is out of range.
    """

    tolerance: float = 1e-6
    wrong: float = 0.0

    def __post_init__(self) -> None:
        if not self.tolerance >= 0:
            raise ConfigError(f"NumericMatch.tolerance must be at least 0, got {self.tolerance}")
        if not 0 <= self.wrong < 1:
            raise ConfigError(f"NumericMatch.wrong must be in [0, 1), got {self.wrong}")

    def score(self, transcript: Transcript) -> Outcome:
        """Returns the match."""
        gold = read_number(transcript.task.answer)
        if gold is None:
            return Abstained(f"the right answer is no number: {transcript.task.answer[:80]!r}")
        said = None if transcript.answer is None else read_number(transcript.answer)
        if said is None:
            return Scored(0.0, reason="the answer is not one number")
        return Scored(1.0 if abs(said - gold) <= Fraction(self.tolerance) else self.wrong)

    def fixtures(self) -> list[Fixture]:
        """Returns examples around 42; "42", "41" and "no number" are those of ReFT."""
        answers = TextTask("answer", "6 * 7?", "42")
        unknown = TextTask("unknown", "Why?", "Because.")
        return [
            Fixture("full", spoken(answers, write(answer="42")), 1.0),
            Fixture("full", spoken(answers, write(answer="$42.00")), 1.0),
            Fixture("partial", spoken(answers, write(answer="41")), self.wrong),
            Fixture("zero", spoken(answers, write(answer="no number")), 0.0),
            Fixture("zero", spoken(answers, write(answer="41 or 42")), 0.0),
            Fixture("malformed", spoken(answers, "<answer>42"), 0.0),
            Fixture("abstain", spoken(unknown, write(answer="42")), None),
        ]
