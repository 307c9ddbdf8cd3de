"""The final comparison: best program, sparse reward and human design, trained afresh."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewardsmith.agents.compare import Cell, override_key, plan, save_settings
from rewardsmith.agents.records import load_comparison
from rewardsmith.agents.statistics import Estimate, score_interval
from rewardsmith.agents.wording import estimate_text, score_text
from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.external.sparse import ORIGINAL_REWARD
from rewardsmith.llm_reward_design.quality import human_normalised_interval
from rewardsmith.llm_reward_design.record import SearchRecord

FINAL = "final"
"""Folder, below that of the search, of the runs that compare its best program."""

BEST, SPARSE, HUMAN = "best", "sparse", "human"
"""The designs of that comparison."""

DESIGN_KEYS = frozenset(
    {
        "designer",
        "llm",
        "search",
        "name",
        "task",
        "start",
        "advice",
        "seeds",
        "seed",
        "parallel",
        "n_jobs",
        "jail",
        "reward",
    }
)
"""Keys of a `design` configuration that its final training runs do not take over."""


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


def check_rivals(
    settings: Mapping[str, Any], overrides: Sequence[str], folder: Path, card: EnvCard
) -> None:
    """Finds, before the search, what is wrong with the runs that its best program will face.

    Raises:
        ConfigError: If a run cannot work, or the folder holds other runs.
    """
    _planned(settings, overrides, folder, _rivals(settings, card))


def final_cells(
    settings: Mapping[str, Any],
    overrides: Sequence[str],
    folder: Path,
    card: EnvCard,
    best: Path,
) -> list[Cell]:
    """Returns the training runs that judge a search's best program, and writes their plan.

    Args:
        settings: The resolved `design` configuration.
        overrides: What the user wrote; keys of `train` hold for every run.
        folder: Folder of the search.
        card: The task's card.
        best: The program's file, called `best.yaml`.

    Raises:
        ConfigError: If a run cannot work, or the folder holds other runs.
    """
    compared, cells = _planned(settings, overrides, folder, [str(best), *_rivals(settings, card)])
    save_settings(compared, folder / FINAL)
    return cells


def final_of(folder: Path) -> Final | None:
    """Returns what the final comparison says; None while no run of it is finished."""
    try:
        comparison = load_comparison(folder)
    except ConfigError:
        return None
    if not comparison.runs:
        return None
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


def _rivals(settings: Mapping[str, Any], card: EnvCard) -> list[str]:
    """Returns the sparse reward, and the human one where there is one beside it.

    The reward that an environment came with is a human's beside a success predicate only;
    without one it is what the sparse design pays.
    """
    human = settings["env"].get("human")
    read = human.get("field") if isinstance(human, Mapping) else None
    kept = read != ORIGINAL_REWARD.name or any(fact.name == read for fact in card.facts)
    return [SPARSE, HUMAN] if human and kept else [SPARSE]


def _planned(
    settings: Mapping[str, Any], overrides: Sequence[str], folder: Path, designs: list[str]
) -> tuple[dict[str, Any], list[Cell]]:
    shared = [o for o in overrides if override_key(o) not in DESIGN_KEYS]
    compared = {
        "name": f"{settings['name']}: final comparison",
        "env": settings["env"],
        "designs": designs,
        "baseline": SPARSE,
        "seeds": settings["seeds"],
        "tasks": None,
        "n_jobs": settings["n_jobs"],
    }
    return compared, plan(compared, shared, folder / FINAL)


def _text(final: Final, name: str, record: SearchRecord) -> str:
    return estimate_text(final.scores[name], record.score)
