"""Questions about a database, each with the query that answers it."""

from __future__ import annotations

import random
from collections.abc import Callable

from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.text.database import Database
from rewardsmith.envs.text.sql_answers import (
    SIBLINGS,
    Case,
    Clauses,
    Question,
    siblings,
    telling,
)
from rewardsmith.envs.text.sql_schema import Link, Schema, Table, inspect

HARDEST = 5
LONGEST = 20
"""Rows of an answer, at most."""

_TRIES = 500

Template = Callable[[random.Random, Schema], Question]


def ask(source: random.Random, database: Database, difficulty: int) -> Question:
    """Returns a question with one answer, of 1 to `LONGEST` rows without NULL.

    If the database has siblings, it has one answer on `SIBLINGS` of them too, each another one.

    By difficulty: 1 a filter, 2 an order, 3 a join, 4 groups, 5 nested queries or two joins.

    Raises:
        EnvError: If the database has no columns for such questions.
    """
    schema = inspect(database)
    for _ in range(_TRIES):
        template = source.choice(_TEMPLATES[difficulty])
        try:
            question = template(source, schema)
        except IndexError:  # there is nothing of what the template speaks of
            continue
        rows = question.rows(database)
        if rows is None or not telling(rows) or len(rows) > LONGEST:
            continue
        if not database.siblings() or len(siblings(question, Case(database, rows))) == SIBLINGS:
            return question
    raise EnvError(
        f"the database has no tables, columns and foreign keys for questions of difficulty "
        f"{difficulty}; choose another difficulty"
    )


def _count(source: random.Random, schema: Schema) -> Question:
    table = source.choice(schema.tables)
    said, where = _condition(source, table, table.label)
    select = f"SELECT COUNT(*) FROM {table.name}"
    return Question(
        f"How many entries of {table.name} are there where {said}?",
        Clauses(select, where=f"WHERE {where}"),
    )


def _filter(source: random.Random, schema: Schema) -> Question:
    table = _labelled(source, schema)
    said, where = _condition(source, table, table.label)
    return Question(
        f"List the {table.label} of every entry of {table.name} where {said}, a row per entry.",
        Clauses(_labels(table), where=f"WHERE {where}"),
    )


def _top(source: random.Random, schema: Schema) -> Question:
    table = _labelled(source, schema)
    column = f"{table.name}.{source.choice(table.numbers)[0]}"
    most, direction = source.choice((("highest", "DESC"), ("lowest", "ASC")))
    count = source.randint(2, 5)
    order = f"ORDER BY {column} {direction} LIMIT"
    return Question(
        f"Which {count} entries of {table.name} have the {most} {column.rpartition('.')[2]}? Give "
        f"their {table.label}, the {most} first.",
        Clauses(_labels(table), order=f"{order} {count}"),
        f"SELECT {column} FROM {table.name} {order} {count + 1}",
    )


def _sort(source: random.Random, schema: Schema) -> Question:
    table = _labelled(source, schema)
    name = source.choice(table.numbers)[0]
    said, where = _condition(source, table, table.label)
    first, direction = source.choice((("highest", "DESC"), ("lowest", "ASC")))
    return Question(
        f"Give the {table.label} of every entry of {table.name} where {said}, in the order of "
        f"{name}, the {first} first.",
        Clauses(
            _labels(table),
            where=f"WHERE {where}",
            order=f"ORDER BY {table.name}.{name} {direction}",
        ),
        f"SELECT {table.name}.{name} FROM {table.name} WHERE {where}",
    )


def _count_joined(source: random.Random, schema: Schema) -> Question:
    link = source.choice(schema.links)
    said, where = _condition(source, link.parent)
    return Question(
        f"How many entries of {link.child.name} belong by {link.column} to an entry of "
        f"{link.parent.name} where {said}?",
        Clauses(f"SELECT COUNT(*) FROM {link.child.name}", _join(link), f"WHERE {where}"),
    )


def _filter_joined(source: random.Random, schema: Schema) -> Question:
    link = source.choice([link for link in schema.links if link.child.label])
    said, where = _condition(source, link.parent)
    return Question(
        f"List the {link.child.label} of every entry of {link.child.name} that belongs by "
        f"{link.column} to an entry of {link.parent.name} where {said}, a row per entry.",
        Clauses(_labels(link.child), _join(link), f"WHERE {where}"),
    )


