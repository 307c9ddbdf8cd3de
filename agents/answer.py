"""Which reward to train on: the answer for each task, and the designs over all tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rewardsmith.agents.hacking import Scale, task_scale
from rewardsmith.agents.records import Comparison
from rewardsmith.agents.statistics import Estimate, difference_interval, score_interval
from rewardsmith.agents.verdict import DesignVerdict, judge_design
from rewardsmith.agents.wording import listing, score_text, steps_text
from rewardsmith.envs.stateful import FloatArray

_LEARNED = 0.1
"""Normalised score below which nothing was learned."""


@dataclass(frozen=True, eq=False)
class TaskVerdict:
    """What a comparison says about one task.

    Attributes:
        task: Its name.
        score: What it is judged by, "success" or "return".
        scale: What its scores range between.
        baseline: The baseline, if a run of it finished on this task and another design did.
        designs: One verdict per design.
        pick: The design to train on; None where the runs do not tell.
        answer: The same in words.
        cautions: What else to know before acting on it, a sentence each.
        unit: What training is counted in, "steps" or "rollouts".
    """

    task: str
    score: str
    scale: Scale
    baseline: str | None
    designs: tuple[DesignVerdict, ...]
    pick: str | None
    answer: str
    cautions: tuple[str, ...]
    unit: str = "steps"


def judge(comparison: Comparison) -> tuple[TaskVerdict, ...]:
    """Returns the verdict on every task that has finished runs."""
    return tuple(_judge_task(comparison, task) for task in comparison.tasks)


def normalised_scores(verdicts: Sequence[TaskVerdict]) -> dict[str, Estimate]:
    """Returns the IQM of normalised scores over all tasks, for designs trained on every task."""
    scores: dict[str, list[FloatArray]] = {}
    for verdict in verdicts:
        for design in verdict.designs:
            normalised = verdict.scale.normalise(design.scores)
            scores.setdefault(design.design, []).append(normalised)
    return {
        design: score_interval(*groups)
        for design, groups in scores.items()
        if len(groups) == len(verdicts)
    }


def recommend(
    designs: Sequence[DesignVerdict], baseline: str | None, scale: Scale, unit: str = "steps"
) -> tuple[str | None, str, tuple[str, ...]]:
    """Returns the design to train on, if the runs tell, the answer in words, and cautions.

    Designs suspected of being hacked in half of their runs or more are out. Of those whose
    difference from the highest score may be zero, the one without any suspicion that got
    half way up the scale soonest is picked; the baseline gives way only to a design that
    beats it, or that ends level and is clearly sooner. Nothing is picked where no design
    learned the task.

    Args:
        designs: The verdicts on one task.
        baseline: The baseline among them, if any.
        scale: The scale of the task.
        unit: What training is counted in.
    """
    sound = [d for d in designs if 2 * d.hacked < len(d.scores)]
    pick, answer, cautions = None, "Train on none of these as they are.", []
    if sound:
        top = max(sound, key=lambda d: d.iqm.value)
        height = scale.normalise(top.iqm.value)
        if height < _LEARNED:
            answer = f"No design learned the task; the highest is {top.design}, {_value(top)}."
        else:
            pick, answer = _choose(top, sound, baseline, unit, alone=len(designs) == 1)
        if _LEARNED <= height < 0.5:
            half = score_text(scale.half, top.score)
            cautions.append(
                "None of these solves the task yet: half of what is possible would be "
                f"{top.score} {half}."
            )
    if any(d.design == pick and d.kind == "undecided" for d in designs):
        cautions.append("Too few seeds to be sure of that: train at least four of each design.")
    gamed = [d.design for d in designs if d not in sound]
    if gamed:
        cautions.append(
            f"Beware of {listing(gamed)}: suspected reward hacking in half of the runs or more."
        )
    return pick, answer, tuple(cautions)


def _judge_task(comparison: Comparison, task: str) -> TaskVerdict:
    runs, names = comparison.of(task), comparison.designs(task)
    scale = task_scale(runs)
    baseline = comparison.baseline if comparison.baseline in names and len(names) > 1 else None
    designs = tuple(judge_design(comparison, task, name, baseline, scale) for name in names)
    unit = runs[0].unit
    pick, answer, cautions = recommend(designs, baseline, scale, unit)
    return TaskVerdict(task, runs[0].score, scale, baseline, designs, pick, answer, cautions, unit)


def _choose(
    top: DesignVerdict,
    sound: Sequence[DesignVerdict],
    baseline: str | None,
    unit: str,
    *,
    alone: bool,
) -> tuple[str | None, str]:
    if alone:
        return None, f"{top.design} reaches {_value(top)}; no other design was trained."
    if any(not d.iqm.has_interval for d in sound):
        return None, (
            f"{top.design} scores highest, {_value(top)}, but a single seed decides nothing: "
            "train more seeds."
        )
    level = [d for d in sound if d is top or difference_interval(top.scores, d.scores).low <= 0]
    pick = min(level, key=lambda d: (d.hacked > 0, d.reach.median, -d.iqm.value))
    base = next((d for d in level if d.design == baseline), None)
    if base is not None:
        return _against_level_baseline(pick, top, base, unit)
    against = next(
        (
            f" against {score_text(d.iqm.value, d.score)} with {d.design}"
            for d in sound
            if d.design == baseline
        ),
        "",
    )
    others = [d.design for d in level if d is not pick]
    tied = f" {listing(others)} did about as well." if others else ""
    return pick.design, f"Train on {pick.design}: {_value(pick)}{against}.{tied}"


def _against_level_baseline(
    pick: DesignVerdict, top: DesignVerdict, base: DesignVerdict, unit: str
) -> tuple[str | None, str]:
    if pick.reach.high < base.reach.low:
        return pick.design, (
            f"Train on {pick.design}: it ends level with {base.design} at {_value(pick)}, but "
            f"gets half way in {steps_text(pick.reach.median)} {unit} instead of "
            f"{steps_text(base.reach.median)}."
        )
    if base is top:
        return base.design, f"Stay with {base.design}: nothing clearly beats its {_value(base)}."
    return None, (
        f"No design clearly beats {base.design}, {_value(base)}; {top.design} scores highest, "
        f"{_value(top)}."
    )


def _value(verdict: DesignVerdict) -> str:
    return f"{verdict.score} {score_text(verdict.iqm.value, verdict.score)}"
