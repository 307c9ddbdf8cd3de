"""From requests to programs that run: asked, found in the answer, checked, tried, mended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib

from rewardsmith.envs.card import EnvCard
from rewardsmith.llm_reward_design import jail
from rewardsmith.llm_reward_design.archive import Candidate
from rewardsmith.llm_reward_design.asking import Asked, ask
from rewardsmith.llm_reward_design.client import ChatClient, ClientError, Completion, Request
from rewardsmith.llm_reward_design.designers.designer import Designer
from rewardsmith.llm_reward_design.extract import ExtractError, extract
from rewardsmith.llm_reward_design.journal import Journal
from rewardsmith.llm_reward_design.lint import lint
from rewardsmith.llm_reward_design.program import RewardProgram
from rewardsmith.llm_reward_design.trial import emptied

SMOKE = "rewardsmith.llm_reward_design.training:smoke"
_SMOKE_LIMITS = jail.Limits(wall_s=120.0, cpu_s=60.0)

Told = Callable[[str, int, int], None]
"""Called with what is being done, how many of it are done, and how many there are."""


@dataclass(frozen=True)
class Draft:
    """An answer, read and checked, before it is trained on.

    Attributes:
        request: What it answers.
        response: The answer, "" if there is none.
        program: The program in it, None if it holds none.
        error: Why it cannot be trained on, "" if it can.
    """

    request: Request
    response: str
    program: RewardProgram | None
    error: str = ""


class Drafter:
    """Turns a round's requests into programs.

    Args:
        designer: Who asks, and who mends.
        client: Who answers.
        journal: Remembers what failed and what ran.
        card: The task.
        env: The `env` group of the configuration.
        folder: Where programs are tried.
        tier: Tier of the jail.
        workers: Calls under way at once.
        tell: Called at every step forward.

    Attributes:
        ended: Why no more can be asked, "" while it can.
    """

    def __init__(
        self,
        designer: Designer,
        client: ChatClient,
        journal: Journal,
        card: EnvCard,
        env: Mapping[str, Any],
        folder: Path,
        *,
        tier: jail.Tier,
        workers: int,
        tell: Told,
    ) -> None:
        self.designer, self.client, self.journal = designer, client, journal
        self.card, self.env, self.folder = card, env, folder
        self.tier, self.workers, self.tell = tier, workers, tell
        self.ended = ""

    def drafts(self, requests: Sequence[Request], number: int) -> list[Draft]:
        """Returns what the requests of a round lead to, mended as often as the designer asks.

        Raises:
            ConfigError: If the writer refuses for good.
        """
        drafts = self._first(requests, number)
        attempt, failed = 0, list(range(len(drafts)))
        while failed:
            again = {i: self._repair(drafts[i], i, number, attempt) for i in failed}
            failed = [i for i, request in again.items() if request is not None]
            mended = self._first([r for r in again.values() if r is not None], number)
            for i, draft in zip(failed, mended, strict=True):
                drafts[i] = draft
            attempt += 1
        return drafts

    def try_out(self, programs: Sequence[RewardProgram]) -> dict[str, str]:
        """Returns what goes wrong when programs run for a few steps, by id; "" if nothing."""
        errors = {p.id: self.journal.get(f"smoke/{p.id}") for p in programs}
        new = list({p.id: p for p in programs if errors[p.id] is None}.values())
        self.tell("checking", 0, len(new))
        with ThreadPoolExecutor(joblib.cpu_count()) as pool:
            for done, (program, error) in enumerate(
                zip(new, pool.map(self._smoke, new), strict=True), 1
            ):
                self.journal.put(f"smoke/{program.id}", error)
                errors[program.id] = error
                self.tell("checking", done, len(new))
        return {name: str(error) for name, error in errors.items()}

    def _first(self, requests: Sequence[Request], number: int) -> list[Draft]:
        answers = self._ask(requests)
        drafts = [self._read(r, a, number) for r, a in zip(requests, answers, strict=True)]
        errors = self.try_out([d.program for d in drafts if d.program and not d.error])
        return [
            replace(d, error=errors[d.program.id]) if d.program and not d.error else d
            for d in drafts
        ]

    def _repair(self, draft: Draft, sample: int, number: int, attempt: int) -> Request | None:
        if not draft.error or not draft.response or self.ended:
            return None
        failed = Candidate(draft.response, draft.program, number, sample, error=draft.error)
        return self.designer.repair(draft.request, failed, attempt)

    def _ask(self, requests: Sequence[Request]) -> list[Completion | str]:
        """Returns an answer to each request, or why there is none.

        A request that failed before stays without an answer, or a continued search would
        differ from an uninterrupted one; only what a budget forbade is asked again.
        """
        keys = [f"lost/{request.key(self.client.name)}" for request in requests]
        found: list[Any] = [self.journal.get(key) for key in keys]
        open_ones = [i for i, lost in enumerate(found) if lost is None]

        def tell(asked: Asked) -> None:
            self.tell("asking", asked.spent.calls + asked.failed, asked.requests)

        answers = ask(
            self.client, [requests[i] for i in open_ones], workers=self.workers, progress=tell
        )
        for i, answer in zip(open_ones, answers, strict=True):
            found[i] = answer
            if isinstance(answer, ClientError):
                found[i] = f"no answer ({answer.kind}): {answer}"
                if answer.kind == "budget":
                    self.ended = str(answer)
                else:
                    self.journal.put(keys[i], found[i])
        return found

    def _read(self, request: Request, answer: Completion | str, number: int) -> Draft:
        """Finds the program in an answer, and what can be told of it without running it."""
        if isinstance(answer, str):
            return Draft(request, "", None, answer)
        try:
            source = self.designer.specific(extract(answer.text))
        except ExtractError as error:
            return Draft(request, answer.text, None, str(error))
        sample = request.sample % self.designer.samples
        provenance = self.designer.provenance(request, self.client.name, number, sample)
        findings = lint(source, self.card)
        said = "\n".join(map(str, findings))
        return Draft(request, answer.text, RewardProgram(source, provenance), said)

    def _smoke(self, program: RewardProgram) -> str:
        folder = self.folder / f"smoke_{program.id}"
        payload = {"env": dict(self.env), "source": program.source}
        with emptied(folder):
            ended = jail.run(SMOKE, payload, folder=folder, limits=_SMOKE_LIMITS, tier=self.tier)
        if ended.how == "finished":
            return ""
        return ended.error or f"trying the program for a few steps ended: {ended.how}"
