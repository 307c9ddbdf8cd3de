"""Terms: what a step is paid for."""

from rewardsmith.rewards.shaping.advice import ActionPotential, LookAheadAdvice, LookBackAdvice
from rewardsmith.rewards.shaping.costs import EnergyCost, SmoothnessCost, TaskReward, TimeCost
from rewardsmith.rewards.shaping.distance import Distance, Progress
from rewardsmith.rewards.shaping.engagement import HarmonicEngagement, harmonic_engagement
from rewardsmith.rewards.shaping.fields import FieldChange, FieldReward, GoalBonus
from rewardsmith.rewards.shaping.multi_horizon import MultiHorizonReward
from rewardsmith.rewards.shaping.potential import DynamicPotential, Potential, PotentialShaping
from rewardsmith.rewards.shaping.potentials import (
    FadingPotential,
    FieldPotential,
    NegativeDistance,
    StagedDistance,
)
from rewardsmith.rewards.shaping.prefix import PrefixSemanticReward

__all__ = [
    "ActionPotential",
    "Distance",
    "DynamicPotential",
    "EnergyCost",
    "FadingPotential",
    "FieldChange",
    "FieldPotential",
    "FieldReward",
    "GoalBonus",
    "HarmonicEngagement",
    "LookAheadAdvice",
    "LookBackAdvice",
    "MultiHorizonReward",
    "NegativeDistance",
    "Potential",
    "PotentialShaping",
    "PrefixSemanticReward",
    "Progress",
    "SmoothnessCost",
    "StagedDistance",
    "TaskReward",
    "TimeCost",
    "harmonic_engagement",
]
