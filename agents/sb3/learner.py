"""Training a Stable-Baselines3 agent: resumed, supervised, judged and filmed."""

from __future__ import annotations

from collections.abc import Mapping
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
from rewardsmith.agents.progress import Progress, StopRequest
from rewardsmith.agents.recorder import EpisodeRecorder, means
from rewardsmith.agents.run_folder import RunFolder
from rewardsmith.agents.sb3.adapter import VectorAdapter
from rewardsmith.agents.sb3.algorithms import algorithm, build_model
from rewardsmith.agents.sb3.supervisor import Schedule, Supervisor
from rewardsmith.agents.tasks import make_task, pay_and_record
from rewardsmith.agents.trackers import Tracker
from rewardsmith.envs.card import EnvCard
from rewardsmith.rewards.config import build_design

_STRIP_FRAMES = 16


def train_sb3(
    config: Mapping[str, Any],
    folder: RunFolder,
    tracker: Tracker,
    stop: StopRequest,
    progress: Progress,
) -> dict[str, Any]:
    """Trains, or continues from the folder's checkpoint; returns the final evaluation."""
    import torch

    torch.set_num_threads(1)
    agent, evaluation = config["agent"], config["evaluation"]
    design, gamma = build_design(config["reward"]), float(agent["gamma"])
    recorder = pay_and_record(make_task(config["env"], agent["n_envs"]), design, gamma)
    evaluator = Evaluator(
        config["env"], design, gamma=gamma, episodes=evaluation["episodes"], seed=EVALUATION_SEED
    )
    try:
        schedule, model = _start_or_resume(config, folder, recorder)
        supervisor = Supervisor(
            folder,
            schedule,
            evaluator,
            recorder,
            tracker,
            deterministic=evaluation["deterministic"],
            progress=progress,
            stop=stop,
        )
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
        evaluator.close()
        recorder.close()


def _start_or_resume(
    config: Mapping[str, Any], folder: RunFolder, recorder: EpisodeRecorder
) -> tuple[Schedule, Any]:
    from stable_baselines3.common.logger import Logger

    adapter = VectorAdapter(recorder)
    saved = checkpoint.load(folder.checkpoint)
    if saved is None:
        schedule = Schedule(config["total_steps"], config["evaluation"]["points"])
        model = build_model(config, adapter, device=config["device"])
    else:
        schedule = saved["extra"]
        model = checkpoint.put_back(
            saved, algorithm(config["agent"]["algorithm"]), recorder, adapter, config["device"]
        )
    model.set_logger(Logger(None, []))
    return schedule, model


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
        "card": card.summary(),
    }


def _film(env: Mapping[str, Any], folder: RunFolder, policy: Policy) -> None:
    from rewardsmith.agents.pictures import film_strip, save_gif, save_png

    frames = filmed_episode(env, policy, seed=FINAL_SEED)
    if frames:
        shown = np.linspace(0, len(frames) - 1, min(len(frames), _STRIP_FRAMES)).astype(int)
        save_png(film_strip([frames[i] for i in shown]), folder.path / "rollout.png")
        save_gif(frames, folder.path / "rollout.gif", fps=10)
