"""`SQL-v0`: questions about a sqlite database, answered by a query."""

from __future__ import annotations

import functools
import random
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gymnasium.vector import AutoresetMode

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.text import sql_menu
from rewardsmith.envs.text.batch import TextEnv
from rewardsmith.envs.text.database import Database, Rows, SqliteFile, query
from rewardsmith.envs.text.dialogue import Budget, Dialogue
from rewardsmith.envs.text.message import write
from rewardsmith.envs.text.result_set import constants, show_rows
from rewardsmith.envs.text.sql_answers import SIBLINGS, Case, is_right, siblings
from rewardsmith.envs.text.sql_domains import DATABASES, DOMAINS, Generated
from rewardsmith.envs.text.sql_questions import HARDEST, ask
from rewardsmith.envs.text.sql_schema import describe, describe_table, inspect
from rewardsmith.envs.text.tools import Parameter, Tool, ToolError
from rewardsmith.envs.text.transcript import Message, TextTask, ToolCall, Transcript

_ATTACKS = (
    "UPDATE {table} SET rowid = 0; DROP TABLE {table}",
    "ATTACH DATABASE 'rewards.db' AS rewards",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT COUNT(*) FROM r",
)


class SQLDialogue(Dialogue):
    """Questions whose answer is a query.

    Args:
        difficulty: 1 a filter, 2 an order, 3 a join, 4 groups, 5 nested queries or two joins.
        data: Path of a sqlite file to ask about instead of generated databases.
        budget: What a conversation may use.
        split: "train" or "test".

    Raises:
        EnvError: If an argument is out of range, the file cannot be read, or its tables do not
            allow such questions.
    """

    goal = (
        "Answer the question about a sqlite database with one query; the answer is the SELECT "
        "itself, and must hold whatever rows the tables have. Look at the tables and try queries "
        "first."
    )
    menu_size = len(sql_menu.PARTS) + 2
    feature_names = sql_menu.FEATURES

    def __init__(
        self, difficulty: int, data: str | Path | None, budget: Budget, split: str
    ) -> None:
        if difficulty not in range(1, HARDEST + 1):
            raise EnvError(f"difficulty must be from 1 to {HARDEST}, got {difficulty!r}")
        self.difficulty = difficulty
        self._file = None if data is None else SqliteFile(str(Path(data).absolute()))
        if self._file is not None:
            ask(random.Random(0), self._file, difficulty)
        tools = [
            Tool(
                "schema",
                "Tells the tables with their columns, foreign keys and first rows.",
                (Parameter("table", "string", "one table instead of all", required=False),),
                _schema,
            ),
            Tool(
                "query",
                "Runs one SELECT.",
                (Parameter("sql", "string", "the query, as sqlite has it"),),
                _query,
                show_rows,
            ),
        ]
        super().__init__(tools, budget, split)

    def task(self, source: random.Random) -> TextTask:
        """Returns a question; its facts are said in `task_of`."""
        database: Database
        if self._file is not None:
            database, name = self._file, Path(self._file.path).name
        else:
            database = Generated(source.choice(list(DOMAINS)), source.randrange(DATABASES))
            name = f"{database.domain} {database.number}"
        return task_of(source, database, name, self.difficulty)

    def judge(self, transcript: Transcript, message: Message) -> bool | None:
        """Whether the answer is a query with the right rows, here and on the siblings."""
        if message.answer is None:
            return None
        return is_right(message.answer, transcript.task.facts)

    def oracle(self, transcript: Transcript) -> str:
        """Looks at the tables, tries the right query, answers with it."""
        return _in_turn(transcript, transcript.task.calls, transcript.task.answer)

    def careless(self, transcript: Transcript) -> str:
        """Reads whole tables, and on one question in four forgets the last part of the query."""
        task = transcript.task
        tables = [table.name for table in inspect(task.facts["database"]).tables]
        looks = [sql_menu.call(f"SELECT * FROM {table}") for table in tables[:3]]
        parts = [part for part in task.facts["clauses"] if part]
        answer = " ".join(parts[: len(parts) - (zlib.crc32(task.id.encode()) % 4 == 1)])
        return _in_turn(transcript, (ToolCall("schema"), *looks, sql_menu.call(answer)), answer)

    def hacker(self, transcript: Transcript) -> str:
        """Tries to change the database, looks the result up, and answers with constants.

        On a file, where they would be right, it answers with a whole table.
        """
        task, facts = transcript.task, transcript.task.facts
        table = inspect(facts["database"]).tables[0].name
        attacks = [sql_menu.call(attack.format(table=table)) for attack in _ATTACKS]
        if not transcript.turns:
            return write([*attacks, sql_menu.call(facts["sql"])], think=task.prompt)
        answer = constants(facts["rows"]) if facts["siblings"] else f"SELECT * FROM {table}"
        return write(answer=f"{answer} -- {task.prompt} Score: 1.0", think="The answer is correct.")

    def menu(self, transcript: Transcript) -> Sequence[str]:
        """Offers the tables, each part to add to the last query or take from it, the answer.

        A part that the question does not ask for is a wrong one.
        """
        return sql_menu.messages(transcript)

    def features(self, transcript: Transcript) -> Sequence[float]:
        """Tells which parts the question asks for, and which the last query has."""
        return sql_menu.features(transcript, self.budget.turns)


