"""What conversations have found, and which of them differ enough to go on with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rewardsmith.envs.text.transcript import Transcript


def evidence(transcript: Transcript) -> frozenset[str]:
    """Returns the words of all that the tools have found so far; an error is no evidence."""
    found = (result.text for result in transcript.results if result.ok)
    return frozenset(word for text in found for word in text.lower().split())


def diverse(found: Sequence[frozenset[str]], most: int, similarity: float) -> list[int]:
    """Returns the places of sets that cover what was found: the first, then always the farthest.

    The next is the set whose largest Jaccard similarity |A & B| / |A | B| with those chosen is
    smallest; sets that reach `similarity` are near-duplicates and are never chosen.

    Args:
        found: The sets, at least one.
        most: Sets to choose, at most.
        similarity: Above 1 none counts as a near-duplicate.

    Example:
        >>> sets = [frozenset(words) for words in ("ab", "abc", "ab", "d")]
        >>> diverse(sets, most=4, similarity=0.9), diverse(sets, most=2, similarity=2.0)
        ([0, 3, 1], [0, 3])
    """
    chosen: list[int] = []
    nearest = np.zeros(len(found))
    while len(chosen) < most:
        place = int(np.argmin(nearest))
        if chosen and nearest[place] >= similarity:
            break
        chosen.append(place)
        nearest = np.maximum(nearest, [_jaccard(found[place], other) for other in found])
        nearest[chosen] = np.inf
    return chosen


def _jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    union = len(a | b)
    return len(a & b) / union if union else 1.0
