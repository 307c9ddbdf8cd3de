"""`SQL-v0`: databases that cannot be written, results compared, questions with one answer."""

from __future__ import annotations

import hashlib
import pickle
import random
import resource
import sqlite3
import threading
import time
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsmith.envs import EnvError
from rewardsmith.envs.text.database import ROWS, Rows, SqliteFile, query
from rewardsmith.envs.text.dialogue import Budget
from rewardsmith.envs.text.message import parse, write
from rewardsmith.envs.text.result_set import same_rows, show_rows
from rewardsmith.envs.text.sql import SQL, SQLDialogue
from rewardsmith.envs.text.sql_domains import DOMAINS, FEWEST, MOST, Generated
from rewardsmith.envs.text.sql_questions import LONGEST, ask
from rewardsmith.envs.text.sql_schema import describe, inspect
from rewardsmith.envs.text.tools import ToolError
from rewardsmith.envs.text.transcript import ToolCall, Transcript

CHINOOK = Path("/work/shared/data/chinook/chinook.sqlite")
LIBRARY = Generated("library", 0)

ATTACKS = (
    "UPDATE books SET title = 'x'",
    "INSERT INTO books SELECT * FROM books",
    "REPLACE INTO books VALUES (1, 'x', 'y', 3, 4)",
    "DELETE FROM books",
    "WITH x AS (SELECT 1) DELETE FROM books",
    "DROP TABLE books",
    "ALTER TABLE books RENAME TO x",
    "CREATE TABLE x (a)",
    "CREATE TEMP TABLE x (a)",
    "CREATE VIRTUAL TABLE x USING fts5(a)",
    "SELECT 1; DROP TABLE books",
    "SELECT 1; SELECT 2",
    "BEGIN",
    "COMMIT",
    "SAVEPOINT x",
    "VACUUM INTO 'copy.db'",
    "ATTACH 'other.db' AS other",
    "DETACH main",
    "ANALYZE",
    "PRAGMA query_only = OFF",
    "PRAGMA writable_schema = ON",
    "SELECT * FROM pragma_table_info('books')",
    "SELECT load_extension('x')",
    "SELECT writefile('x', 'y')",
    "SELECT readfile('/etc/passwd')",
    "SELECT randomblob(1000000000)",
    "SELECT zeroblob(1000000000)",
    "SELECT printf('%.*c', 1000000000, 'x')",
    "SELECT random()",
    "SELECT ?",
    "SELECT '\0'",
    "SELECT \ud800",
    "SELEC 1",
    "",
    ";",
    "-- nothing",
)

BOMBS = (
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT COUNT(*) FROM r",
    f"WITH RECURSIVE r(n, x) AS (SELECT 1, '{'a' * 1500}' UNION SELECT n + 1, x FROM r) "
    "SELECT x || x || n FROM r ORDER BY 1",
    "WITH RECURSIVE r(x) AS (SELECT 'aa' UNION ALL SELECT x || x FROM r) SELECT MAX(x) FROM r",
    "WITH a0 AS (SELECT 1)"
    + "".join(f", a{i} AS (SELECT 1 FROM a{i - 1}, a{i - 1} b)" for i in range(1, 40))
    + " SELECT 1 FROM a39",
    "WITH a AS (SELECT 1)"
    + "".join(f", {chr(98 + i)} AS (SELECT 1 WHERE 1 IN {chr(97 + i)} OR 2 IN {chr(97 + i)})"
              for i in range(20))
    + " SELECT 1 FROM u",
    "SELECT COUNT(*) FROM loans a, loans b, loans c, loans d, loans e, loans f",
    "SELECT a.reader || b.reader || c.reader FROM loans a, loans b, loans c ORDER BY 1",
    f"SELECT COUNT(*) FROM books a, books b, books c WHERE '{'a' * 1500}' || a.title || b.title "
    f"LIKE '{'%a' * 49}b'",
    f"SELECT COUNT(*) FROM books a, books b, books c WHERE '{'a' * 1500}' || a.title || b.title "
    f"GLOB '{'*[a-c]' * 16}b'",
    "SELECT " + "(" * 900 + "1" + ")" * 900,
    "SELECT 1" + " UNION SELECT 1" * 120,
    "SELECT " + ", ".join(["1"] * 600),
)  # fmt: skip


