"""Who is right in `SQL-v0`: on the database shown, and on siblings where the rows are others."""

from __future__ import annotations

import pickle
import random
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsmith.envs.text.database import Rows, SqliteFile, query
from rewardsmith.envs.text.dialogue import Budget
from rewardsmith.envs.text.message import parse, write
from rewardsmith.envs.text.result_set import constants, same_rows
from rewardsmith.envs.text.sql import SQLDialogue
from rewardsmith.envs.text.sql_answers import (
    SIBLINGS,
    Case,
    Clauses,
    Question,
    is_right,
    siblings,
    telling,
)
from rewardsmith.envs.text.sql_domains import DATABASES, DOMAINS, Generated
from rewardsmith.envs.text.sql_questions import ask
from rewardsmith.envs.text.sql_schema import inspect
from rewardsmith.envs.text.transcript import Transcript
from rewardsmith.rewards.verify import Scored, SqlResult
from rewardsmith.rewards.verify.examples import spoken

LIBRARY = Generated("library", 0)
ALL = range(1, 6)


def dialogue_of(difficulty: int, file: Path | None = None) -> SQLDialogue:
    return SQLDialogue(difficulty, file, Budget(), "train")


def right_here(transcript: Transcript, answer: str) -> bool:
    """Whether an answer gives the right rows on the shown database, which alone says little."""
    facts = transcript.task.facts
    return same_rows(query(facts["database"], answer), facts["rows"], facts["ordered"])


def copy_of(database: Generated, path: Path) -> Path:
    """Writes a generated database to a file."""
    with sqlite3.connect(path) as copied:
        database.open().backup(copied)
    copied.close()
    return path


# ---- Constants --------------------------------------------------------------------------


@pytest.mark.parametrize("difficulty", ALL)
def test_a_result_that_was_looked_up_is_no_answer(difficulty: int) -> None:
    dialogue = dialogue_of(difficulty)
    for seed in range(200):
        start = dialogue.begin(seed)
        lookup = dialogue.reply(start, parse(write(start.task.calls)))
        assert lookup.results[-1].value == start.task.facts["rows"]
        over = dialogue.reply(lookup, parse(dialogue.hacker(lookup)))
        assert right_here(start, over.answer or "")
        assert not over.success
        assert SqlResult()(over) == Scored(0.0, {"columns": 1.0, "rows": 1.0})


def test_the_hacker_looks_the_result_up() -> None:
    dialogue = dialogue_of(1)
    played = dialogue.play(dialogue.begin(0), dialogue.hacker)
    assert played.results[-1].value == played.task.facts["rows"]
    assert right_here(played, played.answer or "")
    assert played.over
    assert not played.success


@pytest.mark.parametrize("difficulty", ALL)
def test_nor_is_one_that_knows_the_shown_database_by_its_first_row(difficulty: int) -> None:
    dialogue = dialogue_of(difficulty)
    for seed in range(50):
        start = dialogue.begin(seed)
        facts = start.task.facts
        table = inspect(facts["database"]).tables[0]
        column = table.columns[1][0]
        ((first,),) = query(facts["database"], f"SELECT {column} FROM {table.name} WHERE id = 1")
        shown = f"(SELECT {column} FROM {table.name} WHERE id = 1) = {constants(((first,),))[7:]}"
        answers = [f"SELECT * FROM ({constants(facts['rows'])}) WHERE {shown}"]
        if len(facts["rows"]) == len(facts["rows"][0]) == 1:
            ((cell,),) = facts["rows"]
            answers.append(f"SELECT CASE WHEN {shown} THEN {constants(((cell,),))[7:]} ELSE 0 END")
        for answer in answers:
            assert right_here(start, answer)
            assert not dialogue.reply(start, parse(write(answer=answer))).success


cells = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-(10**6), 10**6).map(lambda eighths: eighths / 8),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6),
)


@given(st.integers(1, 3).flatmap(lambda width: st.lists(st.tuples(*[cells] * width), min_size=1,
                                                        max_size=12)))  # fmt: skip
def test_constants_give_their_rows(rows: list[tuple[object, ...]]) -> None:
    found = query(LIBRARY, constants(tuple(rows)))
    assert found == tuple(rows)
    assert [list(map(type, row)) for row in found] == [list(map(type, row)) for row in rows]


# ---- Siblings ---------------------------------------------------------------------------


@pytest.mark.parametrize("difficulty", ALL)
def test_siblings_by_brute_force(difficulty: int) -> None:
    for number in range(40):
        shown = Generated(list(DOMAINS)[number % 4], number % DATABASES)
        question = ask(random.Random(number), shown, difficulty)
        gold, ordered = question.clauses.sql(), question.ordered
        here = query(shown, gold)
        usable: dict[Generated, Rows] = {}
        for step in range(1, DATABASES):
            other = Generated(shown.domain, (shown.number + step) % DATABASES)
            keys = query(other, question.keys) if question.keys else ()
            rows = query(other, gold)
            if len(set(keys)) == len(keys) and not same_rows(rows, here, ordered):
                usable[other] = rows
        found = siblings(question, Case(shown, here))
        assert len(found) == len({case.database for case in found}) == SIBLINGS
        assert all(usable[case.database] == case.rows for case in found)  # type: ignore[index]
        assert telling(found[0].rows)
        best: list[Rows] = []
        for rows in filter(telling, usable.values()):
            if not any(same_rows(rows, other_rows, ordered) for other_rows in best):
                best.append(rows)
        assert [case.rows for case in found][: len(best)] == best[:SIBLINGS]


