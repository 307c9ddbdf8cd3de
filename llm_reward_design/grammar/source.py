"""A design as a readable program, and back: the parts stand in the program's last comment."""

from __future__ import annotations

import itertools
import json
import math
import textwrap
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field

from rewardsmith.envs.card import Field
from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.compiled import LONGEST_NAME
from rewardsmith.llm_reward_design.grammar.fields import width
from rewardsmith.llm_reward_design.grammar.parts import KINDS, Design, Part
from rewardsmith.llm_reward_design.grammar.reading import SUCCESS, Reading
from rewardsmith.llm_reward_design.program import FUNCTION, PREVIOUS

MARK = "# parts: "
"""Begins the comment that holds the design as JSON."""

_WIDTH = 96


def write(design: Design, reading: Reading) -> str:
    """Returns the source of a reward program that pays by a design.

    Raises:
        ConfigError: If there is no part, or one reads what the task does not offer.
    """
    if not design:
        raise ConfigError("a reward program needs at least one part")
    return _Writing(reading, names(design)).program(design)


def read(source: str, reading: Reading) -> Design | None:
    """Returns the design of a program that `write` wrote for this task, else None.

    The comment alone is not believed: the program must be what `write` makes of it.
    """
    lines = source.strip().splitlines()
    if not lines or not lines[-1].startswith(MARK):
        return None
    try:
        design = tuple(Part.from_data(data) for data in json.loads(lines[-1].removeprefix(MARK)))
        same = write(design, reading).strip() == source.strip()
    except (ValueError, TypeError, RecursionError):
        return None
    return design if same else None


def names(design: Design) -> tuple[str, ...]:
    """Returns what the parts are called in the program, in their order, each name once."""
    found: list[str] = []
    for part in design:
        stem = "_".join((*("_to_".join(part.fields[:2]),), KINDS[part.kind].suffix)).strip("_")
        if KINDS[part.kind].reads in ("force", "nothing"):
            stem = KINDS[part.kind].suffix
        elif part.fields == (SUCCESS,):
            stem = "success_bonus"
        stem = stem[: LONGEST_NAME - 3]
        found.append(_unlike(found, stem))
    return tuple(found)


