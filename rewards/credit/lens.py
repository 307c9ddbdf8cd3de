"""The credit lens: what every method gives to each turn and token of one batch, with sum checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rewardsmith.envs.errors import RewardError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.credit.advantage import Advantage
from rewardsmith.rewards.credit.rollouts import Level, Rollouts

_TOLERANCE = 1e-8


@dataclass(frozen=True, slots=True)
class CreditRow:
    """What one method gives to one episode, as plain data.

    Attributes:
        method: Its name.
        level: "episode", "step" or "token".
        turns: Credit of every turn, (T,); the mean over its tokens under a token method.
        tokens: Credit of the tokens of every turn, T lists.
        check: The sum that must come out over the batch, as a sentence; why there is no
            credit, if there is none.
        value: By how much it misses, at worst.
        ok: Whether that is rounding.
    """

    method: str
    level: Level
    turns: list[float]
    tokens: list[list[float]]
    check: str
    value: float
    ok: bool


@dataclass(frozen=True)
class CreditLens:
    """Applies credit methods side by side to a batch.

    Args:
        methods: The methods by name.

    Example:
        >>> from rewardsmith.rewards.credit import GroupRelative
        >>> rollouts = Rollouts(np.zeros(2, int), np.ones(2, bool), np.array([0, 0, 1]),
        ...                     reward=np.array([0.0, 1.0, 0.0]))
        >>> (row,) = CreditLens({"Dr.GRPO": GroupRelative(scale="none")}).rows(rollouts, 0)
        >>> row.turns, row.check, row.ok
        ([0.5, 0.5], 'the advantages of a group sum to 0', True)
    """

    methods: Mapping[str, Advantage]

    def rows(self, rollouts: Rollouts, episode: int) -> list[CreditRow]:
        """Returns a row per method about one episode; checks are over the whole batch.

        A method that needs what the rollouts lack gets a row without credit that says so.
        """
        return [_row(name, method, rollouts, episode) for name, method in self.methods.items()]


def _row(name: str, method: Advantage, rollouts: Rollouts, episode: int) -> CreditRow:
    try:
        credit = method(rollouts)
    except RewardError as error:
        return CreditRow(name, method.level, [], [], str(error), 0.0, False)
    value = method.violation(rollouts, credit)
    ok = value <= _TOLERANCE * max(1.0, float(np.abs(credit).sum()))
    steps = slice(rollouts.first[episode], rollouts.last[episode] + 1)
    turns = rollouts.to_steps(method.level, credit)[steps]
    tokens = _by_step(rollouts, rollouts.to_tokens(method.level, credit), steps)
    return CreditRow(name, method.level, turns.tolist(), tokens, method.invariant, value, ok)


def _by_step(rollouts: Rollouts, credit: FloatArray, steps: slice) -> list[list[float]]:
    """Returns the token values (N,) of some steps, a list per step."""
    ends = np.cumsum(rollouts.token_counts)
    starts = ends - rollouts.token_counts
    return [
        credit[start:end].tolist() for start, end in zip(starts[steps], ends[steps], strict=True)
    ]