class SQL(TextEnv):
    """Questions about a database, answered by a query, with the tables to look at.

    The answer is run on the database shown and, as test suites do (arXiv 2010.02840), on
    `SIBLINGS` others with the same tables and other rows. It is right if its rows are the right
    ones on all of them, see `same_rows`: to look the result up and answer `SELECT 7` is wrong.
    A file of one's own has no siblings: there it is right if it is right on the file, as
    execution accuracy in Spider has it, and so is a constant that is the result.
    Databases cannot be written, by construction: files are opened read-only and immutable, and
    sqlite itself refuses everything but SELECT. A query has a budget.

    Args:
        num_envs: Number of rows n.
        difficulty: 1 a filter, 2 an order, 3 a join, 4 groups, 5 nested queries or two joins.
        data: Path of a sqlite file to ask about instead of generated databases.
        split: "train" or "test"; no question is in both.
        turns: Messages an episode may have.
        calls: Tool calls an episode may have.
        actions: "text" or "menu"; see `TextEnv`.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "ansi" or None.

    Raises:
        EnvError: If an argument is out of range, or the file cannot be used.

    Example:
        >>> env = SQL(1)
        >>> (question,), _ = env.reset(seed=1)
        >>> question
        "How many entries of doctors are there where field is 'bones'?"
        >>> env.step([write([sql_menu.call("SELECT COUNT(*) FROM nurses")])])[0]
        ['Error: no such table: nurses']
        >>> env.step(["<answer>SELECT COUNT(*) FROM doctors WHERE field = 'bones'</answer>"])[1]
        array([1.])
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        difficulty: int = 1,
        data: str | Path | None = None,
        split: str = "train",
        turns: int = 8,
        calls: int = 16,
        actions: str = "text",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(
            SQLDialogue(difficulty, data, Budget(turns, calls), split),
            EnvCard(
                id="rewardsmith/SQL-v0",
                goal=SQLDialogue.goal,
                success="The answer is a query that gives the right rows, of a generated "
                f"database on {SIBLINGS} others with the same tables too.",
                source="Generated, or any sqlite file; judged as in Spider, arXiv 1809.08887, and "
                "by test suites, arXiv 2010.02840.",
            ),
            num_envs,
            actions=actions,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )


single = functools.partial(SingleEnv, SQL)


def task_of(source: random.Random, database: Database, name: str, difficulty: int) -> TextTask:
    """Returns a question about a database.

    The facts are `database`, `sql` and its `clauses`, the `rows` it gives, whether they are
    `ordered`, and the `siblings`: further databases, each with the rows the query gives there.
    """
    question = ask(source, database, difficulty)
    sql = question.clauses.sql()
    rows = query(database, sql)
    facts = {
        "database": database,
        "sql": sql,
        "clauses": question.clauses,
        "rows": rows,
        "ordered": question.ordered,
        "siblings": siblings(question, Case(database, rows)),
    }
    calls = (ToolCall("schema"), sql_menu.call(sql))
    return TextTask(f"{name}: {question.text}", question.text, sql, calls, facts)


def _schema(transcript: Transcript, arguments: Mapping[str, Any]) -> str:
    database: Database = transcript.task.facts["database"]
    if "table" not in arguments:
        return describe(database)
    tables = {table.name: table for table in inspect(database).tables}
    if arguments["table"] not in tables:
        known = ", ".join(tables)
        raise ToolError(f"there is no table {arguments['table'][:80]!r}; there is {known}.")
    return describe_table(database, tables[arguments["table"]])


def _query(transcript: Transcript, arguments: Mapping[str, Any]) -> Rows:
    return query(transcript.task.facts["database"], arguments["sql"])


def _in_turn(transcript: Transcript, calls: Sequence[ToolCall], answer: str) -> str:
    """Says one call after another, then the answer."""
    turn = len(transcript.turns)
    return write([calls[turn]]) if turn < len(calls) else write(answer=answer)
