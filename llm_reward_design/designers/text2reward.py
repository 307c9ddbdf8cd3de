"""`Text2Reward`: reward code from a compact description of the task, mended and refined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

from rewardsmith.llm_reward_design.archive import Archive, Candidate
from rewardsmith.llm_reward_design.brief import Brief
from rewardsmith.llm_reward_design.client import Message, Request
from rewardsmith.llm_reward_design.designers.abstraction import EnvAbstraction
from rewardsmith.llm_reward_design.designers.describe import circumstances, statistics
from rewardsmith.llm_reward_design.designers.designer import Designer
from rewardsmith.llm_reward_design.designers.library import Library
from rewardsmith.llm_reward_design.designers.names import Names, with_previous
from rewardsmith.llm_reward_design.prompts import prompt
from rewardsmith.llm_reward_design.reflection import last_of

NO_ADVICE = (
    "Nobody gave advice. Judge by the figures which part of the task is missing or paid wrongly."
)


@dataclass(frozen=True, kw_only=True)
class Text2Reward(Designer):
    """Writes a dense reward from a Pythonic description of the task, then mends and refines it.

    The prompt holds a role, the task as class stubs, the k most similar solved tasks of a
    library, and instructions: explain the task first, then write code over the attributes given.
    A program that does not run goes back with its error. From the second round on the prompt
    carries every earlier round's best reward with what was seen of it and what a person
    advised, and asks what is missing or wrong.

    Source: Xie et al. 2024, arXiv 2309.11489. There, a person describes what the trained agent
    does; here the statistics of training do where nobody has.

    Attributes:
        repairs: How often a program that fails is sent back, at least 0.
        examples: How many solved tasks are shown, at least 0.
        library: YAML file of solved tasks; None for the few that come along.
        names: Better names of inputs -> those of the card; the writer sees and uses the former.

    Raises:
        ConfigError: If a number is out of range, the library cannot be read, or two names stand
            for one input.
    """

    name: ClassVar[str] = "text2reward"

    temperature: float = 0.7
    repairs: int = 3
    examples: int = 1
    library: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least("repairs", 0)
        self._at_least("examples", 0)
        _ = self._vocabulary, self._shelf  # so that a mistake in them shows before any call

    @cached_property
    def _vocabulary(self) -> Names:
        return with_previous(self.names)

    @cached_property
    def _shelf(self) -> Library:
        return Library.load(self.library)

    def choose(self, archive: Archive, brief: Brief, round: int, sample: int) -> list[Candidate]:
        """Returns the best of every round before, the latest first; see `Designer.choose`."""
        return archive.round_bests()[::-1]

    def messages(self, brief: Brief, chosen: Sequence[Candidate]) -> list[Message]:
        """Returns the two messages of every call; see `Designer.messages`."""
        abstraction = EnvAbstraction(brief.card, self.names, brief.widths)
        said = [
            prompt(
                "text2reward_environment",
                id=brief.card.id,
                stubs=abstraction.stubs(),
                facts=circumstances(brief),
                contract=prompt("contract", signature=abstraction.signature()),
            )
        ]
        pairs = [
            prompt("text2reward_example", task=example.task, program=example.program.strip())
            for example in self._shelf.nearest(brief.task, self.examples)
        ]
        if pairs:
            said.append(prompt("text2reward_examples", pairs="\n\n".join(pairs)))
        said.append(prompt("text2reward_instruction", task=brief.task))
        if chosen:
            tried = enumerate(reversed(chosen), start=1)
            history = [self._told(brief, number, candidate) for number, candidate in tried]
            said.append(prompt("text2reward_refine", history="\n\n".join(history)))
        return [
            Message("system", prompt("text2reward_system")),
            Message("user", "\n\n".join(said)),
        ]

    def _told(self, brief: Brief, number: int, candidate: Candidate) -> str:
        """Returns what was written in an earlier round, seen of it, and advised on it."""
        seen = f"Its task score was {candidate.score:.2f}."
        if candidate.reflection is not None:
            seen = statistics(brief.card, candidate.reflection)
        source = "" if candidate.program is None else candidate.program.source.strip()
        return prompt(
            "text2reward_feedback",
            number=str(number),
            program=self._vocabulary.general(source),
            description=self._vocabulary.general(seen),
            suggestion=candidate.advice or NO_ADVICE,
        )

    def repair(self, request: Request, failed: Candidate, attempt: int) -> Request | None:
        """Returns the call with the answer and its error put behind; see `Designer.repair`."""
        if attempt >= self.repairs or not failed.response:
            return None
        error = self._vocabulary.general(last_of(failed.error))
        asked = (
            Message("assistant", failed.response),
            Message("user", prompt("execution_error", error=error)),
        )
        mended = () if failed.shown is None else (failed.shown,)
        brief = replace(request.brief, shown=(*mended, *request.brief.shown))
        return replace(request, messages=(*request.messages, *asked), brief=brief)

    def specific(self, source: str) -> str:
        """Returns a program in the card's names, from one in the better ones."""
        return self._vocabulary.specific(source)
