"""The final answer's words against the right ones: exact match, and F1 of their words."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from rewardsmith.envs.text.exact_match import matches, normalise
from rewardsmith.envs.text.message import write
from rewardsmith.envs.text.transcript import TextTask, Transcript
from rewardsmith.rewards.verify.examples import spoken
from rewardsmith.rewards.verify.outcome import Scored
from rewardsmith.rewards.verify.verifier import Fixture, Verifier

_PUNCTUATION = re.compile(r"[^\w\s]|_")


def gold_answers(task: TextTask) -> tuple[str, ...]:
    """Returns every right answer: the fact "answers" of the task, or its one answer."""
    return tuple(task.facts["answers"]) if "answers" in task.facts else (task.answer,)


def token_f1(said: list[str], gold: list[str]) -> float:
    """Returns 2 |A n B| / (|A| + |B|) of two multisets of words; 1 if both are empty.

    Example:
        >>> token_f1(["in", "paris"], ["paris"]), token_f1(["no", "no"], ["no"])
        (0.6666666666666666, 0.6666666666666666)
    """
    if not said or not gold:
        return float(said == gold)
    shared = sum((Counter(said) & Counter(gold)).values())
    return 2.0 * shared / (len(said) + len(gold))


@dataclass
class ExactMatch(Verifier):
    """1 if the answer's words are those of a right answer, in order; else 0.

    Case, punctuation and articles do not count. Not for numbers: without its point 6.5 is 65;
    use `NumericMatch`.

    Source: SQuAD, Rajpurkar et al. 2016, arXiv 1606.05250.
    """

    def score(self, transcript: Transcript) -> Scored:
        """Returns the match; 0 without an answer."""
        if transcript.answer is None:
            return Scored(0.0, reason="no answer")
        return Scored(float(matches(transcript.answer, gold_answers(transcript.task))))

    def fixtures(self) -> list[Fixture]:
        """Returns examples about a capital."""
        return [
            Fixture("full", _says("The Paris."), 1.0),
            Fixture("full", _says("city of light"), 1.0),
            Fixture("zero", _says("Rome"), 0.0),
            Fixture("partial", _says("Paris in France"), 0.0),
            Fixture("malformed", spoken(_CAPITAL, "Paris"), 0.0),
        ]


@dataclass
class TokenF1(Verifier):
    """F1 of the answer's words and a right answer's, the best of the right answers.

        F1 = 2 |said n gold| / (|said| + |gold|), of multisets of words

    Source: SQuAD, Rajpurkar et al. 2016, arXiv 1606.05250; MatchTIR, arXiv 2601.10712, for the
    form with sets.

    Args:
        sets: Count each word once and keep the articles, as MatchTIR does.
    """

    sets: bool = False

    def score(self, transcript: Transcript) -> Scored:
        """Returns the F1; 0 without an answer."""
        if transcript.answer is None:
            return Scored(0.0, reason="no answer")
        said = self._words(transcript.answer)
        golds = gold_answers(transcript.task)
        return Scored(max(token_f1(said, self._words(gold)) for gold in golds))

    def _words(self, text: str) -> list[str]:
        if self.sets:
            return sorted(set(_PUNCTUATION.sub("", text.lower()).split()))
        return normalise(text).split()

    def fixtures(self) -> list[Fixture]:
        """Returns examples about a capital."""
        return [
            Fixture("full", _says("paris"), 1.0),
            Fixture("zero", _says("Rome"), 0.0),
            Fixture("partial", _says("Paris in France"), 0.5),
            Fixture("partial", _says("light light light"), 0.5 if self.sets else 1 / 3),
            Fixture("malformed", spoken(_CAPITAL, "<answer>Paris"), 0.0),
        ]


_CAPITAL = TextTask(
    "capital", "What is the capital?", "Paris", facts={"answers": ("Paris", "City of Light")}
)


def _says(answer: str) -> Transcript:
    return spoken(_CAPITAL, write(answer=answer))
