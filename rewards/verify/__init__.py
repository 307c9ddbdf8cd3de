"""Transcripts scored by rule or tool."""

from rewardsmith.rewards.verify.outcome import Abstained, Failed, Outcome, Scored
from rewardsmith.rewards.verify.verifier import Fixture, Judgement, Verified, Verifier

__all__ = [
    "Abstained",
    "Failed",
    "Fixture",
    "Judgement",
    "Outcome",
    "Scored",
    "Verified",
    "Verifier",
]
