"""Reading back what one training run left on disk.

    config.yaml   the resolved configuration
    status.json   {"state": "running" | "finished" | "failed", "step", "total_steps", "error", ...}
    metrics.csv   one line per evaluation during training
    result.json   the episodes of the final policy, and what the scripted solver earns

Only a finished run with sound files becomes a `Run`; the others keep their reason.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray, IntArray

TERM = "term/"
"""Prefix of the columns that hold a design's terms."""

TRAIN = "train/"
"""Prefix of the columns that tell how training went since the last evaluation."""

PULLS = "pulls/"
"""Prefix of the columns that hold the share of the plays that an arm had."""

Name = tuple[str, str, int]
"""Task, design and seed."""

_COLUMNS = ("task_return", "success", "length", "designed_return", "bound")


@dataclass(frozen=True, eq=False)
class Run:
    """One finished training run: what a policy earned during and after training.

    Attributes:
        task: Name of the task.
        design: Name of the reward design it was trained on.
        seed: Seed of the run.
        steps: Training steps at which it was evaluated, increasing, int64 (P,).
        metrics: Mean per-episode values at those steps, each (P,): "task_return",
            "success" (if the task tells), "length", "designed_return" and one
            "term/<name>" per term. Bandit runs add "regret", "policy_regret" (if the task
            tells) and one "pulls/<arm>" per arm, its share of the plays since the last step;
            runs of language models one "train/<name>" per quantity of the trainer.
        final: The same quantities for each of E episodes of the final policy, each (E,);
            of a bandit run with a bound on its regret, "bound" too.
        score: What the task is judged by, "success" or "return".
        oracle: Means of the scripted solver's episodes, paid by the task and by this
            design; None if the task has no solver.
        card: "id", "goal", "success", "time_limit" and "human_design" of the task.
        config: The resolved training configuration.
        versions: Version by package name.
        folder: Where the run lies.
    """

    task: str
    design: str
    seed: int
    steps: IntArray
    metrics: Mapping[str, FloatArray]
    final: Mapping[str, FloatArray]
    score: Literal["success", "return"]
    oracle: Mapping[str, float] | None
    card: Mapping[str, Any]
    config: Mapping[str, Any]
    versions: Mapping[str, str]
    folder: Path

    @property
    def score_column(self) -> str:
        """The metric that holds the score: "success" or "task_return"."""
        return "success" if self.score == "success" else "task_return"

    @property
    def unit(self) -> str:
        """What training is counted in: "rollouts" of a language model, else "steps"."""
        agent = self.config.get("agent")
        algorithm = agent.get("algorithm") if isinstance(agent, Mapping) else None
        return "rollouts" if algorithm == "llm" else "steps"

    @property
    def curve(self) -> FloatArray:
        """The score at every evaluation point, (P,)."""
        return self.metrics[self.score_column]

    @property
    def pays_the_task(self) -> bool:
        """Whether the design's one term is the task reward itself, at every evaluation."""
        terms = [column for column in self.metrics if column.startswith(TERM)]
        paid = self.metrics[terms[0] if len(terms) == 1 else "designed_return"]
        return bool(np.allclose(paid, self.metrics["task_return"], equal_nan=True))

    @property
    def final_score(self) -> float:
        """Mean score of the final policy's episodes."""
        return float(self.final[self.score_column].mean())


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A run that counts in no statistic, and why.

    Attributes:
        task: Name of the task.
        design: Name of the reward design.
        seed: Seed of the run.
        state: "running", "interrupted", "failed", "damaged" (files cannot be read) or
            "missing" (planned, never started).
        step: Training steps done.
        total_steps: Training steps planned; 0 if unknown.
        reason: The error in one line, or "".
    """

    task: str
    design: str
    seed: int
    state: str
    step: int = 0
    total_steps: int = 0
    reason: str = ""


def load_run(folder: str | Path, name: Name | None = None) -> Run | Unfinished:
    """Reads one run's folder; anything but a sound finished run comes back as `Unfinished`.

    Args:
        folder: The run's folder.
        name: Task, design and seed; by default read off the configuration and the path.
    """
    folder = Path(folder)
    config: dict[str, Any] = {}
    status: dict[str, Any] = {}
    try:
        config = read_mapping(folder / "config.yaml")
        status = _read_json(folder / "status.json")
        if status.get("state") == "finished":
            return _finished(folder, name or _own_name(folder, config), config, status)
    except KeyError as error:
        status = {**status, "state": "damaged", "error": f"{error} is missing from its files"}
    except (ConfigError, ValueError, TypeError) as error:
        status = {**status, "state": "damaged", "error": str(error)}
    error_lines = str(status.get("error") or "").strip().splitlines()
    return Unfinished(
        *(name or _own_name(folder, config)),
        state=str(status.get("state", "damaged")),
        step=int(status.get("step") or 0),
        total_steps=int(status.get("total_steps") or 0),
        reason=error_lines[-1] if error_lines else "",
    )


def read_metrics(path: Path) -> tuple[IntArray, dict[str, FloatArray]]:
    """Reads `metrics.csv` as steps (P,) and columns (P,); empty cells are NaN.

    A last line without its line end was cut off while being written and is left out; where
    a step stands twice, as after a resume, the later line counts.

    Raises:
        ConfigError: If the file cannot be read.
        ValueError: If a cell is no number, or there is no complete line.
    """
    text = _read_text(path)
    rows = csv.reader(io.StringIO(text[: text.rfind("\n") + 1], newline=""))
    header = next(rows, [])
    by_step = {int(float(row[0])): row for row in rows if len(row) == len(header)}
    if not by_step:
        raise ValueError(f"{path.name} holds no complete line")
    steps = sorted(by_step)
    table = np.array(
        [[float(cell) if cell else np.nan for cell in by_step[step]] for step in steps],
        dtype=np.float64,
    )
    columns = {name: table[:, i] for i, name in enumerate(header) if i > 0}
    return np.array(steps, dtype=np.int64), columns


def read_mapping(path: Path) -> dict[str, Any]:
    """Reads a YAML file that holds a mapping.

    Raises:
        ConfigError: If it is missing, is not YAML, or holds something else.
    """
    try:
        data = yaml.safe_load(_read_text(path))
    except yaml.YAMLError as error:
        raise ConfigError(f"{str(path)!r} is not valid YAML: {error}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{str(path)!r} must hold a mapping, got {type(data).__name__}")
    return data


def _finished(folder: Path, name: Name, config: dict[str, Any], status: dict[str, Any]) -> Run:
    result = _read_json(folder / "result.json")
    if result["score"] not in ("success", "return"):
        raise ValueError(f"result.json: score must be success or return, got {result['score']!r}")
    steps, metrics = read_metrics(folder / "metrics.csv")
    episodes = {column: result[column] for column in _COLUMNS if column in result}
    episodes |= {f"{TERM}{key}": value for key, value in (result.get("terms") or {}).items()}
    final = {key: np.asarray(value, dtype=np.float64) for key, value in episodes.items()}
    run = Run(
        *name,
        steps=steps,
        metrics=metrics,
        final=final,
        score=result["score"],
        oracle=result.get("oracle"),
        card=result.get("card") or {},
        config=config,
        versions=status.get("versions") or {},
        folder=folder,
    )
    for column in ("task_return", "designed_return", run.score_column):
        if column not in metrics:
            raise ValueError(f"metrics.csv has no column {column!r}")
        if final[column].size == 0 or not np.isfinite(final[column]).all():
            raise ValueError(f"result.json: {column!r} has no episode, or one that is not finite")
    return run


def _own_name(folder: Path, config: Mapping[str, Any]) -> Name:
    """Names a run that stands alone, in <...>/<design>/[<agent>/]seed_<k>."""
    task, agent = (str((config.get(part) or {}).get("name") or part) for part in ("env", "agent"))
    place = folder.resolve()
    design = next(
        (
            part.name
            for part in (place, *place.parents)
            if part.name != agent and not part.name.startswith("seed_")
        ),
        "",
    )
    return task, design, int(config.get("seed") or 0)


def _read_json(path: Path) -> dict[str, Any]:
    data = json.loads(_read_text(path))
    if not isinstance(data, dict):
        raise ValueError(f"{path.name} must hold a mapping, got {type(data).__name__}")
    return data


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read {path.name}: {error.strerror}") from None
