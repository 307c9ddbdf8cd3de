"""Learning a cascading decision process: what an agent is, and how its regret is measured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardsmith.envs.bandits.cascade import CascadeModel, click_position
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray, IntArray
from rewardsmith.envs.streams import Streams


@dataclass(frozen=True, slots=True)
class CascadeProblem:
    """What an agent is told before it plays: everything but q and p.

    Attributes:
        reward: r of every state and item, (n, S, N) for n runs side by side.
        list_length: m.
        horizon: Steps of an episode H.
        episodes: Number of episodes K.
    """

    reward: FloatArray
    list_length: int
    horizon: int
    episodes: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """The numbers of runs n, states S and items N."""
        n, states, items = self.reward.shape
        return n, states, items


class CascadeAgent(ABC):
    """Plays n independent runs of one problem; every array has a leading axis n."""

    problem: CascadeProblem

    def begin(self, problem: CascadeProblem) -> None:
        """Forgets everything and gets ready for episode 0."""
        self.problem = problem

    @abstractmethod
    def plan(self) -> IntArray:
        """Returns the lists to show by step and state, int64 (n, H, S, m), padded with N."""

    @abstractmethod
    def learn(
        self, state: IntArray, shown: IntArray, position: IntArray, arrived: IntArray
    ) -> None:
        """Takes one step of every run.

        Args:
            state: Where the users were, (n,).
            shown: The lists they read, (n, m), padded with N.
            position: The place that was clicked, m for none, (n,).
            arrived: Where they went, (n,).
        """


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
    model = _side_by_side(model, runs)
    agent.begin(CascadeProblem(model.reward, model.list_length, model.horizon, episodes))
    world = _World(model, seeds)
    best = model.optimal()[1][:, 0, 0]
    regret = np.empty((runs, episodes))
    for episode in range(episodes):
        lists = agent.plan()
        regret[:, episode] = best - model.policy_value(lists)[:, 0, 0]
        state = np.zeros(runs, dtype=np.int64)
        for step in range(model.horizon):
            shown = lists[world.rows, step, state]
            position, arrived = world.step(state, shown)
            agent.learn(state, shown, position, arrived)
            state = arrived
    return regret


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


def _side_by_side(model: CascadeModel, runs: int) -> CascadeModel:
    """Returns the model with a leading axis of n runs."""
    tables = (
        np.broadcast_to(table, (runs, *table.shape[table.ndim - axes :]))
        for table, axes in ((model.attraction, 2), (model.reward, 2), (model.transition, 3))
    )
    attraction, reward, transition = tables
    return CascadeModel(attraction, reward, transition, model.list_length, model.horizon)
