"""Many trials at once, each finished one in the journal before the next is looked at."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import joblib

from rewardsmith.envs.errors import EnvError, unknown
from rewardsmith.llm_reward_design.journal import Journal
from rewardsmith.llm_reward_design.trials.trial import Outcome, Trial, run_trial

BACKENDS = ("loky", "ray")


def run_trials(
    trials: Mapping[str, Trial],
    journal: Journal,
    *,
    parallel: str,
    n_jobs: int,
    done: Callable[[int], None] = lambda count: None,
) -> dict[str, Outcome]:
    """Returns the outcome of each trial, by key; those the journal holds are not run again.

    Args:
        trials: What to run, by the key it has in the journal.
        journal: Takes every outcome as soon as it is there.
        parallel: "loky" for processes on this machine, "ray" for a Ray cluster.
        n_jobs: Processes at once, -1 for one on each core.
        done: Called with the number of outcomes so far.
    """
    plain = {key: held for key in trials if (held := journal.get(key)) is not None}
    missing = [key for key in trials if key not in plain]
    done(len(plain))
    with joblib.parallel_config(backend=_backend(parallel), n_jobs=n_jobs):
        outcomes = joblib.Parallel(return_as="generator_unordered", batch_size=1)(
            joblib.delayed(_run)(key, trials[key], os.getpid() if parallel == "loky" else None)
            for key in missing
        )
        for key, outcome in outcomes:
            plain[key] = outcome
            journal.put(key, outcome, outcome["train_s"] + outcome["judge_s"])
            done(len(plain))
    return {key: Outcome.of(plain[key]) for key in trials}


def _run(key: str, trial: Trial, master: int | None) -> tuple[str, dict[str, Any]]:
    return key, run_trial(trial, master).plain()


def _backend(parallel: str) -> str:
    """Returns joblib's name of a backend, registered.

    Raises:
        ConfigError: If it is unknown.
        EnvError: If its package is not installed.
    """
    if parallel not in BACKENDS:
        raise unknown("backend", parallel, BACKENDS, where="parallel")
    if parallel == "ray":
        try:
            from ray.util.joblib import register_ray
        except ImportError:
            raise EnvError("parallel=ray needs Ray: pip install 'ray[default]'") from None
        register_ray()
    return parallel
