"""`ProgramReward`: a reward program as a term of a design."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError, RewardError, unknown
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.llm_reward_design.compiled import Compiled, Paid, place
from rewardsmith.llm_reward_design.jail.calls import JailedCalls
from rewardsmith.llm_reward_design.jail.lockdown import inside
from rewardsmith.llm_reward_design.jail.tier import Tier
from rewardsmith.llm_reward_design.program import Input, Provenance, RewardProgram
from rewardsmith.rewards.component import Term
from rewardsmith.rewards.design import Payment
from rewardsmith.rewards.transition import Transition

TIERS = tuple(tier.name.lower() for tier in Tier)
"""Names of the tiers, from the weakest to the strongest."""

DEFAULT_TIER = "locked"
"""What holds a program that does not say."""


class _Caller(Protocol):
    """Runs one program: `Compiled` or `JailedCalls`."""

    def __call__(self, values: Mapping[str, FloatArray], n: int) -> Paid: ...

    def close(self) -> None: ...


@dataclass
class ProgramReward(Term):
    """r = the total of a reward program, whose parts are kept for the record by name.

    The program never runs in this process, but in a locked child that answers one batch after
    the other, unless this process is locked itself or `tier` is "inline".

    Args:
        source: Defines `compute_reward(...) -> (total (n,), {part: (n,)})`; what its arguments
            may be called, `program.inputs(card)` tells.
        tier: How the program is held: "locked" (the default), "namespaced", "process", which
            is no boundary, or "inline", in this very process, for code that you wrote.
        provenance: Where the program comes from.

    Raises:
        ConfigError: If the source does not define the function, or there is no such tier; on
            `bind`, if the task has no field that the program asks for; at the first step, if
            this machine does not grant the tier.
        RewardError: At a step, if the program fails, takes too long, or pays anything but
            one finite number per environment; names the part and the program's line.

    Example:
        >>> from rewardsmith.envs.card import Field
        >>> term = ProgramReward('''
        ... def compute_reward(height, previous_height):
        ...     rise = height - previous_height
        ...     return rise, {"rise": rise}
        ... ''', tier="inline")
        >>> term.bind(EnvCard("Hill-v0", "Climb.", observation=(Field("height", "", (0, 1)),)))
        >>> step = Transition(np.array([[1.0], [2.0]]), np.zeros(2), np.array([[1.5], [5.0]]),
        ...                   np.zeros(2), np.zeros(2, bool), np.zeros(2, bool))
        >>> term.pay(step).parts["rise"]
        array([0.5, 3. ])
    """

    source: str
    tier: str = DEFAULT_TIER
    provenance: Mapping[str, Any] | None = None
    _inputs: tuple[Input, ...] | None = field(default=None, init=False, repr=False, compare=False)
    _parts: tuple[str, ...] | None = field(default=None, init=False, repr=False, compare=False)
    _caller: _Caller | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.tier not in TIERS:
            raise unknown("tier", self.tier, TIERS, where="ProgramReward")
        self.program.arguments()

    @property
    def program(self) -> RewardProgram:
        """The program and where it comes from."""
        told = {"designer": "none", "writer": "a person", **(self.provenance or {})}
        told["parents"] = tuple(told.get("parents", ()))
        try:
            return RewardProgram(self.source, Provenance(**told))
        except TypeError as error:
            raise ConfigError(f"ProgramReward.provenance: {error}") from None

    def bind(self, card: EnvCard) -> None:
        """Looks up what the program's arguments are on the task."""
        self._inputs = self.program.check(card)

    def __call__(self, transition: Transition) -> FloatArray:
        """Returns the program's total, float64 (n,)."""
        return self.pay(transition).total

    def pay(self, transition: Transition) -> Payment:
        """Returns the program's total and its parts, each float64 (n,)."""
        values = self._read(transition)
        names, pay = self._run(values, transition.n)
        if self._parts is None:
            self._parts = names
        elif names != self._parts and set(names) != set(self._parts):
            raise RewardError(
                f"the program names the parts {list(names)}, but {list(self._parts)} before; it "
                "must name the same at every step"
            )
        if np.count_nonzero(np.isfinite(pay)) < pay.size:
            pay[:, ~transition.active] = 0.0
            self._check_finite(names, pay, values)
        return Payment(pay[0], dict(zip(names, pay[1:], strict=True)))

    def check_rows(self, transition: Transition) -> None:
        """Checks that each environment is paid the same alone as among the others.

        A reduction without an axis, such as `np.linalg.norm(position - goal)`, goes over all
        environments at once, and still gives arrays of the right shape.

        Args:
            transition: A step of at least two environments that differ.

        Raises:
            RewardError: If the first one's pay depends on the others; names the part.
        """
        values = self._read(transition)
        names, together = self._run(values, transition.n)
        _, alone = self._run({name: value[:1] for name, value in values.items()}, 1)
        for name, one, among in zip(("", *names), alone[:, 0], together[:, 0], strict=True):
            if not np.isclose(one, among, rtol=1e-6, equal_nan=True):
                what = f"part {place(name, self.source)}" if name else "the total"
                raise RewardError(
                    f"{what} of an environment is {one:g} alone but {among:g} among others; it "
                    "may depend on that environment only: give reductions axis=1"
                )

    def close(self) -> None:
        """Ends the child that runs the program; the next step starts another."""
        if self._caller is not None:
            self._caller.close()

    def _read(self, transition: Transition) -> dict[str, FloatArray]:
        """Returns the program's inputs by name."""
        if self._inputs is None:
            raise RewardError(
                "the program is not bound to a task yet; wrap an environment with the design, "
                "or call design.bind(card)"
            )
        return {each.name: each.read(transition) for each in self._inputs}

    def _run(self, values: Mapping[str, FloatArray], n: int) -> Paid:
        if self._caller is None:
            self._caller = self._make_caller()
        return self._caller(values, n)

    def _make_caller(self) -> _Caller:
        if self.tier == "inline" or inside():
            return _OnCopies(self.source)
        return JailedCalls(self.source, Tier[self.tier.upper()])

    def _check_finite(
        self, names: tuple[str, ...], pay: FloatArray, values: Mapping[str, FloatArray]
    ) -> None:
        """Raises RewardError for the first part that is NaN or infinite, or else the total."""
        for row in (*range(1, len(pay)), 0):
            wrong = np.flatnonzero(~np.isfinite(pay[row]))
            if wrong.size:
                i = int(wrong[0])
                what = f"part {place(names[row - 1], self.source)}" if row else "the total"
                read = ", ".join(f"{name} {np.round(v[i], 6)}" for name, v in values.items())
                raise RewardError(
                    f"{what} is {pay[row, i]} in environment {i}, where it read {read}"
                )


class _OnCopies(Compiled):
    """A program in this process, given copies: what it read belongs to the environment."""

    def __call__(self, values: Mapping[str, FloatArray], n: int) -> Paid:
        return super().__call__({name: np.array(v, order="F") for name, v in values.items()}, n)
