"""Steps of a tree rollout judged by how much they changed the mean outcome below: TreePS-RAG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np

from rewardsmith.envs.errors import unknown
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.credit.advantage import Advantage
from rewardsmith.rewards.credit.group_relative import Scale, check_scale
from rewardsmith.rewards.credit.rollouts import Level, Rollouts
from rewardsmith.rewards.credit.segments import (
    centred,
    divisor,
    imbalance,
    mean_by_key,
    spread,
)

Part = Literal["local", "global", "both"]


@dataclass(frozen=True)
class RolloutTree(Advantage):
    """What a step of a tree changes in the expected return, against its parent and the root.

        local:   A(n) = V(n) - V(parent of n)
        global:  A(n) = V(n) - V(root)
        both:    their sum

    divided by the standard deviation of the group's returns, and with
    `leaf_weighted=True` by the square root of the leaves below n. V(n) is the mean return
    of the leaves below n. Every step has its value on every episode that shares it; the
    loss counts it once through `Rollouts.weight`. Source: TreePS-RAG, arXiv 2601.06922.

    Args:
        part: "local", "global" or "both".
        scale: "std" or "none".
        leaf_weighted: Whether shared steps weigh less, as in TreeRL.
        ddof: Subtracted from the count in the variance.
        epsilon: Added to the standard deviation.

    Raises:
        ConfigError: If part or scale is unknown.
    """

    part: Part = "both"
    scale: Scale = "std"
    leaf_weighted: bool = False
    ddof: int = 1
    epsilon: float = 1e-6

    level: ClassVar[Level] = "step"
    invariant: ClassVar[str] = "V(child) - V(parent), times leaves, sums to 0 over all children"

    def __post_init__(self) -> None:
        check_scale(self.scale, "RolloutTree")
        if self.part not in get_args(Part):
            raise unknown("part", self.part, get_args(Part), where="RolloutTree.part")

    @property
    def needs(self) -> tuple[str, ...]:
        """The tree node of every step."""
        return ("node",)

    def credit(self, rollouts: Rollouts) -> FloatArray:
        """Returns float64 (S,)."""
        value, parent, scale = self._parts(rollouts)
        gain = {"local": value - parent, "global": value, "both": 2.0 * value - parent}[self.part]
        return gain / scale

    def violation(self, rollouts: Rollouts, credit: FloatArray) -> float:
        """Returns the largest |sum| over the children of a node.

        A step counts once on every episode that shares it, which are the leaves below it.
        """
        value, parent, scale = self._parts(rollouts)
        rest = {"local": 0.0 * value, "global": parent, "both": value}[self.part]
        n = rollouts.n_steps
        above = np.roll(rollouts.node_key, 1)
        above[rollouts.first] = n + rollouts.group
        return imbalance(credit * scale - rest, above, n + rollouts.n_groups, rollouts.counted)

    def _parts(self, rollouts: Rollouts) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Returns V(n) - V(root), the same of n's parent, and what to divide by, each (S,)."""
        key, n = rollouts.node_key, rollouts.n_steps
        where = rollouts.group, rollouts.n_groups, rollouts.scored
        gain = centred(rollouts.returns, *where)
        value = mean_by_key(rollouts.to_steps("episode", gain), key, n, rollouts.counted)[key]
        parent = np.roll(value, 1)
        parent[rollouts.first] = 0.0
        scale = np.ones(rollouts.n_episodes)
        if self.scale == "std":
            scale = divisor(spread(gain, *where, self.ddof), self.epsilon)[rollouts.group]
        scale = rollouts.to_steps("episode", scale)
        if self.leaf_weighted:
            scale /= np.sqrt(np.where(rollouts.weight > 0, rollouts.weight, 1.0))
        return value, parent, scale
