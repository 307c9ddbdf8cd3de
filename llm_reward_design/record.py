"""`SearchRecord`: everything a search did, as the plain data that its report is written from."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewardsmith.agents.files import write_json
from rewardsmith.agents.wording import duration_text
from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.archive import Archive, Candidate
from rewardsmith.llm_reward_design.brief import Reflection
from rewardsmith.llm_reward_design.clients.call_store import CallStore
from rewardsmith.llm_reward_design.trials.trial import reflection_of

if TYPE_CHECKING:
    from rewardsmith.llm_reward_design.loop import Search

_FILE = "design.json"
_SHOWN = 2000


@dataclass(frozen=True)
class Tried:
    """One program of a search.

    Attributes:
        id: The program's id, with the round and sample that wrote it in front.
        program: The program's own id; equal sources share it.
        round: Round of the search, -1 for a program that a person brought.
        sample: Index in the round.
        parents: `id`s of the programs that its writer was shown.
        source: The program, or the answer's beginning if there is none in it.
        state: "trained", "failed" (in training), "rejected" (before it) or "lost" (no answer).
        error: Why it was not trained to the end.
        score: Mean task score over the last quarter of its longest training.
        rung: How far it went in successive halving; -1 if it was not trained.
        reflection: The series of its longest training.
    """

    id: str
    program: str
    round: int
    sample: int
    parents: tuple[str, ...]
    source: str
    state: str
    error: str = ""
    score: float | None = None
    rung: int = -1
    reflection: Reflection | None = None


@dataclass(frozen=True)
class Usage:
    """What a search has used, over all the times it was started.

    Attributes:
        calls: Answers of the writer.
        tokens: Tokens it read and wrote.
        cost: Their price.
        priced: Whether prices were given.
        train_s: Seconds of training in the jail, all processes added up.
        judge_s: Seconds of judging, all processes added up.
    """

    calls: int = 0
    tokens: int = 0
    cost: float = 0.0
    priced: bool = False
    train_s: float = 0.0
    judge_s: float = 0.0


@dataclass(frozen=True)
class SearchRecord:
    """A search so far.

    Attributes:
        name: What the search is called.
        card: The task's card, as `EnvCard.summary` tells it.
        score: What the task is judged by, "success" or "return".
        wanted: What was asked for.
        designer: Name of the designer.
        writer: Who wrote the programs.
        is_language_model: Whether that is a language model.
        tier: Tier of the jail.
        search: Settings of the search.
        tried: Every program, in order.
        best: `id` of the best, None while none was trained.
        usage: What it cost.
        ended: Why the search ended before its last round, "" if it did not.
    """

    name: str
    card: dict[str, Any]
    score: str
    wanted: str
    designer: str
    writer: str
    is_language_model: bool
    tier: str
    search: dict[str, Any]
    tried: tuple[Tried, ...] = ()
    best: str | None = None
    usage: Usage = field(default_factory=Usage)
    ended: str = ""

    def usage_rows(self) -> dict[str, str]:
        """Returns what the search used, line by line."""
        usage = self.usage
        rows = {"answers": f"{usage.calls:,}"}
        if self.is_language_model:
            rows["tokens"] = f"{usage.tokens:,}"
            rows["cost"] = f"{usage.cost:,.2f}" if usage.priced else "unknown: no prices were given"
        rows["training in the jail"] = duration_text(usage.train_s)
        rows["judging outside it"] = duration_text(usage.judge_s)
        return rows

    def save(self, folder: Path) -> None:
        """Writes the record into a search's folder."""
        write_json(folder / _FILE, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> SearchRecord:
        """Reads the record of a search's folder.

        Raises:
            ConfigError: If there is none.
        """
        try:
            plain = json.loads((folder / _FILE).read_text())
        except (OSError, json.JSONDecodeError) as error:
            raise ConfigError(
                f"{folder} holds no search ({_FILE}: {error}); give the folder that "
                "`rewardsmith design` made"
            ) from None
        tried = tuple(_tried(one) for one in plain["tried"])
        return cls(**{**plain, "tried": tried, "usage": Usage(**plain["usage"])})


def is_search(folder: Path) -> bool:
    """Tells whether a folder holds a search."""
    return (folder / _FILE).exists()


def _tried(plain: dict[str, Any]) -> Tried:
    series = plain["reflection"]
    reflection = None if series is None else reflection_of(series)
    return Tried(**{**plain, "parents": tuple(plain["parents"]), "reflection": reflection})


def recorded(found: Search, name: str, calls: CallStore, *, priced: bool) -> SearchRecord:
    """Returns the record of a search as it stands.

    Args:
        found: The search.
        name: What it is called.
        calls: The answers kept.
        priced: Whether prices were given.
    """
    spent, outcomes = calls.spent(), found.outcomes.values()
    best = found.archive.best
    begun = frozenset(key.rpartition("/")[2] for key in found.outcomes)
    return SearchRecord(
        name=name,
        card=found.brief.card.summary(),
        score=found.brief.card.score,
        wanted=found.brief.task,
        designer=found.designer.name,
        writer=found.client.name,
        is_language_model=found.client.is_language_model,
        tier=found.settings.tier.name.lower(),
        search={
            **asdict(found.designer),
            "steps": [rung.steps for rung in found.rungs],
            "keep": found.settings.keep,
            "points": found.settings.points,
            "episodes": found.settings.episodes,
            "seed": found.brief.seed,
        },
        tried=tuple(_tried_of(found.archive, begun)),
        best=None if best is None else _id(best),
        usage=Usage(
            calls=spent.calls,
            tokens=spent.tokens,
            cost=spent.cost,
            priced=priced,
            train_s=sum(outcome.train_s for outcome in outcomes),
            judge_s=sum(outcome.judge_s for outcome in outcomes),
        ),
        ended=found.ended,
    )


def _tried_of(archive: Archive, begun: frozenset[str]) -> Iterator[Tried]:
    """Yields every candidate; a parent is the latest candidate that held the program before.

    Args:
        archive: The candidates.
        begun: Ids of the programs whose training was begun.
    """
    held: dict[str, str] = {}
    for number, group in itertools.groupby(archive, key=lambda candidate: candidate.round):
        members = list(group)
        for one in members:
            program = one.program
            parents = program.provenance.parents if program and number >= 0 else ()
            yield Tried(
                id=_id(one),
                program=program.id if program else "",
                round=one.round,
                sample=one.sample,
                parents=tuple(held[parent] for parent in parents if parent in held),
                source=program.source if program else one.response[:_SHOWN],
                state=_state(one, begun),
                error=one.error,
                score=one.score,
                rung=one.rung if one.ran else -1,
                reflection=one.reflection,
            )
        held |= {one.program.id: _id(one) for one in members if one.program}


def _id(candidate: Candidate) -> str:
    return f"{candidate.round}.{candidate.sample}"


def _state(candidate: Candidate, begun: frozenset[str]) -> str:
    if candidate.ran:
        return "trained"
    if not candidate.response:
        return "lost"
    program = candidate.program
    return "failed" if program is not None and program.id in begun else "rejected"
