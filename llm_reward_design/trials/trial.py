"""One trial: an agent trained on a program in the jail, then judged outside it by the task."""

from __future__ import annotations

import functools
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rewardsmith.agents.evaluation import EVALUATION_SEED
from rewardsmith.envs.errors import RewardsmithError
from rewardsmith.llm_reward_design import jail
from rewardsmith.llm_reward_design.brief import Reflection

TRAIN = "rewardsmith.llm_reward_design.trials.training:train"
_MALFORMED = (AttributeError, KeyError, OverflowError, TypeError, ValueError)
_LATE = 0.25
"""Share of a run's milestones, from its end, that the score is the mean of."""


@dataclass(frozen=True)
class Trial:
    """What is to be trained, and how.

    Attributes:
        source: The program.
        config: A `train` configuration; seed and total_steps are this trial's.
        points: Milestones at which the policy is judged.
        episodes: Episodes that judge it at each.
        folder: Where the jail may write; emptied first, removed afterwards.
        tier: The jail's tier.
        limits: The jail's limits.
    """

    source: str
    config: Mapping[str, Any]
    points: int
    episodes: int
    folder: Path
    tier: jail.Tier
    limits: jail.Limits


@dataclass(frozen=True)
class Outcome:
    """What became of a trial.

    Attributes:
        score: Mean task score over the last quarter of the milestones; None if it failed.
        reflection: The series behind it; None if it failed.
        error: Why it failed, "" if it did not.
        how: How the jail ended.
        tier: The tier it ran in.
        train_s: Seconds in the jail.
        judge_s: Seconds of judging.
    """

    score: float | None
    reflection: Reflection | None
    error: str
    how: str
    tier: str
    train_s: float
    judge_s: float = 0.0

    def plain(self) -> dict[str, Any]:
        """Returns this as plain data."""
        return asdict(self)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Outcome:
        """Returns what `plain` was made from."""
        series = plain["reflection"]
        return cls(**{**plain, "reflection": None if series is None else reflection_of(series)})


def reflection_of(plain: Mapping[str, Any]) -> Reflection:
    """Returns a `Reflection` from plain data."""
    return Reflection(
        steps=tuple(plain["steps"]),
        parts={name: tuple(values) for name, values in plain["parts"].items()},
        score=tuple(plain["score"]),
        length=tuple(plain["length"]),
    )


def run_trial(trial: Trial, master: int | None = None) -> Outcome:
    """Trains in the jail and judges here.

    Args:
        trial: What to do.
        master: Process id this process works for; once it is gone this process ends too, and
            the jailed one with it.
    """
    if master is not None and master != os.getpid():
        _end_with(master)
    payload = {
        "config": dict(trial.config),
        "source": trial.source,
        "folder": str(trial.folder.absolute()),
        "points": trial.points,
    }
    with emptied(trial.folder):
        ended = jail.run(TRAIN, payload, folder=trial.folder, limits=trial.limits, tier=trial.tier)
        if ended.how != "finished":
            return _failed(ended, ended.error or f"training ended: {ended.how}")
        try:
            return _judged(trial, ended)
        except (RewardsmithError, *_MALFORMED) as error:
            return _failed(ended, f"what training left behind cannot be used: {error}")


@contextmanager
def emptied(folder: Path) -> Iterator[None]:
    """Makes a folder that holds nothing, and removes it afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _judged(trial: Trial, ended: jail.Ended) -> Outcome:
    from rewardsmith.llm_reward_design.trials.judging import TaskJudge
    from rewardsmith.llm_reward_design.trials.milestones import weights_file

    rows, started = checked_rows(ended.value, trial.points), time.monotonic()
    judge = TaskJudge(trial.config, episodes=trial.episodes, seed=EVALUATION_SEED)
    try:
        scores = [judge.score(weights_file(trial.folder, i)) for i in range(len(rows))]
    finally:
        judge.close()
    names = dict.fromkeys(name for row in rows for name in row["parts"])
    reflection = Reflection(
        steps=tuple(row["step"] for row in rows),
        parts={n: tuple(r["parts"].get(n, float("nan")) for r in rows) for n in names},
        score=tuple(scores),
        length=tuple(row["length"] for row in rows),
    )
    return Outcome(
        score=late_mean(scores),
        reflection=reflection,
        error="",
        how=ended.how,
        tier=ended.tier.name.lower(),
        train_s=ended.wall_s,
        judge_s=time.monotonic() - started,
    )


def late_mean(scores: Sequence[float]) -> float:
    """Returns the mean of the last quarter: the best point of a curve is partly luck.

    Example:
        >>> late_mean([0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.25, 0.75])
        0.5
    """
    late = scores[-max(1, round(_LATE * len(scores))) :]
    return sum(late) / len(late)


def checked_rows(value: Any, points: int) -> list[dict[str, Any]]:
    """Returns the milestones that the jail reports, every number made a number.

    Raises:
        ValueError: If there are none, more than `points`, or they have another form.
    """
    rows = value["rows"]
    if not isinstance(rows, list) or not 1 <= len(rows) <= points:
        raise ValueError(f"expected 1 to {points} milestones")
    return [
        {
            "step": int(row["step"]),
            "length": float(row["length"]),
            "parts": {str(name): float(value) for name, value in row["parts"].items()},
        }
        for row in rows
    ]


def _failed(ended: jail.Ended, error: str) -> Outcome:
    return Outcome(None, None, error, ended.how, ended.tier.name.lower(), ended.wall_s)


@functools.cache
def _end_with(master: int) -> None:
    """Ends this process once `master` is no longer its parent."""

    def watch() -> None:
        while os.getppid() == master:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
