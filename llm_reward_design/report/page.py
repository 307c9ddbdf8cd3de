"""The page: what a search found, whom it descends from, what it cost, how it was judged."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import yaml
from markupsafe import Markup

from rewardsmith.agents import report as comparison_report
from rewardsmith.agents.files import write_atomically
from rewardsmith.agents.records import load_comparison
from rewardsmith.agents.report.canvas import Drawing, style
from rewardsmith.agents.report.page import templates
from rewardsmith.agents.statistics import Estimate, score_interval
from rewardsmith.agents.wording import count, estimate_text, score_text, steps_text
from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.quality import human_normalised_interval
from rewardsmith.llm_reward_design.record import SearchRecord, Tried
from rewardsmith.llm_reward_design.report import figures

FINAL = "final"
"""Folder, below that of the search, of the runs that compare its best program."""

BEST, SPARSE, HUMAN = "best", "sparse", "human"
"""The designs of that comparison."""

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Final:
    """What the final comparison says.

    Attributes:
        scores: IQM with its interval by design.
        seeds: Runs of each design that finished.
        steps: Length of the runs.
        normalised: Human-normalised score; None without a human design.
        unfinished: Runs that are not in these numbers.
    """

    scores: dict[str, Estimate]
    seeds: dict[str, int]
    steps: int
    normalised: Estimate | None
    unfinished: int


def write_design_report(folder: Path) -> Path:
    """Writes `report.html` over a search's folder; returns its path.

    Raises:
        ConfigError: If there is no search in the folder.
    """
    record = SearchRecord.load(folder)
    path = folder / "report.html"
    write_atomically(path, render(record, final_of(folder / FINAL)).encode(), durable=False)
    return path


def final_of(folder: Path) -> Final | None:
    """Returns what the final comparison says; None while no run of it is finished."""
    try:
        comparison = load_comparison(folder)
    except ConfigError:
        return None
    if not comparison.runs:
        return None
    comparison_report.write_report(folder)
    task = comparison.tasks[0]
    scores = {design: comparison.scores(task, design) for design in comparison.designs(task)}
    whole = all(len(scores.get(design, ())) for design in (BEST, SPARSE, HUMAN))
    return Final(
        {design: score_interval(values) for design, values in scores.items()},
        {design: len(values) for design, values in scores.items()},
        int(comparison.runs[0].steps[-1]),
        human_normalised_interval(scores[BEST], scores[HUMAN], scores[SPARSE]) if whole else None,
        len(comparison.unfinished),
    )


def answer(record: SearchRecord, final: Final | None) -> str:
    """Returns the outcome of a search in a sentence or two."""
    if record.best is None:
        states = Counter(one.state for one in record.tried)
        told = ", ".join(f"{number} {state}" for state, number in states.items()) or "none written"
        return f"No program was trained to the end ({told})."
    if final is None or BEST not in final.scores:
        best = next(one for one in record.tried if one.id == record.best)
        score = score_text(best.score or 0.0, record.score)
        return f"The best program scored {score} in the search."
    told = f"The best program reaches {record.score} {_text(final, BEST, record)}"
    others = [
        f"{_text(final, name, record)} with the {name} reward"
        for name in (SPARSE, HUMAN)
        if name in final.scores
    ]
    told += f", against {' and '.join(others)}." if others else "."
    if final.normalised is not None and math.isfinite(final.normalised.value):
        value = normalised_text(final)
        told += f" Human-normalised score {value} (0 is the sparse reward, 1 the human's)."
    return told


def normalised_text(final: Final) -> str:
    """Returns the human-normalised score with its interval, or why there is none."""
    if final.normalised is None:
        return "no human reward"
    if math.isnan(final.normalised.value):
        return "undefined: human equals sparse"
    if math.isinf(final.normalised.low) or math.isinf(final.normalised.high):
        return f"{final.normalised.value:.2f}, open: human and sparse overlap"
    return estimate_text(final.normalised, "success")


def render(record: SearchRecord, final: Final | None) -> str:
    """Returns the page as HTML."""
    best = next((one for one in record.tried if one.id == record.best), None)
    environment = templates(_HERE)
    environment.filters |= {"score": score_text, "steps": steps_text, "round": figures.round_name}
    css = Path(comparison_report.__file__).with_name("style.css")
    return environment.get_template("template.html").render(
        css=Markup(css.read_text(encoding="utf-8")),
        record=record,
        final=final,
        answer=answer(record, final),
        facts=_facts(record),
        best=best,
        drawings=_drawings(record, best),
        usage=usage_rows(record),
        lost=[one for one in record.tried if one.state == "lost"],
        settings=yaml.safe_dump(record.search, sort_keys=False).strip(),
        estimate=lambda name: estimate_text(final.scores[name], record.score) if final else "",
    )


def usage_rows(record: SearchRecord) -> dict[str, str]:
    """Returns what a search used, line by line."""
    usage = record.usage
    rows = {"answers": f"{usage.calls:,}"}
    if record.is_language_model:
        rows["tokens"] = f"{usage.tokens:,}"
        rows["cost"] = f"{usage.cost:,.2f}" if usage.priced else "unknown: no prices were given"
    rows["training in the jail"] = _duration(usage.train_s)
    rows["judging outside it"] = _duration(usage.judge_s)
    return rows


def _drawings(record: SearchRecord, best: Tried | None) -> list[Drawing]:
    if not record.tried:
        return []
    with style():
        drawn = [
            figures.parts_over_training(best, record.score) if best is not None else None,
            figures.scores_by_round(record),
            figures.family_tree(record),
        ]
    return [drawing for drawing in drawn if drawing is not None]


def _facts(record: SearchRecord) -> list[str]:
    states = Counter(one.state for one in record.tried)
    return [
        record.designer,
        f"written by {record.writer}" if record.is_language_model else "program search, no model",
        count(len(record.tried), "program"),
        f"{states['trained']} trained",
        f"jail: {record.tier}",
    ]


def _text(final: Final, name: str, record: SearchRecord) -> str:
    return estimate_text(final.scores[name], record.score)


def _duration(seconds: float) -> str:
    """Writes a time.

    Example:
        >>> _duration(42), _duration(754)
        ('42 s', '12 min 34 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes:,} min {rest} s" if minutes else f"{rest} s"
