"""How much an agent writes: thoughts that are long enough, messages that are short."""

from __future__ import annotations

from dataclasses import dataclass

from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.text.message import write
from rewardsmith.envs.text.transcript import TextTask, Transcript
from rewardsmith.rewards.verify.examples import spoken
from rewardsmith.rewards.verify.outcome import Scored
from rewardsmith.rewards.verify.verifier import Fixture, Verifier


@dataclass
class ThoughtLength(Verifier):
    """min(1, words / target), with the words of all thoughts, rounded to two decimals.

    The length reward of ToolRL, arXiv 2504.13958, where it did not help; any words will do, so
    it pays for padding.

    Args:
        target: Words that earn the whole score, at least 1.

    Raises:
        ConfigError: If the target is below 1.
    """

    target: int = 512

    judges_content = False
    prices_effort = True

    def __post_init__(self) -> None:
        if self.target < 1:
            raise ConfigError(f"ThoughtLength.target must be at least 1 word, got {self.target}")

    def score(self, transcript: Transcript) -> Scored:
        """Returns the share of the target."""
        said = sum(len((turn.message.think or "").split()) for turn in transcript.turns)
        return Scored(min(1.0, round(said / self.target, 2)), {"words": said})

    def fixtures(self) -> list[Fixture]:
        """Returns examples with thoughts of several lengths."""

        def thinks(count: int) -> Transcript:
            return spoken(_TASK, write(answer="2", think="so " * count))

        half = self.target // 2
        return [
            Fixture("full", thinks(self.target), 1.0),
            Fixture("full", thinks(2 * self.target), 1.0),
            Fixture("partial", thinks(half), round(half / self.target, 2)),
            Fixture("zero", spoken(_TASK, write(answer="2")), 0.0),
            Fixture("malformed", spoken(_TASK, "<think>so so so"), 0.0),
        ]


@dataclass
class Conciseness(Verifier):
    """max(0, 1 - L / longest), L the characters the agent wrote in the episode.

    A stand-in for the learned conciseness score of CRF, arXiv 2511.09158. Alone it pays most for
    saying nothing: combine it with the outcome by `ConcisenessBonus`.

    Args:
        longest: Characters at which nothing is left, at least 1.

    Raises:
        ConfigError: If it is below 1.
    """

    longest: int = 2_000

    judges_content = False
    prices_effort = True

    def __post_init__(self) -> None:
        if self.longest < 1:
            raise ConfigError(f"Conciseness.longest must be at least 1, got {self.longest}")

    def score(self, transcript: Transcript) -> Scored:
        """Returns what is left."""
        said = sum(len(turn.message.text) for turn in transcript.turns)
        return Scored(max(0.0, 1.0 - said / self.longest), {"characters": said})

    def fixtures(self) -> list[Fixture]:
        """Returns examples of several lengths."""
        half = self.longest // 2
        return [
            Fixture("full", spoken(_TASK, ""), 1.0),
            Fixture("partial", spoken(_TASK, "x" * half), 1.0 - half / self.longest),
            Fixture("zero", spoken(_TASK, "x" * self.longest, "x"), 0.0),
            Fixture("malformed", spoken(_TASK, "<answer>" * self.longest), 0.0),
        ]


_TASK = TextTask("sum", "1 + 1?", "2")
