"""Combiners: several terms become one scalar."""

from rewardsmith.rewards.combine.adaptive import AdaptiveWeights
from rewardsmith.rewards.combine.conciseness import ConcisenessBonus
from rewardsmith.rewards.combine.gated import Gate
from rewardsmith.rewards.combine.products import Product
from rewardsmith.rewards.combine.relevance_first import RelevanceFirstSum
from rewardsmith.rewards.combine.sigmoid import LogSigmoidSum, log_sigmoid, quantile_reference
from rewardsmith.rewards.combine.sums import WeightedSum

__all__ = [
    "AdaptiveWeights",
    "ConcisenessBonus",
    "Gate",
    "LogSigmoidSum",
    "Product",
    "RelevanceFirstSum",
    "WeightedSum",
    "log_sigmoid",
    "quantile_reference",
]
