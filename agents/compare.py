"""The `compare` job: designs x tasks x seeds in parallel processes, resumed where they stopped."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rewardsmith.agents.configs import compose
from rewardsmith.agents.files import write_atomically
from rewardsmith.agents.progress import Interrupted, StopRequest
from rewardsmith.agents.run_folder import RunFolder
from rewardsmith.agents.train import check, identity, train
from rewardsmith.envs.errors import ConfigError, RewardsmithError, unknown

COMPARE_KEYS = frozenset(
    {"experiment", "name", "designs", "baseline", "seeds", "tasks", "variants", "n_jobs"}
)


@dataclass(frozen=True)
class Cell:
    """One run of a comparison.

    Attributes:
        task: Name of the task.
        design: Name of the design.
        seed: Seed of the run.
        config: Its resolved `train` configuration.
        folder: Where it lives.
    """

    task: str
    design: str
    seed: int
    config: Mapping[str, Any]
    folder: RunFolder

    @property
    def name(self) -> str:
        """How the run is spoken of."""
        return f"{self.task}/{self.design}/seed_{self.seed}"


def plan(settings: Mapping[str, Any], overrides: Sequence[str], root: Path) -> list[Cell]:
    """Lists the runs of a comparison, ordered by seed so that partial results are balanced.

    Every (task, design) pair is checked before any run starts.

    Args:
        settings: The resolved `compare` configuration.
        overrides: What the user wrote; keys of `train` hold for every run.
        root: Folder of the comparison.

    Raises:
        ConfigError: If anything in any run cannot work, or a folder holds a run with another
            configuration.
    """
    designs, seeds = _designs(settings), _seeds(settings["seeds"])
    if settings["baseline"] is not None and settings["baseline"] not in designs:
        raise unknown("design", settings["baseline"], designs, where="baseline")
    shared = [o for o in overrides if override_key(o) not in COMPARE_KEYS]
    fixed = ("seed",) if settings.get("variants") else ("seed", "reward")
    if any(override_key(o) in fixed for o in shared):
        raise ConfigError("compare takes designs=[...] and seeds=..., not reward= or seed=")
    tasks = _named_overrides("tasks", settings["tasks"] or {settings["env"]["name"]: []})
    n_jobs = settings["n_jobs"]
    if not isinstance(n_jobs, int) or n_jobs == 0:
        raise ConfigError(f"n_jobs must be a number of processes, or -1 for all, got {n_jobs!r}")
    cells = []
    for seed in seeds:
        for task, task_overrides in tasks.items():
            for design, chosen in designs.items():
                config = compose([*task_overrides, *shared, *chosen, f"seed={seed}"])
                folder = RunFolder(root / task / design / f"seed_{seed}")
                cells.append(Cell(task, design, seed, config, folder))
    for cell in cells[: len(tasks) * len(designs)]:
        try:
            check(cell.config)
        except RewardsmithError as error:
            raise ConfigError(f"{cell.task} with {cell.design}: {error}") from None
    _check_one_kind(cells[: len(tasks) * len(designs)])
    for cell in cells:
        cell.folder.check_config(identity(cell.config))
    return cells


def _check_one_kind(cells: Sequence[Cell]) -> None:
    """Refuses agents of one task that are judged by different things."""
    from rewardsmith.agents.bandits import AGENTS
    from rewardsmith.agents.bandits.learner import lasts_all_rounds

    kinds: dict[str, dict[bool, str]] = {}
    for cell in cells:
        agent = cell.config["agent"]
        while_learning = agent["algorithm"] in AGENTS and lasts_all_rounds(cell.config)
        kinds.setdefault(cell.task, {})[while_learning] = agent["name"]
    for task, judged in kinds.items():
        if len(judged) == 2:
            raise ConfigError(
                f"on {task} {judged[True]} is judged while it learns, over all rounds, and "
                f"{judged[False]} by episodes afterwards; compare agents of one kind"
            )


def run_cells(cells: Sequence[Cell], n_jobs: int) -> dict[str, str]:
    """Runs what is unfinished in parallel processes; returns the errors by run.

    One failing run does not stop the others.
    """
    from joblib import Parallel, delayed

    unfinished = [cell for cell in cells if not cell.folder.is_finished()]
    with warnings.catch_warnings():  # joblib replaces a worker that has grown; nothing is lost
        warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
        outcomes = Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)(
            delayed(_run_cell)(cell, os.getpid()) for cell in unfinished
        )
        return {name: error for name, error in outcomes if error is not None}


def save_settings(settings: Mapping[str, Any], root: Path) -> None:
    """Writes what the report needs to know of the comparison."""
    kept = {
        "name": settings["name"],
        "tasks": list(settings["tasks"] or []) or [settings["env"]["name"]],
        "designs": list(_designs(settings)),
        "seeds": _seeds(settings["seeds"]),
        "baseline": settings["baseline"],
    }
    root.mkdir(parents=True, exist_ok=True)
    write_atomically(root / "compare.yaml", yaml.safe_dump(kept, sort_keys=False).encode())


def _run_cell(cell: Cell, master: int) -> tuple[str, str | None]:
    stop = StopRequest(master)
    try:
        with stop.catching_signals():
            train(cell.config, cell.folder, stop=stop)
    except Interrupted:
        raise KeyboardInterrupt from None  # whoever stops one run means them all
    except Exception as error:
        return cell.name, f"{type(error).__name__}: {error}"
    return cell.name, None


def _designs(settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """Returns what is compared: overrides of `train` by name."""
    if settings.get("variants"):
        return _named_overrides("variants", settings["variants"])
    chosen = settings["designs"]
    if not isinstance(chosen, list) or not chosen:
        raise ConfigError(f"designs must be a list such as [sparse,potential], got {chosen!r}")
    designs = {Path(str(choice)).stem: [f"reward={choice}"] for choice in chosen}
    if len(designs) < len(chosen):
        raise ConfigError(f"designs must have different names, got {chosen}")
    return designs


def _named_overrides(key: str, value: Any) -> dict[str, list[str]]:
    """Returns a mapping from names to overrides, or says what it should look like."""
    if not isinstance(value, Mapping) or not all(isinstance(o, list) for o in value.values()):
        raise ConfigError(
            f"{key} must map names to lists of overrides, such as "
            f'{key}={{first: ["agent=ppo"]}}, got {value!r}'
        )
    return {str(name): [str(o) for o in overrides] for name, overrides in value.items()}


def _seeds(seeds: Any) -> list[int]:
    counted = range(seeds) if isinstance(seeds, int) else seeds
    listed = list(counted) if isinstance(counted, range | list) else []
    whole = all(isinstance(seed, int) and seed >= 0 for seed in listed)
    if not listed or not whole or len(set(listed)) < len(listed):
        raise ConfigError(
            f"seeds must be how many (at least 1) or a list of different ones, got {seeds!r}"
        )
    return listed


def override_key(override: str) -> str:
    """Returns the first part of the key that an override sets.

    Example:
        >>> override_key("+search.rungs=2"), override_key("agent@agent=ppo")
        ('search', 'agent')
    """
    return override.lstrip("+~").partition("=")[0].partition(".")[0].partition("@")[0]
