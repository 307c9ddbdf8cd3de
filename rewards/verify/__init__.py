"""Transcripts scored by rule or tool."""

from rewardsmith.rewards.verify.answers import ExactMatch, TokenF1
from rewardsmith.rewards.verify.call_match import CallMatch
from rewardsmith.rewards.verify.calls import GoldCall, gold_calls, similarity
from rewardsmith.rewards.verify.citations import CitationMatch
from rewardsmith.rewards.verify.costs import FewCalls, LowCost
from rewardsmith.rewards.verify.examples import spoken
from rewardsmith.rewards.verify.format import ErrorFree, MessageFormat
from rewardsmith.rewards.verify.length import Conciseness, ThoughtLength
from rewardsmith.rewards.verify.numbers import NumericMatch
from rewardsmith.rewards.verify.outcome import Abstained, Failed, Outcome, Scored
from rewardsmith.rewards.verify.sql import SqlResult
from rewardsmith.rewards.verify.symbolic import SymbolicMatch
from rewardsmith.rewards.verify.turn_match import MatchedTurns, TurnMatch, turn_rewards
from rewardsmith.rewards.verify.verifier import Fixture, Judgement, Verified, Verifier

__all__ = [
    "Abstained",
    "CallMatch",
    "CitationMatch",
    "Conciseness",
    "ErrorFree",
    "ExactMatch",
    "Failed",
    "FewCalls",
    "Fixture",
    "GoldCall",
    "Judgement",
    "LowCost",
    "MatchedTurns",
    "MessageFormat",
    "NumericMatch",
    "Outcome",
    "Scored",
    "SqlResult",
    "SymbolicMatch",
    "ThoughtLength",
    "TokenF1",
    "TurnMatch",
    "Verified",
    "Verifier",
    "gold_calls",
    "similarity",
    "spoken",
    "turn_rewards",
]
