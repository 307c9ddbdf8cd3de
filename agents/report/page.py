"""The page: everything a comparison says, as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import yaml
from markupsafe import Markup

from rewardsmith.agents.answer import TaskVerdict, normalised_scores
from rewardsmith.agents.records import Comparison, Run
from rewardsmith.agents.report import curves, intervals, panels, regret
from rewardsmith.agents.report.canvas import Drawing, Palette, style
from rewardsmith.agents.report.language import Spoken, spoken
from rewardsmith.agents.report.table import cells, headings, unfinished_states
from rewardsmith.agents.verdict import DesignVerdict
from rewardsmith.agents.wording import count, score_text, steps_text

_HERE = Path(__file__).parent
_LARGEST_PICTURE = 2_000_000
_ALL_PICTURES = 3_400_000
"""Bytes of pictures per page; as text they take a third more."""


@dataclass(frozen=True)
class Rollout:
    """Pictures of one episode of one design's final policy.

    Attributes:
        design: Name of the design.
        label: Which run, and how it scored.
        strip: Film strip as a data URI, or "".
        film: Moving picture as a data URI, or "".
    """

    design: str
    label: str
    strip: str
    film: str


@dataclass(frozen=True)
class Section:
    """What the page shows of one task.

    Attributes:
        id: Unique on the page.
        verdict: What the runs say.
        card: The task's goal, meaning of success and time limit.
        drawings: Its figures.
        rollouts: Pictures of the final policies.
        spoken: What they say, if they are language models.
        shared_config: What all runs share, as YAML.
        reward_configs: The reward of every design, as YAML.
    """

    id: str
    verdict: TaskVerdict
    card: dict[str, Any]
    drawings: tuple[Drawing, ...]
    rollouts: tuple[Rollout, ...]
    spoken: tuple[Spoken, ...]
    shared_config: str
    reward_configs: dict[str, str]


class PictureBudget:
    """Embeds pictures as data URIs until the page would grow too large.

    Args:
        total: Bytes for all of them.
    """

    def __init__(self, total: int) -> None:
        self.left = total

    def embed(self, path: Path, kind: str) -> str:
        """Returns the file as a data URI; "" if it is missing or too large."""
        size = path.stat().st_size if path.is_file() else 0
        if not 0 < size <= min(self.left, _LARGEST_PICTURE):
            return ""
        self.left -= size
        return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def render(comparison: Comparison, verdicts: Sequence[TaskVerdict]) -> str:
    """Returns the page as HTML."""
    palette = Palette(
        tuple(dict.fromkeys(run.design for run in comparison.runs)), comparison.baseline
    )
    budget = PictureBudget(_ALL_PICTURES)
    with style():
        sections = [
            _section(comparison, verdict, palette, f"task-{i}", budget)
            for i, verdict in enumerate(verdicts)
        ]
        overview = (
            intervals.over_all_tasks(normalised_scores(verdicts), palette, "all")
            if len(verdicts) > 1
            else None
        )
    environment = templates()
    environment.filters |= {
        "score": score_text,
        "steps": steps_text,
        "cells": cells,
        "headings": headings,
    }
    return environment.get_template("template.html").render(
        css=Markup((_HERE / "style.css").read_text(encoding="utf-8")),
        comparison=comparison,
        facts=_facts(comparison),
        sections=sections,
        overview=overview,
        palette=palette,
        by_name={v.task: {d.design: d for d in v.designs} for v in verdicts},
        one_seed=any(len(d.scores) < 2 for v in verdicts for d in v.designs),
        unfinished=unfinished_states(comparison),
        versions=_versions(comparison.runs),
    )


def templates(*folders: Path) -> jinja2.Environment:
    """Returns the templates of some folders, with those that all reports share."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, _HERE]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _section(
    comparison: Comparison,
    verdict: TaskVerdict,
    palette: Palette,
    name: str,
    budget: PictureBudget,
) -> Section:
    runs = comparison.of(verdict.task)
    # Agents judged while they learn have one ever-growing return: regret says it better.
    lost = regret.regret_curves(comparison, verdict, palette, f"{name}-regret")
    drawings = (
        lost or curves.learning_curves(comparison, verdict, palette, f"{name}-curves"),
        intervals.final_scores(verdict, palette, f"{name}-final"),
        intervals.improvement(verdict, palette, f"{name}-improvement"),
        None
        if lost
        else intervals.sample_efficiency(comparison, verdict, palette, f"{name}-steps"),
        regret.policy_regret_curves(comparison, verdict, palette, f"{name}-policy-regret"),
        regret.arms_over_time(comparison, verdict, palette, f"{name}-arms"),
        panels.reward_parts(comparison, verdict, palette, f"{name}-parts"),
        panels.pay_against_score(comparison, verdict, palette, f"{name}-pay"),
        panels.training(comparison, verdict, palette, f"{name}-training"),
    )
    shown = [_shown(comparison.of(verdict.task, d.design), d) for d in verdict.designs]
    rollouts = [_rollout(run, label, budget) for run, label in shown]
    talks = [spoken(run, label) for run, label in shown]
    rewards = {
        d.design: comparison.of(verdict.task, d.design)[0].config.get("reward")
        for d in verdict.designs
    }
    shared = {key: value for key, value in runs[0].config.items() if key not in ("reward", "seed")}
    return Section(
        name,
        verdict,
        dict(runs[0].card),
        tuple(drawing for drawing in drawings if drawing is not None),
        tuple(rollout for rollout in rollouts if rollout is not None),
        tuple(talk for talk in talks if talk is not None),
        _yaml(shared),
        {design: _yaml(reward) for design, reward in rewards.items() if reward},
    )


def _shown(runs: Sequence[Run], verdict: DesignVerdict) -> tuple[Run, str]:
    """Returns the run of median score, or the first suspected of hacking, and a label for it."""
    index = int(np.argsort(verdict.scores, kind="stable")[(len(runs) - 1) // 2])
    suspected = [i for i, suspicion in enumerate(verdict.suspicions) if suspicion.is_hacking]
    if suspected:
        index = suspected[0]
    run = runs[index]
    label = f"seed {run.seed}, {run.score} {score_text(run.final_score, run.score)}"
    return run, label + ", suspected hacking" * bool(suspected)


def _rollout(run: Run, label: str, budget: PictureBudget) -> Rollout | None:
    strip = budget.embed(run.folder / "rollout.png", "png")
    film = budget.embed(run.folder / "rollout.gif", "gif")
    return Rollout(run.design, label, strip, film) if strip or film else None


def _facts(comparison: Comparison) -> list[str]:
    runs = comparison.runs
    n_seeds = {
        len(comparison.of(task, design))
        for task in comparison.tasks
        for design in comparison.designs(task)
    }
    least, most = min(n_seeds), max(n_seeds)
    budgets = sorted({(int(run.steps[-1]), run.unit) for run in runs})
    agents = sorted({str((run.config.get("agent") or {}).get("name", "")) for run in runs} - {""})
    return [
        count(len(comparison.tasks), "task"),
        count(len({run.design for run in runs}), "reward design"),
        count(most, "seed") if least == most else f"{least} to {most} seeds",
        " or ".join(f"{steps_text(budget)} training {unit}" for budget, unit in budgets),
        *agents,
    ]


def _versions(runs: Sequence[Run]) -> dict[str, str]:
    found: dict[str, set[str]] = {}
    for run in runs:
        for package, version in run.versions.items():
            found.setdefault(str(package), set()).add(str(version))
    return {package: ", ".join(sorted(versions)) for package, versions in sorted(found.items())}


def _yaml(config: Any) -> str:
    return str(yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=88)).strip()
