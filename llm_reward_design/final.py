"""The final comparison: best program, sparse reward and human design, trained afresh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rewardsmith.agents.compare import Cell, override_key, plan, save_settings
from rewardsmith.llm_reward_design.report.page import FINAL, HUMAN, SPARSE

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


def final_cells(
    settings: Mapping[str, Any], overrides: Sequence[str], folder: Path, best: Path
) -> list[Cell]:
    """Returns the training runs that judge a search's best program, and writes their plan.

    Args:
        settings: The resolved `design` configuration.
        overrides: What the user wrote; keys of `train` hold for every run.
        folder: Folder of the search.
        best: The program's file, called `best.yaml`.

    Raises:
        ConfigError: If a run cannot work, or the folder holds other runs.
    """
    designs = [str(best), SPARSE, *([HUMAN] if settings["env"].get("human") else [])]
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
    cells = plan(compared, shared, folder / FINAL)
    save_settings(compared, folder / FINAL)
    return cells
