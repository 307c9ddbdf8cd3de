"""`Verifier`: scores a transcript by rule or tool; `Verified` pays by it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.envs.text.transcript import Transcript
from rewardsmith.rewards.component import Component, Term
from rewardsmith.rewards.transition import Transition
from rewardsmith.rewards.verify.outcome import Failed, Outcome, Scored

At = Literal["end", "turn"]


@dataclass(frozen=True, slots=True)
class Fixture:
    """A transcript and the score it must get: a verifier's own test.

    Attributes:
        kind: "full", "zero", "partial" or "malformed".
        transcript: What is judged.
        value: The score, or None where the verifier must abstain.
    """

    kind: str
    transcript: Transcript
    value: float | None


class Verifier(Component):
    """Scores a transcript in [0, 1]; equal transcripts get equal scores.

    A subclass is a dataclass whose fields are its settings. It judges what stands in the
    transcript's turns (parsed messages, tool results) and in its task, never text that a tool
    brought in.
    """

    judges_content: bool = True
    """Whether a wrong answer must score less than a right one; false for form and cost."""
    prices_effort: bool = False
    """Whether a right way may score less than 1, since it takes calls or words."""

    @abstractmethod
    def score(self, transcript: Transcript) -> Outcome:
        """Returns the outcome of a transcript, of which the last turn is the newest."""

    @abstractmethod
    def fixtures(self) -> list[Fixture]:
        """Returns transcripts with the scores they must get, one of each kind at least."""

    def __call__(self, transcript: Transcript) -> Outcome:
        """Returns `score`, and `Failed` where it raises: a defect is no judgement."""
        try:
            return self.score(transcript)
        except Exception as error:
            return Failed(f"{type(error).__name__}: {error}")


def needs_transcripts(card: EnvCard, who: str) -> None:
    """Raises ConfigError if a task has no transcript that `who` could judge."""
    if not card.is_fact("answered"):
        raise ConfigError(
            f"{who} judges transcripts, {card.id} is no text task; "
            "use an environment such as env=calculator"
        )


@dataclass
class Verified(Term):
    """Pays offset + scale * score where a verifier reached a score.

    Where it abstained or failed nothing is paid and the row is marked in `unscored`, so that
    advantages leave the episode out instead of taking it for a failure.

    Args:
        verifier: What judges.
        at: "end": the last step of an episode is paid, by the whole transcript. "turn": every
            step, by the transcript up to it.
        scale: Factor of the score.
        offset: Added to it.

    Raises:
        ConfigError: If `at` is unknown, or the task has no transcript.
    """

    verifier: Verifier
    at: At = "end"
    scale: float = 1.0
    offset: float = 0.0
    outcomes: list[Outcome | None] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if self.at not in get_args(At):
            raise ConfigError(f"Verified.at must be 'end' or 'turn', got {self.at!r}")

    def bind(self, card: EnvCard) -> None:
        """Checks that the task is a text task."""
        needs_transcripts(card, type(self.verifier).__name__)
        self.verifier.bind(card)

    def __call__(self, transition: Transition) -> FloatArray:
        """Returns the pay, float64 (n,)."""
        asked = transition.active if self.at == "turn" else transition.active & transition.done
        pay = np.zeros(transition.n)
        self.outcomes = [None] * transition.n
        self.unscored = np.zeros(transition.n, dtype=np.bool_)
        for row in np.flatnonzero(asked):
            outcome = self.verifier(transition.info["transcript"][row])
            self.outcomes[row] = outcome
            if isinstance(outcome, Scored):
                pay[row] = self.offset + self.scale * outcome.value
            else:
                self.unscored[row] = True
        return pay


@dataclass
class Judgement(Verifier):
    """A plain function of the transcript as a verifier, for ten-line rewards.

    Args:
        function: `Transcript -> float in [0, 1]`, or an `Outcome`. To survive YAML it must be
            importable by name.
        judges_content: See `Verifier`; preflight holds the function to it.
        prices_effort: See `Verifier`.

    Example:
        >>> brief = Judgement(lambda transcript: 1.0 / len(transcript.turns), False, True)
    """

    function: Callable[[Transcript], Any]
    judges_content: bool = True
    prices_effort: bool = False

    def score(self, transcript: Transcript) -> Outcome:
        """Returns the function's outcome."""
        value = self.function(transcript)
        return Scored(float(value)) if isinstance(value, int | float) else value

    def fixtures(self) -> list[Fixture]:
        """Returns none: a function brings no examples."""
        return []
