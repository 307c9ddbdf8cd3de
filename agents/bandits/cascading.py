"""Learning a cascading decision process: what an agent is, and how its regret is measured."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rewardsmith.agents.bandits.agent import BanditAgent, Problem
from rewardsmith.envs.bandits.cascade import CascadeModel, click_position, filled, without_repeats
from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray, IntArray
from rewardsmith.envs.streams import Streams

_KNOWN = ("reward", "horizon")


class CascadeAgent(BanditAgent):
    """Plans lists for a whole episode of a cascading process, and learns step by step.

    It is told r, the number of steps H and the length m of a list beforehand, and learns q
    and p. That r is the task's own: where a design pays something else, the clicks and the
    transitions are learnt all the same, and the plans are for r.

    Attributes:
        reward: r of every state and item, (n, S, N).
        steps: H.
        episodes: Number of episodes K that the horizon has room for.
    """

    plays_lists = True
    plays_episodes = True

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything and gets ready for episode 0.

        Raises:
            ConfigError: If the task is no cascading decision process.
        """
        super().begin(problem, seed)
        if not all(name in problem.known for name in _KNOWN):
            raise ConfigError(
                f"{type(self).__name__} must be told the rewards and the horizon of a cascading "
                f"decision process, which {problem.card.id} does not tell; use "
                "rewardsmith/CascadingMDP-v0"
            )
        reward, steps = (problem.known[name] for name in _KNOWN)
        self.reward = np.broadcast_to(reward, (problem.n, *reward.shape[-2:]))
        self.steps = int(steps)
        self.episodes = -(-problem.horizon // self.steps)
        self.policy = np.empty((problem.n, self.steps, self.reward.shape[1], self.length), np.int64)
        self._rows = np.arange(problem.n)

    @property
    def shape(self) -> tuple[int, int, int]:
        """The numbers of runs n, states S and items N."""
        n, states, items = self.reward.shape
        return n, states, items

    @property
    def length(self) -> int:
        """The length m of a list."""
        return self.problem.places or 0

    def act(self, observation: np.ndarray) -> IntArray:
        """Returns the planned list of every run, (n, m); plans anew where an episode begins."""
        state, step = self._place(observation)
        begins = step == 0
        if begins.any():
            self.policy = np.where(begins[:, None, None, None], self.plan(), self.policy)
        shown = self.policy[self._rows, step, state]
        return filled(shown, self.shape[2])

    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Takes the facts `position` and `state` of the step, each (n,)."""
        state, _ = self._place(observation)
        self.count(state, without_repeats(action, self.shape[2]), info["position"], info["state"])

    @abstractmethod
    def plan(self) -> IntArray:
        """Returns the lists to show by step and state, int64 (n, H, S, m), padded with N."""

    @abstractmethod
    def count(
        self, state: IntArray, shown: IntArray, position: IntArray, arrived: IntArray
    ) -> None:
        """Takes one step of every run.

        Args:
            state: Where the users were, (n,).
            shown: The lists they read, (n, m), padded with N.
            position: The place that was clicked, m for none, (n,).
            arrived: Where they went, (n,).
        """

    def _place(self, observation: np.ndarray) -> tuple[IntArray, IntArray]:
        """Returns the state and the step of every run, each (n,)."""
        card = self.problem.card
        state = card.field("state_code").read(observation).argmax(axis=1)
        time = card.field("time").read(observation)[:, 0]
        return state, np.rint(time * self.steps).astype(np.int64)


def cascade_problem(reward: FloatArray, list_length: int, horizon: int, episodes: int) -> Problem:
    """Returns what an agent is told of a process, rewards (n, S, N), that is no environment."""
    n, _, items = reward.shape
    known = {"reward": reward, "horizon": horizon}
    card = EnvCard("a cascading process", "")
    return Problem(n, items, episodes * horizon, card, list_length, known)


def play_cascading(
    agent: CascadeAgent, model: CascadeModel, episodes: int, seeds: Sequence[int]
) -> FloatArray:
    """Lets an agent learn and returns its expected regret, exactly, float64 (n, K).

    regret_k = V*_1(0) - V^{pi_k}_1(0), both by dynamic programming on the true process;
    episodes start in state 0. Run i draws from its own stream, so its curve is the same
    whichever runs are played beside it.

    Args:
        agent: Who plays.
        model: The process, the same in all runs, or with a leading axis n one for each.
        episodes: K.
        seeds: One non-negative integer per run, n of them.

    Raises:
        ConfigError: If there are no episodes or seeds, or the model is of another number of
            runs.
    """
    runs, lead = len(seeds), model.attraction.shape[:-2]
    if episodes < 1 or runs < 1:
        raise ConfigError(f"play at least 1 episode and 1 seed, got {episodes} and {runs}")
    if lead not in ((), (runs,)):
        raise ConfigError(f"the model holds {lead} processes for {runs} seeds; give one each")
    model = side_by_side(model, runs)
    best = model.optimal()[1][:, 0, 0]
    regret = np.empty((runs, episodes))
    for episode, lists in enumerate(play_episodes(agent, model, episodes, seeds)):
        regret[:, episode] = best - model.policy_value(lists)[:, 0, 0]
    return regret


def play_episodes(
    agent: CascadeAgent, model: CascadeModel, episodes: int, seeds: Sequence[int]
) -> Iterator[IntArray]:
    """Lets an agent learn from a fresh start; yields each plan when its episode is over.

    Args:
        agent: Who plays.
        model: The processes of the n runs, with a leading axis n.
        episodes: K.
        seeds: One non-negative integer per run, n of them.
    """
    agent.begin(cascade_problem(model.reward, model.list_length, model.horizon, episodes), 0)
    world = _World(model, seeds)
    for _ in range(episodes):
        lists = agent.plan()
        state = np.zeros(len(seeds), dtype=np.int64)
        for step in range(model.horizon):
            shown = lists[world.rows, step, state]
            position, arrived = world.step(state, shown)
            agent.count(state, shown, position, arrived)
            state = arrived
        yield lists


def growth_exponent(regret: FloatArray, start: int) -> FloatArray:
    """Returns the slope of log cumulative regret against log k after episode `start`, (n,).

    Args:
        regret: Per episode, (n, K).
        start: First episode of the fit, at least 1; early ones are left out.

    Example:
        >>> float(growth_exponent(np.ones((1, 100)), 10)[0].round(6))
        1.0
    """
    episode = np.unique(np.geomspace(start, regret.shape[1], 40).astype(np.int64))
    total = np.log(np.maximum(regret.cumsum(axis=1)[:, episode - 1], 1e-12))
    centred = np.log(episode) - np.log(episode).mean()
    return np.asarray(total @ centred / (centred @ centred))


class _World:
    """The users of n runs, each with a random stream of its own."""

    def __init__(self, model: CascadeModel, seeds: Sequence[int]) -> None:
        self.rows = np.arange(len(seeds))
        self._streams = Streams(len(seeds))
        self._streams.seed(self.rows, np.asarray(seeds, dtype=np.int64))
        self._attraction = np.pad(model.attraction, ((0, 0), (0, 0), (0, 1)))
        self._upto = model.transition.cumsum(axis=-1)

    def step(self, state: IntArray, shown: IntArray) -> tuple[IntArray, IntArray]:
        """Returns the clicked place and the next state of every run, each (n,)."""
        rows = self.rows
        chance = self._attraction[rows[:, None], state[:, None], shown]
        position = click_position(chance, self._streams.uniform(rows))
        item = clicked(shown, position, self._attraction.shape[-1] - 1)
        draw = self._streams.uniform(rows)[:, None]
        arrived = (draw >= self._upto[rows, state, item]).sum(axis=1)
        return position, np.minimum(arrived, self._upto.shape[-1] - 1)


def clicked(shown: IntArray, position: IntArray, items: int) -> IntArray:
    """Returns the clicked item of every run, N for none, from lists (n, m) and places (n,)."""
    length = shown.shape[1]
    item = shown[np.arange(len(shown)), np.minimum(position, length - 1)]
    return np.where(position < length, item, items)


def side_by_side(model: CascadeModel, runs: int) -> CascadeModel:
    """Returns the model with a leading axis of n runs."""
    tables = (
        np.broadcast_to(table, (runs, *table.shape[table.ndim - axes :]))
        for table, axes in ((model.attraction, 2), (model.reward, 2), (model.transition, 3))
    )
    attraction, reward, transition = tables
    return CascadeModel(attraction, reward, transition, model.list_length, model.horizon)