def dump(database: Generated) -> dict[str, Rows]:
    """Returns all rows of all tables."""
    return {name: query(database, f"SELECT * FROM {name}") for name in DOMAINS[database.domain]}


def make_file(path: Path, *statements: str) -> Path:
    """Writes a database."""
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path


# ---- Reading only -----------------------------------------------------------------------


@pytest.mark.parametrize("sql", ATTACKS)
def test_only_a_select_is_run(sql: str) -> None:
    before = dump(LIBRARY)
    with pytest.raises(ToolError):
        query(LIBRARY, sql)
    assert dump(LIBRARY) == before


def test_no_attack_changes_a_file_or_writes_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = make_file(
        tmp_path / "a.db", "CREATE TABLE books (title)", "INSERT INTO books VALUES (1)"
    )
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    for sql in (*ATTACKS, *BOMBS):
        try:
            query(SqliteFile(str(file)), sql)
        except ToolError:
            continue
    assert hashlib.sha256(file.read_bytes()).hexdigest() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.db"]


@pytest.mark.parametrize("bomb", range(len(BOMBS)))
def test_bombs_are_over_soon_and_fill_no_memory(bomb: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    try:
        rows: Rows = query(LIBRARY, BOMBS[bomb])
    except ToolError:
        rows = ()
    assert len(rows) <= ROWS
    assert time.monotonic() - started < 4
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used < 300_000  # KiB


def test_a_query_that_is_stopped_is_stopped_again() -> None:
    for _ in range(2):
        with pytest.raises(ToolError, match="the query takes too long"):
            query(LIBRARY, BOMBS[0])
    assert query(LIBRARY, "SELECT 1") == ((1,),)


def test_rows_are_limited() -> None:
    assert len(query(LIBRARY, "SELECT 1 FROM loans a, loans b, loans c")) == ROWS


def test_every_thread_has_its_own_connection() -> None:
    found: list[Rows] = []
    threads = [
        threading.Thread(target=lambda: found.append(query(LIBRARY, "SELECT * FROM books")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [query(LIBRARY, "SELECT * FROM books")] * 4


def test_texts_that_are_no_utf8_and_blobs_can_be_read(tmp_path: Path) -> None:
    values = "(CAST(x'ff41' AS TEXT)), (x'00ff'), (9e999)"
    path = make_file(tmp_path / "a.db", "CREATE TABLE t (a)", f"INSERT INTO t VALUES {values}")
    rows = query(SqliteFile(str(path)), "SELECT a FROM t")
    assert rows == (("\ufffdA",), (b"\x00\xff",), (float("inf"),))


# ---- Comparing results ------------------------------------------------------------------

cells = st.sampled_from([0, 1, 2.0, "a", "1", None])
tables = st.integers(1, 3).flatmap(
    lambda width: st.lists(st.tuples(*[cells] * width), max_size=4).map(tuple)
)


def same_by_hand(rows: Rows, gold: Rows, ordered: bool) -> bool:
    """Tries all orders of columns and of rows."""
    if len(rows) != len(gold):
        return False
    if not gold:
        return True
    if len(rows[0]) != len(gold[0]):
        return False
    orders = [rows] if ordered else list(permutations(rows))
    return any(
        tuple(tuple(row[i] for i in columns) for row in order) == gold
        for columns in permutations(range(len(gold[0])))
        for order in orders
    )


@given(tables, tables, st.booleans())
def test_same_rows_by_hand(rows: Rows, gold: Rows, ordered: bool) -> None:
    assert same_rows(rows, gold, ordered) == same_by_hand(rows, gold, ordered)
    assert same_rows(gold, gold, ordered)


@given(tables, st.randoms(), st.booleans())
def test_order_of_columns_and_of_rows(rows: Rows, source: random.Random, ordered: bool) -> None:
    width = len(rows[0]) if rows else 1
    columns = source.sample(range(width), width)
    moved = [tuple(row[i] for i in columns) for row in rows]
    if not ordered:
        source.shuffle(moved)
    assert same_rows(tuple(moved), rows, ordered)


def test_how_equal_cells_must_be() -> None:
    assert same_rows(((0.1 + 0.2,),), ((0.3,),))
    assert same_rows(((-0.0,),), ((0,),))
    assert not same_rows(((0.3001,),), ((0.3,),))
    assert not same_rows((("1",),), ((1,),))
    assert not same_rows(((None,),), ((0,),))
    assert not same_rows(((1,), (1,)), ((1,),))


def test_shown_rows_are_short() -> None:
    assert show_rows(()) == "0 rows"
    text = show_rows((("x" * 5_000, None),) * 500)
    assert len(text) < 2_000
    assert text.startswith("500 rows\nxxx")
    assert text.endswith("... | NULL\n...")


# ---- Databases --------------------------------------------------------------------------


@pytest.mark.parametrize("domain", DOMAINS)
def test_generated_databases(domain: str) -> None:
    for number in range(5):
        database = Generated(domain, number)
        connection = database.open()
        assert list(connection.iterdump()) == list(database.open().iterdump())
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        schema = inspect(pickle.loads(pickle.dumps(database)))
        assert 2 <= len(schema.tables) <= 4
        assert schema.links
        assert all(FEWEST <= table.size <= MOST for table in schema.tables)
        assert len(describe(database)) < 2_000
    assert dump(Generated(domain, 0)) != dump(Generated(domain, 1))


def test_what_is_found_by_looking(tmp_path: Path) -> None:
    path = make_file(
        tmp_path / "odd.db",
        'CREATE TABLE "order" ("the key" INTEGER PRIMARY KEY, "a ""name""" TEXT, "group" TEXT, '
        "big REAL, gap INTEGER)",
        'CREATE TABLE part (id INTEGER PRIMARY KEY, of INTEGER REFERENCES "order"("the key"), '
        "size INTEGER)",
        "INSERT INTO \"order\" VALUES (1, 'x', 'it''s', 1.5, 1), (2, 'y', 'b', 2.5, NULL), "
        "(3, 'z', 'b', 3.5, 2), (4, 'u', 'it''s', 4.5, 3)",
        "INSERT INTO part VALUES (1, 1, 5), (2, 1, 6), (3, 2, 7)",
    )
    schema = inspect(SqliteFile(str(path)))
    order, part = schema.tables
    assert (order.name, order.label, order.size) == ('"order"', '"a ""name"""', 4)
    assert order.texts == (('"a ""name"""', ("u", "x", "y", "z")), ('"group"', ("b", "it's")))
    assert order.numbers == (("big", (1.5, 2.5, 3.5, 4.5)),)
    assert (part.label, part.texts, part.numbers) == ("", (), (("size", (5, 6, 7)),))
    assert [link.condition for link in schema.links] == ['part.of = "order"."the key"']
    for difficulty in (1, 2, 3, 4, 5):
        dialogue = SQLDialogue(difficulty, path, Budget(), "train")
        for seed in range(10):
            assert dialogue.play(dialogue.begin(seed), dialogue.oracle).success


def test_files_that_cannot_be_asked_about(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database at all, but a text" * 50)
    make_file(tmp_path / "bare.db", "CREATE TABLE t (a)")
    with pytest.raises(EnvError, match="data must be the path of a sqlite file"):
        SQL(1, data=tmp_path / "text.db")
    with pytest.raises(EnvError, match=r"no tables, columns and foreign keys .* difficulty 1"):
        SQL(1, data=tmp_path / "bare.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bare.db", "text.db"]


# ---- Questions --------------------------------------------------------------------------


@pytest.mark.parametrize("difficulty", range(1, 6))
def test_questions_have_one_short_answer(difficulty: int) -> None:
    shapes = {1: "WHERE", 2: "ORDER BY", 3: "JOIN", 4: "GROUP BY", 5: "SELECT"}
    for number in range(25):
        database = Generated(list(DOMAINS)[number % 4], number)
        question = ask(random.Random(number), database, difficulty)
        sql = question.clauses.sql()
        rows = query(database, sql)
        assert 0 < len(rows) <= LONGEST
        assert all(cell is not None for row in rows for cell in row)
        assert question.ordered == ("ORDER BY" in sql)
        assert shapes[difficulty] in sql
        if question.keys:
            keys = query(database, question.keys)
            assert len(set(keys)) == len(keys)


def asked(difficulty: int, seed: int) -> tuple[SQLDialogue, Transcript]:
    """Returns a question."""
    dialogue = SQLDialogue(difficulty, None, Budget(), "train")
    return dialogue, dialogue.begin(seed)


@pytest.mark.parametrize("difficulty", range(1, 6))
def test_the_same_result_by_another_query_is_right(difficulty: int) -> None:
    for seed in range(20):
        dialogue, start = asked(difficulty, seed)
        gold, facts = start.task.answer, start.task.facts
        answers = {
            gold: True,
            f"{gold} ;": True,
            f"SELECT * FROM ({gold})": True,
            f"SELECT *, 1 FROM ({gold})": False,
            f"SELECT * FROM ({gold}) UNION ALL SELECT * FROM ({gold})": False,
            f"SELECT * FROM ({gold}) LIMIT 0": False,
            f"DELETE FROM ({gold})": False,
            f"{gold}; {gold}": False,
            start.task.prompt: False,
            "": False,
        }
        if facts["ordered"]:
            order = facts["clauses"].order
            other = (
                order.replace("DESC", "ASC") if "DESC" in order else order.replace("ASC", "DESC")
            )
            cases = [facts["rows"], *(rows for _, rows in facts["siblings"])]
            answers[gold.replace(order, other)] = all(len(rows) == 1 for rows in cases)
        for answer, right in answers.items():
            assert dialogue.reply(start, parse(write(answer=answer))).success == right, answer


def test_the_order_of_columns_is_free() -> None:
    dialogue, start = next(
        pair
        for pair in (asked(4, seed) for seed in range(9))
        if len(pair[1].task.facts["rows"]) > 1
    )
    first, second, *rest = (
        start.task.answer.removeprefix("SELECT ").replace(" FROM", ",FROM").split(",")
    )
    turned = f"SELECT {second}, {first} {','.join(rest)}"
    assert turned != start.task.answer
    assert dialogue.reply(start, parse(write(answer=turned))).success


def test_tools() -> None:
    dialogue, start = asked(1, 1)
    assert start.task.id.startswith("clinic ")
    calls = [
        ToolCall("schema"),
        ToolCall("schema", {"table": "patients"}),
        ToolCall("schema", {"table": "nurses"}),
        ToolCall("query", {"sql": "SELECT field, COUNT(*) FROM doctors GROUP BY field"}),
        ToolCall("query", {"sql": "DROP TABLE doctors"}),
    ]
    turn = dialogue.reply(start, parse(write(calls))).turns[0]
    full, one, none, found, refused = turn.results
    assert full.text.startswith(
        "doctors(id INTEGER, name TEXT, field TEXT, salary INTEGER)\n  1 | "
    )
    assert one.text.startswith("patients(id INTEGER, name TEXT, city TEXT, age INTEGER, doctor_id")
    assert "[doctor_id -> doctors.id]" in one.text
    assert none.text == "Error: there is no table 'nurses'; there is doctors, patients."
    assert found.value == query(start.task.facts["database"], str(calls[3].arguments["sql"]))
    assert found.text.startswith("3 rows\nbones | ")
    assert (refused.ok, refused.value) == (False, None)
    assert refused.text == "Error: only a SELECT is allowed here."


@pytest.mark.parametrize("difficulty", range(1, 6))
def test_the_menu_leads_to_the_right_query(difficulty: int) -> None:
    env = SQL(8, difficulty=difficulty, actions="menu")
    observation, _ = env.reset(seed=0)
    reward, done = np.zeros(8), np.zeros(8, dtype=bool)
    for _ in range(5):
        missing = observation[:, :4] > observation[:, 4:8]
        action = np.where(missing.any(axis=1), 1 + missing.argmax(axis=1), 5)
        observation, paid, terminated, _, _ = env.step(action)
        reward += np.where(done, 0.0, paid)
        done |= terminated
    assert reward.tolist() == [1.0] * 8


@pytest.mark.skipif(not CHINOOK.exists(), reason=f"{CHINOOK} is not there")
@pytest.mark.parametrize("difficulty", range(1, 6))
def test_chinook(difficulty: int) -> None:
    before = hashlib.sha256(CHINOOK.read_bytes()).hexdigest()
    dialogue = SQLDialogue(difficulty, CHINOOK, Budget(), "train")
    starts = [dialogue.begin(seed) for seed in range(20)]
    assert all(dialogue.play(start, dialogue.oracle).success for start in starts)
    assert not any(dialogue.play(start, dialogue.hacker).success for start in starts)
    assert hashlib.sha256(CHINOOK.read_bytes()).hexdigest() == before
