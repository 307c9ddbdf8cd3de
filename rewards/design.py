"""`RewardDesign`: named terms, one combiner and a chain of transforms; itself a term."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError, RewardError
from rewardsmith.envs.stateful import BoolArray, FloatArray
from rewardsmith.rewards.combine.sums import WeightedSum
from rewardsmith.rewards.component import Combiner, Component, Function, Term, Transform
from rewardsmith.rewards.transition import Transition

if TYPE_CHECKING:
    from rewardsmith.rewards.credit import GroupReward


@dataclass(frozen=True, slots=True)
class Payment:
    """What a design pays for one step of `n` environments.

    Attributes:
        total: The reward the agent sees, float64 (n,).
        parts: The value of every term by name, before combining, each (n,). The parts of
            a term that has a `pay` of its own, such as a nested design, appear as "outer/inner".
        unscored: Rows in which a verifier or judge abstained or failed, (n,); None where no
            term can.
    """

    total: FloatArray
    parts: dict[str, FloatArray]
    unscored: BoolArray | None = None


@dataclass
class RewardDesign(Term):
    """Pays transforms(combine(terms)), and keeps every term's own value for the record.

    Args:
        terms: Terms by name; a plain function of the transition will do. A `RewardDesign`
            is a term too, so designs nest: give a term transforms of its own that way.
        combine: How the values become one; by default their sum.
        transforms: Applied to the combined stream, in order.
        group: `GroupReward`s, which change what an episode is paid once the episodes of its
            group are finished, in order. Only learners that play groups can use them.

    Raises:
        ConfigError: If there is no term, one is no function, or the combiner names a term that is
            not there.

    Example:
        >>> from rewardsmith.rewards.shaping import TaskReward, TimeCost
        >>> design = RewardDesign({"task": TaskReward(), "time": TimeCost(0.1)})
        >>> step = Transition(np.zeros((2, 1)), np.zeros(2), np.ones((2, 1)),
        ...                   reward=np.array([1.0, 0.0]), terminated=np.array([True, False]),
        ...                   truncated=np.array([False, False]))
        >>> design(step)
        array([ 0.9, -0.1])
        >>> design.pay(step).parts["time"]
        array([-0.1, -0.1])
    """

    terms: Mapping[str, Term | Callable[[Transition], Any]]
    combine: Combiner = field(default_factory=WeightedSum)
    transforms: Sequence[Transform] = ()
    group: Sequence[GroupReward] = ()
    _terms: dict[str, Term] = field(init=False, repr=False, compare=False)
    _nested: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.terms:
            raise ConfigError("a reward design needs at least one term; terms is empty")
        bad = [name for name in self.terms if not isinstance(name, str) or "/" in name]
        if bad:
            raise ConfigError(f"term names must be text without '/', got {bad[0]!r}")
        for name, term in self.terms.items():
            if not callable(term):
                raise ConfigError(
                    f"term {name!r} must be a component, written with its _target_, or a function "
                    f"of the transition, got {term!r}"
                )
        self._terms = {
            name: term if isinstance(term, Term) else Function(term)
            for name, term in self.terms.items()
        }
        self.terms = self._terms
        self.transforms, self.group = tuple(self.transforms), tuple(self.group)
        self.combine.check(self.terms)
        for reward in self.group:
            reward.check(self.terms)
        self.row_independent = all(part.row_independent for _, part in self._parts())
        self._nested = frozenset(name for name, term in self._terms.items() if hasattr(term, "pay"))

    def bind(self, card: EnvCard) -> None:
        """Resolves the field names of every part; errors name the part they come from."""
        for name, part in self._parts():
            try:
                part.bind(card)
            except ConfigError as error:
                raise ConfigError(f"in {name}: {error}") from None

    def reset(self, mask: BoolArray) -> None:
        """Clears every part's state where `mask` (n,) is true."""
        for term in self._terms.values():
            term.reset(mask)
        self.combine.reset(mask)
        for transform in self.transforms:
            transform.reset(mask)

    def __call__(self, transition: Transition) -> FloatArray:
        """Returns the total pay, float64 (n,)."""
        return self.pay(transition).total

    def pay(self, transition: Transition) -> Payment:
        """Returns the total pay and the named parts of one step.

        Raises:
            RewardError: If a term returns another shape than (n,), or NaN or infinity; the
                message names the term and the environment.
        """
        values: dict[str, FloatArray] = {}
        parts: dict[str, FloatArray] = {}
        shape = transition.reward.shape
        for name, term in self._terms.items():
            if name in self._nested:
                inner = term.pay(transition)  # type: ignore[attr-defined]
                values[name] = parts[name] = value = inner.total
                parts |= {f"{name}/{key}": part for key, part in inner.parts.items()}
            else:
                values[name] = parts[name] = value = term(transition)
            if value.shape != shape:
                raise RewardError(
                    f"term {name!r} returned shape {value.shape}; it must return "
                    f"one value per environment, shape {shape}"
                )
        total = self.combine(values, transition)
        for transform in self.transforms:
            total = transform(total, transition)
        if np.count_nonzero(transition.active) < transition.n:
            idle = np.flatnonzero(~transition.active)
            total = total.copy()
            parts = {name: value.copy() for name, value in parts.items()}
            for paid in (total, *parts.values()):
                paid[idle] = 0.0
        if np.count_nonzero(np.isfinite(total)) < transition.n:
            raise self._not_finite(parts, total)
        self.unscored = self._unscored()
        return Payment(total, parts, self.unscored)

    def place(self, transitions: list[Transition]) -> FloatArray:
        """Returns the pay (T,) of one finished episode, each part on the step it belongs to."""
        return self.settle(transitions).total

    def settle(self, transitions: list[Transition]) -> Payment:
        """Returns the pay (T,) of one finished episode and its parts (T,), as `place` has it.

        `unscored` then holds one entry, for the episode.

        Raises:
            RewardError: If the pay is NaN or infinite.
        """
        values = {name: term.place(transitions) for name, term in self._terms.items()}
        total = self.combine.place(values, transitions)
        for transform in self.transforms:
            total = transform.place(total, transitions)
        if not np.isfinite(total).all():
            raise self._not_finite(values, total)
        self.unscored = self._unscored()
        return Payment(total, values, self.unscored)

    def _unscored(self) -> BoolArray | None:
        told = [term.unscored for term in self._terms.values() if term.unscored is not None]
        return np.logical_or.reduce(told) if told else None

    def state_dict(self) -> dict[str, Any]:
        """Returns the state of every part by its place in the design."""
        return {name: part.state_dict() for name, part in self._parts()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Puts back what `state_dict` returned.

        Raises:
            ConfigError: If the state is that of a design with other parts.
        """
        parts = dict(self._parts())
        if parts.keys() != state.keys():
            raise ConfigError(
                f"the saved state has the parts {sorted(state)}, this design has "
                f"{sorted(parts)}; load it into the design it was saved from"
            )
        for name, part in parts.items():
            part.load_state_dict(state[name])

    def _parts(self) -> list[tuple[str, Component]]:
        parts: list[tuple[str, Component]] = [
            (f"term {name!r}", term) for name, term in self._terms.items()
        ]
        parts.append(("combine", self.combine))
        parts += [(f"transforms[{i}]", part) for i, part in enumerate(self.transforms)]
        parts += [(f"group[{i}]", part) for i, part in enumerate(self.group)]
        return parts

    def _not_finite(self, parts: dict[str, FloatArray], total: FloatArray) -> RewardError:
        for name, value in parts.items():
            if not np.isfinite(value).all():
                row = int(np.flatnonzero(~np.isfinite(value))[0])
                return RewardError(
                    f"term {name!r} paid {value[row]} in environment {row}; a reward must be finite"
                )
        row = int(np.flatnonzero(~np.isfinite(total))[0])
        return RewardError(
            f"the terms are finite, but combining or transforming them gave "
            f"{total[row]} in environment {row}"
        )
