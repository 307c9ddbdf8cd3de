"""Reward models: terms that are learned from data."""

from rewardsmith.rewards.model.page import PageItemReward, PageScore
from rewardsmith.rewards.model.page_pairs import PageLog, PagePairs

__all__ = ["PageItemReward", "PageLog", "PagePairs", "PageScore"]
