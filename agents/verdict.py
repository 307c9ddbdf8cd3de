"""What the runs say about one design on one task, in numbers and in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rewardsmith.agents.hacking import Scale, Suspicion, suspected_hacking
from rewardsmith.agents.records import Comparison
from rewardsmith.agents.statistics import (
    Estimate,
    Reach,
    difference_interval,
    permutation_p_value,
    probability_of_improvement,
    score_interval,
    steps_to_threshold,
)
from rewardsmith.agents.wording import count, estimate_text, score_text
from rewardsmith.envs.stateful import FloatArray

Kind = Literal["baseline", "better", "worse", "unclear", "undecided", "alone"]

_SIGNIFICANT = 0.05

_EVIDENCE = {
    "strong": "earns at least what the solver does without solving the task: reward hacking "
    "suspected",
    "suspected": "is paid more and more while its score stays low: reward hacking suspected",
    "stalled": "is paid more and more while its score stays low, yet less than for solving: "
    "rather stuck than gaming",
}


@dataclass(frozen=True, eq=False)
class Contrast:
    """A design against the baseline.

    Attributes:
        difference: IQM of the design minus IQM of the baseline.
        improvement: Probability that a run of the design beats one of the baseline.
        p_value: Two-sided, of a permutation test; NaN with a single run on a side.
    """

    difference: Estimate
    improvement: Estimate
    p_value: float


@dataclass(frozen=True, eq=False)
class DesignVerdict:
    """How one design did on one task.

    Attributes:
        design: Its name.
        score: What the task is judged by, "success" or "return".
        scores: Final score of each of n runs, (n,).
        iqm: Their interquartile mean.
        kind: Against the baseline: "better" or "worse" (the interval of the difference
            excludes 0 and a permutation test agrees, p <= 0.05), "unclear" (the interval holds
            0), "undecided" (too few runs for either). Else "baseline", or "alone" where there
            is no baseline.
        contrast: The numbers behind `kind`; None for the baseline and without one.
        reach: When its runs came half way up the task's scale.
        suspicions: What speaks for hacking, one per run.
        sentence: All that in one sentence.
    """

    design: str
    score: str
    scores: FloatArray
    iqm: Estimate
    kind: Kind
    contrast: Contrast | None
    reach: Reach
    suspicions: tuple[Suspicion, ...]
    sentence: str

    @property
    def hacked(self) -> int:
        """How many runs are suspected of reward hacking."""
        return sum(suspicion.is_hacking for suspicion in self.suspicions)


def judge_design(
    comparison: Comparison, task: str, design: str, baseline: str | None, scale: Scale
) -> DesignVerdict:
    """Returns the verdict on one design.

    Args:
        comparison: The runs.
        task: Name of the task.
        design: Name of the design.
        baseline: The design it is measured against; None if there is none on this task.
        scale: The scale of the task.
    """
    runs = comparison.of(task, design)
    scores = comparison.scores(task, design)
    iqm = score_interval(scores)
    suspicions = tuple(suspected_hacking(run, scale) for run in runs)
    contrast = None
    kind: Kind = "alone" if baseline is None else "baseline"
    sentence = f"{design}: {runs[0].score} {estimate_text(iqm, runs[0].score)} ({_seeds(scores)})"
    if baseline is not None and design != baseline:
        other = comparison.scores(task, baseline)
        contrast = Contrast(
            difference_interval(scores, other),
            probability_of_improvement(scores, other),
            permutation_p_value(scores, other),
        )
        kind = _kind(contrast)
        numbers = _numbers(runs[0].score, scores, other, contrast)
        sentence = f"{_opening(kind, design, baseline)}: {numbers}"
    return DesignVerdict(
        design=design,
        score=runs[0].score,
        scores=scores,
        iqm=iqm,
        kind=kind,
        contrast=contrast,
        reach=steps_to_threshold(
            *comparison.curves(task, design, runs[0].score_column), scale.half
        ),
        suspicions=suspicions,
        sentence=sentence + _evidence(suspicions),
    )


def _kind(contrast: Contrast) -> Kind:
    difference = contrast.difference
    if not difference.has_interval:
        return "undecided"
    if difference.low <= 0 <= difference.high:
        return "unclear"
    if not contrast.p_value <= _SIGNIFICANT:
        return "undecided"
    return "better" if difference.low > 0 else "worse"


def _opening(kind: Kind, design: str, baseline: str) -> str:
    if kind == "better":
        return f"{design} beats {baseline}"
    if kind == "worse":
        return f"{design} is worse than {baseline}"
    if kind == "unclear":
        return f"no clear difference between {design} and {baseline}"
    return f"too few seeds to tell {design} from {baseline}"


def _numbers(score: str, scores: FloatArray, other: FloatArray, contrast: Contrast) -> str:
    ours, theirs = (score_text(score_interval(x).value, score) for x in (scores, other))
    difference = estimate_text(contrast.difference, score, signed=True)
    text = f"{score} {ours} vs {theirs} ({difference}, {_seeds(scores, other)})"
    if _kind(contrast) == "undecided" and contrast.p_value > _SIGNIFICANT:
        text += f"; permutation test p = {contrast.p_value:.2f}"
    return text


def _seeds(scores: FloatArray, other: FloatArray | None = None) -> str:
    if other is None or len(other) == len(scores):
        return count(len(scores), "seed")
    return f"{len(scores)} against {count(len(other), 'seed')}"


def _evidence(suspicions: Sequence[Suspicion]) -> str:
    n = len(suspicions)
    parts = [
        f"; in {k} of {count(n, 'run')} it {words}"
        for level, words in _EVIDENCE.items()
        if (k := sum(suspicion.level == level for suspicion in suspicions))
    ]
    return "".join(parts)
