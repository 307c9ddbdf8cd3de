"""Training a bandit agent: one long episode, many independent runs side by side.

A bandit agent is judged while it learns, so there is no separate evaluation: the metrics are
what its runs have earned and regretted so far, and the result is what they earned in all.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rewardsmith.agents.bandits import make_agent
from rewardsmith.agents.bandits.agent import BanditAgent, Problem
from rewardsmith.agents.checkpoint import env_state, restore_env
from rewardsmith.agents.files import read_sealed, write_sealed
from rewardsmith.agents.progress import Interrupted, Progress, StopRequest
from rewardsmith.agents.recorder import add, add_pay
from rewardsmith.agents.run_folder import RunFolder
from rewardsmith.agents.tasks import make_task
from rewardsmith.agents.trackers import Tracker
from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.config import build_design
from rewardsmith.rewards.wrappers import VectorRewardWrapper


@dataclass
class Ledger:
    """What every run has earned so far; part of the checkpoint.

    Attributes:
        round: Rounds played.
        sums: Sums over the rounds by name, each (n,).
        rows: One line of metrics per milestone.
    """

    round: int = 0
    sums: dict[str, FloatArray] = field(default_factory=dict)
    rows: list[dict[str, float]] = field(default_factory=list)

    def add(self, reward: FloatArray, info: Mapping[str, Any]) -> None:
        """Adds one round."""
        self.round += 1
        add_pay(self.sums, reward, info)
        for name in ("success", "regret"):
            if name in info:
                add(self.sums, name, info[name])

    def columns(self) -> dict[str, FloatArray]:
        """Returns the sums so far; `success` as a share of the rounds."""
        played = max(self.round, 1)
        shown = {k: v / played if k == "success" else v for k, v in self.sums.items()}
        return {**shown, "length": np.full(len(self.sums["task_return"]), float(self.round))}


def endless(env: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the `env` group with the time limit off: one episode lasts the whole run."""
    return {**env, "options": {**(env.get("options") or {}), "time_limit": None}}


def check_bandit(config: Mapping[str, Any], task: Any) -> None:
    """Raises ConfigError if the configured agent cannot play the task."""
    agent = make_agent(config["agent"]["algorithm"], config["agent"]["settings"])
    agent.begin(Problem.of(task, int(config["total_steps"])), config["seed"])


def train_bandit(
    config: Mapping[str, Any],
    folder: RunFolder,
    tracker: Tracker,
    stop: StopRequest,
    progress: Progress,
) -> dict[str, Any]:
    """Plays `total_steps` rounds in each of `agent.n_envs` runs; returns the run's result.

    The agent is paid by the design; regret is the task's own. Resumes from the folder's
    checkpoint, random states included.
    """
    agent_config, rounds = config["agent"], int(config["total_steps"])
    task = make_task(endless(config["env"]), agent_config["n_envs"])
    env = VectorRewardWrapper(task, build_design(config["reward"]))
    agent, ledger, observation = _start_or_resume(config, folder, env)
    every = max(1, rounds // config["evaluation"]["points"])
    try:
        while ledger.round < rounds:
            action = agent.act(observation)
            following, reward, terminated, _, info = env.step(action)
            if terminated.any():
                raise ConfigError(
                    f"an episode of {config['env']['id']} ended after {ledger.round + 1} rounds; a "
                    "bandit agent plays one endless episode, so choose another task"
                )
            agent.learn(observation, action, reward, info)
            observation = following
            ledger.add(reward, info)
            if ledger.round % every == 0 or ledger.round == rounds:
                _milestone(folder, tracker, ledger)
                _save(folder, env, agent, ledger, observation)
                progress(ledger.round, ledger.rows[-1])
                folder.write_status("running", ledger.round, rounds)
                if stop.is_asked():
                    folder.write_status("interrupted", ledger.round, rounds)
                    raise Interrupted.at(ledger.round)
        return _result(EnvCard.of(env), ledger)
    finally:
        env.close()


def _start_or_resume(
    config: Mapping[str, Any], folder: RunFolder, env: VectorRewardWrapper
) -> tuple[BanditAgent, Ledger, np.ndarray]:
    agent = make_agent(config["agent"]["algorithm"], config["agent"]["settings"])
    problem = Problem.of(env, int(config["total_steps"]))
    agent.begin(problem, config["seed"])
    observation, _ = env.reset(seed=config["seed"] * problem.n)
    data = read_sealed(folder.checkpoint)
    if data is None:
        return agent, Ledger(), observation
    state = pickle.loads(data)
    restore_env(env, state["env"])
    return state["agent"], state["ledger"], state["observation"]


def _save(
    folder: RunFolder,
    env: VectorRewardWrapper,
    agent: BanditAgent,
    ledger: Ledger,
    observation: np.ndarray,
) -> None:
    state = {"env": env_state(env), "agent": agent, "ledger": ledger, "observation": observation}
    write_sealed(folder.checkpoint, pickle.dumps(state))


def _milestone(folder: RunFolder, tracker: Tracker, ledger: Ledger) -> None:
    row = {"step": float(ledger.round)}
    row |= {name: float(value.mean()) for name, value in ledger.columns().items()}
    ledger.rows.append(row)
    folder.write_metrics(ledger.rows)
    tracker.log(ledger.round, {f"evaluation/{k}": v for k, v in row.items()})


def _result(card: EnvCard, ledger: Ledger) -> dict[str, Any]:
    columns = {name: value.tolist() for name, value in ledger.columns().items()}
    terms = {n.removeprefix("term/"): v for n, v in columns.items() if n.startswith("term/")}
    plain = {name: value for name, value in columns.items() if not name.startswith("term/")}
    return {"score": "return", **plain, "terms": terms, "oracle": None, "card": card.summary()}
