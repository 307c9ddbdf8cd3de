"""Where a policy starts from: fitted to a script, or the weights of an equal fit done before."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rewardsmith.agents.evaluation import EVALUATION_SEED
from rewardsmith.agents.files import read_sealed, write_sealed
from rewardsmith.agents.llm.chat import Chat
from rewardsmith.agents.llm.generator import CachedGenerator
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.rollout import Rollout
from rewardsmith.agents.llm.settings import Settings
from rewardsmith.agents.llm.warm_up import WarmUp
from rewardsmith.agents.progress import Progress
from rewardsmith.envs.text.batch import TextEnv

PROBED, PROBED_CLOSE = 64, 128
"""Tasks that tell whether a warm-up is close to its end, and whether it may stop."""

_CLOSE = 0.25
"""Share of `WarmUp.until`. A policy learns to copy within a few steps: from here on it is looked
at closely, else it would stop well above `until`."""


def warm_start(
    config: Mapping[str, Any],
    warm_up: WarmUp,
    policy: Policy,
    env: TextEnv,
    settings: Settings,
    progress: Progress,
) -> None:
    """Fits the policy as `warm_up` says.

    Runs that differ in what follows alone share the fit: its weights are kept in the folder
    that REWARDSMITH_CACHE names, by default `~/.cache/rewardsmith`.
    """
    if not warm_up.steps:
        return
    file = _file(config, settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        data = read_sealed(file)
        if data is not None:
            policy.model.load_state_dict(torch.load(io.BytesIO(data), weights_only=True))
            return
        _fit(warm_up, policy, env, settings, config["seed"], progress)
        buffer = io.BytesIO()
        torch.save(policy.model.state_dict(), buffer)
        write_sealed(file, buffer.getvalue())


def _fit(
    warm_up: WarmUp, policy: Policy, env: TextEnv, settings: Settings, seed: int, progress: Progress
) -> None:
    system = env.dialogue.instructions if settings.system else None
    close = False
    for step, loss in warm_up.fit(policy, env, system, seed):
        if step % 10 == 0:
            progress(0, {"warm_up": step / warm_up.steps, "loss": loss})
        if warm_up.is_due(step, close):
            tasks = PROBED_CLOSE if close else PROBED
            solved = _solved(policy, env, settings, system, tasks)
            if close and solved >= warm_up.until:
                return
            close = close or solved >= _CLOSE * warm_up.until


def _solved(
    policy: Policy, env: TextEnv, settings: Settings, system: str | None, tasks: int
) -> float:
    """Returns the share of fresh tasks that the policy's likeliest tokens solve."""
    chat = Chat(policy.tokenizer)
    greedy = replace(settings.sampling, temperature=0.0)
    generator = CachedGenerator(policy, chat.stop_ids, slots=env.num_envs, sampling=greedy)
    rollout = Rollout(env, generator, chat, policy.tokenizer.decode, system)
    episodes = rollout.play(range(EVALUATION_SEED, EVALUATION_SEED + tasks))
    return float(np.mean([episode.success for episode in episodes]))


def _file(config: Mapping[str, Any], settings: Settings) -> Path:
    """Returns where the weights of this fit are kept: one name for all it depends on."""
    told = [config["agent"]["settings"][part] for part in ("model", "warm_up")]
    told += [config["env"]["id"], config["env"].get("options"), config["seed"]]
    told += [settings.system, settings.sampling.max_new_tokens, torch.__version__]
    told += [PROBED, PROBED_CLOSE, _CLOSE]
    cache = Path(os.environ.get("REWARDSMITH_CACHE", Path.home() / ".cache" / "rewardsmith"))
    return cache / "warm_up" / hashlib.sha256(json.dumps(told).encode()).hexdigest()[:24]
