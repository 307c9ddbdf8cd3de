"""Combiners in which every term has a part of its own: the terms must be the named ones."""

from __future__ import annotations

from collections.abc import Iterable

from rewardsmith.envs.errors import ConfigError, unknown


def check_roles(named: Iterable[str], terms: Iterable[str], where: str) -> None:
    """Raises ConfigError unless the names a combiner speaks of are those of the terms.

    Args:
        named: Names in the combiner's parameters.
        terms: Names of the design's terms.
        where: The combiner, for the message.

    Example:
        >>> check_roles(["ctr"], ["ctr", "time"], "Clicks")
        Traceback (most recent call last):
        rewardsmith.envs.errors.ConfigError: Clicks says nothing of term 'time'; name it there, \
or take it out of the design
    """
    names, known = list(named), list(terms)
    for name in names:
        if name not in known:
            raise unknown("term", name, known, where=where)
    for name in known:
        if name not in names:
            raise ConfigError(
                f"{where} says nothing of term {name!r}; name it there, or take it out of the "
                "design"
            )
