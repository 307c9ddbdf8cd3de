"""From requests to programs that run: asked, found in the answer, checked, tried, mended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design import jail
from rewardsmith.llm_reward_design.archive import Candidate
from rewardsmith.llm_reward_design.client import ChatClient, ClientError, Completion, Request
from rewardsmith.llm_reward_design.clients.asking import Asked, ask
from rewardsmith.llm_reward_design.designers.designer import Designer
from rewardsmith.llm_reward_design.extract import ExtractError, extract
from rewardsmith.llm_reward_design.journal import Journal
from rewardsmith.llm_reward_design.lint import lint
from rewardsmith.llm_reward_design.program import Provenance, RewardProgram, inputs
from rewardsmith.llm_reward_design.trials.trial import emptied

SMOKE = "rewardsmith.llm_reward_design.trials.training:smoke"
_OUT = ("network", "overloaded", "rate_limit", "timeout")
"""Failures of a server that is out of order, not of a single call."""

_OURS = Provenance("none", "rewardsmith")
_NOTHING = """\
def compute_reward({0}):
    nothing = np.zeros(len({0}))
    return nothing, {{"nothing": nothing}}
"""
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
        sampling: Settings sent along with every call, before the designer's; None leaves one out.
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
        sampling: Mapping[str, Any],
        workers: int,
        tell: Told,
    ) -> None:
        self.designer, self.client, self.journal = designer, client, journal
        self.card, self.env, self.folder = card, env, folder
        self.tier, self.sampling, self.workers, self.tell = tier, sampling, workers, tell
        self.ended = ""

    def drafts(self, requests: Sequence[Request], number: int) -> list[Draft]:
        """Returns what the requests of a round lead to, mended as often as the designer asks.

        Raises:
            ConfigError: If the writer refuses for good.
        """
        drafts = self._first(dict(enumerate(requests)), number)
        attempt, failed = 0, list(drafts)
        while failed:
            again = {i: self._repair(drafts[i], i, number, attempt) for i in failed}
            asked = {i: request for i, request in again.items() if request is not None}
            drafts |= self._first(asked, number)
            attempt, failed = attempt + 1, list(asked)
        return list(drafts.values())

    def check_task(self) -> None:
        """Runs a program that pays nothing.

        Raises:
            ConfigError: If even that fails: it is the task that does not run in the jail.
        """
        nothing = RewardProgram(_NOTHING.format(next(iter(inputs(self.card)))), _OURS)
        key = f"smoke/{nothing.id}"
        if self.journal.get(key) is not None:
            return
        self.tell("trying the task", 0, 1)
        error = self._smoke(nothing)
        if error:
            told = error.splitlines()[-1].rstrip(".")
            raise ConfigError(
                f"{self.card.id} does not run in the jail: {told}. Code of your own must be an "
                "installed package (pip install -e .): folders on PYTHONPATH are not seen there"
            )
        self.journal.put(key, error)

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

    def _first(self, requests: Mapping[int, Request], number: int) -> dict[int, Draft]:
        """Returns a draft for each request, by its sample, as it was answered at once."""
        sent = [self._sampled(request) for request in requests.values()]
        answers = zip(requests.items(), self._ask(sent), strict=True)
        drafts = {i: self._read(request, said, number, i) for (i, request), said in answers}
        errors = self.try_out([d.program for d in drafts.values() if d.program and not d.error])
        return {
            i: replace(d, error=errors[d.program.id]) if d.program and not d.error else d
            for i, d in drafts.items()
        }

    def _repair(self, draft: Draft, sample: int, number: int, attempt: int) -> Request | None:
        if not draft.error or not draft.response or self.ended:
            return None
        failed = Candidate(draft.response, draft.program, number, sample, error=draft.error)
        return self.designer.repair(draft.request, failed, attempt)

    def _sampled(self, request: Request) -> Request:
        merged = {**request.settings, **self.sampling}
        return replace(request, settings={k: v for k, v in merged.items() if v is not None})

    def _ask(self, requests: Sequence[Request]) -> list[Completion | str]:
        """Returns an answer to each request, or why there is none.

        A request that failed before stays without an answer, or a continued search would
        differ from an uninterrupted one; only what a budget forbade is asked again.

        Raises:
            ClientError: If none of them reached a server that works; nothing is given up then.
        """
        keys = [f"lost/{request.key(self.client.name)}" for request in requests]
        found: list[Any] = [self.journal.get(key) for key in keys]
        open_ones = [i for i, lost in enumerate(found) if lost is None]

        def tell(asked: Asked) -> None:
            self.tell("asking", asked.spent.calls + asked.failed, asked.requests)

        answers = ask(
            self.client, [requests[i] for i in open_ones], workers=self.workers, progress=tell
        )
        failures = [answer for answer in answers if isinstance(answer, ClientError)]
        if failures and len(failures) == len(requests) and all(f.kind in _OUT for f in failures):
            raise ClientError(
                f"none of {len(failures)} calls was answered ({failures[0]}); the same command "
                "continues from here",
                failures[0].kind,
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

    def _read(self, request: Request, answer: Completion | str, number: int, sample: int) -> Draft:
        """Finds the program in an answer, and what can be told of it without running it."""
        if isinstance(answer, str):
            return Draft(request, "", None, answer)
        try:
            source = self.designer.specific(extract(answer.text))
        except ExtractError as error:
            return Draft(request, answer.text, None, str(error))
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
