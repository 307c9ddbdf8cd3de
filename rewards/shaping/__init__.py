"""Terms: what a step is paid for."""

from rewardsmith.rewards.shaping.costs import TaskReward, TimeCost

__all__ = ["TaskReward", "TimeCost"]
