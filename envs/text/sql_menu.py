"""The menu of `SQL-v0`: the right query, put together part by part."""

from __future__ import annotations

from collections.abc import Sequence

from rewardsmith.envs.text.message import write
from rewardsmith.envs.text.sql_answers import Clauses
from rewardsmith.envs.text.sql_schema import inspect
from rewardsmith.envs.text.transcript import ToolCall, Transcript

PARTS = ("join", "where", "group", "order")
FEATURES = (
    *(f"asks_{part}" for part in PARTS),
    *(f"has_{part}" for part in PARTS),
    "failed",
    "turns",
)


def messages(transcript: Transcript) -> list[str]:
    """Returns the menu: the tables, each part to add or to take away, the answer.

    A part that the question does not ask for is a wrong one.
    """
    parts = _parts(transcript)
    has = _has(transcript, parts)
    offered = [write([ToolCall("schema")])]
    for at in range(len(parts)):
        kept = [held != (at == i) for i, held in enumerate(has)]
        offered.append(write([call(_compose(transcript, parts, kept))]))
    return [*offered, write(answer=_compose(transcript, parts, has))]


def features(transcript: Transcript, turns: int) -> list[float]:
    """Tells which parts the question asks for, and which the last query has."""
    asked = [float(bool(part)) for part in transcript.task.facts["clauses"][1:]]
    has = [float(held) for held in _has(transcript, _parts(transcript))]
    failed = bool(transcript.results) and not transcript.results[-1].ok
    return [*asked, *has, float(failed), len(transcript.turns) / turns]


def call(sql: str) -> ToolCall:
    """Returns the call of a query.

    Example:
        >>> call("SELECT 1")
        ToolCall(name='query', arguments={'sql': 'SELECT 1'})
    """
    return ToolCall("query", {"sql": sql})


def _parts(transcript: Transcript) -> list[str]:
    """Returns the parts on offer: those of the right query, and wrong ones for the others."""
    clauses: Clauses = transcript.task.facts["clauses"]
    other = inspect(transcript.task.facts["database"]).tables[0].name
    wrong = (
        f"CROSS JOIN {other} AS other",
        "WHERE 1 = 0",
        "GROUP BY 1 HAVING COUNT(*) > 1",
        "LIMIT 1",
    )
    return [part or bad for part, bad in zip(clauses[1:], wrong, strict=True)]


def _has(transcript: Transcript, parts: Sequence[str]) -> list[bool]:
    """Tells which of the parts the last query has."""
    asked = [call.arguments for call in transcript.calls if call.name == "query"]
    sql = str(asked[-1].get("sql", "")) if asked else ""
    return [part in sql for part in parts]


def _compose(transcript: Transcript, parts: Sequence[str], kept: Sequence[bool]) -> str:
    clauses: Clauses = transcript.task.facts["clauses"]
    chosen = [part for part, keep in zip(parts, kept, strict=True) if keep]
    return " ".join([clauses.select, *chosen])
