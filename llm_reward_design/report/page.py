"""The page: what a search found, whom it descends from, what it cost, how it was judged."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import yaml
from markupsafe import Markup

from rewardsmith.agents import report as comparison_report
from rewardsmith.agents.report.canvas import Drawing, style
from rewardsmith.agents.report.page import templates
from rewardsmith.agents.wording import count, estimate_text, score_text, steps_text
from rewardsmith.llm_reward_design.final import Final, answer
from rewardsmith.llm_reward_design.record import SearchRecord, Tried
from rewardsmith.llm_reward_design.report import figures

_HERE = Path(__file__).parent


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
        usage=record.usage_rows(),
        lost=[one for one in record.tried if one.state == "lost"],
        settings=yaml.safe_dump(record.search, sort_keys=False).strip(),
        estimate=lambda name: estimate_text(final.scores[name], record.score) if final else "",
    )


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
