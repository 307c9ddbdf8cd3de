"""Where answers are kept before they are used: the protocol, and a table in SQLite."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rewardsmith.envs.errors import RewardsmithError
from rewardsmith.llm_reward_design.client import Completion, Request

_LOCKED_S = 60.0
_SET_UP = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS calls (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    request TEXT NOT NULL,
    answer TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    cost REAL NOT NULL,
    wall_s REAL NOT NULL,
    cut_off INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS calls_by_key ON calls (key);
"""
_GET = """
SELECT answer, prompt_tokens, completion_tokens, cost, wall_s, cut_off FROM calls
WHERE key = ? ORDER BY number DESC LIMIT 1
"""
_PUT = """
INSERT INTO calls
(key, request, answer, prompt_tokens, completion_tokens, cost, wall_s, cut_off)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_SPENT = """
SELECT count(*), coalesce(sum(prompt_tokens + completion_tokens), 0), coalesce(sum(cost), 0.0)
FROM calls
"""


@dataclass(frozen=True, slots=True)
class Spent:
    """What calls took.

    Attributes:
        calls: Calls that were answered.
        tokens: Tokens read and written.
        cost: Price, in the currency of the prices.

    Example:
        >>> Spent(calls=2, tokens=30) + Spent.of(Completion("hi", 7, 1, cost=0.5))
        Spent(calls=3, tokens=38, cost=0.5)
    """

    calls: int = 0
    tokens: int = 0
    cost: float = 0.0

    @classmethod
    def of(cls, completion: Completion) -> Spent:
        """Returns what one answer took."""
        tokens = completion.prompt_tokens + completion.completion_tokens
        return cls(1, tokens, completion.cost)

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.calls + other.calls, self.tokens + other.tokens, self.cost + other.cost)


class CallStore(Protocol):
    """Keeps answers; used from several threads at once."""

    def get(self, key: str) -> Completion | None:
        """Returns the newest answer to a call, None if there is none."""
        ...

    def put(self, key: str, request: Request, completion: Completion) -> None:
        """Keeps an answer; once this returns, it outlives a crash of process and machine."""
        ...

    def spent(self) -> Spent:
        """Returns what all the answers kept took, those replaced by newer ones included."""
        ...


class SqliteCalls:
    """The table `calls` of a SQLite database, which may hold other tables.

    An answer is one transaction in a write-ahead log that is forced to disk before `put`
    returns, so a crash leaves it whole or not at all. Threads and processes may share the file.

    Args:
        path: The database; made if there is none.

    Raises:
        RewardsmithError: If the file cannot be opened, or is no database.

    Example:
        >>> calls = SqliteCalls(":memory:")
        >>> calls.get("a key") is None
        True
        >>> calls.spent()
        Spent(calls=0, tokens=0, cost=0.0)
    """

    def __init__(self, path: Path | str) -> None:
        self.path = path
        self._lock = threading.Lock()
        with self._explained():
            self._database = sqlite3.connect(
                path, timeout=_LOCKED_S, isolation_level=None, check_same_thread=False
            )
            self._database.executescript(_SET_UP)

    def get(self, key: str) -> Completion | None:
        """Returns the newest answer to a call, None if there is none.

        Raises:
            RewardsmithError: If the file cannot be read.
        """
        with self._explained():
            row = self._database.execute(_GET, [key]).fetchone()
        if row is None:
            return None
        text, read, written, cost, wall_s, cut_off = row
        return Completion(text, read, written, cost, wall_s, bool(cut_off))

    def put(self, key: str, request: Request, completion: Completion) -> None:
        """Keeps an answer and what was asked; both are on the disk once this returns.

        Raises:
            RewardsmithError: If the file cannot be written.
        """
        answer = completion
        row = [
            key,
            _written(request),
            answer.text,
            answer.prompt_tokens,
            answer.completion_tokens,
            answer.cost,
            answer.wall_s,
            answer.cut_off,
        ]
        with self._explained():
            self._database.execute(_PUT, row)

    def spent(self) -> Spent:
        """Returns what all the answers kept took, those replaced by newer ones included.

        Raises:
            RewardsmithError: If the file cannot be read.
        """
        with self._explained():
            return Spent(*self._database.execute(_SPENT).fetchone())

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._database.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except sqlite3.Error as error:
            raise RewardsmithError(
                f"the database of model calls {self.path} cannot be used: {error}; mend or move "
                "the file, or name another"
            ) from error


def _written(request: Request) -> str:
    said = [{"role": message.role, "content": message.content} for message in request.messages]
    settings = dict(request.settings)
    return json.dumps({"messages": said, "settings": settings, "sample": request.sample})
