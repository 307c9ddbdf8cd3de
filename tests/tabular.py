"""Small random Markov decision processes, and their steps as transitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards import Term, Transition

seeds = st.integers(0, 10**6)


@dataclass
class Problem:
    """A random Markov decision process; the last state is terminal."""

    transition: FloatArray  # (S, A, S)
    reward: FloatArray  # (S, A, S)
    gamma: float

    @classmethod
    def random(cls, seed: int, n_states: int = 4, n_actions: int = 2) -> Problem:
        """Draws a problem."""
        rng = np.random.default_rng(seed)
        transition = rng.dirichlet(np.full(n_states, 0.5), size=(n_states, n_actions))
        reward = rng.standard_normal((n_states, n_actions, n_states))
        return cls(transition, reward, float(rng.uniform(0.3, 0.9)))

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of states and actions (S, A)."""
        return self.transition.shape[0], self.transition.shape[1]

    def solve(self, reward: FloatArray | None = None, sweeps: int = 400) -> FloatArray:
        """Returns Q* (S, A) by value iteration, for this or another reward table."""
        reward = self.reward if reward is None else reward
        q = np.zeros(self.shape)
        for _ in range(sweeps):
            q = self.backup(reward, q)
        return q

    def backup(self, reward: FloatArray, q: FloatArray) -> FloatArray:
        """Returns one sweep of value iteration from `q` (S, A)."""
        value = q.max(axis=1)
        value[-1] = 0.0
        return np.asarray((self.transition * (reward + self.gamma * value)).sum(axis=2))


def steps_of(*paths: Any, terminal: int) -> list[Transition]:
    """Makes transitions of n rows from paths [(s, a), ..., s'] of equal length, one per row."""
    steps = []
    for t in range(len(paths[0]) - 1):
        state, action = np.array([path[t] for path in paths]).T
        following = [path[t + 1] for path in paths]
        next_state = np.array([f[0] if isinstance(f, tuple) else f for f in following])
        n = len(paths)
        steps.append(
            Transition(
                state,
                action,
                next_state,
                np.zeros(n),
                next_state == terminal,
                np.zeros(n, dtype=np.bool_),
            )
        )
    return steps


def triples(problem: Problem) -> list[list[Any]]:
    """Returns the path [(s, a), s'] of every state, action and successor."""
    n_states, n_actions = problem.shape
    every = np.ndindex(n_states, n_actions, n_states)
    return [[(s, a), following] for s, a, following in every]


def fresh(term: Term, n: int) -> Term:
    """Starts episodes in n rows."""
    term.reset(np.ones(n, dtype=np.bool_))
    return term
