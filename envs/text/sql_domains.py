"""Small generated databases: a few tables with foreign keys, filled by a seed."""

from __future__ import annotations

import random
import sqlite3
from dataclasses import dataclass
from itertools import product

from rewardsmith.envs.text.database import Database

DATABASES = 32
"""Generated databases of a domain."""

FEWEST, MOST = 20, 60
"""Rows of a table."""

_FIRST = (
    "Ann",
    "Ben",
    "Cleo",
    "Dan",
    "Eva",
    "Finn",
    "Gus",
    "Hana",
    "Ida",
    "Jon",
    "Kim",
    "Lea",
    "Max",
    "Noa",
    "Ole",
    "Pia",
)
_LAST = (
    "Adler",
    "Berg",
    "Cruz",
    "Diaz",
    "Ek",
    "Fox",
    "Gray",
    "Hall",
    "Ito",
    "Jain",
    "Kaur",
    "Lund",
    "Moss",
    "Nash",
    "Orr",
    "Park",
)
_ADJECTIVES = (
    "Silent",
    "Golden",
    "Broken",
    "Hidden",
    "Distant",
    "Crimson",
    "Frozen",
    "Gentle",
    "Hollow",
    "Ivory",
)
_NOUNS = (
    "River",
    "Garden",
    "Mirror",
    "Tower",
    "Harbor",
    "Forest",
    "Lantern",
    "Orchard",
    "Bridge",
    "Signal",
)
_PEOPLE = tuple(" ".join(pair) for pair in product(_FIRST, _LAST))
_TITLES = tuple(" ".join(pair) for pair in product(_ADJECTIVES, _NOUNS))
_CITIES = ("Oslo", "Lima", "Cairo", "Kyoto", "Quito", "Turin")

Spec = str | tuple[str, ...] | tuple[int, int]
"""A column: the table it leads to, the texts or the range of whole numbers it is drawn from."""

DOMAINS: dict[str, dict[str, dict[str, Spec]]] = {
    "library": {
        "authors": {"name": _PEOPLE, "city": _CITIES, "born": (1900, 1999)},
        "books": {
            "title": _TITLES,
            "genre": ("poetry", "crime", "travel", "history"),
            "pages": (80, 900),
            "author_id": "authors",
        },
        "loans": {"reader": _PEOPLE, "days": (1, 90), "book_id": "books"},
    },
    "shop": {
        "customers": {"name": _PEOPLE, "city": _CITIES, "points": (0, 500)},
        "products": {
            "label": _TITLES,
            "category": ("toys", "tools", "food", "books"),
            "price": (2, 400),
        },
        "orders": {
            "code": tuple(f"A{i}" for i in range(100, 300)),
            "state": ("paid", "sent", "returned"),
            "customer_id": "customers",
            "product_id": "products",
            "quantity": (1, 40),
        },
    },
    "school": {
        "teachers": {"name": _PEOPLE, "subject": ("maths", "art", "music", "biology")},
        "courses": {"title": _TITLES, "hours": (10, 120), "teacher_id": "teachers"},
        "students": {"name": _PEOPLE, "city": _CITIES, "age": (10, 60)},
        "grades": {"course_id": "courses", "student_id": "students", "score": (0, 100)},
    },
    "clinic": {
        "doctors": {"name": _PEOPLE, "field": ("heart", "skin", "bones"), "salary": (40, 190)},
        "patients": {
            "name": _PEOPLE,
            "city": _CITIES,
            "age": (1, 99),
            "doctor_id": "doctors",
        },
    },
}


@dataclass(frozen=True, slots=True)
class Generated(Database):
    """A database made from its name alone.

    Attributes:
        domain: One of `DOMAINS`, which gives the tables.
        number: Which of the databases of this domain; it gives the rows.
    """

    domain: str
    number: int

    def open(self) -> sqlite3.Connection:
        """Returns a connection to the database, made in memory."""
        connection = sqlite3.connect(":memory:")
        source = random.Random(f"{self.domain} {self.number}")
        sizes: dict[str, int] = {}
        for table, columns in DOMAINS[self.domain].items():
            sizes[table] = source.randint(FEWEST, MOST)
            listed = ", ".join(f"{name} {_declare(spec)}" for name, spec in columns.items())
            connection.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, {listed})")
            drawn = [_draw(source, spec, sizes[table], sizes) for spec in columns.values()]
            marks = ", ".join("?" * (len(drawn) + 1))
            rows = zip(range(1, sizes[table] + 1), *drawn, strict=True)
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        connection.commit()
        return connection

    def siblings(self) -> list[Database]:
        """Returns the other databases of the domain, the next one first."""
        later = range(self.number + 1, self.number + DATABASES)
        return [Generated(self.domain, number % DATABASES) for number in later]


def _declare(spec: Spec) -> str:
    if isinstance(spec, str):
        return f"INTEGER REFERENCES {spec}(id)"
    return "TEXT" if isinstance(spec[0], str) else "INTEGER"


def _draw(
    source: random.Random, spec: Spec, count: int, sizes: dict[str, int]
) -> list[str] | list[int]:
    """Draws a column; texts of which there are enough stand in it once each."""
    if isinstance(spec, str):
        return [source.randint(1, sizes[spec]) for _ in range(count)]
    if isinstance(spec[0], int):
        return [source.randint(int(spec[0]), int(spec[1])) for _ in range(count)]
    texts = [str(text) for text in spec]
    return source.sample(texts, count) if len(texts) >= MOST else source.choices(texts, k=count)
