"""`Part`: one summand of a reward, and the kinds of parts there are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rewardsmith.envs.errors import ConfigError, unknown

Reads = Literal["distance", "flag", "number", "force", "nothing"]
GAMMA = 0.99
"""Discount of potential-based parts."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to pay for a measure.

    Attributes:
        reads: What kind of measure it pays for.
        formula: Python, with `{x}` for the measure after the step, `{y}` for the measure
            before, `{over}` for the division by the scale and `{range}` for the test of a band.
        comment: What it pays for, in words.
        suffix: What a part of this kind is called, after the measure.
        lasts: Whether it pays at every step of a state rather than for a change of state.
        is_charge: Whether the formula is taken off rather than paid.
        exponential: Whether `{x}` and `{y}` are exp(-measure / scale) rather than the measure.
    """

    reads: Reads
    formula: str
    comment: str
    suffix: str
    lasts: bool = False
    is_charge: bool = False
    exponential: bool = False


KINDS: Mapping[str, Kind] = {
    "progress": Kind("distance", "({y} - {x}){over}", "Pay for getting nearer:", "progress"),
    "potential": Kind(
        "distance",
        f"({GAMMA} * {{x}} - {{y}})",
        "Pay the gain of a discounted potential of",
        "potential",
        exponential=True,
    ),
    "closeness": Kind(
        "distance", "{x}", "Pay for nearness of", "closeness", lasts=True, exponential=True
    ),
    "farness": Kind(
        "distance", "{x}{over}", "Charge for distance of", "farness", lasts=True, is_charge=True
    ),
    "gain": Kind("flag", "({x} - {y})", "Pay once for", "gain"),
    "hold": Kind("flag", "{x}", "Pay while", "held", lasts=True),
    "change": Kind("number", "({x} - {y}){over}", "Pay for more of", "change"),
    "level": Kind("number", "{x}{over}", "Pay by the level of", "level", lasts=True),
    "size": Kind("number", "np.abs({x}){over}", "Pay by the size of", "size", lasts=True),
    "growth": Kind(
        "number", "(np.abs({x}) - np.abs({y})){over}", "Pay for a growing size of", "growth"
    ),
    "band": Kind("number", "{range}", "Pay within the range of", "in_range", lasts=True),
    "effort": Kind(
        "force", "{x}{over}", "Charge for pushing hard", "effort", lasts=True, is_charge=True
    ),
    "time": Kind("nothing", "np.ones(len({x}))", "Charge for every step", "time", True, True),
}
"""Kinds of parts by name."""


@dataclass(frozen=True, slots=True)
class Part:
    """One summand: weight times the formula of its kind, where all gates are open.

    Attributes:
        kind: A key of `KINDS`.
        fields: The fields it reads: one, or the two whose distance counts.
        weight: Factor; of either sign for flags and numbers.
        scale: Size that counts as 1, or the temperature of an exponential; positive.
        band: Lower and upper end of the range, for "band" alone.
        gates: Flags by name, and whether they must be up (True) or down. Parts that pay for
            a change read them before the step, so that the step which opens or closes a gate
            counts to where it started.

    Raises:
        ConfigError: If the kind is unknown, or a number is not finite or not in its range.
    """

    kind: str
    fields: tuple[str, ...] = ()
    weight: float = 1.0
    scale: float = 1.0
    band: tuple[float, float] | None = None
    gates: tuple[tuple[str, bool], ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown("kind of part", self.kind, KINDS)
        if not (math.isfinite(self.weight) and 0 < self.scale < math.inf):
            raise ConfigError(
                f"weight of {self.kind} must be finite and scale positive, "
                f"got {self.weight} and {self.scale}"
            )
        if (self.kind == "band") != (self.band is not None):
            raise ConfigError(f"a range belongs to 'band' and to it alone, got {self.band}")

    @property
    def is_charge(self) -> bool:
        """Whether it costs rather than pays."""
        return KINDS[self.kind].is_charge == (self.weight > 0)

    @property
    def is_tempered(self) -> bool:
        """Whether its scale is the temperature of an exponential."""
        return KINDS[self.kind].exponential

    @property
    def lasts(self) -> bool:
        """Whether it pays at every step of a state rather than for a change of state."""
        return KINDS[self.kind].lasts

    @property
    def key(self) -> tuple[Any, ...]:
        """What must differ between the parts of a design."""
        return self.kind, self.fields, self.gates

    def to_data(self) -> list[Any]:
        """Returns it as data for JSON."""
        band = None if self.band is None else [_open(end) for end in self.band]
        gates = [[name, up] for name, up in self.gates]
        return [self.kind, list(self.fields), self.weight, self.scale, band, gates]

    @classmethod
    def from_data(cls, data: Any) -> Part:
        """Returns the part that `to_data` told.

        Raises:
            ValueError, TypeError: If it is anything else.
        """
        kind, fields, weight, scale, band, gates = data
        ends = None
        if band is not None:
            low, high = band
            ends = (
                -math.inf if low is None else float(low),
                math.inf if high is None else float(high),
            )
        return cls(
            str(kind),
            tuple(map(str, fields)),
            float(weight),
            float(scale),
            ends,
            tuple((str(name), bool(up)) for name, up in gates),
        )


Design = tuple[Part, ...]
"""The parts of a reward, in the order they are added up."""


def _open(end: float) -> float | None:
    return end if math.isfinite(end) else None
