"""The `train` job: one agent, one task, one reward design, one seed."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from rewardsmith.agents import checkpoint
from rewardsmith.agents.evaluation import (
    EVALUATION_SEED,
    FINAL_SEED,
    Evaluator,
    Policy,
    filmed_episode,
    oracle_earnings,
)
from rewardsmith.agents.recorder import EpisodeRecorder, means
from rewardsmith.agents.run_folder import RunFolder
from rewardsmith.agents.sb3.adapter import VectorAdapter
from rewardsmith.agents.sb3.algorithms import algorithm, build_model, check_settings
from rewardsmith.agents.sb3.supervisor import Interrupted, Progress, Schedule, Supervisor
from rewardsmith.agents.tasks import make_task, pay_and_record
from rewardsmith.agents.trackers import TRACKERS, Tracker, make_tracker
from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError, unknown
from rewardsmith.rewards.config import build_design

_NOT_IDENTITY = ("tracker", "folder")
_STRIP_FRAMES = 16
_PACKAGES = ("rewardsmith", "gymnasium", "stable-baselines3", "torch", "numpy", "mujoco")


def train(
    config: Mapping[str, Any],
    folder: RunFolder,
    *,
    progress: Progress = lambda step, metrics: None,
    catch_signals: bool = False,
) -> dict[str, Any]:
    """Trains one agent, or continues or skips a run that is already there.

    Args:
        config: The resolved `train` configuration.
        folder: Where the run lives; the same folder and configuration resume it.
        progress: Called while training with the step and the latest evaluation.
        catch_signals: Let SIGINT and SIGTERM stop the run at a checkpoint.

    Returns:
        The run's result: the final evaluation, episode by episode.

    Raises:
        ConfigError: If the configuration cannot work; found before training starts.
        Interrupted: If it was stopped at a checkpoint.
    """
    check(config)
    with folder.claim(identity(config)):
        if folder.is_finished():
            return folder.result()
        started, steps = time.monotonic(), int(config["total_steps"])
        try:
            result = _train(config, folder, progress, catch_signals)
        except Interrupted:
            raise
        except Exception as error:
            step = folder.status().get("step", 0)
            folder.write_status("failed", step, steps, error=f"{type(error).__name__}: {error}")
            raise
        folder.write_result(result)
        folder.write_status(
            "finished",
            steps,
            steps,
            error=None,
            versions=versions(),
            wall_s=round(time.monotonic() - started, 2),
        )
        for file in folder.path.glob("checkpoint*"):
            file.unlink()
        return result


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
        agent = config["agent"]
        check_settings(agent["algorithm"], agent["settings"], task.single_action_space)
        design.bind(EnvCard.of(task))
    finally:
        task.close()


def versions() -> dict[str, str]:
    """Returns the versions of what a result depends on."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _train(
    config: Mapping[str, Any], folder: RunFolder, progress: Progress, catch_signals: bool
) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    agent, evaluation = config["agent"], config["evaluation"]
    design, gamma = build_design(config["reward"]), float(agent["gamma"])
    recorder = pay_and_record(make_task(config["env"], agent["n_envs"]), design, gamma)
    evaluator = Evaluator(
        config["env"], design, gamma=gamma, episodes=evaluation["episodes"], seed=EVALUATION_SEED
    )
    tracker: Tracker = make_tracker(config["tracker"], folder.path, config)
    try:
        supervisor, model = _start_or_resume(config, folder, recorder, evaluator, tracker, progress)
        if catch_signals:
            supervisor.catch_signals()
        schedule = supervisor.schedule
        model.learn(
            schedule.total_steps - model.num_timesteps,
            callback=supervisor,
            log_interval=None,
            reset_num_timesteps=model.num_timesteps == 0,
        )
        supervisor.evaluate()
        model.save(folder.model)
        return _final_result(config, folder, recorder, supervisor.act)
    finally:
        tracker.close()
        evaluator.close()
        recorder.close()


def _start_or_resume(
    config: Mapping[str, Any],
    folder: RunFolder,
    recorder: EpisodeRecorder,
    evaluator: Evaluator,
    tracker: Tracker,
    progress: Progress,
) -> tuple[Supervisor, Any]:
    from stable_baselines3.common.logger import Logger

    agent, evaluation = config["agent"], config["evaluation"]
    saved = checkpoint.load(folder.checkpoint)
    adapter = VectorAdapter(recorder)
    if saved is None:
        schedule = Schedule(config["total_steps"], evaluation["points"])
        settings = {"gamma": agent["gamma"], **agent["settings"]}
        model = build_model(
            agent["algorithm"], settings, adapter, seed=config["seed"], device=config["device"]
        )
    else:
        schedule = saved["extra"]
        model = checkpoint.put_back(
            saved, algorithm(agent["algorithm"]), recorder, adapter, config["device"]
        )
    model.set_logger(Logger(None, []))
    supervisor = Supervisor(
        folder,
        schedule,
        evaluator,
        recorder,
        tracker,
        deterministic=evaluation["deterministic"],
        progress=progress,
    )
    return supervisor, model


def _final_result(
    config: Mapping[str, Any], folder: RunFolder, recorder: EpisodeRecorder, policy: Policy
) -> dict[str, Any]:
    env, episodes = config["env"], config["evaluation"]["final_episodes"]
    design, gamma = build_design(config["reward"]), float(config["agent"]["gamma"])
    evaluator = Evaluator(env, design, gamma=gamma, episodes=episodes, seed=FINAL_SEED)
    records = evaluator.play(policy, recorder.stream)
    evaluator.close()
    card = EnvCard.of(recorder)
    solved = oracle_earnings(env, design, card, gamma=gamma, episodes=episodes)
    _film(env, folder, policy)
    columns = [name for name in records[0] if name != "row"]
    return {
        "score": card.score,
        **{name: [r[name] for r in records] for name in columns if not name.startswith("term/")},
        "terms": {
            name.removeprefix("term/"): [r[name] for r in records]
            for name in columns
            if name.startswith("term/")
        },
        "oracle": None if solved is None else means(solved),
        "card": {
            "id": card.id,
            "goal": card.goal,
            "success": card.success,
            "time_limit": card.time_limit,
            "human_design": card.human_design,
        },
    }


def _film(env: Mapping[str, Any], folder: RunFolder, policy: Policy) -> None:
    from rewardsmith.agents.pictures import film_strip, save_gif, save_png

    frames = filmed_episode(env, policy, seed=FINAL_SEED)
    if frames:
        shown = np.linspace(0, len(frames) - 1, min(len(frames), _STRIP_FRAMES)).astype(int)
        save_png(film_strip([frames[i] for i in shown]), folder.path / "rollout.png")
        save_gif(frames, folder.path / "rollout.gif", fps=10)
