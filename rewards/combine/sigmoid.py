"""A combiner that asks for all rewards to be good enough, rather than for a large sum."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError, RewardError, unknown
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.component import Combiner, Quantity
from rewardsmith.rewards.transition import Transition


def log_sigmoid(x: ArrayLike) -> Any:
    """Returns log(1 / (1 + exp(-x))), at most 0, without overflow.

    Example:
        >>> float(log_sigmoid(0.0)), float(log_sigmoid(-1000.0))
        (-0.6931471805599453, -1000.0)
    """
    return -np.logaddexp(0.0, np.negative(x))


def quantile_reference(samples: ArrayLike, quantile: float = 0.85) -> float:
    """Estimates a quantile of the rewards a base policy earns on one prompt.

    mean + z * std with z the quantile of the standard normal (1.0364 for 0.85), which
    needs fewer samples than the empirical quantile; 10 to 64 will do. std is the
    population's. Source: arXiv 2402.00742.

    Args:
        samples: Rewards of the base policy, (m,).
        quantile: In (0, 1).

    Raises:
        ConfigError: If there is no sample, or the quantile is out of range.

    Example:
        >>> round(quantile_reference([0.0, 2.0]), 4)
        2.0364
    """
    rewards = np.asarray(samples, dtype=np.float64)
    if rewards.size == 0:
        raise ConfigError("a reference needs at least one sample; samples is empty")
    if not 0 < quantile < 1:
        raise ConfigError(f"quantile must be in (0, 1), got {quantile}")
    return float(rewards.mean() + NormalDist().inv_cdf(quantile) * rewards.std())


@dataclass
class LogSigmoidSum(Combiner):
    """R = sum_k log sigmoid(r_k - ref_k), a logical AND over several rewards.

    For a reward fitted by Bradley-Terry, sigmoid(r - ref) is the probability of being
    better than the reference; with independent properties R is the log-probability of
    being good in all. Its slope sigmoid(ref_k - r_k) is 1 for bad outputs and fades for
    good ones, so that effort goes where it is needed and an extreme value gains nothing.

    Source: arXiv 2402.00742 (Transforming and Combining Rewards for Aligning LLMs).

    Args:
        references: For every term its reference: a number, such as
            `quantile_reference(samples)`, or the name of a fact with one per row.

    Raises:
        ConfigError: If a reference belongs to no term, or a term has none.
        RewardError: If a fact holds more than one number per row.

    Example:
        >>> step = Transition(0, 0, 0, np.zeros(1), np.zeros(1, bool), np.zeros(1, bool))
        >>> combine = LogSigmoidSum({"helpful": 2.0, "harmless": 0.5})
        >>> combine({"helpful": np.array([2.0]), "harmless": np.array([0.5])}, step).round(5)
        array([-1.38629])
    """

    references: Mapping[str, float | str]
    _facts: dict[str, Quantity] = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._facts = {
            name: Quantity(reference)
            for name, reference in self.references.items()
            if isinstance(reference, str)
        }

    def bind(self, card: EnvCard) -> None:
        """Looks the facts up on the card."""
        for fact in self._facts.values():
            fact.bind(card)

    def check(self, names: Iterable[str]) -> None:
        """Raises ConfigError unless there is exactly one reference per term."""
        known = list(names)
        for name in self.references:
            if name not in known:
                raise unknown("term", name, known, where="LogSigmoidSum.references")
        for name in known:
            if name not in self.references:
                raise ConfigError(
                    f"LogSigmoidSum.references has no entry for term {name!r}; give a number or "
                    "the name of a fact (0 compares the raw reward with 0)"
                )

    def __call__(self, values: Mapping[str, FloatArray], transition: Transition) -> FloatArray:
        """Returns the sum of log-sigmoids, float64 (n,), at most 0."""
        total = np.zeros(transition.n)
        for name, value in values.items():
            total += log_sigmoid(value - self._reference(name, transition))
        return total

    def _reference(self, name: str, transition: Transition) -> FloatArray | float:
        reference = self.references[name]
        if not isinstance(reference, str):
            return reference
        value = self._facts[name].of(transition.after)
        if value.shape[1] != 1:
            raise RewardError(
                f"the reference of term {name!r}, fact {reference!r}, has {value.shape[1]} numbers "
                "per row; LogSigmoidSum needs one, such as their quantile_reference"
            )
        return value[:, 0]
