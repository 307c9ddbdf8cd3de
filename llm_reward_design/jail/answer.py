"""The answer of a jailed program: JSON of bounded size and depth, and nothing else."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

LONGEST = 4 << 20
"""Most bytes of an answer."""

_DEEPEST = 64
_DIGITS = 19


class BadAnswer(ValueError):
    """An answer that is no JSON of the agreed form; the text says why."""


def encode(value: Any) -> bytes:
    """Returns `value` as JSON.

    Raises:
        BadAnswer: If it is no plain data, holds NaN or infinity, or is too long or too deep.

    Example:
        >>> encode({"rows": [1, 2.5]})
        b'{"rows": [1, 2.5]}'
        >>> encode(float("nan"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        rewardsmith.llm_reward_design.jail.answer.BadAnswer: an answer must be JSON without NaN ...
    """
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadAnswer(
            f"an answer must be JSON without NaN or infinity: {type(error).__name__}: {error}"
        ) from None
    if len(text) > LONGEST:
        raise BadAnswer(f"an answer of {len(text)} bytes is longer than {LONGEST}")
    return text.encode()


def decode(data: bytes) -> Any:
    """Returns what `data` says, whoever wrote it.

    Every string can be encoded, every number is finite and fits into 64 bits, no key of an
    object repeats, and nothing is nested deeper than 64 levels.

    Raises:
        BadAnswer: If it is anything else.

    Example:
        >>> decode(b'[1, {"a": null}]')
        [1, {'a': None}]
        >>> decode(b'{"a": 1, "a": 2}')
        Traceback (most recent call last):
        rewardsmith.llm_reward_design.jail.answer.BadAnswer: the key 'a' repeats
    """
    if len(data) > LONGEST:
        raise BadAnswer(f"longer than {LONGEST} bytes")
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_real,
            parse_constant=_constant,
        )
        _check(value)
    except BadAnswer:
        raise
    except (ValueError, RecursionError) as error:
        raise BadAnswer(str(error)[:200]) from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for key, value in pairs:
        if key in read:
            raise BadAnswer(f"the key {key[:40]!r} repeats")
        read[key] = value
    return read


def _integer(text: str) -> int:
    if len(text) > _DIGITS + 1 or not -(2**63) <= int(text) < 2**63:
        raise BadAnswer("an integer does not fit into 64 bits")
    return int(text)


def _real(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise BadAnswer("a number is infinite")
    return value


def _constant(text: str) -> NoReturn:
    raise BadAnswer(f"{text} is no JSON")


def _check(value: Any) -> None:
    """Refuses strings that cannot be encoded (lone surrogates) and deep nesting."""
    level = [value]
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                item.encode("utf-8")
            elif isinstance(item, dict):
                below.extend(item)
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        if not below:
            return
        level = below
    raise BadAnswer(f"nested deeper than {_DEEPEST} levels")
