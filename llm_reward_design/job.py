"""The `design` job: a task in, a reward program out, with the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from rewardsmith.agents.compare import Cell, run_cells
from rewardsmith.agents.configs import plain
from rewardsmith.agents.jobs import progress_bars, under_hydra, with_live_progress
from rewardsmith.agents.report.canvas import shorten
from rewardsmith.agents.run_folder import RunFolder
from rewardsmith.agents.wording import estimate_text, score_text
from rewardsmith.envs.errors import RewardsmithError
from rewardsmith.llm_reward_design.clients.call_store import SqliteCalls
from rewardsmith.llm_reward_design.clients.making import ClientSettings, make_client
from rewardsmith.llm_reward_design.designers import build_designer
from rewardsmith.llm_reward_design.designers.designer import Designer
from rewardsmith.llm_reward_design.final import (
    FINAL,
    Final,
    answer,
    check_rivals,
    final_cells,
    final_of,
)
from rewardsmith.llm_reward_design.journal import Journal
from rewardsmith.llm_reward_design.loop import Search, Status
from rewardsmith.llm_reward_design.program import RewardProgram
from rewardsmith.llm_reward_design.record import SearchRecord, recorded
from rewardsmith.llm_reward_design.report import write_design_report
from rewardsmith.llm_reward_design.saving import load_program, save_program
from rewardsmith.llm_reward_design.settings import brief_of, checked, search_settings, train_config
from rewardsmith.llm_reward_design.term import DEFAULT_TIER

console = Console()

_NOT_IDENTITY = ("tracker", "folder", "n_jobs", "parallel", "seeds", "reward")
_SHOWN_ROWS = 12


def design(arguments: list[str]) -> int:
    """Runs `rewardsmith design`."""
    return under_hydra("design", _design, arguments)


def _design(config: DictConfig) -> int:
    settings, overrides = plain(config), list(HydraConfig.get().overrides.task)
    card = checked(settings)
    folder = RunFolder(Path("runs", str(settings["name"])))
    check_rivals(settings, overrides, folder.path, card)
    parts = Parts.of(settings)
    with folder.claim(identity(settings)):
        try:
            record = search(settings, parts, folder.path)
            if record.best is not None:
                best = folder.path / "best.yaml"
                _compare(final_cells(settings, overrides, folder.path, card, best), settings)
        except KeyboardInterrupt:
            raise RewardsmithError("stopped; the same command continues where it was") from None
        path = write_design_report(folder.path)
    print_outcome(record, final_of(folder.path / FINAL))
    if record.best is not None:
        console.print(f"Best program: {folder.path / 'best.yaml'}")
    console.print(f"Report: {path}")
    return 0 if record.best is not None else 1


@dataclass(frozen=True)
class Parts:
    """What a configuration names, built before its folder is taken.

    Attributes:
        designer: Says what to ask.
        llm: Whom to ask.
        start: The program to start from, None to start from nothing.
    """

    designer: Designer
    llm: ClientSettings
    start: RewardProgram | None

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Parts:
        """Builds them.

        Raises:
            ConfigError: If one of them cannot be built.
        """
        start = settings["start"]
        return cls(
            build_designer(settings["designer"]),
            ClientSettings.read(settings["llm"]),
            None if start is None else load_program(start),
        )


def identity(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the part of a configuration that decides what a search finds.

    What limits or speeds up the calls to the writer may be changed between two starts.
    """
    kept = {key: value for key, value in settings.items() if key not in _NOT_IDENTITY}
    spoken = ("name", "kind", "model", "url", "sampling")
    kept["llm"] = {key: settings["llm"][key] for key in spoken if key in settings["llm"]}
    return kept


