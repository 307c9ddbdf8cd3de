"""`Archive`: every program of a search with the answer it came in, and which ones to build on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.brief import Reflection, Shown
from rewardsmith.llm_reward_design.program import RewardProgram

GIVEN = -1
"""Round of a program that a person brought."""


@dataclass(frozen=True)
class Candidate:
    """One answer of a writer, the program in it, and what became of that.

    Attributes:
        response: The answer, word for word. It stays with its program, so that no program can
            be shown under another's answer.
        program: The program in it, None if it held none.
        round: Round of the search, `GIVEN` for a program that a person brought.
        sample: Index in the round.
        score: Its fitness, finite; None if it failed.
        reflection: How training on it went, None if it failed.
        error: Why it failed, "" if it did not.
        rung: Stage of training it reached; scores of different stages do not compare.
        advice: What a person said of it, "" if nobody did.
    """

    response: str
    program: RewardProgram | None
    round: int
    sample: int
    score: float | None = None
    reflection: Reflection | None = None
    error: str = ""
    rung: int = 0
    advice: str = ""

    def __post_init__(self) -> None:
        who = f"candidate {self.sample} of round {self.round}"
        if self.score is not None and not math.isfinite(self.score):
            raise ConfigError(f"{who} has the score {self.score}; give a finite one, or an error")
        if (self.score is None) == (not self.error):
            raise ConfigError(f"{who} needs either a score or the error that there is none for")
        if self.ran and self.program is None:
            raise ConfigError(f"{who} has a score but no program")

    @classmethod
    def given(
        cls, program: RewardProgram, score: float, reflection: Reflection | None, advice: str = ""
    ) -> Candidate:
        """Returns a person's program as if it were the best answer of a round before the first."""
        answer = f"```python\n{program.source.strip()}\n```"
        return cls(answer, program, GIVEN, 0, score, reflection, advice=advice)

    @property
    def ran(self) -> bool:
        """Whether an agent was trained on it."""
        return self.score is not None

    @property
    def rank(self) -> tuple[int, float]:
        """What candidates are ordered by: the stage reached, then the score."""
        return self.rung, -math.inf if self.score is None else self.score

    @property
    def shown(self) -> Shown | None:
        """This as part of a brief; None if there is no program."""
        if self.program is None:
            return None
        return Shown(self.program, self.score, self.reflection, self.error, self.advice)


def best(candidates: Iterable[Candidate]) -> Candidate | None:
    """Returns the best that ran, the first among equals; None if none did."""
    return max((c for c in candidates if c.ran), key=lambda c: c.rank, default=None)


@dataclass
class Archive:
    """All candidates of a search in order of round and sample; more can only be added.

    Attributes:
        candidates: What it holds.
    """

    candidates: list[Candidate] = field(default_factory=list)

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self.candidates)

    def __len__(self) -> int:
        return len(self.candidates)

    def add(self, candidate: Candidate) -> None:
        """Takes one in.

        Raises:
            ConfigError: If it does not come after all others.
        """
        last = self.candidates[-1] if self.candidates else None
        if last is not None and (candidate.round, candidate.sample) <= (last.round, last.sample):
            raise ConfigError(
                f"candidate {candidate.sample} of round {candidate.round} was added after "
                f"candidate {last.sample} of round {last.round}; add them in order"
            )
        self.candidates.append(candidate)

    def rounds(self, first: int, end: int) -> Archive:
        """Returns what is known after rounds first to end - 1: theirs, and the given programs."""
        return Archive([c for c in self if first <= c.round < end or c.round == GIVEN])

    @property
    def best(self) -> Candidate | None:
        """The best of all rounds, whichever round is built on at present."""
        return best(self)

    def round_bests(self) -> list[Candidate]:
        """Returns the best of each round, in order, without the rounds in which none ran."""
        rounds = dict.fromkeys(c.round for c in self)
        found = (best(c for c in self if c.round == number) for number in rounds)
        return [candidate for candidate in found if candidate is not None]

    def lineages(self) -> dict[str, list[Candidate]]:
        """Returns what ran, grouped by the first ancestor that the search wrote itself.

        Children of a person's program begin lineages of their own: were they all one family,
        there would be no diversity to keep. An ancestor is found by its program's id.
        """
        origin: dict[str, str] = {}
        grouped: dict[str, list[Candidate]] = {}
        for candidate in self:
            program = candidate.program
            if program is None:
                continue
            known = (origin[parent] for parent in program.provenance.parents if parent in origin)
            root = next(known, program.id)
            if candidate.round != GIVEN:
                root = origin.setdefault(program.id, root)
            if candidate.ran:
                grouped.setdefault(root, []).append(candidate)
        return grouped

    def elites(self) -> list[Candidate]:
        """Returns the best of each lineage, the oldest lineage first."""
        return [found for group in self.lineages().values() if (found := best(group)) is not None]
