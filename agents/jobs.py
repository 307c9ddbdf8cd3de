"""The Hydra jobs behind the console command: train, compare, evaluate."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rewardsmith.agents import processes
from rewardsmith.agents.compare import Cell, plan, run_cells, save_settings
from rewardsmith.agents.configs import PACKAGE, plain, preflight, with_reward_files
from rewardsmith.agents.progress import StopRequest
from rewardsmith.agents.run_folder import RunFolder
from rewardsmith.envs.errors import RewardsmithError

console = Console()


def train(arguments: list[str]) -> int:
    """Runs `rewardsmith train`."""
    return under_hydra("train", _train, arguments)


def compare(arguments: list[str]) -> int:
    """Runs `rewardsmith compare`."""
    return under_hydra("compare", _compare, arguments)


def evaluate(arguments: list[str]) -> int:
    """Runs `rewardsmith evaluate`."""
    return under_hydra("evaluate", _evaluate, arguments)


def under_hydra(job: str, work: Callable[[DictConfig], int], arguments: list[str]) -> int:
    """Hands the arguments to Hydra; a user's mistake inside the job leaves as one sentence."""
    status = [0]

    def task(config: DictConfig) -> None:
        try:
            status[0] = max(status[0], work(config))
        except RewardsmithError as error:
            console.file.flush()
            print(f"rewardsmith {job}: {error}", file=sys.stderr)
            status[0] = 2

    if job != "train":
        processes.check_alone(f"rewardsmith {job}")
    arguments = with_reward_files(arguments)
    preflight(job, arguments)
    sys.argv = [f"rewardsmith {job}", *arguments]
    hydra.main(version_base="1.3", config_path=f"pkg://{PACKAGE}", config_name=job)(task)()
    return status[0]


def _train(config: DictConfig) -> int:
    from rewardsmith.agents.report import write_report
    from rewardsmith.agents.train import LLM, check
    from rewardsmith.agents.train import train as run

    settings, chosen = plain(config), HydraConfig.get().runtime.choices
    reward = Path(config.reward.path).stem if chosen["reward"] == "file" else chosen["reward"]
    default = Path(
        "runs/train",
        settings["env"]["name"],
        str(reward),
        settings["agent"]["name"],
        f"seed_{settings['seed']}",
    )
    folder = RunFolder(settings["folder"] or default)
    check(settings)
    if settings["agent"]["algorithm"] != LLM:
        processes.check_alone(f"agent={settings['agent']['name']}")
    processes.join()
    was_finished = folder.is_finished()
    with progress_bars() as progress:
        bar = progress.add_task(
            f"{settings['env']['name']} / {reward}", total=settings["total_steps"], note=""
        )

        def report(step: int, metrics: Mapping[str, float]) -> None:
            progress.update(bar, completed=step, note=_note(metrics))

        stop = StopRequest()
        with stop.catching_signals():
            result = run(settings, folder, progress=report, stop=stop)
        progress.update(bar, completed=settings["total_steps"])
    if processes.rank() > 0:
        return 0
    if was_finished:
        console.print(f"{folder.path} was finished already; nothing was trained.")
    _print_result(result)
    console.print(f"Report: {write_report(folder.path)}")
    return 0


def _compare(config: DictConfig) -> int:
    from rewardsmith.agents.records import load_comparison
    from rewardsmith.agents.report import print_table, write_report

    settings = plain(config)
    root = Path("runs", str(settings["name"]))
    cells = plan(settings, list(HydraConfig.get().overrides.task), root)
    save_settings(settings, root)
    done = sum(cell.folder.is_finished() for cell in cells)
    console.print(f"{len(cells)} runs in {root}, {done} of them finished already.")
    try:
        errors = with_live_progress(cells, lambda: run_cells(cells, int(settings["n_jobs"])))
    except KeyboardInterrupt:
        raise RewardsmithError("stopped; the same command continues where it was") from None
    for name, error in errors.items():
        console.print(f"[red]{name} failed:[/red] {error}")
    if len(errors) == len(cells):
        raise RewardsmithError(f"every run failed; see status.json under {root}")
    report = write_report(root)
    print_table(load_comparison(root), console)
    console.print(f"Report: {report}")
    return 1 if errors else 0


def _evaluate(config: DictConfig) -> int:
    from rewardsmith.agents.evaluate import evaluate_run

    settings = plain(config)
    result, video = evaluate_run(
        RunFolder(settings["run"]),
        episodes=settings["episodes"],
        seed=settings["seed"],
        deterministic=settings["deterministic"],
        video=settings["video"],
    )
    _print_result(result)
    if video is not None:
        console.print(f"Video: {video}")
    return 0


def with_live_progress(cells: Sequence[Cell], work: Callable[[], dict[str, str]]) -> dict[str, str]:
    """Runs `work` while a thread reads the runs' status files into progress bars."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(f"{cell.task} / {cell.design}", []).append(cell)
    finished = threading.Event()
    with progress_bars() as progress:
        bars = {
            name: progress.add_task(
                name, total=sum(int(c.config["total_steps"]) for c in group), note=""
            )
            for name, group in groups.items()
        }

        def watch() -> None:
            while not finished.wait(0.5):
                update()

        def update() -> None:
            for name, group in groups.items():
                statuses = [cell.folder.status() for cell in group]
                ended = sum(s.get("state") == "finished" for s in statuses)
                progress.update(
                    bars[name],
                    completed=sum(s.get("step", 0) for s in statuses),
                    note=f"{ended}/{len(group)} runs",
                )

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            return work()
        finally:
            finished.set()
            watcher.join()
            update()


def progress_bars() -> Progress:
    """Returns live bars: description, bar, count, time left and a `note`."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        disable=processes.rank() > 0,
    )


def _note(metrics: Mapping[str, float]) -> str:
    shown = {"task_return": "return", "success": "success", "warm_up": "warming up"}
    return "  ".join(
        f"{label} {metrics[key]:.2f}" for key, label in shown.items() if key in metrics
    )


def _print_result(result: Mapping[str, Any]) -> None:
    import numpy as np
    from rich.table import Table

    table = Table("", "mean", "standard error", title=f"{len(result['length'])} episodes")
    for name in ("success", "task_return", "designed_return", "length"):
        if name in result:
            values = np.asarray(result[name], dtype=np.float64)
            error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
            table.add_row(name.replace("_", " "), f"{values.mean():.3f}", f"{error:.3f}")
    console.print(table)
