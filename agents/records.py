"""`Comparison`: the runs of several reward designs, read back from one folder.

    runs/<name>/compare.yaml
    runs/<name>/<task>/<design>/seed_<k>/...

A run that did not finish, or whose files are damaged, is kept apart and listed with its
reason: it is neither averaged in nor lost from sight.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rewardsmith.agents.run_record import TERM, Run, Unfinished, load_run, read_mapping
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray, IntArray

__all__ = ["Comparison", "Run", "Unfinished", "load_comparison"]

_MUST_AGREE = ("env", "total_steps")
_SEED = re.compile(r"seed_(\d+)")


@dataclass(frozen=True, eq=False)
class Comparison:
    """The runs of several designs on one or more tasks.

    Attributes:
        name: What the comparison is called.
        folder: Where it lies.
        runs: The finished runs.
        unfinished: Everything else that was planned or begun.
        tasks: Names of the tasks with a finished run, in the order planned.
        baseline: The design that the others are measured against; None if no run of it
            has finished.
    """

    name: str
    folder: Path
    runs: tuple[Run, ...]
    unfinished: tuple[Unfinished, ...]
    tasks: tuple[str, ...]
    baseline: str | None

    def designs(self, task: str) -> tuple[str, ...]:
        """Returns the designs with a finished run on `task`, in the order planned."""
        return tuple(dict.fromkeys(run.design for run in self.of(task)))

    def of(self, task: str, design: str | None = None) -> tuple[Run, ...]:
        """Returns the finished runs on `task`, of one design or of all, in order of seed."""
        return tuple(run for run in self.runs if run.task == task and design in (None, run.design))

    def scores(self, task: str, design: str) -> FloatArray:
        """Returns the final score of each of the n runs, (n,)."""
        return np.array([run.final_score for run in self.of(task, design)], dtype=np.float64)

    def curves(self, task: str, design: str, column: str) -> tuple[IntArray, FloatArray]:
        """Returns evaluation steps (P,) and the values of a metric (n, P) for n runs.

        Steps that some run lacks are left out.
        """
        runs = self.of(task, design)
        steps = runs[0].steps
        for run in runs[1:]:
            steps = np.intersect1d(steps, run.steps)
        return steps, np.stack([run.metrics[column][np.isin(run.steps, steps)] for run in runs])

    def terms(self, task: str, design: str) -> tuple[str, ...]:
        """Returns the names of the design's terms that every run recorded."""
        runs = self.of(task, design)
        return tuple(
            column.removeprefix(TERM)
            for column in runs[0].metrics
            if column.startswith(TERM) and all(column in run.metrics for run in runs)
        )


def load_comparison(folder: str | Path) -> Comparison:
    """Reads every run below `folder`: a comparison, or the folder of one training run.

    Raises:
        ConfigError: If there is no run, `compare.yaml` is not a mapping, or runs of one
            task were trained on different environments or for a different number of steps.
    """
    folder = Path(folder)
    plan = read_mapping(folder / "compare.yaml") if (folder / "compare.yaml").is_file() else {}
    found = _found(folder)
    if not found:
        raise ConfigError(
            f"{str(folder)!r} holds no run (expected <task>/<design>/seed_<k>/, or "
            "the files of one run); run `rewardsmith compare` or `rewardsmith "
            "train` first, or name the folder that one of them printed"
        )
    begun = {(one.task, one.design, one.seed) for one in found}
    found += [Unfinished(*key, state="missing") for key in _planned(plan) if key not in begun]
    tasks = _ranks((one.task for one in found), plan.get("tasks"))
    designs = _ranks((one.design for one in found), plan.get("designs"))
    found.sort(key=lambda one: (tasks[one.task], designs[one.design], one.seed))
    runs = tuple(one for one in found if isinstance(one, Run))
    _check_same_task(runs)
    baseline = str(plan.get("baseline") or "sparse")
    return Comparison(
        name=str(plan.get("name") or _title(folder, found)),
        folder=folder,
        runs=runs,
        unfinished=tuple(one for one in found if isinstance(one, Unfinished)),
        tasks=tuple(dict.fromkeys(run.task for run in runs)),
        baseline=baseline if any(run.design == baseline for run in runs) else None,
    )


def _found(folder: Path) -> list[Run | Unfinished]:
    if (folder / "status.json").is_file():
        return [load_run(folder)]
    return [
        load_run(place, (place.parent.parent.name, place.parent.name, int(match[1])))
        for place in folder.glob("*/*/seed_*")
        if place.is_dir() and (match := _SEED.fullmatch(place.name))
    ]


def _title(folder: Path, found: Sequence[Run | Unfinished]) -> str:
    lone = (folder / "status.json").is_file()
    return f"{found[0].task} / {found[0].design}" if lone else folder.resolve().name


def _planned(plan: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    seeds = plan.get("seeds") or ()
    for task in plan.get("tasks") or ():
        for design in plan.get("designs") or ():
            for seed in range(seeds) if isinstance(seeds, int) else seeds:
                yield str(task), str(design), int(seed)


def _ranks(names: Iterable[str], planned: Iterable[Any] | None) -> dict[str, int]:
    """Numbers the names: those planned first, in their order, then the rest by alphabet."""
    order = dict.fromkeys([*(str(name) for name in planned or ()), *sorted(set(names))])
    return {name: rank for rank, name in enumerate(order)}


def _check_same_task(runs: Iterable[Run]) -> None:
    first: dict[str, Run] = {}
    for run in runs:
        other = first.setdefault(run.task, run)
        one, two = (dict(_flat(r.config)) for r in (other, run))
        differing = [
            f"{key} ({one.get(key)!r} and {two.get(key)!r})"
            for key in sorted(one.keys() | two.keys())
            if one.get(key) != two.get(key)
        ]
        if differing:
            raise ConfigError(
                f"a report over runs of different tasks: {other.folder} and {run.folder} differ in "
                f"{', '.join(differing)}; train both on the same task, or move one elsewhere"
            )


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the fields that runs of one task must share, as dotted names and values."""
    for key, value in config.items():
        if not prefix and key not in _MUST_AGREE:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
