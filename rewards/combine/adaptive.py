"""A combiner that weighs terms differently for different users."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError, RewardError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.combine.roles import check_roles
from rewardsmith.rewards.component import Combiner, Quantity
from rewardsmith.rewards.transition import Transition


@dataclass
class AdaptiveWeights(Combiner):
    """R = sum_k omega_k(u) r_k with omega(u) = softmax_k(b_k . u), u the user's features.

    The weights are positive and sum to 1 for every user; with all logits equal R is the mean
    of the terms. Read off u before the step; where u stays the same in an episode, weighing
    the rewards is weighing the return-to-go, sum_{t' >= t} r, elementwise.

    Source: arXiv 2404.03637 (DT4IER, adaptive return-to-go), which learns the logits by a
    network; here they are given and linear.

    Args:
        logits: b_k by term: one number per feature.
        field: Observation field or fact with the features u.

    Raises:
        ConfigError: If a term has no logits, the lists differ in length, or the task has no
            such field.
        RewardError: If there is another number of features.

    Example:
        >>> from rewardsmith.envs import EnvCard, Field
        >>> combine = AdaptiveWeights({"click": [0.0, 0.0], "stay": [0.0, np.log(3.0)]}, "user")
        >>> combine.bind(EnvCard("Feed-v0", "", observation=(Field("user", "", (0, 2)),)))
        >>> step = Transition(np.eye(2), 0, 0, np.zeros(2), np.zeros(2, bool), np.zeros(2, bool))
        >>> combine({"click": np.ones(2), "stay": np.zeros(2)}, step)
        array([0.5 , 0.25])
    """

    logits: Mapping[str, Sequence[float]]
    field: str = "user"
    _field: Quantity = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        lengths = {len(row) for row in self.logits.values()}
        if len(lengths) != 1:
            raise ConfigError(
                "AdaptiveWeights.logits must give every term one number per feature, got lists "
                f"of length {sorted(lengths)}"
            )
        self._field = Quantity(self.field)

    def bind(self, card: EnvCard) -> None:
        """Looks the features up on the card."""
        self._field.bind(card)

    def check(self, names: Iterable[str]) -> None:
        """Raises ConfigError unless there are logits for every term and no other."""
        check_roles(self.logits, names, "AdaptiveWeights.logits")

    def omega(self, features: FloatArray) -> FloatArray:
        """Returns the weights (n, K), terms in the order of `logits`, for features (n, F)."""
        slope = np.array(list(self.logits.values()), dtype=np.float64)
        if features.shape[1] != slope.shape[1]:
            raise RewardError(
                f"field {self.field!r} has {features.shape[1]} features, AdaptiveWeights.logits "
                f"{slope.shape[1]} numbers per term; give one per feature"
            )
        logit = features @ slope.T
        power = np.exp(logit - logit.max(axis=1, keepdims=True))
        return np.asarray(power / power.sum(axis=1, keepdims=True))

    def __call__(self, values: Mapping[str, FloatArray], transition: Transition) -> FloatArray:
        """Returns the weighted sum, float64 (n,)."""
        weight = self.omega(self._field.of(transition.before))
        return np.asarray(sum(weight[:, k] * values[name] for k, name in enumerate(self.logits)))