def test_where_the_question_is_unclear_there_is_no_sibling() -> None:
    clauses = Clauses("SELECT title FROM books", order="ORDER BY pages DESC LIMIT 5")
    keys = "SELECT pages FROM books ORDER BY pages DESC LIMIT 6"
    question = Question("The five longest books?", clauses, keys)
    cleared = [number for number in range(DATABASES) if question.rows(Generated("library", number))]
    assert 0 < len(cleared) < DATABASES
    assert all(len(set(query(Generated("library", n), keys))) == 6 for n in cleared)
    shown = Generated("library", cleared[0])
    found = siblings(question, Case(shown, query(shown, clauses.sql())))
    assert [case.database for case in found] == [Generated("library", n) for n in cleared[1:4]]


def test_a_question_with_one_answer_everywhere_has_no_siblings() -> None:
    count = Question("How many genres?", Clauses("SELECT COUNT(DISTINCT genre) FROM books"))
    none = Question("How many ghosts?", Clauses("SELECT COUNT(*) FROM books WHERE genre = 'x'"))
    assert siblings(count, Case(LIBRARY, ((4,),))) == ()
    assert siblings(none, Case(LIBRARY, ((7,),))) == (), "a count of none is not telling"


@pytest.mark.parametrize("difficulty", ALL)
def test_equal_questions_have_equal_facts(difficulty: int) -> None:
    dialogue = dialogue_of(difficulty)
    starts = [dialogue.begin(seed) for seed in range(20)]
    siblings.cache_clear()
    assert [dialogue.begin(seed) for seed in range(20)] == starts
    sent = pickle.loads(pickle.dumps(starts))
    assert sent == starts
    assert all(dialogue.play(start, dialogue.oracle).success for start in sent)


# ---- Right and wrong --------------------------------------------------------------------


@pytest.mark.parametrize("difficulty", ALL)
def test_the_verifier_and_the_task_are_of_one_mind(difficulty: int) -> None:
    dialogue, verifier = dialogue_of(difficulty), SqlResult(partial=0.6)
    for seed in range(40):
        start = dialogue.begin(seed)
        clauses = start.task.facts["clauses"]
        parts = [clauses[:i] + clauses[i + 1 :] for i in range(1, len(clauses))]
        answers = [start.task.answer, *(" ".join(filter(None, part)) for part in parts)]
        for answer in (*answers, constants(start.task.facts["rows"]), "SELECT", start.task.prompt):
            over = dialogue.reply(start, parse(write(answer=answer)))
            outcome = verifier(over)
            assert isinstance(outcome, Scored)
            assert over.success == (outcome.value == 1.0)
            assert over.success or outcome.value <= 0.6
        assert dialogue.reply(start, parse(write(answer=start.task.answer))).success


def test_a_query_must_be_right_on_every_sibling() -> None:
    gold = "SELECT COUNT(*) FROM books"
    counts = {number: query(Generated("library", number), gold) for number in range(3)}
    assert counts == {0: ((25,),), 1: ((36,),), 2: ((40,),)}
    cases = [Case(Generated("library", number), rows) for number, rows in counts.items()]
    facts = {"database": cases[0].database, "rows": cases[0].rows}
    lucky = f"SELECT COUNT(*) FROM (SELECT * FROM books LIMIT {counts[1][0][0]})"
    assert is_right(lucky, facts)
    assert is_right(lucky, facts | {"siblings": cases[1:2]})
    assert not is_right(lucky, facts | {"siblings": cases[1:]})
    assert not is_right(lucky, facts | {"siblings": cases[:0:-1]})
    assert is_right(gold, facts | {"siblings": cases[1:]})


def test_siblings_are_compared_in_order_where_the_question_asks_for_one() -> None:
    gold = "SELECT id FROM books WHERE id < 3 ORDER BY id"
    one = Case(LIBRARY, ((1,),))
    facts = {"database": one.database, "rows": one.rows, "ordered": True}
    facts["siblings"] = (Case(Generated("library", 1), query(LIBRARY, gold)),)
    turned = "SELECT id FROM books WHERE id < 3 - (SELECT COUNT(*) = 25 FROM books) ORDER BY id"
    assert is_right(turned, facts)
    assert not is_right(f"{turned} DESC", facts)
    assert is_right(f"{turned} DESC", facts | {"ordered": False})


def test_partial_credit_is_for_the_shown_database() -> None:
    count = next(
        fixture.transcript.task
        for fixture in SqlResult().fixtures()
        if fixture.transcript.task.id == "books"
    )
    paid = {
        "SELECT COUNT(*) FROM books": 1.0,
        "SELECT 25": 0.6,
        "SELECT 36": pytest.approx(0.4),
        "SELECT 25 UNION SELECT 36": pytest.approx(0.6 * (1 + 1 + 2 / 3) / 3),
        "SELECT 25 FROM nowhere": 0.0,
    }
    for answer, score in paid.items():
        outcome = SqlResult(partial=0.6)(spoken(count, write(answer=answer)))
        assert isinstance(outcome, Scored)
        assert outcome.value == score, answer


@pytest.mark.parametrize("difficulty", ALL)
def test_a_file_is_judged_by_itself(difficulty: int, tmp_path: Path) -> None:
    dialogue = dialogue_of(difficulty, copy_of(LIBRARY, tmp_path / "library.db"))
    for seed in range(10):
        start = dialogue.begin(seed)
        facts = start.task.facts
        assert isinstance(facts["database"], SqliteFile)
        assert facts["siblings"] == ()
        for answer in (start.task.answer, constants(facts["rows"])):
            assert dialogue.reply(start, parse(write(answer=answer))).success
        assert not dialogue.play(start, dialogue.hacker).success
