"""What a database is made of, found by looking: tables, kinds of columns, values, links."""

from __future__ import annotations

import functools
import re
import sqlite3
from dataclasses import dataclass
from typing import Any

from rewardsmith.envs.text.database import Database, query
from rewardsmith.envs.text.result_set import show_rows
from rewardsmith.envs.text.tools import SHOWN

_PLAIN = re.compile(r"[A-Za-z_]\w*", re.A)
_RESERVED = (
    "add all and as asc between by case check column create cross default delete desc distinct "
    "drop else end exists from full group having if in index inner insert into is join left "
    "limit natural not null on or order outer primary references right row select set table "
    "then to transaction union unique update using values view when where with"
)
_LONGEST_VALUE = 40
_READ = 5_000


@dataclass(frozen=True, slots=True)
class Table:
    """A table and what can be asked of it; names are as SQL wants them, quoted where needed.

    Attributes:
        name: Its name.
        columns: Pairs of a column's name and its declared type.
        size: Rows.
        label: Column of texts that tell its rows apart; "" without one.
        texts: The label and the columns of texts that repeat, with their texts.
        numbers: Columns of numbers that are no keys, with the numbers, ascending.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    size: int
    label: str
    texts: tuple[tuple[str, tuple[str, ...]], ...]
    numbers: tuple[tuple[str, tuple[float, ...]], ...]

    @property
    def categories(self) -> tuple[str, ...]:
        """The columns of texts that repeat."""
        return tuple(column for column, _ in self.texts if column != self.label)


@dataclass(frozen=True, slots=True)
class Link:
    """A foreign key: `child.column` is `parent.key`."""

    child: Table
    column: str
    parent: Table
    key: str

    @property
    def condition(self) -> str:
        """The condition to join on."""
        return f"{self.child.name}.{self.column} = {self.parent.name}.{self.key}"


@dataclass(frozen=True, slots=True)
class Schema:
    """All tables of a database, and the foreign keys between different ones."""

    tables: tuple[Table, ...]
    links: tuple[Link, ...]


@functools.lru_cache(maxsize=512)
def inspect(database: Database) -> Schema:
    """Returns what a database is made of.

    Example:
        >>> from rewardsmith.envs.text.sql_domains import Generated
        >>> [link.condition for link in inspect(Generated("library", 0)).links]
        ['books.author_id = authors.id', 'loans.book_id = books.id']
    """
    connection = database.open()
    connection.text_factory = lambda raw: raw.decode(errors="replace")
    listed = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite@_%' "
        "ESCAPE '@' ORDER BY rowid"
    ).fetchall()
    tables, links = {}, []
    for (name,) in listed:
        tables[name.lower()] = _table(connection, name)
    for (name,) in listed:
        for _, _, parent, column, key, *_ in connection.execute(
            f"PRAGMA foreign_key_list({_quoted(name)})"
        ):
            child, target = tables[name.lower()], tables.get(parent.lower())
            if target is not None and target is not child and key is not None:
                links.append(Link(child, _sql_name(column), target, _sql_name(key)))
    connection.close()
    return Schema(tuple(tables.values()), tuple(sorted(links, key=lambda link: link.condition)))


@functools.lru_cache(maxsize=512)
def describe(database: Database) -> str:
    """Returns the tables with columns, foreign keys and, where there is room, a few rows."""
    schema = inspect(database)
    full = "\n".join(describe_table(database, table) for table in schema.tables)
    return full if len(full) <= SHOWN else "\n".join(_head(schema, t) for t in schema.tables)


def describe_table(database: Database, table: Table) -> str:
    """Returns one table with columns, foreign keys and a few rows."""
    first = query(database, f"SELECT * FROM {table.name} LIMIT 2")
    rows = show_rows(first).split("\n")[1:]
    return "\n".join([_head(inspect(database), table), *(f"  {row}" for row in rows)])


def _head(schema: Schema, table: Table) -> str:
    columns = ", ".join(" ".join(column).strip() for column in table.columns)
    links = [f"{k.column} -> {k.parent.name}.{k.key}" for k in schema.links if k.child == table]
    return f"{table.name}({columns})" + "".join(f" [{link}]" for link in links)


def _table(connection: sqlite3.Connection, name: str) -> Table:
    quoted = _quoted(name)
    info = connection.execute(f"PRAGMA table_info({quoted})").fetchall()
    keys = {row[3] for row in connection.execute(f"PRAGMA foreign_key_list({quoted})")}
    keys |= {column for _, column, _, _, _, primary in info if primary}
    (size,) = connection.execute(f"SELECT COUNT(*) FROM {quoted}").fetchone()
    label = ""
    texts, numbers = [], []
    for _, column, *_ in info:
        if column in keys or not size:
            continue
        read = f"SELECT {_quoted(column)} FROM {quoted} LIMIT {_READ}"
        values = [value for (value,) in connection.execute(read)]
        if all(isinstance(value, str) for value in values):
            said = tuple(sorted({value for value in values if _sayable(value)}))
            tells_apart = len(set(values)) > 0.8 * len(values)
            if tells_apart and not label:
                label = _sql_name(column)
                texts.append((label, said))
            elif not tells_apart and len(said) >= 2:
                texts.append((_sql_name(column), said))
        elif _are_numbers(values) and len(set(values)) >= 2:
            numbers.append((_sql_name(column), tuple(sorted(set(values)))))
    return Table(
        _sql_name(name),
        tuple((_sql_name(column), kind) for _, column, kind, *_ in info),
        size,
        label,
        tuple(texts),
        tuple(numbers),
    )


def _are_numbers(values: list[Any]) -> bool:
    return all(isinstance(value, int | float) for value in values)


def _sayable(text: str) -> bool:
    plain = text.isprintable() and text == text.strip() and "<" not in text
    return plain and 0 < len(text) <= _LONGEST_VALUE


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _sql_name(name: str) -> str:
    plain = _PLAIN.fullmatch(name) and name.lower() not in _RESERVED.split()
    return name if plain else _quoted(name)
