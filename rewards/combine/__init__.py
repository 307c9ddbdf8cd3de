"""Combiners: several terms become one scalar."""

from rewardsmith.rewards.combine.gated import Gate
from rewardsmith.rewards.combine.products import Product
from rewardsmith.rewards.combine.sigmoid import LogSigmoidSum, log_sigmoid, quantile_reference
from rewardsmith.rewards.combine.sums import WeightedSum

__all__ = [
    "Gate",
    "LogSigmoidSum",
    "Product",
    "WeightedSum",
    "log_sigmoid",
    "quantile_reference",
]
