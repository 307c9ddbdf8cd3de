"""R11: credit for a batch of long episodes, all at once, against dicts and loops."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from protocol import Contest, Outcome, Race, Side, Target

from rewardsmith.rewards.credit import (
    Advantage,
    GroupRelative,
    Rollouts,
    RolloutTree,
    StateGroups,
)

EPISODES, TURNS, GROUP = 512, 50, 8
BATCHES = 10
STATES = 40
FORKS = 3  # 2^3 leaves: a group
GAMMA, EPSILON = 0.95, 1e-6
TARGET = 20.0

Rows = tuple[Any, ...]


@dataclass(frozen=True)
class Log:
    """A row per turn, by column: as arrays, and as the lists that plain Python likes best."""

    group: np.ndarray
    episode: np.ndarray
    reward: np.ndarray
    state: np.ndarray
    node: np.ndarray

    @classmethod
    def random(cls, seed: int, episodes: int, turns: int) -> Log:
        """Draws rewards and states; in every group the tree forks in two at equal distances."""
        rng = np.random.default_rng(seed)
        episode, turn = np.divmod(np.arange(episodes * turns), turns)
        group, leaf = np.divmod(episode, GROUP)
        branch = leaf >> (FORKS - np.minimum(turn * (FORKS + 1) // turns, FORKS))
        node = ((group * turns + turn) * GROUP + branch) * 7919
        state = rng.integers(0, STATES, len(turn)) * 104729
        return cls(group, episode, rng.random(len(turn)).round(1), state, node)

    @cached_property
    def groups(self) -> np.ndarray:
        """The group of every episode."""
        return self.group[np.unique(self.episode, return_index=True)[1]]

    @cached_property
    def rows(self) -> Rows:
        """The columns as lists."""
        columns = (self.group, self.episode, self.reward, self.state, self.node)
        return tuple(column.tolist() for column in columns)

    def rollouts(self) -> Rollouts:
        """Returns the arrays as `Rollouts`, checked anew."""
        scored = np.ones(len(self.groups), dtype=np.bool_)
        return Rollouts(self.groups, scored, self.episode, self.reward, self.state, self.node)


def moments(values: list[float]) -> tuple[float, float]:
    """Returns the mean and standard deviation."""
    mean = sum(values) / len(values)
    squares = sum((value - mean) ** 2 for value in values)
    return mean, math.sqrt(squares / max(len(values) - 1, 1))


def compared(log: Log) -> tuple[dict[int, float], dict[int, tuple[float, float]]]:
    """Returns the return of every episode, and the moments of every group's."""
    groups, episodes, rewards, _, _ = log.rows
    returns: dict[int, float] = defaultdict(float)
    group_of = {}
    for group, episode, reward in zip(groups, episodes, rewards, strict=True):
        returns[episode] += reward
        group_of[episode] = group
    by_group = defaultdict(list)
    for episode, value in returns.items():
        by_group[group_of[episode]].append(value)
    return returns, {group: moments(values) for group, values in by_group.items()}


def plain_grpo(log: Log) -> list[float]:
    """GRPO, the advantage of every turn."""
    groups, episodes, *_ = log.rows
    returns, stats = compared(log)
    credit = []
    for group, episode in zip(groups, episodes, strict=True):
        mean, std = stats[group]
        credit.append((returns[episode] - mean) / (std + EPSILON))
    return credit


def plain_gigpo(log: Log) -> list[float]:
    """GiGPO without standard deviations, the advantage of every turn."""
    groups, episodes, rewards, states, _ = log.rows
    returns, stats = compared(log)
    following, same = [0.0] * len(rewards), defaultdict(list)
    total, current = 0.0, -1
    for row in reversed(range(len(rewards))):
        if episodes[row] != current:
            total, current = 0.0, episodes[row]
        following[row] = total = rewards[row] + GAMMA * total
    for group, state, value in zip(groups, states, following, strict=True):
        same[group, state].append(value)
    means = {key: sum(values) / len(values) for key, values in same.items()}
    credit = []
    for group, episode, state, value in zip(groups, episodes, states, following, strict=True):
        whole = returns[episode] - stats[group][0]
        credit.append(whole + value - means[group, state])
    return credit


def plain_tree(log: Log) -> list[float]:
    """TreePS-RAG, local and global part, the advantage of every turn."""
    groups, episodes, _, _, nodes = log.rows
    returns, stats = compared(log)
    leaves = defaultdict(list)
    for group, episode, node in zip(groups, episodes, nodes, strict=True):
        leaves[group, node].append(returns[episode])
    values = {key: sum(below) / len(below) for key, below in leaves.items()}
    credit, current, parent = [], -1, 0.0
    for group, episode, node in zip(groups, episodes, nodes, strict=True):
        root, std = stats[group]
        if episode != current:
            current, parent = episode, root
        value = values[group, node]
        credit.append((value - parent + value - root) / (std + EPSILON))
        parent = value
    return credit


def ours(method: Advantage, logs: list[Log]) -> Outcome:
    """Returns the advantage of every turn, batch after batch."""
    credit = []
    for log in logs:
        rollouts = log.rollouts()
        credit.append(rollouts.to_steps(method.level, method(rollouts)))
    return {"credit": credit}


def theirs(method: Callable[[Log], list[float]], logs: list[Log]) -> Outcome:
    """Returns the advantage of every turn, batch after batch."""
    return {"credit": [method(log) for log in logs]}


def contests(quick: bool) -> Iterator[Contest]:
    size = (4 * GROUP, 12) if quick else (EPISODES, TURNS)
    logs = [Log.random(seed, *size) for seed in range(2 if quick else BATCHES)]
    np.ones(
        1 << 21
    )  # once so much was freed, glibc keeps the pages of freed arrays: as in training
    for name, method, plain in (
        ("GRPO", GroupRelative(epsilon=EPSILON), plain_grpo),
        ("GiGPO", StateGroups(GAMMA), plain_gigpo),
        ("tree rollouts (TreePS-RAG)", RolloutTree(epsilon=EPSILON), plain_tree),
    ):
        theirs(plain, logs)  # makes the lists
        yield Contest(
            name,
            Side(partial(ours, method, logs)),
            Side(partial(theirs, plain, logs)),
            Target("faster", TARGET),
            rtol=1e-9,
        )


RACE = Race(
    "R11",
    "Credit",
    f"""\
Advantages of every turn of {EPISODES} episodes of {TURNS} turns in groups of {GROUP}, for {BATCHES}
batches. Both sides are given a row per turn: ours as arrays, which it checks, the other as lists,
over which it goes with dicts and loops in plain Python. GiGPO meets {STATES} states per group; the
tree forks {FORKS} times in two. The advantages are equal.""",
    contests,
)
