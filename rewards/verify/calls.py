"""Tool calls against the right ones: name, keys and values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardsmith.envs.stateful import FloatArray
from rewardsmith.envs.text.function_matching import same_value
from rewardsmith.envs.text.transcript import TextTask, ToolCall


def equal(value: Any, good: Any) -> bool:
    """Whether two JSON values are equal; unlike in Python, true is not 1.

    Example:
        >>> equal(1, 1.0), equal(1, True)
        (True, False)
    """
    return isinstance(value, bool) == isinstance(good, bool) and bool(value == good)


@dataclass(frozen=True, slots=True)
class GoldCall:
    """A call that is right, with every value that is right for an argument.

    Attributes:
        name: Name of the tool.
        accepted: The values accepted for every argument.
        optional: Arguments that may be left out.
        same: Whether a value is an accepted one; equality of JSON values by default.
    """

    name: str
    accepted: Mapping[str, Sequence[Any]]
    optional: frozenset[str] = frozenset()
    same: Callable[[Any, Any], bool] = equal

    @classmethod
    def of(cls, call: ToolCall) -> GoldCall:
        """Returns the gold call that accepts exactly this call."""
        return cls(call.name, {key: (value,) for key, value in call.arguments.items()})

    def keys(self, call: ToolCall) -> set[str]:
        """Returns the arguments that a call should have: the optional ones only if it has them."""
        return {key for key in self.accepted if key not in self.optional or key in call.arguments}

    def right_values(self, call: ToolCall) -> int:
        """Returns how many arguments of a call have an accepted value."""
        return sum(
            key in self.accepted and any(self.same(value, good) for good in self.accepted[key])
            for key, value in call.arguments.items()
        )

    def accepts(self, call: ToolCall) -> bool:
        """Whether a call is this one: name, keys and values."""
        keys = self.keys(call)
        return (
            call.name == self.name
            and call.arguments.keys() == keys
            and self.right_values(call) == len(keys)
        )


def gold_calls(task: TextTask) -> tuple[GoldCall, ...]:
    """Returns the right calls of a task: its fact "accepted" where it has one, or its `calls`.

    "accepted" is in the form of the Berkeley Function-Calling Leaderboard: for each call
    `{name: {argument: [accepted values]}}`, with "" among the values of what may be left out;
    its values are compared as `rewardsmith.envs.text.function_matching` does.
    """
    if "accepted" not in task.facts:
        return tuple(GoldCall.of(call) for call in task.calls)
    return tuple(
        GoldCall(
            name,
            accepted,
            frozenset(key for key, values in accepted.items() if "" in values),
            same_value,
        )
        for call in task.facts["accepted"]
        for name, accepted in call.items()
    )


def overlap(gold: Iterable[str], said: Iterable[str]) -> float:
    """Returns |A n B| / |A u B| of two multisets; 1 if both are empty.

    Example:
        >>> overlap(["f", "g"], ["f"]), overlap(["f", "f"], ["f", "g"])
        (0.5, 0.3333333333333333)
    """
    left, right = Counter(list(gold)), Counter(list(said))  # a mapping would count by its values
    union = (left | right).total()
    return (left & right).total() / union if union else 1.0


def similarity(gold: GoldCall, said: ToolCall) -> float:
    """Returns how alike two calls are, in [0, 1]; 0 if the names differ, in whatever case.

        S = (1 + overlap(keys, keys') + #{k: v_k = v'_k}) / (2 + |keys|)

    Source: MatchTIR, arXiv 2601.10712.

    Example:
        >>> gold = GoldCall.of(ToolCall("add", {"a": 1, "b": 2}))
        >>> similarity(gold, ToolCall("add", {"a": 1, "b": 3}))
        0.75
    """
    if gold.name.casefold() != said.name.casefold():
        return 0.0
    keys = gold.keys(said)
    right = gold.right_values(said)
    return (1.0 + overlap(keys, said.arguments) + right) / (2.0 + len(keys))


def similarities(gold: Sequence[GoldCall], said: Sequence[ToolCall]) -> FloatArray:
    """Returns `similarity` of every pair, float64 (G, P)."""
    table = [[similarity(good, call) for call in said] for good in gold]
    return np.array(table, dtype=np.float64).reshape(len(gold), len(said))
