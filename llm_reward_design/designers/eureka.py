"""`Eureka`: evolutionary search over reward code, guided by statistics of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from rewardsmith.envs.errors import unknown
from rewardsmith.llm_reward_design.archive import Archive, Candidate, best
from rewardsmith.llm_reward_design.brief import Brief
from rewardsmith.llm_reward_design.client import Message
from rewardsmith.llm_reward_design.designers.describe import (
    contract,
    environment,
    statistics,
)
from rewardsmith.llm_reward_design.designers.designer import Designer
from rewardsmith.llm_reward_design.prompts import prompt
from rewardsmith.llm_reward_design.reflection import last_of

PARENTS = ("greedy", "archive")


@dataclass(frozen=True, kw_only=True)
class Eureka(Designer):
    """Samples K programs, trains on each, and improves the best by what training showed.

    Round n sends [system, task] at first and then always the same four messages,
    [system, task, answer b, feedback on b], b being the best of the last round in which a
    program ran: only that is carried over. The best of all rounds is kept apart, in the
    archive. If every program of a round fails, the same messages are sent once more; that counts
    as a round. Feedback is the table of statistics with advice on how to read it, a person's
    advice where there is some, or the error (with one sample to a round, where no other is left
    to build on).

    Source: Ma et al. 2024, arXiv 2310.12931. The diversity-keeping choice of parents is ours.

    Attributes:
        parents: "greedy" builds on the best of the last round. "archive" lets every call draw
            its own parent from the best of each lineage by a tournament, and shows a second
            one from another lineage beside it.
        tournament: How many take part in a tournament; more prefer the good to the different.
        statistics: Whether the table of statistics is shown; without it there is a person's
            advice in its place, or only the wish for something better.

    Raises:
        ConfigError: If `parents` is unknown or a number is out of range.
    """

    name: ClassVar[str] = "eureka"

    samples: int = 16
    rounds: int = 5
    parents: Literal["greedy", "archive"] = "greedy"
    tournament: int = 2
    statistics: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least("tournament", 1)
        if self.parents not in PARENTS:
            raise unknown("choice", self.parents, PARENTS, where="designer.parents")

    def choose(self, archive: Archive, brief: Brief, round: int, sample: int) -> list[Candidate]:
        """Returns the candidates to build on; see `Designer.choose`."""
        if self.parents == "archive":
            generator = np.random.default_rng((brief.seed, round, sample))
            return self._drawn(archive.elites(), generator)
        if self.samples == 1:
            return [candidate for candidate in archive if candidate.response][-1:]
        return archive.round_bests()[-1:]

    def _drawn(self, elites: list[Candidate], generator: np.random.Generator) -> list[Candidate]:
        """Draws a parent by a tournament, and another one from what is left."""
        drawn: list[Candidate] = []
        for _ in range(min(2, len(elites))):
            left = [candidate for candidate in elites if candidate not in drawn]
            entered = generator.permutation(len(left))[: self.tournament]
            winner = best(left[i] for i in sorted(entered))
            drawn += [winner] if winner is not None else []
        return drawn

    def messages(self, brief: Brief, chosen: Sequence[Candidate]) -> list[Message]:
        """Returns two messages for a new start and four after that; see `Designer.messages`."""
        tips = prompt("eureka_tips")
        system = prompt("eureka_system", contract=contract(brief.card), tips=tips)
        task = prompt("eureka_task", task=brief.task, environment=environment(brief))
        asked = [Message("system", system), Message("user", task)]
        if not chosen:
            return asked
        feedback = "\n\n".join([*self._feedback(brief, *chosen), tips])
        return [*asked, Message("assistant", chosen[0].response), Message("user", feedback)]

    def _feedback(self, brief: Brief, parent: Candidate, *others: Candidate) -> list[str]:
        """Returns what is said of a parent: its error, or how training went and how to read it."""
        if not parent.ran:
            return [prompt("execution_error", error=last_of(parent.error))]
        said, close = [], prompt("eureka_improve")
        if self.statistics and parent.reflection is not None:
            said.append(statistics(brief.card, parent.reflection))
            close = prompt("eureka_analysis")
        if parent.advice:
            said.append(prompt("eureka_advice", advice=parent.advice))
        for other in others:
            source = "" if other.program is None else other.program.source.strip()
            said.append(prompt("eureka_other", program=source, score=f"{other.score:.2f}"))
        return [*said, close]
