"""Credit: finished episodes of a batch, and what each episode, turn or token deserves. No torch."""

from rewardsmith.rewards.credit.advantage import Advantage
from rewardsmith.rewards.credit.difficulty import DifficultyBonus
from rewardsmith.rewards.credit.generalised import GeneralisedAdvantage, ValueBased
from rewardsmith.rewards.credit.group_relative import (
    BatchWhitened,
    GroupRelative,
    LeaveOneOut,
    SignedOutcome,
)
from rewardsmith.rewards.credit.group_reward import (
    FewestCalls,
    GroupReward,
    SoftOverlongPenalty,
    call_price,
)
from rewardsmith.rewards.credit.lens import CreditLens, CreditRow
from rewardsmith.rewards.credit.likelihood import JensenBound
from rewardsmith.rewards.credit.min_form import MinForm, softmin_pay
from rewardsmith.rewards.credit.perplexity import PerplexityRanks, reasoning_perplexity
from rewardsmith.rewards.credit.prefix_tree import PrefixTree
from rewardsmith.rewards.credit.rollout_tree import RolloutTree
from rewardsmith.rewards.credit.rollouts import Level, Rollouts
from rewardsmith.rewards.credit.segments import normalise
from rewardsmith.rewards.credit.selection import join, take_groups
from rewardsmith.rewards.credit.state_group import StateGroups
from rewardsmith.rewards.credit.turn_level import DualLevel, InformationGain, ProcessRelative

__all__ = [
    "Advantage",
    "BatchWhitened",
    "CreditLens",
    "CreditRow",
    "DifficultyBonus",
    "DualLevel",
    "FewestCalls",
    "GeneralisedAdvantage",
    "GroupRelative",
    "GroupReward",
    "InformationGain",
    "JensenBound",
    "LeaveOneOut",
    "Level",
    "MinForm",
    "PerplexityRanks",
    "PrefixTree",
    "ProcessRelative",
    "RolloutTree",
    "Rollouts",
    "SignedOutcome",
    "SoftOverlongPenalty",
    "StateGroups",
    "ValueBased",
    "call_price",
    "join",
    "normalise",
    "reasoning_perplexity",
    "softmin_pay",
    "take_groups",
]
