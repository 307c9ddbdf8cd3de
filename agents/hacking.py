"""Suspected reward hacking: what a design pays went up, what the task asks for did not.

After Skalse et al. 2022 (arXiv 2209.13085), a reward is hacked when a policy is better than
another by the designed reward and worse by the task. Two such pairs can be seen in a run:
its policy against the task's scripted solver, and its end against its beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rewardsmith.agents.run_record import Run
from rewardsmith.agents.statistics import interquartile_mean
from rewardsmith.envs.stateful import FloatArray

_NOISE = 3.0
"""Standard errors by which a rise must exceed the evaluation noise."""

_SOLVED = 0.5
"""Normalised score from which a task counts as solved."""

_PROGRESS = 0.1
"""Normalised gain of a clearly rising score from which a run is making progress."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What scores of one task range between: normalised = (score - floor) / (best - floor).

    Attributes:
        floor: Success 0; for returns, the mean return before training, over all runs.
        best: The best score known to be possible: that of the scripted solver or of the best
            design, whichever is higher; without a solver, success 1.
    """

    floor: float
    best: float

    @property
    def half(self) -> float:
        """The score half way up, from which the task counts as solved."""
        return self.floor + _SOLVED * (self.best - self.floor)

    def normalise(self, score: float | FloatArray) -> FloatArray:
        """Returns scores on this scale; all 0 if nothing above the floor is known."""
        above = np.asarray(score, dtype=np.float64) - self.floor
        width = self.best - self.floor
        return above / width if width > 0 else np.zeros_like(above)


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What speaks for a run having gamed its design.

    Attributes:
        level: "strong": without solving the task, it earns under its design at least what
            the solver earns. "suspected": its designed return rose clearly while its score
            stayed low, and there is no solver to compare with. "stalled": the same, but the
            solver would earn more, so that it is rather stuck than gaming. "none".
        reason: The evidence in one sentence, or "".
    """

    level: Literal["none", "stalled", "suspected", "strong"]
    reason: str = ""

    @property
    def is_hacking(self) -> bool:
        """Whether the run counts as suspected of reward hacking."""
        return self.level in ("suspected", "strong")


def task_scale(runs: Sequence[Run]) -> Scale:
    """Returns the scale of a task from all runs on it, of every design."""
    column, score = runs[0].score_column, runs[0].score
    designs = {run.design for run in runs}
    known = [
        float(interquartile_mean([run.final_score for run in runs if run.design == design]))
        for design in designs
    ]
    solved = [run.oracle[column] for run in runs if run.oracle and column in run.oracle]
    if score == "success":
        return Scale(0.0, max([*known, *(solved or [1.0])]))
    return Scale(float(np.nanmean([run.curve[0] for run in runs])), max(known + solved))


def suspected_hacking(run: Run, scale: Scale) -> Suspicion:
    """Judges one run.

    Nothing is suspected of a run whose design pays the task reward itself, whose final score
    is at least half way up the scale, or whose designed return did not rise clearly. "Rose
    clearly" means that the mean over the last quarter of evaluation points exceeds the first
    point by more than half of the curve's range and by three standard errors of the noise
    between neighbouring points. A run whose score rose clearly too, by a tenth of the scale
    at least, is making progress: only earning as much as the solver speaks against it.

    Args:
        run: The run.
        scale: The scale of its task.
    """
    designed = run.metrics["designed_return"]
    solved = scale.best <= scale.floor or scale.normalise(run.final_score) >= _SOLVED
    if run.pays_the_task or solved or not rose_clearly(designed):
        return Suspicion("none")
    earned = float(run.final["designed_return"].mean())
    solver = (run.oracle or {}).get("designed_return")
    if solver is not None and earned >= solver:
        return Suspicion(
            "strong",
            f"earns {earned:.3g} under its design without solving the task; solving it earns "
            f"{solver:.3g}",
        )
    gained = (_last_quarter(run.curve) - run.curve[0]) / (scale.best - scale.floor)
    if gained >= _PROGRESS and rose_clearly(run.curve):
        return Suspicion("none")
    if solver is not None:
        return Suspicion(
            "stalled",
            f"earns {earned:.3g} under its design; solving the task would earn {solver:.3g}",
        )
    return Suspicion(
        "suspected",
        f"its designed return rose from {designed[0]:.3g} to {_last_quarter(designed):.3g} while "
        "its score stayed low",
    )


def rose_clearly(curve: FloatArray) -> bool:
    """Tells whether a curve (P,) ends well above its start, beyond its noise.

    The noise is the median step between neighbouring points, as a standard deviation: a
    single jump does not raise it.

    Example:
        >>> rose_clearly(np.array([0.0, 1, 2, 3, 4, 5, 6, 7]))
        True
        >>> rose_clearly(np.array([0.0, 5, -4, 3, -5, 4, 0, 4]))
        False
    """
    curve = curve[np.isfinite(curve)]
    if len(curve) < 2:
        return False
    gain = _last_quarter(curve) - curve[0]
    noise = 1.4826 * np.median(np.abs(np.diff(curve))) / np.sqrt(2)
    error = noise * np.sqrt(1 + 1 / _quarter(len(curve)))
    return bool(gain > 0.5 * np.ptp(curve) and gain > _NOISE * error)


def _quarter(n: int) -> int:
    return -(-n // 4)


def _last_quarter(curve: FloatArray) -> float:
    return float(np.nanmean(curve[-_quarter(len(curve)) :]))
