"""Follow the perturbed leader: the best path so far, after noise was added to the losses."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardsmith.agents.bandits.agent import BanditAgent, Problem
from rewardsmith.agents.bandits.counting import check_range, check_unit
from rewardsmith.envs.bandits.layered_graph import LayeredGraph
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray, IntArray


@dataclass
class FollowPerturbedLeader(BanditAgent):
    """Takes the shortest path by cumulative losses + noise, uniform on [0, 1 / epsilon]^E.

    The noise is new in every round. Needs full feedback: the fact `losses` (n, E) of all
    edges of a `LayeredGraph`, or `rewards` (n, K) of K arms, which are a graph of one layer;
    losses are 1 - rewards there. All lie in [0, 1].

    Attributes:
        epsilon: Positive; None takes 1 / sqrt(2 E T), which makes the bound least.

    Raises:
        ConfigError: If `epsilon` is out of range.

    Example:
        >>> from rewardsmith.envs.bandits.adversarial import AdversarialBandit
        >>> env, agent = AdversarialBandit(1, arms=2), FollowPerturbedLeader(epsilon=2.0)
        >>> agent.begin(Problem.of(env, horizon=100), seed=0)
        >>> facts = {"rewards": np.array([[0.0, 1.0]])}
        >>> agent.learn(np.zeros((1, 1)), np.array([0]), np.array([0.0]), facts)
        >>> agent.total, agent.act(np.zeros((1, 1)))
        (array([[1., 0.]]), array([1]))

    Kalai and Vempala 2005, Efficient algorithms for online decision problems; Slivkins 2019,
    arXiv 1904.07272, section 7.3.
    """

    state_names = ("total", "random")
    bound_kinds = ("routing", "oblivious", "adaptive")
    plays_lists = True

    epsilon: float | None = None

    def __post_init__(self) -> None:
        if self.epsilon is not None:
            check_range(self, "epsilon", self.epsilon, 0.0, np.inf)

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything and gets ready for round 0.

        Raises:
            ConfigError: If the environment does not tell what all edges or arms would have cost.
        """
        # An arm is a path of one node; only the shape of an action is its own.
        super().begin(dataclasses.replace(problem, places=problem.places or 1), seed)
        self._fact = "rewards" if problem.places is None else "losses"
        if not problem.card.is_fact(self._fact):
            raise ConfigError(
                f"FollowPerturbedLeader needs to be told what every choice would have cost, and "
                f"{problem.card.id} has no fact {self._fact!r}; use exp3 for arms, "
                "semi_bandit_hedge for paths"
            )
        self.graph = _graph(problem)
        self._shape = (problem.n,) if problem.places is None else (problem.n, problem.places)
        self._reach = 1.0 / self._epsilon(problem)
        self.total = np.zeros((problem.n, self.graph.edges))

    def act(self, observation: np.ndarray) -> IntArray:
        """Returns the path of every run, int64 (n, L), or its arm (n,)."""
        noise = self._reach * self.random.random(self.total.shape)
        return self.graph.shortest(self.total + noise)[0].reshape(self._shape)

    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Adds up what every edge or arm lost."""
        told = np.asarray(info[self._fact], dtype=np.float64)
        check_unit(self, told)
        self.total += told if self._fact == "losses" else 1.0 - told

    def bound(self, problem: Problem, gaps: FloatArray) -> float:
        """Returns epsilon E T + 1 / (2 epsilon): sqrt(2 E T) where epsilon is the default.

        It bounds the expected regret against the best fixed path, whatever the losses in
        [0, 1] fixed beforehand, in mean losses per edge. Kalai and Vempala, theorem 1.1 with
        costs of at most R = 1 and A = E; the noise of the best path is L / (2 epsilon) on
        average, which is used in place of the largest noise there is, D / epsilon.

        Args:
            problem: What was played.
            gaps: Not used.
        """
        epsilon = self._epsilon(problem)
        return epsilon * _graph(problem).edges * problem.horizon + 0.5 / epsilon

    def _epsilon(self, problem: Problem) -> float:
        if self.epsilon is not None:
            return self.epsilon
        return 1.0 / float(np.sqrt(2.0 * _graph(problem).edges * problem.horizon))


def _graph(problem: Problem) -> LayeredGraph:
    """Returns the graph whose paths are the actions."""
    return LayeredGraph(problem.places or 1, problem.arms)
