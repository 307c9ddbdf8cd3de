"""Training a bandit agent: many independent runs side by side, each told the horizon.

A bandit agent is judged while it learns, so there is no separate evaluation: the metrics are
what its runs have earned and regretted so far, and the result is what they came to.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rewardsmith.agents.bandits import make_agent
from rewardsmith.agents.bandits.agent import BanditAgent, Problem
from rewardsmith.agents.bandits.bounds import regret_bound
from rewardsmith.agents.bandits.match import Match, Round
from rewardsmith.agents.bandits.shares import PlayShares
from rewardsmith.agents.checkpoint import env_state, restore_env
from rewardsmith.agents.files import read_sealed, write_sealed
from rewardsmith.agents.progress import Interrupted, Progress, StopRequest
from rewardsmith.agents.recorder import add, add_pay
from rewardsmith.agents.run_folder import RunFolder
from rewardsmith.agents.tasks import make_task
from rewardsmith.agents.trackers import Tracker
from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.config import build_design
from rewardsmith.rewards.wrappers import VectorRewardWrapper

_REGRETS = ("regret", "policy_regret")
_EPISODES = "episodes"


@dataclass
class Ledger:
    """What every run has earned so far; part of the checkpoint.

    Attributes:
        shares: Which arms were played since the last milestone; None for agents that play
            episodes, where success is that of an episode, not of a play.
        sums: Sums over the episode that is being played, by name, each (n,).
        finished: Sums over the episodes that have ended in the newest stretch between two
            milestones in which some did, for agents that play episodes, and their number.
        regrets: Sums over the whole run of what the task tells of regret, each (n,).
        rows: One line of metrics per milestone.
        new_stretch: Whether no episode has ended since the last milestone.
    """

    shares: PlayShares | None
    sums: dict[str, FloatArray] = field(default_factory=dict)
    finished: dict[str, FloatArray] = field(default_factory=dict)
    regrets: dict[str, FloatArray] = field(default_factory=dict)
    rows: list[dict[str, float]] = field(default_factory=list)
    new_stretch: bool = False

    def add(self, played: Round) -> None:
        """Adds one round, for the runs that were not over."""
        info, counted = played.info, played.counted
        earned: dict[str, FloatArray] = {}
        add_pay(earned, played.reward, info)
        if "success" in info:
            earned["success"] = info["success"]
        for name, value in earned.items():
            add(self.sums, name, np.where(counted, value, 0.0))
        add(self.sums, "length", counted)
        for name in _REGRETS:
            if name in info:
                add(self.regrets, name, np.where(counted, info[name], 0.0))
        if self.shares is not None:
            self.shares.add(played.action, info, counted)
        elif played.ended.any():
            self._close(played)

    def columns(self) -> dict[str, FloatArray]:
        """Returns what the run earned, or an episode of late, and the regret of the whole run.

        Success is the share of the rounds, or of the episodes.
        """
        if self.finished:
            count = np.maximum(self.finished[_EPISODES], 1.0)
            mean = {name: total / count for name, total in self.finished.items()}
            del mean[_EPISODES]
            return mean | self.regrets
        shown = dict(self.sums)
        if "success" in shown:
            shown["success"] = shown["success"] / np.maximum(shown["length"], 1.0)
        return shown | self.regrets

    def _close(self, played: Round) -> None:
        """Moves the episodes that ended from what is played to what is finished."""
        if self.new_stretch:
            self.finished, self.new_stretch = {}, False
        add(self.finished, _EPISODES, played.ended)
        for name, total in self.sums.items():
            final = played.info["success"] if name == "success" else total
            add(self.finished, name, np.where(played.ended, final, 0.0))
            self.sums[name] = np.where(played.ended, 0.0, total)


def endless(env: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the `env` group with the time limit off: one episode lasts the whole run."""
    return {**env, "options": {**(env.get("options") or {}), "time_limit": None}}


def check_bandit(config: Mapping[str, Any], task: Any) -> None:
    """Raises ConfigError if the configured agent cannot play the task."""
    agent = make_agent(config["agent"]["algorithm"], config["agent"]["settings"])
    agent.begin(Problem.of(task, _horizon(config, task)), config["seed"])


