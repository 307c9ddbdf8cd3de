"""What answers a question about a database: the right query, and the rows it gives on several."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from rewardsmith.envs.text.database import Database, Rows, query
from rewardsmith.envs.text.result_set import same_rows
from rewardsmith.envs.text.tools import ToolError

SIBLINGS = 3
"""Databases of the same schema on which an answer must be right too.

One is enough against constants. Of the queries that are a part or a number off the right one and
give its rows on the shown database, one finds out a quarter, three find out half, five two
thirds; each costs a query per answer."""


class Clauses(NamedTuple):
    """A query in parts; "" for a part that it does not have."""

    select: str
    join: str = ""
    where: str = ""
    group: str = ""
    order: str = ""

    def sql(self) -> str:
        """Writes the query."""
        return " ".join(filter(None, self))


@dataclass(frozen=True, slots=True)
class Question:
    """A question and its answer.

    Attributes:
        text: The question.
        clauses: The query that answers it.
        keys: Query whose rows must differ, so that the question has one answer; "" for none.
    """

    text: str
    clauses: Clauses
    keys: str = ""

    @property
    def ordered(self) -> bool:
        """Whether it asks for an order."""
        return bool(self.clauses.order)

    def rows(self, database: Database) -> Rows | None:
        """Returns the rows that answer it; None where it has more than one answer, or a NULL."""
        keys = query(database, self.keys) if self.keys else ()
        if len(set(keys)) < len(keys):
            return None
        rows = query(database, self.clauses.sql())
        return None if any(cell is None for row in rows for cell in row) else rows


class Case(NamedTuple):
    """A database, and the rows that are right there."""

    database: Database
    rows: Rows


def telling(rows: Rows) -> bool:
    """Whether rows are anything but none, or a count of none."""
    return bool(rows) and rows != ((0,),)


@functools.lru_cache(maxsize=1024)
def siblings(question: Question, shown: Case) -> tuple[Case, ...]:
    """Returns up to `SIBLINGS` cases on which the answer to a question is another one.

    Each is a database of the same schema on which the question has one answer, with other rows
    than the shown one; so no constant is right on both. Those with `telling` rows that no other
    case has come first, and without one there are none: where all siblings had no rows, a
    constant with a condition that only the shown database meets would be right.

    Nothing is drawn: equal questions have equal siblings.
    """
    found: list[Case] = []
    spare: list[Case] = []
    for other in shown.database.siblings():
        rows = question.rows(other)
        if rows is None or same_rows(rows, shown.rows, question.ordered):
            continue
        new = not any(same_rows(rows, case.rows, question.ordered) for case in found)
        (found if new and telling(rows) else spare).append(Case(other, rows))
        if len(found) == SIBLINGS:
            break
    return (*found, *spare)[:SIBLINGS] if found else ()


def is_right(sql: str, facts: Mapping[str, Any]) -> bool:
    """Whether a query gives the right rows on the database shown and on all its siblings.

    This is test suite accuracy (Zhong, Yu, Klein 2020, arXiv 2010.02840), and where there are no
    siblings execution accuracy (Spider, arXiv 1809.08887); see `same_rows`.

    Args:
        sql: The query.
        facts: The facts of a task: `database`, `rows`, and where they are known `ordered` and
            `siblings`.

    Example:
        >>> from rewardsmith.envs.text.sql_domains import Generated
        >>> one, two = Generated("library", 0), Generated("library", 1)
        >>> gold = "SELECT COUNT(*) FROM books"
        >>> facts = {"database": one, "rows": query(one, gold)}
        >>> facts["rows"], is_right("SELECT 25", facts)
        (((25,),), True)
        >>> facts["siblings"] = (Case(two, query(two, gold)),)
        >>> is_right("SELECT 25", facts), is_right(gold, facts)
        (False, True)
    """
    shown = Case(facts["database"], facts["rows"])
    try:
        return all(
            same_rows(query(database, sql), rows, bool(facts.get("ordered", False)))
            for database, rows in (shown, *facts.get("siblings", ()))
        )
    except ToolError:
        return False
