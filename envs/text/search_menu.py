"""Search by menu: where a reader of a made-up world stands, what it may say, what it sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rewardsmith.envs.text.fictional_documents import WITHDRAWN
from rewardsmith.envs.text.fictional_library import HARDEST, UNKNOWN
from rewardsmith.envs.text.fictional_relations import Entity
from rewardsmith.envs.text.message import write
from rewardsmith.envs.text.search_index import Document
from rewardsmith.envs.text.transcript import ToolCall, Transcript

FEATURES = (
    *("hops_left", "results", "wrong_page", "next_found", "answer_found", "nothing_told"),
    *("cited", "failed", "turns"),
)
MENU_SIZE = 5


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a reader stands, as the question and the tools' results tell.

    Attributes:
        sought: The entity it searched for last, at first the one that the question names.
        hop: Relations followed so far.
        results: Documents that its last search showed and that it did not open.
        page: The document it opened last since then.
        found: What that says of the relation that comes next, whether it is to be trusted or not.
        cited: Whether it cited that document.
    """

    sought: Entity
    hop: int = 0
    results: tuple[Document, ...] = ()
    page: Document | None = None
    found: Entity | None = None
    cited: bool = False


def stand(transcript: Transcript) -> Standing:
    """Follows the calls of a transcript."""
    facts = transcript.task.facts
    at = Standing(facts["path"][0])
    for result in transcript.results:
        value = result.value
        match result.call.name:
            case "search" if result.ok:
                if at.found and result.call.arguments["query"] == at.found.name:
                    at = Standing(at.found, at.hop + 1, value)
                else:
                    at = Standing(at.sought, at.hop, value)
            case "open" if result.ok:
                left = tuple(document for document in at.results if document != value)
                asked = facts["relations"][at.hop : at.hop + 1]
                found = asked[0].read(value.text) if asked else None
                at = Standing(at.sought, at.hop, left, value, found)
            case "cite" if result.ok and at.page is not None:
                cited = at.cited or value == at.page.id
                at = Standing(at.sought, at.hop, at.results, at.page, at.found, cited)
    return at


def menu(transcript: Transcript) -> Sequence[str]:
    """Offers a search, the next result, a citation, an answer, and "unknown".

    It searches for, and answers with, what the open document says of the next relation; where it
    says nothing, the entity that was searched for.
    """
    at = stand(transcript)
    found = at.found or at.sought
    page = at.page.id if at.page else ""
    return [
        write([ToolCall("search", {"query": found.name})]),
        write([ToolCall("open", {"id": at.results[0].id if at.results else ""})]),
        write([ToolCall("cite", {"id": page})]),
        write(answer=found.name),
        write(answer=UNKNOWN[0]),
    ]


def features(transcript: Transcript) -> Sequence[float]:
    """Tells how far the question is followed, and what the open document is good for."""
    at, hops = stand(transcript), transcript.task.facts["hops"]
    right = at.page is not None and _counts(at.page, at.sought)
    last = at.hop >= hops - 1
    failed = bool(transcript.results) and not transcript.results[-1].ok
    flags = (
        bool(at.results),
        at.page is not None and not right,
        right and at.found is not None and not last,
        right and at.found is not None and last,
        right and at.found is None,
        at.cited,
        failed,
    )
    return [max(hops - at.hop, 0) / HARDEST, *map(float, flags)]


def _counts(page: Document, entity: Entity) -> bool:
    return page.title == entity.title and WITHDRAWN not in page.text
