"""Dense pay for spelling an id: how near the items still open are to the right one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.component import Quantity, Term
from rewardsmith.rewards.transition import Transition


@dataclass
class PrefixSemanticReward(Term):
    """Pays every token of an id by what the tokens so far, the prefix, mean.

        r_l = w_l                  if the prefix is the target's
            = -w_l (1 - cosine)    else

    with l = 1..L the token's place and `cosine` that between the target's embedding and the
    mean embedding of the items that share the prefix: a wrong token that stays near costs
    little. An id that is broken off at token l is paid (w_l + ... + w_L) in place of w_l, so
    that breaking off is never cheaper than going on; this last rule is our own.

    The pay changes what is best where a near item and the target's prefix disagree; pay the
    task's reward beside it.

    Source: arXiv 2602.10699 (V-STAR), where it trains the value head alone.

    Args:
        weights: w_l of every place, first to last.
        match: 0/1 fact: the prefix is the target's.
        cosine: Fact with the cosine, in [-1, 1]; -1 where no item has the prefix.
        level: Fact with the number of tokens given.

    Raises:
        ConfigError: If the task lacks a fact, or its ids have more tokens than `weights`.

    Example:
        >>> from rewardsmith.envs import EnvCard, Field
        >>> term = PrefixSemanticReward()
        >>> names = ("prefix_match", "prefix_cosine", "level")
        >>> term.bind(EnvCard("Id-v0", "", facts=tuple(Field(name, "") for name in names)))
        >>> term(Transition(0, 0, 0, np.zeros(2), np.zeros(2, bool), np.zeros(2, bool),
        ...                 info={"prefix_match": np.array([True, False]),
        ...                       "prefix_cosine": np.array([0.9, 0.5])},
        ...                 previous_info={"level": np.array([0, 1])}))
        array([ 0.3 , -0.25])
    """

    weights: Sequence[float] = (0.3, 0.5, 1.0)
    match: str = "prefix_match"
    cosine: str = "prefix_cosine"
    level: str = "level"
    _match: Quantity = dataclasses.field(init=False, repr=False, compare=False)
    _cosine: Quantity = dataclasses.field(init=False, repr=False, compare=False)
    _level: Quantity = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.weights:
            raise ConfigError("PrefixSemanticReward.weights is empty; give one per token of an id")
        self._match, self._cosine = Quantity(self.match), Quantity(self.cosine)
        self._level = Quantity(self.level)

    def bind(self, card: EnvCard) -> None:
        """Looks the facts up on the card."""
        for quantity in (self._match, self._cosine, self._level):
            quantity.bind(card)
        tokens = card.field(self.level).high
        if np.isfinite(tokens) and tokens > len(self.weights):
            raise ConfigError(
                f"ids of {card.id} have {tokens:g} tokens, but PrefixSemanticReward.weights has "
                f"{len(self.weights)}; give one weight per token"
            )

    def __call__(self, transition: Transition) -> FloatArray:
        """Returns the pay, float64 (n,)."""
        weights = np.array(self.weights, dtype=np.float64)
        to_the_end = weights[::-1].cumsum()[::-1]
        level = self._level.scalar(transition.before).astype(np.int64)
        level = np.minimum(level, len(weights) - 1)  # a row that awaits its reset is at the end
        weight = np.where(transition.terminated, to_the_end[level], weights[level])
        match = self._match.scalar(transition.after) > 0.5
        return np.asarray(
            weight * np.where(match, 1.0, self._cosine.scalar(transition.after) - 1.0)
        )
