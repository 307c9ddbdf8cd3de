"""`RewardProgram`: the source of a reward over the named fields of a task's card."""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass
from typing import Literal

from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.errors import ConfigError, unknown
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.transition import Transition

FUNCTION = "compute_reward"
"""The function that a program defines."""

PREVIOUS = "previous_"
"""Put before a field's name, its value before the step."""

WITHHELD = frozenset({"original_reward"})
"""Facts that no program may read: the dense reward that a person wrote."""


@dataclass(frozen=True, slots=True)
class Input:
    """One argument a program may ask for by name.

    Attributes:
        name: The argument's name.
        field: The field of the card behind it.
        place: Where the value is read: at the state the step led to, at the state it started
            from, or off the action.
        is_fact: Whether it stands in `info` rather than in the observation.
    """

    name: str
    field: Field
    place: Literal["after", "before", "action"]
    is_fact: bool = False

    def read(self, transition: Transition) -> FloatArray:
        """Returns the value at one step of n environments, float64 (n,) or (n, k)."""
        if self.place == "action":
            value = self.field.read(transition.action)
        else:
            state = transition.after if self.place == "after" else transition.before
            fact = self.is_fact
            value = state.fact(self.field.name) if fact else self.field.read(state.observation)
        return value[:, 0] if value.shape[1] == 1 else value


def inputs(card: EnvCard) -> dict[str, Input]:
    """Returns what programs for a task may read, by argument name.

    A field called `x` gives `x`, its value after the step, and `previous_x`, its value before;
    fields of the action go by their own names. Each arrives as float64, (n,) for a field of one
    column and (n, k) otherwise. Where names meet, the observation comes before facts, and
    facts before the action; a field that is called `previous_x` itself wins over the value of `x`
    before the step.
    """
    named = {f.name: Input(f.name, f, "action") for f in card.action}
    groups = ((card.facts, True), (card.observation, False))
    states = [(f, is_fact) for fields, is_fact in groups for f in fields if f.name not in WITHHELD]
    for f, is_fact in states:
        named[f"{PREVIOUS}{f.name}"] = Input(f"{PREVIOUS}{f.name}", f, "before", is_fact)
    for f, is_fact in states:
        named[f.name] = Input(f.name, f, "after", is_fact)
    return named


@dataclass(frozen=True)
class Provenance:
    """Where a program comes from.

    Attributes:
        designer: Name of the designer.
        writer: Who wrote it: model and endpoint, "offline" or "a person".
        prompt: SHA-256 of the messages it answers.
        parents: Ids of the programs its writer was shown.
        round: Round of the search.
        sample: Index in the round.
    """

    designer: str
    writer: str
    prompt: str = ""
    parents: tuple[str, ...] = ()
    round: int = 0
    sample: int = 0


@dataclass(frozen=True)
class RewardProgram:
    """Source text that defines `compute_reward(...) -> (total (n,), {part: (n,)})`.

    Attributes:
        source: Python, with `np` for numpy.
        provenance: Where it comes from.
    """

    source: str
    provenance: Provenance

    @property
    def id(self) -> str:
        """The first twelve hexadecimal digits of the source's SHA-256."""
        return hashlib.sha256(self.source.encode()).hexdigest()[:12]

    def arguments(self) -> tuple[str, ...]:
        """Returns the names of the arguments that `compute_reward` asks for.

        Raises:
            ConfigError: If the source does not parse, or does not define the function once at
                its top level with plain named arguments.
        """
        try:
            tree = ast.parse(self.source)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = f"line {error.lineno}: " if isinstance(error, SyntaxError) else ""
            said = error.msg if isinstance(error, SyntaxError) else type(error).__name__
            raise ConfigError(f"the program does not parse: {line}{said}") from None
        found = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == FUNCTION]
        if len(found) != 1:
            raise ConfigError(f"the program must define {FUNCTION} once, found {len(found)}")
        signature = found[0].args
        if signature.vararg or signature.kwarg or signature.posonlyargs:
            raise ConfigError(f"{FUNCTION} must name its arguments one by one")
        return tuple(argument.arg for argument in (*signature.args, *signature.kwonlyargs))

    def check(self, card: EnvCard) -> tuple[Input, ...]:
        """Returns the inputs of the program on a task.

        Raises:
            ConfigError: As `arguments`, or if the task has no field of a name; tells the nearest.
        """
        known = inputs(card)
        for name in self.arguments():
            if name not in known:
                raise unknown("input", name, known, where=f"{FUNCTION} on {card.id}")
        return tuple(known[name] for name in self.arguments())
