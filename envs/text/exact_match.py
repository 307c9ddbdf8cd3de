"""Answers as people write them, compared after normalisation."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PUNCTUATION = re.compile(r"[^\w\s]|_")
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def normalise(answer: str) -> str:
    """Returns an answer without case, punctuation, articles and needless space.

    The normalisation of SQuAD (Rajpurkar et al. 2016, arXiv 1606.05250).

    Example:
        >>> normalise("The  Port of Osk, a harbour!")
        'port of osk harbour'
    """
    plain = _ARTICLES.sub(" ", _PUNCTUATION.sub("", answer.lower()))
    return " ".join(plain.split())


def matches(answer: str, accepted: Iterable[str]) -> bool:
    """Whether an answer equals one of the accepted ones after normalisation, and says anything.

    Example:
        >>> matches("the Osk.", ["Osk"]), matches("Osk or Bel", ["Osk", "Bel"]), matches("", [""])
        (True, False, False)
    """
    said = normalise(answer)
    return bool(said) and any(said == normalise(right) for right in accepted)
