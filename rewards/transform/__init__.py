"""Transforms: a reward stream becomes another reward stream."""

from rewardsmith.rewards.transform.anneal import Anneal
from rewardsmith.rewards.transform.noise import FlipNoise
from rewardsmith.rewards.transform.normalise import Normalise
from rewardsmith.rewards.transform.process import Clip, Delta
from rewardsmith.rewards.transform.sigmoid import CenteredSigmoid, sigmoid

__all__ = [
    "Anneal",
    "CenteredSigmoid",
    "Clip",
    "Delta",
    "FlipNoise",
    "Normalise",
    "sigmoid",
]
