"""When two results of queries are the same."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from typing import Any

from rewardsmith.envs.text.database import Rows

DECIMALS = 6
"""Decimals to which numbers must agree."""

_WIDEST = 6


def same_rows(rows: Rows, gold: Rows, ordered: bool = False) -> bool:
    """Whether two results are the same, as execution accuracy in Spider has it.

    Rows are compared as a multiset, or in their order where the question asks for one; the
    order of columns does not matter, so some permutation of them must make the results equal.
    Spider: Yu et al. 2018, arXiv 1809.08887; its test suites: Zhong et al. 2020, arXiv
    2010.02840. Numbers need agree to six decimals only; 2 equals 2.0, and "2" does not.

    Example:
        >>> same_rows(((1, "a"), (2, "b")), (("b", 2.0), ("a", 1.0)))
        True
        >>> same_rows(((1, "a"), (2, "b")), (("b", 2), ("a", 1)), ordered=True)
        False
    """
    if len(rows) != len(gold) or not rows:
        return len(rows) == len(gold)
    width = len(gold[0])
    if len(rows[0]) != width or width > _WIDEST:
        return False
    said, true = _plain(rows), _plain(gold)
    if ordered:
        columns, wanted = list(zip(*said, strict=True)), list(zip(*true, strict=True))
        return Counter(columns) == Counter(wanted)
    counted = Counter(true)
    return any(
        Counter(tuple(row[column] for column in order) for row in said) == counted
        for order in permutations(range(width))
    )


def constants(rows: Rows) -> str:
    """Writes a query that gives these rows, whatever the database.

    Args:
        rows: At least one row of texts, finite numbers and None.

    Example:
        >>> constants(((1, "it's"), (2.5, None)))
        "VALUES (1, 'it''s'), (2.5, NULL)"
    """
    return "VALUES " + ", ".join(f"({', '.join(map(_literal, row))})" for row in rows)


def show_rows(rows: Rows, shown: int = 20) -> str:
    r"""Writes rows for an agent: their number, then one per line.

    Example:
        >>> show_rows(((1, "a"), (None, "b")))
        '2 rows\n1 | a\nNULL | b'
    """
    lines = ["1 row" if len(rows) == 1 else f"{len(rows)} rows"]
    lines += [" | ".join(map(_cell, row)) for row in rows[:shown]]
    return "\n".join(lines if len(rows) <= shown else [*lines, "..."])


def _plain(rows: Rows) -> Rows:
    return tuple(
        tuple(round(cell, DECIMALS) + 0.0 if isinstance(cell, float) else cell for cell in row)
        for row in rows
    )


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def _cell(value: Any) -> str:
    text = "NULL" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
