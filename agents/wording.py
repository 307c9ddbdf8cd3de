"""Numbers as people read them, alike in sentences, tables and figures."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rewardsmith.agents.statistics import Estimate, Reach


def score_text(value: float, score: str, *, signed: bool = False) -> str:
    """Writes a score: two decimals for "success", three significant digits for "return".

    Example:
        >>> score_text(0.957, "success"), score_text(-12345.6, "return")
        ('0.96', '-12,346')
        >>> score_text(0.5, "success", signed=True)
        '+0.50'
    """
    sign = "+" if signed else ""
    if math.isnan(value):
        return "-"
    if score == "success":
        return f"{value:{sign}.2f}"
    return f"{value:{sign},.0f}" if abs(value) >= 1000 else f"{value:{sign}.3g}"


def estimate_text(estimate: Estimate, score: str, *, signed: bool = False) -> str:
    """Writes an estimate with its interval, if it has one.

    Example:
        >>> estimate_text(Estimate(0.92, 0.85, 0.99), "success", signed=True)
        '+0.92 [0.85, 0.99]'
    """
    value = score_text(estimate.value, score, signed=signed)
    if not estimate.has_interval:
        return value
    return f"{value} [{score_text(estimate.low, score)}, {score_text(estimate.high, score)}]"


def steps_text(steps: float) -> str:
    """Writes a number of training steps.

    Example:
        >>> [steps_text(x) for x in (800, 32_500, 1_250_000, float("inf"))]
        ['800', '32.5k', '1.25M', 'never']
    """
    if math.isinf(steps):
        return "never"
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if steps >= unit:
            return f"{steps / unit:.3g}{name}"
    return f"{steps:.0f}"


def reach_text(reach: Reach) -> str:
    """Writes when runs reached a threshold, and how many did.

    Example:
        >>> reach_text(Reach(3, 5, 32_000.0, 28_000.0, float("inf"), 0.9375))
        '32k [28k, never], 3 of 5 runs'
    """
    median = steps_text(reach.median)
    if reach.n > 1 and reach.low != reach.high:
        median += f" [{steps_text(reach.low)}, {steps_text(reach.high)}]"
    return f"{median}, {reach.reached} of {count(reach.n, 'run')}"


def count(n: int, noun: str) -> str:
    """Writes a number with its noun.

    Example:
        >>> count(1, "seed"), count(5, "seed")
        ('1 seed', '5 seeds')
    """
    return f"{n} {noun}" if n == 1 else f"{n:,} {noun}s"


def listing(names: Sequence[str]) -> str:
    """Joins names as in a sentence.

    Example:
        >>> listing(["a", "b", "c"])
        'a, b and c'
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def duration_text(seconds: float) -> str:
    """Writes a time.

    Example:
        >>> duration_text(42), duration_text(754)
        ('42 s', '12 min 34 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes:,} min {rest} s" if minutes else f"{rest} s"
