"""The tools of a reader: search, open, cite."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from rewardsmith.envs.errors import EnvError, unknown
from rewardsmith.envs.text.search_index import Document, SearchIndex
from rewardsmith.envs.text.tools import Parameter, Tool
from rewardsmith.envs.text.transcript import ToolCall, Transcript

PRICES: Mapping[str, float] = {"search": 1.0, "open": 0.2, "cite": 0.0}
"""Price of a call of each tool."""

RESULTS = 5
"""Documents that a search shows."""

_ID = (Parameter("id", "string", "id of the document"),)


class Library(Protocol):
    """What can be searched. It is kept out of pickles as best it can."""

    index: SearchIndex


def search_tools(library: Library, prices: Mapping[str, float]) -> list[Tool]:
    """Returns the tools at these prices; a tool that has none costs what `PRICES` says.

    What they find, for judges: `search` a tuple of documents, `open` a document, `cite` the id.

    Raises:
        EnvError: If a price is negative.
        ConfigError: If there is no such tool.
    """
    for name, value in prices.items():
        if name not in PRICES:
            raise unknown("tool", name, PRICES, where="prices")
        if not (isinstance(value, int | float) and value >= 0):
            raise EnvError(f"prices.{name} must be at least 0, got {value!r}")
    price = {**PRICES, **prices}
    query = (Parameter("query", "string", "words to look for"),)
    search, read, cite = (functools.partial(run, library) for run in (_search, _open, _cite))
    return [
        Tool("search", "Lists documents.", query, search, _list, price["search"]),
        Tool("open", "Shows a document.", _ID, read, _show, price["open"]),
        Tool(
            "cite", "Notes that the answer rests on a document.", _ID, cite, _cited, price["cite"]
        ),
    ]


def calls_to(queries: Iterable[str], ids: Iterable[str]) -> tuple[ToolCall, ...]:
    """Returns calls that search and open one document after the other, then cite all of them."""
    ids = tuple(ids)
    calls: list[ToolCall] = []
    for query, id in zip(queries, ids, strict=True):
        calls += [ToolCall("search", {"query": query}), ToolCall("open", {"id": id})]
    return (*calls, *(ToolCall("cite", {"id": id}) for id in ids))


def _search(
    library: Library, transcript: Transcript, arguments: Mapping[str, Any]
) -> tuple[Document, ...]:
    return library.index.search(arguments["query"], RESULTS)


def _open(library: Library, transcript: Transcript, arguments: Mapping[str, Any]) -> Document:
    return library.index.get(arguments["id"])


def _cite(library: Library, transcript: Transcript, arguments: Mapping[str, Any]) -> str:
    return library.index.get(arguments["id"]).id


def _list(found: tuple[Document, ...]) -> str:
    lines = [f"[{document.id}] {document.title}: {document.snippet}" for document in found]
    return "\n".join(lines) or "No document has these words."


def _show(document: Document) -> str:
    return f"[{document.id}] {document.title}\n{document.text}"


def _cited(id: str) -> str:
    return f"Cited {id}."
