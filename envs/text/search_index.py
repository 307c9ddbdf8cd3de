"""Documents, and an index that ranks them by BM25."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.text.tools import ToolError

LONGEST = 500
"""Characters of a query."""

_SNIPPET = 40
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Document:
    """A text that can be found: its id, its title, a few sentences."""

    id: str
    title: str
    text: str

    @property
    def snippet(self) -> str:
        """The beginning of the text."""
        return self.text if len(self.text) <= _SNIPPET else self.text[:_SNIPPET] + "..."


class SearchIndex:
    """Ranks documents by BM25 over the words of title and text.

    The scores are those of `bm25s` (Lù 2024, arXiv 2407.03618), in Lucene's form of BM25 with
    k1 = 1.5 and b = 0.75; documents of equal score stand in their given order. Its `retrieve`
    is made for batches and costs more than the scores of one query, so the best are picked here.

    Args:
        documents: The documents; their ids differ.

    Raises:
        EnvError: If `bm25s` is not installed.

    Example:
        >>> index = SearchIndex([Document("d0", "Osk", "Osk is a port."),
        ...                      Document("d1", "Bel", "Bel is a river near Osk.")])
        >>> [document.id for document in index.search("where is Osk?", 5)]
        ['d0', 'd1']
    """

    def __init__(self, documents: Iterable[Document]) -> None:
        self.documents = tuple(documents)
        self._by_id = {document.id: document for document in self.documents}
        words = [_words(f"{document.title} {document.text}") for document in self.documents]
        self._bm25 = _bm25s().BM25()
        self._bm25.index(words, show_progress=False)

    def search(self, query: str, count: int) -> tuple[Document, ...]:
        """Returns up to `count` documents that share a word with the query, the best first.

        Raises:
            ToolError: If the query is too long.
        """
        if len(query) > LONGEST:
            raise ToolError(f"the query is longer than {LONGEST} characters.")
        known = self._bm25.get_tokens_ids(_words(query))
        scores = self._bm25.get_scores_from_ids(known)
        found = np.flatnonzero(scores)
        best = found[np.argsort(-scores[found], kind="stable")[:count]]
        return tuple(self.documents[place] for place in best.tolist())

    def get(self, id: str) -> Document:
        """Returns a document by its id.

        Raises:
            ToolError: If there is none.
        """
        if id not in self._by_id:
            raise ToolError(f"there is no document {id[:80]!r}.")
        return self._by_id[id]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _bm25s() -> Any:
    try:
        return importlib.import_module("bm25s")
    except ImportError:
        raise EnvError(
            "search needs the package bm25s; install it with pip install 'rewardsmith[text]'"
        ) from None