@dataclass
class _Writing:
    """A program in the making.

    Attributes:
        reading: The task.
        names: What the parts are called.
        asked: Names of the arguments, in the order they are first read.
        known: Local variables by the name wanted for them and the expression they hold.
        taken: Names that stand for something already.
    """

    reading: Reading
    names: Sequence[str]
    asked: list[str] = field(default_factory=list)
    known: dict[tuple[str, str], str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=lambda: {"np", "len", "total", "parts"})

    def __post_init__(self) -> None:
        self.taken.update(self.reading.inputs)

    def program(self, design: Design) -> str:
        """Returns the source."""
        variables = [self._claim(name) for name in self.names]
        body = []
        for name, part in zip(variables, design, strict=True):
            body += [*self._part(name, part), ""]
        body += _listed("total = ", variables, " +", "", ("(", ")"))
        pairs = zip(self.names, variables, strict=True)
        body += ["parts = {", *(f'    "{name}": {held},' for name, held in pairs), "}"]
        body.append("return total, parts")
        head = ["import numpy as np", "", "", *_listed(f"def {FUNCTION}(", self.asked, ",", "):")]
        data = json.dumps([part.to_data() for part in design], separators=(",", ":"))
        code = textwrap.indent("\n".join(body), "    ")
        return "\n".join((*head, code, "", "", f"{MARK}{data}", ""))

    def _part(self, name: str, part: Part) -> list[str]:
        """Returns the lines that compute one part."""
        kind, lines = KINDS[part.kind], [f"# {_sentence(part)}"]
        x = self._measure(part, False, lines)
        y = self._measure(part, True, lines) if "{y}" in kind.formula else ""
        if part.is_tempered:
            x, y = self._nearness(part, x, y, lines)
        weight = _number(-part.weight if kind.is_charge else part.weight)
        pay = kind.formula.format(
            x=x,
            y=y,
            over="" if part.scale == 1.0 else f" / {_number(part.scale)}",
            range="" if part.band is None else _within(x, *part.band),
        )
        lines += _set(name, f"{weight} * {pay}")
        if part.gates:
            gates = [self._gate(flag, up, part.lasts, lines) for flag, up in part.gates]
            joined = " & ".join(f"({gate})" for gate in gates) if len(gates) > 1 else gates[0]
            lines += _set(name, joined, "*=")
        return lines

    def _nearness(self, part: Part, x: str, y: str, lines: list[str]) -> tuple[str, str]:
        """Returns the exponentials of two distances, the second if there is one."""
        near = x.removesuffix("_distance")
        known = self._local(f"temperature_{near}", _number(part.scale), lines)
        after = self._local(f"near_{near}", f"np.exp(-{x} / {known})", lines)
        if not y:
            return after, ""
        return after, self._local(f"{PREVIOUS}near_{near}", f"np.exp(-{y} / {known})", lines)

    def _gate(self, flag: str, up: bool, after: bool, lines: list[str]) -> str:
        return f"{self._number(flag, not after, lines)} {'>' if up else '<'} 0.5"

    def _measure(self, part: Part, before: bool, lines: list[str]) -> str:
        """Returns the expression of what a part reads, (n,), after or before the step."""
        reads = KINDS[part.kind].reads
        if reads == "nothing":
            known = (*self.asked, *self.reading.states, *self.reading.forces, SUCCESS)
            return self._ask(known[0])
        if reads == "force":
            return self._effort(part.fields, lines)
        if reads == "distance":
            return self._distance(part.fields, before, lines)
        return self._number(part.fields[0], before, lines)

    def _effort(self, fields: Sequence[str], lines: list[str]) -> str:
        terms = []
        for name in fields:
            action, wide = self._ask(name), width(self._field(name))
            flat = action if wide else self._flat(action, lines)
            terms.append(f"np.square({flat})" + ("" if wide == 1 else ".sum(axis=1)"))
        return terms[0] if len(terms) == 1 else f"({' + '.join(terms)})"

    def _distance(self, fields: Sequence[str], before: bool, lines: list[str]) -> str:
        values = [self._ask(f"{PREVIOUS if before else ''}{name}") for name in fields]
        wide, apart = width(self._field(fields[0])), " - ".join(values)
        if wide == 1:
            expression = f"np.abs({apart})"
        else:
            enclosed = f"({apart})" if len(values) > 1 else apart
            expression = f"np.linalg.norm({apart if wide else self._flat(enclosed, lines)}, axis=1)"
        stem = "_to_".join(fields)
        stem = stem if "distance" in stem else f"{stem}_distance"
        return self._local(f"{PREVIOUS if before else ''}{stem}", expression, lines)

    def _number(self, name: str, before: bool, lines: list[str]) -> str:
        value, entry = self._ask(f"{PREVIOUS if before else ''}{name}"), self._field(name)
        wide = 1 if name == SUCCESS else width(entry)
        if wide == 1:
            return value
        rows = value if wide else self._flat(value, lines)
        if wide == 0 or (entry.low >= 0 and entry.high <= 1):
            return self._local(f"{value}_mean", f"{rows}.mean(axis=1)", lines)
        return self._local(f"{value}_norm", f"np.linalg.norm({rows}, axis=1)", lines)

    def _flat(self, value: str, lines: list[str]) -> str:
        """Returns the code that gives a row each to values whose width is not told."""
        return f"{value}.reshape({self._local('rows', f'len({self.asked[0]})', lines)}, -1)"

    def _local(self, wanted: str, expression: str, lines: list[str]) -> str:
        """Returns the variable that holds an expression, written down where it is new."""
        if (wanted, expression) not in self.known:
            self.known[wanted, expression] = self._claim(wanted)
            lines += _set(self.known[wanted, expression], expression)
        return self.known[wanted, expression]

    def _claim(self, wanted: str) -> str:
        """Returns a name that nothing else has: the one wanted, or that with a number."""
        name = _unlike(self.taken, wanted)
        self.taken.add(name)
        return name

    def _field(self, name: str) -> Field:
        return self.reading.inputs[name].field

    def _ask(self, name: str) -> str:
        if name not in self.reading.inputs:
            raise ConfigError(f"{self.reading.card.id} has no input {name!r}")
        if name not in self.asked:
            self.asked.append(name)
        return name


def _unlike(taken: Container[str], wanted: str) -> str:
    """Returns the name, or if it is taken the first free one of name_2, name_3, ..."""
    counted = (f"{wanted}_{count}" for count in itertools.count(2))
    return next(name for name in itertools.chain((wanted,), counted) if name not in taken)


def _within(value: str, low: float, high: float) -> str:
    ends = [f"({value} > {_number(low)})"] if low > -math.inf else []
    ends += [f"({value} < {_number(high)})"] if high < math.inf else []
    return ends[0] if len(ends) == 1 else f"({' & '.join(ends)})"


def _sentence(part: Part) -> str:
    kind = KINDS[part.kind]
    comment = kind.comment.replace("Pay", "Charge") if part.weight < 0 else kind.comment
    about = " to ".join(part.fields) if kind.reads not in ("force", "nothing") else ""
    gates = " and ".join(flag if up else f"not {flag}" for flag, up in part.gates)
    return f"{comment} {about}".strip() + (f", while {gates}." if gates else ".")


def _set(name: str, expression: str, sign: str = "=") -> list[str]:
    return _listed(f"{name} {sign} ", [expression], "", "", ("(", ")"))


def _listed(
    before: str,
    items: Iterable[str],
    between: str,
    behind: str,
    around: tuple[str, str] = ("", ""),
) -> list[str]:
    """Returns the items on one line, or if that gets long on lines of their own, enclosed."""
    whole = f"{between} ".join(items)
    if len(before) + len(whole) + len(behind) <= _WIDTH:
        return [f"{before}{whole}{behind}"]
    inside = textwrap.wrap(whole, _WIDTH - 4, break_long_words=False, break_on_hyphens=False)
    return [before + around[0], *(f"    {row}" for row in inside), around[1] + behind]


def _number(value: float) -> str:
    return f"{value:g}" if "e" in f"{value:g}" or "." in f"{value:g}" else f"{value:g}.0"
