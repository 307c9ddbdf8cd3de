"""`Designer`: turns what a search knows into the next calls to a writer."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.archive import Archive, Candidate
from rewardsmith.llm_reward_design.brief import Brief
from rewardsmith.llm_reward_design.client import Message, Request
from rewardsmith.llm_reward_design.program import Provenance
from rewardsmith.rewards.config import build


@dataclass(frozen=True, kw_only=True)
class Designer(ABC):
    """A search in rounds of several answers each, started over some number of times.

    It keeps nothing between calls: equal archives give equal requests, so a search that was
    interrupted continues from its archive. Rounds are counted from 0 over all restarts; each
    restart knows only its own rounds and the programs that a person brought.

    Attributes:
        samples: Answers asked for in a round, at least 1.
        rounds: Rounds of one search, at least 1.
        restarts: Independent searches, at least 1.
        temperature: Sampling temperature of the writer, at least 0.

    Raises:
        ConfigError: If a number is out of range.
    """

    name: ClassVar[str]
    """What the designer is called in records and reports."""

    samples: int = 1
    rounds: int = 1
    restarts: int = 1
    temperature: float = 1.0

    def __post_init__(self) -> None:
        for field in ("samples", "rounds", "restarts"):
            self._at_least(field, 1)
        if not 0 <= self.temperature <= 2:
            raise ConfigError(f"designer.temperature must be in [0, 2], got {self.temperature!r}")

    @property
    def total_rounds(self) -> int:
        """Rounds of all restarts together."""
        return self.rounds * self.restarts

    def requests(self, archive: Archive, brief: Brief, round: int) -> list[Request]:
        """Returns the calls of one round, which can be made in any order.

        Calls with equal messages, in this round or an earlier one, are told apart by `sample`: so
        messages that are sent once more get new answers, not the stored ones.

        Args:
            archive: Everything up to this round.
            brief: The task; what is to be shown is put in here.
            round: Which round, from 0.
        """
        sent: Counter[tuple[Message, ...]] = Counter()
        calls: list[Request] = []
        for number in range(round + 1):  # earlier rounds anew, to know what was sent in them
            known = archive.rounds(number // self.rounds * self.rounds, number)
            calls = [self._call(known, brief, number, k, sent) for k in range(self.samples)]
        return calls

    def _call(
        self,
        known: Archive,
        brief: Brief,
        round: int,
        sample: int,
        sent: Counter[tuple[Message, ...]],
    ) -> Request:
        chosen = self.choose(known, brief, round, sample)
        messages = tuple(self.messages(brief, chosen))
        index = sent[messages]
        sent[messages] += 1
        settings = {"temperature": self.temperature}
        return Request(messages, showing(brief, chosen), index, settings)

    @abstractmethod
    def choose(self, archive: Archive, brief: Brief, round: int, sample: int) -> list[Candidate]:
        """Returns the candidates a call shows, the one to improve first; empty for a new start."""

    @abstractmethod
    def messages(self, brief: Brief, chosen: Sequence[Candidate]) -> list[Message]:
        """Returns the messages that ask for a program after the chosen candidates."""

    def repair(self, request: Request, failed: Candidate, attempt: int) -> Request | None:
        """Returns the call that asks to mend a program that failed; None to leave it.

        Args:
            request: The call that it answers.
            failed: The answer, its program if there is one, and the error.
            attempt: How often it was mended before.
        """
        return None

    def specific(self, source: str) -> str:
        """Returns a program in the task's own names, from one in those the writer was told."""
        return source

    def provenance(self, request: Request, writer: str, round: int, sample: int) -> Provenance:
        """Returns where the program that answers a call comes from."""
        spoken = [(message.role, message.content) for message in request.messages]
        return Provenance(
            designer=self.name,
            writer=writer,
            prompt=hashlib.sha256(json.dumps(spoken).encode()).hexdigest(),
            parents=tuple(shown.program.id for shown in request.brief.shown),
            round=round,
            sample=sample,
        )

    def _at_least(self, field: str, least: int) -> None:
        """Raises ConfigError unless a field is a whole number of at least `least`."""
        value = getattr(self, field)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ConfigError(
                f"designer.{field} must be a whole number of at least {least}, got {value!r}"
            )


def showing(brief: Brief, chosen: Sequence[Candidate]) -> Brief:
    """Returns a brief that shows the chosen candidates, without those that hold no program."""
    shown = (candidate.shown for candidate in chosen)
    return replace(brief, shown=tuple(one for one in shown if one is not None))


def build_designer(config: Mapping[str, Any]) -> Designer:
    """Builds the designer of a configuration: `_target_` and its parameters; `name` is a label.

    Raises:
        ConfigError: If the class or a parameter is unknown, or it is no designer.

    Example:
        >>> path = "rewardsmith.llm_reward_design.designers.Eureka"
        >>> build_designer({"name": "mine", "_target_": path, "rounds": 2}).total_rounds
        2
    """
    parameters = {key: value for key, value in config.items() if key != "name"}
    built = build(parameters, "designer")
    if not isinstance(built, Designer):
        raise ConfigError(f"designer: expected _target_ to name a designer, got {built!r}")
    return built