def train_bandit(
    config: Mapping[str, Any],
    folder: RunFolder,
    tracker: Tracker,
    stop: StopRequest,
    progress: Progress,
) -> dict[str, Any]:
    """Plays `total_steps` rounds in each of `agent.n_envs` runs; returns the run's result.

    Where the task has budgets a run is one episode, time limit included. The agent is paid
    by the design; regret is the task's own. Resumes from the folder's checkpoint, random
    states included.
    """
    group = endless(config["env"]) if lasts_all_rounds(config) else config["env"]
    task = make_task(group, config["agent"]["n_envs"])
    env = VectorRewardWrapper(task, build_design(config["reward"]))
    match, ledger = _start_or_resume(config, folder, env)
    rounds = match.agent.problem.horizon
    every = max(1, rounds // config["evaluation"]["points"])
    try:
        while not match.is_over:
            ledger.add(match.play_round(env))
            if match.rounds % every == 0 or match.is_over:
                _milestone(folder, tracker, match.rounds, ledger)
                _save(folder, env, match, ledger)
                progress(match.rounds, ledger.rows[-1])
                folder.write_status("running", match.rounds, rounds)
                if stop.is_asked():
                    folder.write_status("interrupted", match.rounds, rounds)
                    raise Interrupted.at(match.rounds)
        return _result(env, match.agent, ledger)
    finally:
        env.close()


def lasts_all_rounds(config: Mapping[str, Any]) -> bool:
    """Tells whether one episode, judged as a whole, is to last all rounds of a run.

    It is not where the task has budgets, or the agent plays episode after episode.
    """
    chosen = config["agent"]
    if make_agent(chosen["algorithm"], chosen["settings"]).plays_episodes:
        return False
    probe = make_task(config["env"], 1)
    has_budgets = Problem.of(probe, 1).has_budgets
    probe.close()
    return not has_budgets


def _horizon(config: Mapping[str, Any], task: Any) -> int:
    """Returns the rounds to play: all, or as many as fit into an episode with budgets."""
    rounds, limit = int(config["total_steps"]), EnvCard.of(task).time_limit
    if limit is not None and Problem.of(task, rounds).has_budgets:
        return min(rounds, limit)
    return rounds


def _start_or_resume(
    config: Mapping[str, Any], folder: RunFolder, env: VectorRewardWrapper
) -> tuple[Match, Ledger]:
    agent = make_agent(config["agent"]["algorithm"], config["agent"]["settings"])
    first = config["seed"] * env.num_envs
    match = Match.start(agent, env, _horizon(config, env), config["seed"], env_seed=first)
    data = read_sealed(folder.checkpoint)
    if data is not None:
        state = pickle.loads(data)
        restore_env(env, state["env"])
        return state["match"], state["ledger"]
    if agent.plays_episodes:
        return match, Ledger(None)
    values = getattr(env.unwrapped, "arm_values", lambda: None)()
    return match, Ledger(PlayShares(agent.problem, values))


def _save(folder: RunFolder, env: VectorRewardWrapper, match: Match, ledger: Ledger) -> None:
    state = {"env": env_state(env), "match": match, "ledger": ledger}
    write_sealed(folder.checkpoint, pickle.dumps(state))


def _milestone(folder: RunFolder, tracker: Tracker, round_: int, ledger: Ledger) -> None:
    row = {"step": float(round_)}
    row |= {name: float(value.mean()) for name, value in ledger.columns().items()}
    row |= {} if ledger.shares is None else ledger.shares.take()
    ledger.rows.append(row)
    ledger.new_stretch = True
    folder.write_metrics(ledger.rows)
    tracker.log(round_, {f"evaluation/{k}": v for k, v in row.items()})


def _result(env: VectorRewardWrapper, agent: BanditAgent, ledger: Ledger) -> dict[str, Any]:
    columns = ledger.columns()
    paid_by_task = np.array_equal(columns["task_return"], columns["designed_return"])
    bound = regret_bound(agent, env) if paid_by_task else None
    if bound is not None:
        columns["bound"] = bound
    told = {name: value.tolist() for name, value in columns.items()}
    terms = {n.removeprefix("term/"): v for n, v in told.items() if n.startswith("term/")}
    plain = {name: value for name, value in told.items() if not name.startswith("term/")}
    card = EnvCard.of(env).summary()
    return {"score": "return", **plain, "terms": terms, "oracle": None, "card": card}
