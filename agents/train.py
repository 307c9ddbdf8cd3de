"""The `train` job: one agent, one task, one reward design, one seed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from rewardsmith.agents import bandits
from rewardsmith.agents.processes import first, rank
from rewardsmith.agents.progress import Interrupted, Progress, StopRequest
from rewardsmith.agents.run_folder import RunFolder
from rewardsmith.agents.sb3.algorithms import ALGORITHMS, check_settings
from rewardsmith.agents.tasks import make_task
from rewardsmith.agents.trackers import TRACKERS, CsvTracker, Tracker, make_tracker
from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError, unknown
from rewardsmith.envs.text.batch import TextEnv
from rewardsmith.rewards.config import build_design
from rewardsmith.rewards.design import RewardDesign
from rewardsmith.rewards.stream import check_online
from rewardsmith.rewards.verify.preflight import check_verifiers

Learner = Callable[[Mapping[str, Any], RunFolder, Tracker, StopRequest, Progress], dict[str, Any]]
"""Trains by a configuration in a folder, resuming what lies there; returns the result."""

LLM = "llm"
"""The algorithm of agents that train a language model."""

_NOT_IDENTITY = ("tracker", "folder")
_PACKAGES = ("rewardsmith", "gymnasium", "stable-baselines3", "torch", "numpy", "mujoco")
_SUITES = ("metaworld", "gymnasium-robotics")


def train(
    config: Mapping[str, Any],
    folder: RunFolder,
    *,
    progress: Progress = lambda step, metrics: None,
    stop: StopRequest | None = None,
) -> dict[str, Any]:
    """Trains one agent, or continues or skips a run that is already there.

    Of several processes, see `rewardsmith.agents.processes`, the first alone writes.

    Args:
        config: The resolved `train` configuration.
        folder: Where the run lives; the same folder and configuration resume it.
        progress: Called while training with the step and the latest evaluation.
        stop: Tells when to stop at a checkpoint; by default never.

    Returns:
        The run's result: the final evaluation, episode by episode.

    Raises:
        ConfigError: If the configuration cannot work; found before training starts.
        Interrupted: If it was stopped at a checkpoint.
    """
    check(config)
    with ExitStack() as claim:
        first(lambda: _enter(claim, folder, config))
        if first(folder.is_finished):
            return first(folder.result)
        started, steps = time.monotonic(), int(config["total_steps"])
        tracker = _tracker(config, folder)
        try:
            result = _learner(config)(config, folder, tracker, stop or StopRequest(), progress)
        except Interrupted:
            raise
        except Exception as error:
            if rank() == 0:
                step = folder.status().get("step", 0)
                folder.write_status("failed", step, steps, error=f"{type(error).__name__}: {error}")
            raise
        finally:
            tracker.close()
        first(lambda: _finish(folder, result, steps, time.monotonic() - started))
        return result


def _enter(claim: ExitStack, folder: RunFolder, config: Mapping[str, Any]) -> None:
    claim.enter_context(folder.claim(identity(config)))


def _tracker(config: Mapping[str, Any], folder: RunFolder) -> Tracker:
    """Returns the configured tracker, in the first process; the others track nothing."""
    return make_tracker(config["tracker"], folder.path, config) if rank() == 0 else CsvTracker()


def _finish(folder: RunFolder, result: Mapping[str, Any], steps: int, wall_s: float) -> None:
    """Writes the result; what resuming needed is no longer needed."""
    folder.write_result(result)
    folder.write_status(
        "finished", steps, steps, error=None, versions=versions(), wall_s=round(wall_s, 2)
    )
    for file in folder.path.glob("checkpoint*"):
        file.unlink()


def identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the part of a configuration that decides a run's numbers."""
    return {key: value for key, value in config.items() if key not in _NOT_IDENTITY}


def check(config: Mapping[str, Any]) -> None:
    """Finds what cannot work before anything is trained or written.

    Raises:
        ConfigError: Naming the field, the value and the mend.
    """
    for key in (
        "total_steps",
        "evaluation.points",
        "evaluation.episodes",
        "evaluation.final_episodes",
        "agent.n_envs",
    ):
        value: Any = config
        for part in key.split("."):
            value = value[part]
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigError(f"{key} must be a whole number of at least 1, got {value!r}")
    gamma = config["agent"]["gamma"]
    if not isinstance(gamma, int | float) or not 0 <= gamma <= 1:
        raise ConfigError(f"agent.gamma must be in [0, 1], got {gamma!r}")
    if not isinstance(config["seed"], int) or not 0 <= config["seed"] < 2**31:
        raise ConfigError(f"seed must be a whole number in [0, 2**31), got {config['seed']!r}")
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", str(config["device"])):
        raise ConfigError(f"device must be auto, cpu, cuda or mps, got {config['device']!r}")
    if config["tracker"]["name"] not in TRACKERS:
        raise unknown("tracker", config["tracker"]["name"], TRACKERS, where="tracker.name")
    design = build_design(config["reward"])
    task = make_task(config["env"], 1)
    try:
        design.bind(EnvCard.of(task))
        if isinstance(task.unwrapped, TextEnv):
            check_verifiers(design, task.unwrapped.dialogue)
        _check_agent(config, design, task)
    finally:
        task.close()


def _check_agent(config: Mapping[str, Any], design: RewardDesign, task: Any) -> None:
    """Raises ConfigError if the configured agent cannot learn the task by the design."""
    agent = config["agent"]
    known = (*ALGORITHMS, *bandits.AGENTS, LLM)
    if agent["algorithm"] not in known:
        raise unknown("algorithm", agent["algorithm"], known, where="agent.algorithm")
    if agent["algorithm"] == LLM:
        from rewardsmith.agents.llm.learner import check_llm

        check_llm(config, task)
        return
    check_online(design)
    env = task.unwrapped
    if isinstance(env, TextEnv) and not env.by_menu:
        raise ConfigError(
            f"agent={agent['name']} does not speak; set env.options.actions=menu where the task "
            "has a menu, or take a language model, such as agent=grpo"
        )
    if agent["algorithm"] in bandits.AGENTS:
        from rewardsmith.agents.bandits.learner import check_bandit

        check_bandit(config, task)
    else:
        check_settings(agent["algorithm"], agent["settings"], task.single_action_space)


def _learner(config: Mapping[str, Any]) -> Learner:
    """Returns what trains the configured agent."""
    if config["agent"]["algorithm"] in bandits.AGENTS:
        from rewardsmith.agents.bandits.learner import train_bandit

        return train_bandit
    if config["agent"]["algorithm"] == LLM:
        from rewardsmith.agents.llm.learner import train_llm

        return train_llm
    from rewardsmith.agents.sb3.learner import train_sb3

    return train_sb3


def versions() -> dict[str, str]:
    """Returns the versions of what a result depends on, optional suites where installed."""
    found = {}
    for package in (*_PACKAGES, *_SUITES):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            if package in _PACKAGES:
                found[package] = "not installed"
    return found
