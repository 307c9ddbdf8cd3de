"""Many trials at once, each finished one in the journal before the next is looked at."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import joblib

from rewardsmith.envs.errors import EnvError, unknown
from rewardsmith.llm_reward_design.journal import Journal
from rewardsmith.llm_reward_design.trials.trial import Outcome, Trial, run_trial

BACKENDS = ("loky", "ray")

_Ended = tuple[str, dict[str, Any]]


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
    missing = {key: trial for key, trial in trials.items() if key not in plain}
    done(len(plain))
    outcomes = (_on_ray if parallel == "ray" else _on_loky)(missing, n_jobs)
    for key, outcome in outcomes:
        plain[key] = outcome
        journal.put(key, outcome, outcome["train_s"] + outcome["judge_s"])
        done(len(plain))
    return {key: Outcome.of(plain[key]) for key in trials}


def check_backend(parallel: str) -> None:
    """Finds out whether trials can run in parallel in a way.

    Raises:
        ConfigError: If the way is unknown.
        EnvError: If its package is not installed.
    """
    if parallel not in BACKENDS:
        raise unknown("backend", parallel, BACKENDS, where="parallel")
    if parallel == "ray" and importlib.util.find_spec("ray") is None:
        raise EnvError("parallel=ray needs Ray: pip install ray")


def _on_loky(trials: Mapping[str, Trial], n_jobs: int) -> Iterator[_Ended]:
    """Yields outcomes of processes on this machine, as they end."""
    yield from joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)(
        joblib.delayed(_run)(key, trial, os.getpid()) for key, trial in trials.items()
    )


def _on_ray(trials: Mapping[str, Trial], n_jobs: int) -> Iterator[_Ended]:
    """Yields outcomes of tasks on a Ray cluster, as they end; joblib would wait for all of them."""
    import ray

    if not ray.is_initialized():
        own = n_jobs > 0 and "RAY_ADDRESS" not in os.environ  # a cluster knows its own size
        ray.init(num_cpus=n_jobs if own else None, log_to_driver=False)
    task = ray.remote(_run)
    waiting = [task.remote(key, trial, None) for key, trial in trials.items()]
    while waiting:
        ended, waiting = ray.wait(waiting)
        yield ray.get(ended[0])


def _run(key: str, trial: Trial, master: int | None) -> _Ended:
    return key, run_trial(trial, master).plain()
