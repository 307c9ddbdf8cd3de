"""Terms: what a step is paid for."""

from rewardsmith.rewards.shaping.advice import ActionPotential, LookAheadAdvice, LookBackAdvice
from rewardsmith.rewards.shaping.costs import EnergyCost, SmoothnessCost, TaskReward, TimeCost
from rewardsmith.rewards.shaping.distance import Distance, Progress
from rewardsmith.rewards.shaping.fields import FieldChange, FieldReward, GoalBonus
from rewardsmith.rewards.shaping.potential import DynamicPotential, Potential, PotentialShaping
from rewardsmith.rewards.shaping.potentials import (
    FadingPotential,
    FieldPotential,
    NegativeDistance,
    StagedDistance,
)

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
    "LookAheadAdvice",
    "LookBackAdvice",
    "NegativeDistance",
    "Potential",
    "PotentialShaping",
    "Progress",
    "SmoothnessCost",
    "StagedDistance",
    "TaskReward",
    "TimeCost",
]
