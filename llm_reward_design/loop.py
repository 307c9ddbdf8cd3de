"""`Search`: ask for programs, train on them in the jail, judge them, and ask again.

The search is a plain program. What is slow or paid for goes through the journal and the store of
calls, so that running it again from the start continues it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design import jail
from rewardsmith.llm_reward_design.archive import Archive, Candidate
from rewardsmith.llm_reward_design.brief import Brief
from rewardsmith.llm_reward_design.client import ChatClient
from rewardsmith.llm_reward_design.designers.designer import Designer
from rewardsmith.llm_reward_design.drafting import Draft, Drafter
from rewardsmith.llm_reward_design.journal import Journal
from rewardsmith.llm_reward_design.program import RewardProgram
from rewardsmith.llm_reward_design.trials.rungs import Rung, rungs, survivors
from rewardsmith.llm_reward_design.trials.running import run_trials
from rewardsmith.llm_reward_design.trials.trial import Outcome, Trial

SEARCH_SEED = 100_000
"""Added to the seeds of training in a search, so that the final comparison's are fresh."""


@dataclass(frozen=True)
class Settings:
    """How a search trains and judges.

    Attributes:
        steps: Longest training of one program, in environment steps.
        rungs: Stages of successive halving.
        keep: Share of the programs that goes on to the next stage.
        points: Milestones at which a program's policy is judged.
        episodes: Episodes that judge it at each.
        sampling: Settings sent along with every call to the writer.
        workers: Calls under way at once.
        parallel: joblib's backend, "loky" or "ray".
        n_jobs: Training processes at once, -1 for one on each core.
        tier: Tier of the jail.
        limits: Limits of the jail for one training run.
    """

    steps: int
    rungs: int
    keep: float
    points: int
    episodes: int
    sampling: Mapping[str, Any]
    workers: int
    parallel: str
    n_jobs: int
    tier: jail.Tier
    limits: jail.Limits


@dataclass(frozen=True)
class Status:
    """How far a search is.

    Attributes:
        round: The round under way, from 0; -1 before the first.
        doing: What is being done, in a word or two.
        done: How many of it are done.
        total: How many there are.
    """

    round: int
    doing: str
    done: int
    total: int


class Search:
    """One search for a reward program.

    Args:
        designer: Says what to ask.
        client: Answers.
        journal: Remembers what is finished.
        brief: The task, and what is wanted.
        config: The `train` configuration that every program is trained under.
        settings: How.
        folder: Where training runs leave what they hand back, until it is judged.
        progress: Called at every step forward.
        finished: Called after every round.

    Attributes:
        archive: Every candidate so far.
        outcomes: What became of each training run, by its key in the journal.
    """

    def __init__(
        self,
        designer: Designer,
        client: ChatClient,
        journal: Journal,
        brief: Brief,
        config: Mapping[str, Any],
        settings: Settings,
        folder: Path,
        *,
        progress: Callable[[Status, Search], None] = lambda status, search: None,
        finished: Callable[[Search], object] = lambda search: None,
    ) -> None:
        self.designer, self.client, self.journal = designer, client, journal
        self.brief, self.config, self.settings = brief, config, settings
        self.folder, self.progress, self.finished = folder.absolute(), progress, finished
        self.rungs = rungs(settings.steps, settings.rungs, settings.keep)
        self.archive = Archive()
        self.outcomes: dict[str, Outcome] = {}
        self._round = -1
        self._drafter = Drafter(
            designer,
            client,
            journal,
            brief.card,
            config["env"],
            folder,
            tier=settings.tier,
            sampling=settings.sampling,
            workers=settings.workers,
            tell=self._tell,
        )

    @property
    def ended(self) -> str:
        """Why the search ended before its last round, "" if it did not."""
        return self._drafter.ended

    def check_task(self) -> None:
        """Raises ConfigError if the task itself does not run in the jail, whatever the program."""
        self._drafter.check_task()

    def bring(self, program: RewardProgram, advice: str = "") -> None:
        """Trains on a person's program and takes it in as the best of a round before the first.

        Raises:
            ConfigError: If it cannot be trained on.
        """
        error, rung = self._drafter.try_out([program])[program.id], 0
        if not error:
            rung, outcome = self._train([program])[program.id]
            error = outcome.error
        if error or outcome.score is None:
            raise ConfigError(f"start: the program cannot be trained on: {error}")
        given = Candidate.given(program, outcome.score, outcome.reflection, advice)
        self.archive.add(replace(given, rung=rung))

    def run(self) -> Archive:
        """Runs what is left of all rounds; returns every candidate.

        Raises:
            ConfigError: If the writer refuses for good.
        """
        for number in range(self.designer.total_rounds):
            self._round = number
            requests = self.designer.requests(self.archive, self.brief, number)
            drafts = self._drafter.drafts(requests, number)
            trained = self._train([d.program for d in drafts if d.program and not d.error])
            for sample, draft in enumerate(drafts):
                self.archive.add(self._candidate(sample, draft, trained))
            self.finished(self)
            if self.ended:
                break
        return self.archive

    def _train(self, programs: Sequence[RewardProgram]) -> dict[str, tuple[int, Outcome]]:
        """Returns by program the last rung it was trained on, and the outcome there."""
        alive = list({program.id: program for program in programs}.values())
        reached: dict[str, tuple[int, Outcome]] = {}
        for rung in self.rungs:
            for program, outcome in zip(alive, self._trials(alive, rung), strict=True):
                reached[program.id] = (rung.index, outcome)
            alive = [program for program in alive if reached[program.id][1].score is not None]
            if rung is not self.rungs[-1]:
                alive = survivors(
                    alive, lambda p: reached[p.id][1].score or 0.0, self.settings.keep
                )
        return reached

    def _trials(self, programs: Sequence[RewardProgram], rung: Rung) -> list[Outcome]:
        keys = [f"trial/{rung.index}/{program.id}" for program in programs]
        doing = f"training {rung.steps:,} steps"
        outcomes = run_trials(
            {key: self._trial(p, rung) for key, p in zip(keys, programs, strict=True)},
            self.journal,
            parallel=self.settings.parallel,
            n_jobs=self.settings.n_jobs,
            done=lambda count: self._tell(doing, count, len(programs)),
        )
        self.outcomes |= outcomes
        return [outcomes[key] for key in keys]

    def _trial(self, program: RewardProgram, rung: Rung) -> Trial:
        seed = SEARCH_SEED + int(self.config["seed"]) + rung.index
        changed = {"total_steps": rung.steps, "seed": seed}
        return Trial(
            source=program.source,
            config={**self.config, **changed},
            points=self.settings.points,
            episodes=self.settings.episodes,
            folder=self.folder / f"{program.id}_{rung.index}",
            tier=self.settings.tier,
            limits=self.settings.limits,
        )

    def _candidate(
        self, sample: int, draft: Draft, trained: Mapping[str, tuple[int, Outcome]]
    ) -> Candidate:
        """Returns a draft as a candidate, with what training on it came to."""
        plain = Candidate(draft.response, draft.program, self._round, sample, error="unknown")
        if draft.program is None or draft.error:
            return replace(plain, error=draft.error)
        rung, outcome = trained[draft.program.id]
        return replace(
            plain,
            rung=rung,
            score=outcome.score,
            reflection=outcome.reflection,
            error=outcome.error,
        )

    def _tell(self, doing: str, done: int, total: int) -> None:
        self.progress(Status(self._round, doing, done, total), self)
