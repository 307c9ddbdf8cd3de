"""Routing with semi-bandit feedback: told the losses of the edges passed, learn the best path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardsmith.agents.bandits.agent import BanditAgent, Problem
from rewardsmith.agents.bandits.counting import check_unit
from rewardsmith.envs.bandits.layered_graph import LayeredGraph
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray, IntArray

UNSEEN = -1e9
"""Index of an edge that was never passed, below all others."""


class SemiBanditAgent(BanditAgent):
    """Takes a path through a `LayeredGraph` and learns from the fact `edge_loss` (n, L).

    Losses lie in [0, 1]; a path costs the mean of its L edges' losses.
    """

    plays_lists = True

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything and gets ready for round 0.

        Raises:
            ConfigError: If actions are no paths or the losses of the edges are not told.
        """
        super().begin(problem, seed)
        if problem.places is None or not problem.card.is_fact("edge_loss"):
            raise ConfigError(
                f"{type(self).__name__} learns from the fact 'edge_loss', which "
                f"{problem.card.id} does not tell; use rewardsmith/RoutingBandit-v0"
            )
        self.graph = LayeredGraph(problem.places, problem.arms)
        self._rows = np.arange(problem.n)

    def edge_losses(self, info: Mapping[str, Any]) -> FloatArray:
        """Returns the losses of the edges passed, (n, L).

        Raises:
            ConfigError: If one lies outside [0, 1].
        """
        loss = np.asarray(info["edge_loss"], dtype=np.float64)
        check_unit(self, 1.0 - loss)
        return loss


@dataclass
class SemiBanditUCB(SemiBanditAgent):
    """CombUCB1: the shortest path by optimistic losses, mean - sqrt(1.5 ln t / passes).

    t counts the rounds so far. Paths with edges that were never passed come first.

    Kveton, Wen, Ashkan and Szepesvari 2015, Tight Regret Bounds for Stochastic Combinatorial
    Semi-Bandits, arXiv 1410.0949, algorithm 1.
    """

    state_names = ("round", "passes", "lost", "random")
    bound_kinds = ("stationary routing",)

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything and gets ready for round 0."""
        super().begin(problem, seed)
        self.round = 0
        self.passes = np.zeros((problem.n, self.graph.edges))
        self.lost = np.zeros_like(self.passes)

    def index(self) -> FloatArray:
        """Returns the optimistic loss of every edge, (n, E)."""
        passes = np.maximum(self.passes, 1.0)
        radius = np.sqrt(1.5 * np.log(max(self.round, 1)) / passes)
        return np.where(self.passes > 0.0, self.lost / passes - radius, UNSEEN)

    def act(self, observation: np.ndarray) -> IntArray:
        """Returns the path of every run, int64 (n, L)."""
        return self.graph.shortest(self.index())[0]

    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Counts the edges passed and adds up what they lost."""
        loss, place = self.edge_losses(info), (self._rows[:, None], self.graph.edges_of(action))
        self.passes[place] += 1.0
        self.lost[place] += loss
        self.round += 1

    def bound(self, problem: Problem, gaps: FloatArray) -> float:
        """Returns 4 sqrt(1.5 E T ln T / L) + (pi^2 / 3 + 1) E, for fixed means in [0, 1].

        While every mean lies within its radius, a round costs at most twice the mean radius
        of the edges passed, and sum of 1 / sqrt(passes) <= 2 sqrt(E L T). The rest pays for
        rounds in which some mean does not, and for E rounds with new edges. Kveton et al.'s
        theorem 6 has the same terms with 47 for 4 sqrt(1.5); their bounds by gaps have
        constants that say nothing at short horizons. Never above T.

        Args:
            problem: What was played.
            gaps: Not used.
        """
        layers, horizon = problem.places or 1, problem.horizon
        edges = LayeredGraph(layers, problem.arms).edges
        radii = 4.0 * float(np.sqrt(1.5 * edges * horizon * np.log(horizon) / layers))
        return min(radii + (np.pi**2 / 3.0 + 1.0) * edges, float(horizon))


@dataclass
class SemiBanditHedge(SemiBanditAgent):
    """Hedge over all W^L paths on estimated losses: loss / chance of an edge passed, else 0.

    A path's weight is the product of its edges' w_e = exp(-eta * sum of estimates of e), so
    that drawing a path and the chance q_e of passing an edge take one pass over the graph
    each and no list of paths. The estimate is unbiased: q_e (loss_e / q_e) = loss_e. There is
    no uniform exploration: costs are not negative, and their second moments bound the regret.
    eta = sqrt(2 ln W / (T E)). With one layer it is `Exp3`.

    Audibert, Bubeck and Lugosi 2014, Regret in Online Combinatorial Optimization,
    arXiv 1204.4710 (Exp2); the mixing variant is in Slivkins 2019, arXiv 1904.07272,
    section 7.2.
    """

    state_names = ("log_weight", "random")
    bound_kinds = ("routing",)

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything and settles the learning rate."""
        super().begin(problem, seed)
        self.log_weight = np.zeros((problem.n, self.graph.edges))
        self.eta = float(np.sqrt(2.0 * np.log(problem.arms) / (problem.horizon * self.graph.edges)))

    def probabilities(self) -> FloatArray:
        """Returns the chance of passing every edge, (n, E)."""
        return self.graph.marginals(self.graph.steps(self.log_weight))

    def act(self, observation: np.ndarray) -> IntArray:
        """Returns a path drawn in proportion to its weight for every run, int64 (n, L)."""
        steps, path = self.graph.steps(self.log_weight), []
        node = np.zeros(self.problem.n, dtype=np.int64)
        for chance, height in zip(
            steps, self.random.random((len(steps), self.problem.n, 1)), strict=True
        ):
            ladder = chance[node, :, self._rows].cumsum(axis=1)
            node = (ladder[:, :-1] <= height * ladder[:, -1:]).sum(axis=1)
            path.append(node)
        return np.stack(path, axis=1)

    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Charges every edge passed its loss divided by its chance."""
        self.log_weight -= self.eta * self.estimate(action, self.edge_losses(info))

    def estimate(self, path: IntArray, loss: FloatArray) -> FloatArray:
        """Returns the inverse propensity estimate of all losses, (n, E), from those (n, L)."""
        estimate = np.zeros_like(self.log_weight)
        place = (self._rows[:, None], self.graph.edges_of(path))
        estimate[place] = loss / self.probabilities()[place]
        return estimate

    def bound(self, problem: Problem, gaps: FloatArray) -> float:
        """Returns sqrt(2 T E ln W), for any losses in [0, 1] fixed beforehand.

        Hedge's second moments over paths: with p the draw and l the estimates, the regret of
        the sums over edges is at most L ln W / eta + eta / 2 sum_t E[p . l^2], and
        E[(sum of l over a path)^2] <= L sum_e q_e E[l_e^2] <= L E.

        Args:
            problem: What was played.
            gaps: Not used.
        """
        edges = LayeredGraph(problem.places or 1, problem.arms).edges
        return float(np.sqrt(2.0 * problem.horizon * edges * np.log(problem.arms)))
