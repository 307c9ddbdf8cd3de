"""What a field of a card is: flag, place, distance, code; told by its range, name and words."""

from __future__ import annotations

import math
import re

from rewardsmith.envs.card import Field
from rewardsmith.llm_reward_design.grammar import words

_FLAG_NAMES = ("has_", "is_", "was_", "in_", "at_", "did_", "can_")
_NO_FLAG = re.compile(
    r"divided|share|mean|rate\b|chance|hot|entry|every|each|cosine|feature|1 /|paid|\bpay"
    r"|place|row|column|x and y|difference|score|component|value|relevance|which of"
)
_BOUND = re.compile(r"(below|under|above|over|beyond)\s+(-?\d+(?:\.\d+)?)")


def width(f: Field) -> int:
    """Returns how many columns a field has; 0 if its card does not tell."""
    return 0 if f.columns is None else f.columns[1] - f.columns[0]


def is_flag(f: Field) -> bool:
    """Tells whether a field is 0 or 1, by its range, name and description."""
    if (f.low, f.high) != (0, 1) or width(f) > 1:
        return False
    return f.name.startswith(_FLAG_NAMES) or not _NO_FLAG.search(f"{f.name} {f.description}")


def is_separation(f: Field) -> bool:
    """Tells whether a field is a distance already, or the difference of two places."""
    named = {"distance", "dist", "gap"} & set(words.words(f.name))
    differs = "minus" in f.description or re.fullmatch(r"[a-z0-9_]+_to_[a-z0-9_]+", f.name)
    is_other = words.begins(f.name, words.NO_PLACE) or words.begins(f.description, words.COVERED)
    return bool(named or differs) and not is_other


def is_place(f: Field) -> bool:
    """Tells whether a field says where something is."""
    is_other = is_separation(f) or is_flag(f)
    if is_other or words.begins(f"{f.name} {f.description}", words.NO_PLACE):
        return False
    return bool(words.PLACE & {*words.words(f.name), *words.words(f.description)[:1]})


def is_code(f: Field) -> bool:
    """Tells whether a field numbers things, or spells them one-hot, so that size means nothing."""
    said = f"{f.name} {f.description}"
    is_index = f.low in (-1, 0) and f.high > 1 and f.columns is None
    return words.begins(said, ("code", "hot")) or is_index


def comparable(a: Field, b: Field) -> bool:
    """Tells whether two places can be subtracted."""
    if width(a) == 0 or width(b) == 0:
        alike = bool(words.content(a.name) & words.content(b.name))
        return width(a) == width(b) and (a.unit, a.low, a.high) == (b.unit, b.low, b.high) and alike
    return width(a) == width(b) and a.unit == b.unit


def subject(f: Field) -> frozenset[str]:
    """Returns whose place or velocity a field is: {"x"} of `x_position` and of `x_velocity`."""
    rate = words.SPEED
    return frozenset(w for w in words.words(f.name) if w != "position" and not w.startswith(rate))


def moves(f: Field) -> int:
    """Returns how far a name is that of something the agent moves rather than of an aim."""
    named = set(words.words(f.name))
    is_aim = bool(named & words.AIM) and "achieved" not in named
    is_bare = not words.content(f.name)  # "position" alone is the agent's own
    return 2 * bool(named & words.MOVER) + is_bare - 2 * is_aim


def reach(f: Field) -> float:
    """Returns the typical size of a field: what its range allows, 1 where it is open."""
    if not (math.isfinite(f.low) and math.isfinite(f.high)) or f.high <= f.low:
        return 1.0
    largest = f.high if f.low == -f.high else f.high - f.low
    return rounded(largest * math.sqrt(max(width(f), 1)))


def band(f: Field) -> tuple[float, float] | None:
    """Returns the range outside which a description warns of harm: "below 0.7 it has fallen"."""
    found = _BOUND.search(f.description)
    if found is None or width(f) != 1 or not words.begins(f.description, words.HARM):
        return None
    relation, bound = found[1], float(found[2])
    if relation in ("below", "under"):
        return bound, math.inf
    return (-bound, bound) if relation == "beyond" else (-math.inf, bound)


def rounded(number: float) -> float:
    """Returns a number as a person would write it, to three digits."""
    return float(f"{number:.3g}")