def search(settings: Mapping[str, Any], parts: Parts, folder: Path) -> SearchRecord:
    """Runs or continues the search in a folder; returns what it did.

    The best program is left in `best.yaml`, the record in `design.json`.

    Raises:
        ConfigError: If the writer refuses for good, the task does not run in the jail, or the
            program to start from cannot run.
    """
    llm = parts.llm
    if llm.remark:
        console.print(llm.remark, style="yellow")
    with ExitStack() as stack:
        calls = stack.enter_context(closing(SqliteCalls(folder / "journal.sqlite")))
        client = stack.enter_context(closing(make_client(llm, calls)))
        journal = stack.enter_context(closing(Journal(folder / "journal.sqlite")))
        live = _Live(stack.enter_context(progress_bars()), calls, priced=llm.prices is not None)

        def note(found: Search) -> SearchRecord:
            record = recorded(found, str(settings["name"]), calls, priced=live.priced)
            record.save(folder)
            return record

        found = Search(
            parts.designer,
            client,
            journal,
            brief_of(settings),
            train_config(settings),
            search_settings(settings, workers=llm.workers),
            folder / "trials",
            progress=live.show,
            finished=note,
        )
        found.check_task()
        if parts.start is not None:
            found.bring(parts.start, str(settings["advice"] or ""))
        best = found.run().best
        if best is not None and best.program is not None:
            tier = str(settings["jail"]["tier"] or DEFAULT_TIER)
            save_program(best.program, folder / "best.yaml", tier=tier)
        return note(found)


class _Live:
    """The bar that tells how far a search is, and what it cost so far.

    Args:
        bars: Where it is drawn.
        calls: The answers kept.
        priced: Whether prices were given.
    """

    def __init__(self, bars: Progress, calls: SqliteCalls, *, priced: bool) -> None:
        self.bars, self.calls, self.priced = bars, calls, priced
        self._bar = bars.add_task("design", total=None, note="")

    def show(self, status: Status, found: Search) -> None:
        """Shows how far a search is."""
        spent = self.calls.spent()
        cost = f", cost {spent.cost:,.2f}" if self.priced else ""
        self.bars.update(
            self._bar,
            description=_doing(status, found.designer.total_rounds),
            completed=status.done,
            total=status.total,
            note=f"{_best(found)}{spent.calls} answers, {spent.tokens:,} tokens{cost}",
        )


def print_outcome(record: SearchRecord, final: Final | None) -> None:
    """Prints the programs that went furthest, the final comparison and what it took."""
    table = Table(title="programs", title_justify="left", box=None, pad_edge=False)
    for heading in ("program", "round", "state", record.score, "what went wrong"):
        table.add_column(heading, justify="right" if heading == record.score else "left")
    ranked = sorted(record.tried, key=lambda one: (-one.rung, -(one.score or 0.0)))
    for one in ranked[:_SHOWN_ROWS]:
        score = "-" if one.score is None else score_text(one.score, record.score)
        said = shorten((one.error.splitlines() or [""])[-1], 80)
        style = "green" if one.id == record.best else None
        table.add_row(one.program or "-", str(one.round + 1), one.state, score, said, style=style)
    console.print(table)
    if len(ranked) > _SHOWN_ROWS:
        console.print(f"... and {len(ranked) - _SHOWN_ROWS} more, in the report.")
    if final is not None:
        judged = Table(title="trained afresh", title_justify="left", box=None, pad_edge=False)
        for heading in ("reward", "seeds", f"{record.score} (IQM)"):
            judged.add_column(heading)
        for name, estimate in final.scores.items():
            judged.add_row(name, str(final.seeds[name]), estimate_text(estimate, record.score))
        console.print(judged)
    used = "; ".join(f"{name}: {value}" for name, value in record.usage_rows().items())
    console.print(f"{used}; jail: {record.tier}", style="dim", markup=False)
    console.print(answer(record, final), style="bold", markup=False)


def _compare(cells: Sequence[Cell], settings: Mapping[str, Any]) -> None:
    """Trains the best program and its rivals afresh."""
    errors = with_live_progress(cells, lambda: run_cells(cells, int(settings["n_jobs"])))
    for name, error in errors.items():
        console.print(f"[red]{name} failed:[/red] {error}")


def _doing(status: Status, rounds: int) -> str:
    where = f"round {status.round + 1}/{rounds}" if status.round >= 0 else "start"
    return f"{where}: {status.doing}"


def _best(found: Search) -> str:
    best = found.archive.best
    if best is None or best.score is None:
        return ""
    return f"best {score_text(best.score, found.brief.card.score)}, "