def _group(source: random.Random, schema: Schema) -> Question:
    table = source.choice([table for table in schema.tables if table.categories])
    column = source.choice(table.categories)
    told, shown = "number of its entries", "COUNT(*)"
    if table.numbers and source.random() < 0.5:
        number = source.choice(table.numbers)[0]
        told, shown = f"average {number} of its entries", f"AVG({number})"
    least = source.randint(2, max(2, table.size // len(dict(table.texts)[column])))
    return Question(
        f"For every {column} of which {table.name} has at least {least} entries, give the "
        f"{column} and the {told}.",
        Clauses(
            f"SELECT {column}, {shown} FROM {table.name}",
            group=f"GROUP BY {column} HAVING COUNT(*) >= {least}",
        ),
    )


def _group_joined(source: random.Random, schema: Schema) -> Question:
    link = source.choice([link for link in schema.links if link.parent.label])
    parent, child = link.parent, link.child
    least = source.randint(2, 2 + 2 * child.size // max(1, parent.size))
    return Question(
        f"For every entry of {parent.name} to which at least {least} entries of {child.name} "
        f"belong by {link.column}, give its {parent.label} and the number of those entries.",
        Clauses(
            f"SELECT {parent.name}.{parent.label}, COUNT(*) FROM {parent.name}",
            f"JOIN {child.name} ON {link.condition}",
            group=f"GROUP BY {parent.name}.{link.key} HAVING COUNT(*) >= {least}",
        ),
    )


def _above_mean(source: random.Random, schema: Schema) -> Question:
    table = _labelled(source, schema)
    number = source.choice(table.numbers)[0]
    category = source.choice(table.categories)
    value = _quote(source.choice(dict(table.texts)[category]))
    mean = f"(SELECT AVG({number}) FROM {table.name})"
    return Question(
        f"List the {table.label} of every entry of {table.name} where {category} is {value} and "
        f"{number} is above the average {number} of all entries of {table.name}, a row per entry.",
        Clauses(
            _labels(table),
            where=f"WHERE {table.name}.{category} = {value} AND {number} > {mean}",
        ),
    )


def _childless(source: random.Random, schema: Schema) -> Question:
    link = source.choice([link for link in schema.links if link.parent.label])
    inner = f"SELECT 1 FROM {link.child.name} WHERE {link.condition}"
    return Question(
        f"List the {link.parent.label} of every entry of {link.parent.name} to which no entry of "
        f"{link.child.name} belongs by {link.column}, a row per entry.",
        Clauses(_labels(link.parent), where=f"WHERE NOT EXISTS ({inner})"),
    )


def _count_twice_joined(source: random.Random, schema: Schema) -> Question:
    first, second = source.choice(
        [
            (one, two)
            for one in schema.links
            for two in schema.links
            if one.parent == two.child and one.child != two.parent
        ]
    )
    said, where = _condition(source, second.parent)
    return Question(
        f"How many entries of {first.child.name} belong by {first.column} to an entry of "
        f"{second.child.name} that belongs by {second.column} to an entry of "
        f"{second.parent.name} where {said}?",
        Clauses(
            f"SELECT COUNT(*) FROM {first.child.name}",
            f"{_join(first)} {_join(second)}",
            f"WHERE {where}",
        ),
    )


_TEMPLATES: dict[int, tuple[Template, ...]] = {
    1: (_count, _filter),
    2: (_top, _sort),
    3: (_count_joined, _filter_joined),
    4: (_group, _group_joined),
    5: (_above_mean, _childless, _count_twice_joined),
}


def _condition(source: random.Random, table: Table, without: str = "") -> tuple[str, str]:
    """Draws a condition on a table's entries, but not on one column, in English and in SQL."""
    columns = [*table.texts, *table.numbers]
    column, values = source.choice([(name, held) for name, held in columns if name != without])
    if (column, values) in table.texts:
        text = _quote(str(source.choice(values)))
        return f"{column} is {text}", f"{table.name}.{column} = {text}"
    number = source.choice(values[:-1])
    return f"{column} is above {number}", f"{table.name}.{column} > {number}"


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _labelled(source: random.Random, schema: Schema) -> Table:
    return source.choice([table for table in schema.tables if table.label and table.numbers])


def _labels(table: Table) -> str:
    return f"SELECT {table.name}.{table.label} FROM {table.name}"


def _join(link: Link) -> str:
    return f"JOIN {link.parent.name} ON {link.condition}"
