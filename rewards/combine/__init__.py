"""Combiners: several terms become one scalar."""

from rewardsmith.rewards.combine.sums import WeightedSum

__all__ = ["WeightedSum"]
