"""Databases that can be asked but not written: sqlite behind locks, with budgets per query."""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.text.tools import ToolError

Rows = tuple[tuple[Any, ...], ...]

ROWS = 1_000
"""Rows of a result that are fetched."""

STEPS = 500_000
"""Instructions of sqlite's machine that a query may take; the same query always takes as many."""

SECONDS = 2.0
"""Computing time a query may take, should single instructions be slow."""

NAMES = 16
"""FROM, JOIN, IN and commas in a query with WITH: sqlite copies what a name stands for at every
mention before any budget counts, so that a chain of names can grow without bound."""

_EVERY = 1_000
_OPEN = 128
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 5_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 2_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 100,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 50,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 10,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 20_000,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 10,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 100,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 0,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_FUNCTIONS = (
    "abs avg coalesce count cume_dist date datetime dense_rank first_value glob group_concat "
    "ifnull iif instr julianday lag last_value lead length like lower ltrim max min nth_value "
    "ntile nullif percent_rank rank round row_number rtrim sign strftime substr substring sum "
    "time total trim typeof upper"
)
_DONE = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE)
_SAID = {
    "interrupted": "the query takes too long.",
    "not authorized": "only a SELECT is allowed here.",
}
_WITH = re.compile(r"\bwith\b", re.I)
_MENTION = re.compile(r",|\b(?:from|join|in)\b", re.I)


class Database(ABC):
    """What can be opened; a small value, so that it is compared, kept and sent by content."""

    @abstractmethod
    def open(self) -> sqlite3.Connection:
        """Returns a new connection."""

    def siblings(self) -> Sequence[Database]:
        """Returns databases of the same schema with other rows; none if there are none."""
        return ()


@dataclass(frozen=True, slots=True)
class SqliteFile(Database):
    """A file of sqlite's.

    Attributes:
        path: Where it lies.
    """

    path: str

    def open(self) -> sqlite3.Connection:
        """Returns a connection that cannot write, make a journal, or lock.

        Raises:
            EnvError: If there is no database at the path.
        """
        try:
            uri = f"{Path(self.path).absolute().as_uri()}?mode=ro&immutable=1"
            connection = sqlite3.connect(uri, uri=True)
            connection.execute("SELECT COUNT(*) FROM sqlite_master")
        except (sqlite3.Error, ValueError) as error:
            raise EnvError(
                f"data must be the path of a sqlite file; got {self.path!r}: {error}"
            ) from None
        return connection


def query(database: Database, sql: str) -> Rows:
    """Returns the rows of one SELECT, at most `ROWS`; never writes, and always comes back.

    Raises:
        ToolError: If it is anything but one sound SELECT, or uses up its budget.

    Example:
        >>> from rewardsmith.envs.text.sql_domains import Generated
        >>> library = Generated("library", 0)
        >>> query(library, "SELECT 1, 'a' UNION SELECT 2, NULL")
        ((1, 'a'), (2, None))
        >>> query(library, "DELETE FROM books")
        Traceback (most recent call last):
        rewardsmith.envs.text.tools.ToolError: only a SELECT is allowed here.
    """
    if _WITH.search(sql) and len(_MENTION.findall(sql)) > NAMES:
        raise ToolError(
            f"a query with WITH may have {NAMES} FROM, JOIN, IN and commas; this one has more."
        )
    key = os.getpid(), database
    connections = _connections.open
    guarded = connections.pop(key, None) or _Guarded(database)
    connections[key] = guarded
    if len(connections) > _OPEN:
        connections.popitem(last=False)
    return guarded.run(sql)


class _Guarded:
    """A connection on which only reading is allowed, within a budget."""

    def __init__(self, database: Database) -> None:
        self._steps, self._deadline = 0, 0.0
        self._connection = connection = database.open()
        connection.isolation_level = None
        connection.text_factory = lambda raw: raw.decode(errors="replace")
        # Without temp_store a large sort would be written to a file.
        for setting in ("query_only = ON", "trusted_schema = OFF", "temp_store = MEMORY"):
            connection.execute(f"PRAGMA {setting}")
        for limit, value in _LIMITS.items():
            connection.setlimit(limit, value)
        connection.set_authorizer(_allow)
        connection.set_progress_handler(self._stop, _EVERY)

    def run(self, sql: str) -> Rows:
        """Returns the rows of a query; see `query`."""
        self._steps, self._deadline = 0, time.thread_time() + SECONDS
        try:
            cursor = self._connection.execute(sql)
            try:
                rows = tuple(cursor.fetchmany(ROWS))
                empty = cursor.description is None
            finally:
                cursor.close()
        except (sqlite3.Error, sqlite3.Warning, ValueError, MemoryError) as error:
            reason = str(error) or type(error).__name__
            raise ToolError(_SAID.get(reason, reason)) from None
        if empty:
            raise ToolError("there is no query in it.")
        return rows

    def _stop(self) -> bool:
        self._steps += _EVERY
        return self._steps > STEPS or time.thread_time() > self._deadline


class _Connections(threading.local):
    """Open connections of a thread, the latest used last."""

    def __init__(self) -> None:
        self.open: OrderedDict[tuple[int, Database], _Guarded] = OrderedDict()


_connections = _Connections()


def _allow(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """Says what a query may do: sqlite asks before it runs anything."""
    if action == sqlite3.SQLITE_FUNCTION:
        allowed = (second or "").lower() in _FUNCTIONS.split()
    elif action == sqlite3.SQLITE_READ:
        allowed = not (first or "").lower().startswith(("pragma_", "dbstat", "sqlite_dbpage"))
    else:
        allowed = action in _DONE
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY
