"""`Journal`: what a search has finished, so that no step of it is ever done twice."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_TABLE = """
CREATE TABLE IF NOT EXISTS results (
    key TEXT PRIMARY KEY, value TEXT NOT NULL, wall_s REAL NOT NULL, finished REAL NOT NULL
) WITHOUT ROWID
"""


class Journal:
    """Results by key in one SQLite file, each on disk before it is used.

    A search is written as a plain program whose slow steps go through a journal. After a crash
    it runs from its first line again: what is finished is read, what is not is done.

    Args:
        path: The database; made if it is missing.

    Example:
        >>> import tempfile
        >>> journal = Journal(Path(tempfile.mkdtemp(), "journal.sqlite"))
        >>> journal.once("answer", lambda: 6 * 7)
        42
        >>> journal.once("answer", lambda: 1 / 0)  # finished already
        42
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = sqlite3.connect(path, isolation_level=None, timeout=60.0)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute(_TABLE)

    def get(self, key: str) -> Any | None:
        """Returns the result under `key`, None if there is none yet."""
        row = self._database.execute("SELECT value FROM results WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, key: str, value: Any, wall_s: float = 0.0) -> None:
        """Writes a result, plain data, to disk; the first under a key stays."""
        self._database.execute(
            "INSERT OR IGNORE INTO results VALUES (?, ?, ?, ?)",
            (key, json.dumps(value), wall_s, time.time()),
        )

    def once(self, key: str, work: Callable[[], Any]) -> Any:
        """Returns the result under `key`, made by `work` if it is not there yet."""
        held = self.get(key)
        if held is not None:
            return held
        started = time.monotonic()
        self.put(key, work(), time.monotonic() - started)
        return self.get(key)

    def spent_s(self, prefix: str = "") -> float:
        """Returns the seconds that the results whose key begins with `prefix` took, summed."""
        query = "SELECT total(wall_s) FROM results WHERE substr(key, 1, ?) = ?"
        return float(self._database.execute(query, (len(prefix), prefix)).fetchone()[0])

    def close(self) -> None:
        """Closes the database."""
        self._database.close()
