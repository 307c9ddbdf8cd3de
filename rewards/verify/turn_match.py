"""Each turn's calls against the right ones, matched over the episode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import unknown
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.envs.text.message import write
from rewardsmith.envs.text.transcript import TextTask, ToolCall, Transcript
from rewardsmith.rewards.component import Term
from rewardsmith.rewards.transition import Transition
from rewardsmith.rewards.verify.answers import TokenF1
from rewardsmith.rewards.verify.assignment import greedy, hungarian, sinkhorn
from rewardsmith.rewards.verify.calls import gold_calls, similarities
from rewardsmith.rewards.verify.examples import spoken
from rewardsmith.rewards.verify.outcome import Abstained, Outcome, Scored
from rewardsmith.rewards.verify.verifier import Fixture, Verifier, needs_transcripts

Matching = Literal["hungarian", "greedy", "sinkhorn"]


def turn_rewards(
    transcript: Transcript, matching: Matching = "hungarian", unmatched: float = 0.0
) -> FloatArray:
    """Returns what MatchTIR gives every turn, float64 (T,), by matching all calls of the episode.

        call i:  S_ij if it is matched with the right call j, else `unmatched`;
                 with "sinkhorn" sum_j T_ij S_ij for the transport plan T
        turn:    the mean of its calls; for the answer the F1 of its words, as sets

    A turn with neither gets 0. S is `similarity`. By "sinkhorn" all calls together get at most 1.

    Source: arXiv 2601.10712.
    """
    gold, said = gold_calls(transcript.task), transcript.calls
    paid = _call_rewards(similarities(gold, said), matching, unmatched)
    rewards, at = np.zeros(len(transcript.turns)), 0
    for t, turn in enumerate(transcript.turns):
        count = len(turn.message.calls)
        if turn.message.answer is not None:
            rewards[t] = TokenF1(sets=True).score(transcript).value
        elif count:
            rewards[t] = paid[at : at + count].mean()
        at += count
    return rewards


def _call_rewards(scores: FloatArray, matching: Matching, unmatched: float) -> FloatArray:
    """Returns the reward of every call, (P,), from `scores` (G, P)."""
    if matching == "sinkhorn":
        plan = sinkhorn(scores) if scores.size else scores
        return np.asarray((plan * scores).sum(axis=0))
    paid = np.full(scores.shape[1], unmatched)
    for i, j in (hungarian if matching == "hungarian" else greedy)(scores):
        paid[j] = scores[i, j]
    return paid


@dataclass
class TurnMatch(Verifier):
    """What `turn_rewards` gives the newest turn, matched with the calls so far.

    For `Verified(at="turn")`: a step's score, known at once. Abstains where no right calls are
    known.

    Source: MatchTIR, arXiv 2601.10712, there over the finished episode: see `MatchedTurns`.

    Args:
        matching: "hungarian", "greedy" or "sinkhorn".

    Raises:
        ConfigError: If the matching is unknown.
    """

    matching: Matching = "hungarian"

    def __post_init__(self) -> None:
        _check(self.matching, "TurnMatch")

    def score(self, transcript: Transcript) -> Outcome:
        """Returns the newest turn's score; 0 before the first."""
        if not transcript.task.calls:
            return Abstained("the task does not say which calls are right")
        if not transcript.turns:
            return Scored(0.0, reason="nothing was said")
        return Scored(min(1.0, float(turn_rewards(transcript, self.matching)[-1])))

    def fixtures(self) -> list[Fixture]:
        """Returns examples of a task with one call and an answer."""
        soft = self.matching == "sinkhorn"
        right, wrong = write([_ADD]), write([ToolCall("add", {"a": 1, "b": 9})])
        return [
            Fixture("full", spoken(_TASK, right), 1.0),
            Fixture("full", spoken(_TASK, right, write(answer="5")), 1.0),
            Fixture("partial", spoken(_TASK, wrong), 0.75),
            Fixture("zero", spoken(_TASK, write([ToolCall("subtract", {})])), 0.0),
            Fixture("zero", spoken(_TASK, right, right), 0.5 if soft else 0.0),
            Fixture("zero", spoken(_TASK, right, write(answer="6")), 0.0),
            Fixture("malformed", spoken(_TASK, "<tool_call>add 2 3</tool_call>"), 0.0),
            Fixture("abstain", spoken(TextTask("q", "?", "!"), right), None),
        ]


@dataclass
class MatchedTurns(Term):
    """Pays every turn what `turn_rewards` gives it: MatchTIR, arXiv 2601.10712.

    Which call is matched is known once the episode is over: online its sum is paid on the last
    step, `place` puts each turn's reward on the turn. A term rather than a verifier, since what
    is unmatched may cost. Rows without right calls are `unscored`.

    Args:
        matching: "hungarian" (the paper's hard form), "greedy", or "sinkhorn" (its soft form).
        unmatched: Pay of a call without a match, usually 0 or less; not used by "sinkhorn".

    Raises:
        ConfigError: If the matching is unknown, or the task has no transcript.
    """

    matching: Matching = "hungarian"
    unmatched: float = 0.0

    def __post_init__(self) -> None:
        _check(self.matching, "MatchedTurns")

    def bind(self, card: EnvCard) -> None:
        """Checks that the task is a text task."""
        needs_transcripts(card, "MatchedTurns")

    def __call__(self, transition: Transition) -> FloatArray:
        """Returns the pay that is due now, float64 (n,)."""
        pay, self.unscored = np.zeros(transition.n), np.zeros(transition.n, dtype=np.bool_)
        for row in np.flatnonzero(transition.active & transition.done):
            transcript = transition.info["transcript"][row]
            if transcript.task.calls:
                pay[row] = turn_rewards(transcript, self.matching, self.unmatched).sum()
            else:
                self.unscored[row] = True
        return pay

    def place(self, transitions: list[Transition]) -> FloatArray:
        """Returns the pay of one finished episode on its own turns, (T,)."""
        transcript = transitions[-1].info["transcript"][0]
        self.unscored = np.array([not transcript.task.calls])
        if self.unscored[0]:
            return np.zeros(len(transitions))
        return turn_rewards(transcript, self.matching, self.unmatched)[-len(transitions) :]


_ADD = ToolCall("add", {"a": 1, "b": 4})
_TASK = TextTask("sum", "1 + 4?", "5", (_ADD,))


def _check(matching: str, where: str) -> None:
    if matching not in get_args(Matching):
        raise unknown("matching", matching, get_args(Matching), where=f"{where}.matching")
