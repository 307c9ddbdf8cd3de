"""A query against the rows that the right one gives."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.text.database import Rows, query
from rewardsmith.envs.text.message import write
from rewardsmith.envs.text.sql_answers import Case, is_right
from rewardsmith.envs.text.sql_domains import Generated
from rewardsmith.envs.text.tools import ToolError
from rewardsmith.envs.text.transcript import TextTask, Transcript
from rewardsmith.rewards.verify.examples import spoken
from rewardsmith.rewards.verify.outcome import Abstained, Outcome, Scored
from rewardsmith.rewards.verify.verifier import Fixture, Verifier


def row_f1(said: Rows, gold: Rows) -> float:
    """Returns 2 |A n B| / (|A| + |B|) of two multisets of rows; 1 if both are empty.

    Example:
        >>> row_f1(((1,), (2,)), ((2,), (3,)))
        0.5
    """
    shared = sum((Counter(said) & Counter(gold)).values())
    both = len(said) + len(gold)
    return 2 * shared / both if both else 1.0


@dataclass
class SqlResult(Verifier):
    """1 if the answered query gives the right rows, else part of `partial`.

        score = partial * mean(1, whether there are as many columns, row F1)   if it runs
                0                                                              if it does not

    The answer is run, read-only, on the task's fact "database" and its rows compared with the
    fact "rows": as a multiset, in order where the fact "ordered" says so; then on each of the
    fact "siblings", where there are some. Only a query that is right on all of them is right, so
    one that answers with the rows as constants is not. Partial credit is for the rows on
    "database" alone. Since partial < 1 no wrong query outranks a right one, as Reasoning-SQL
    demands. Abstains without "database" and "rows".

    Source: Reasoning-SQL, arXiv 2503.23157; test suites: Zhong et al. 2020, arXiv 2010.02840.

    Args:
        partial: What a wrong query can earn, in [0, 1); 0 pays right queries alone.

    Raises:
        ConfigError: If it is out of range.
    """

    partial: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.partial < 1:
            raise ConfigError(f"SqlResult.partial must be in [0, 1), got {self.partial}")

    def score(self, transcript: Transcript) -> Outcome:
        """Returns the score of the answer; 0 without one."""
        facts = transcript.task.facts
        if not {"database", "rows"} <= facts.keys():
            return Abstained("the task does not say which rows are right")
        if transcript.answer is None:
            return Scored(0.0, reason="no answer")
        if is_right(transcript.answer, facts):
            return Scored(1.0)
        try:
            said = query(facts["database"], transcript.answer)
        except ToolError as error:
            return Scored(0.0, reason=str(error))
        gold: Rows = facts["rows"]
        parts = {"columns": float(_width(said) == _width(gold)), "rows": row_f1(said, gold)}
        return Scored(self.partial * (1.0 + sum(parts.values())) / 3.0, parts)

    def fixtures(self) -> list[Fixture]:
        """Returns examples of a query for two rows, and of one for a count."""
        third = self.partial / 3.0
        return [
            Fixture("full", _answers(_TWO), 1.0),
            Fixture("full", _answers("SELECT 2, 'b' UNION ALL SELECT 1, 'a'"), 1.0),
            Fixture("partial", _answers("SELECT 2, 'b' UNION ALL SELECT 1, 'a'", True), 3 * third),
            Fixture("partial", _answers("SELECT 1, 'a' UNION SELECT 3, 'c'"), 2.5 * third),
            Fixture("partial", _answers("SELECT 1"), third),
            Fixture("full", spoken(_count(), write(answer=_COUNT)), 1.0),
            Fixture("partial", spoken(_count(), write(answer="SELECT 25")), 3 * third),
            Fixture("zero", _answers("SELECT no_such_column FROM nowhere"), 0.0),
            Fixture("zero", _answers("DROP TABLE books"), 0.0),
            Fixture("malformed", spoken(_task(), _TWO), 0.0),
            Fixture("abstain", spoken(TextTask("q", "?", "!"), write(answer="SELECT 1")), None),
        ]


_TWO = "SELECT 1, 'a' UNION SELECT 2, 'b'"
_COUNT = "SELECT COUNT(*) FROM books"


def _width(rows: Rows) -> int:
    return len(rows[0]) if rows else 0


def _task(ordered: bool = False) -> TextTask:
    facts: dict[str, Any] = {"database": Generated("library", 0), "ordered": ordered}
    return TextTask("rows", "Which rows?", _TWO, facts=facts | {"rows": ((1, "a"), (2, "b"))})


def _count() -> TextTask:
    sibling = Case(Generated("library", 1), ((36,),))
    facts = {"database": Generated("library", 0), "rows": ((25,),), "siblings": (sibling,)}
    return TextTask("books", "How many books?", _COUNT, facts=facts)


def _answers(sql: str, ordered: bool = False) -> Transcript:
    return spoken(_task(ordered), write(answer=sql))
