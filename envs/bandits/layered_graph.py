"""`LayeredGraph`: paths through layers of nodes, and sums over all of them at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardsmith.envs.stateful import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class LayeredGraph:
    """L layers of W nodes; a path passes one node per layer, so that there are W^L of them.

    Edges lead from the source to every node of the first layer, and from every node of a
    layer to every node of the next; the way from the last layer to the sink is free. Edge
    values (n, E) hold the W edges of the source first, then W x W per pair of layers, from
    node i to node j at i W + j. A graph of one layer is W arms.

    Attributes:
        layers: L, at least 1.
        width: W, at least 1.

    Example:
        >>> graph = LayeredGraph(layers=2, width=2)
        >>> cost = np.array([[0.0, 1.0, 5.0, 5.0, 2.0, 3.0]])
        >>> path, total = graph.shortest(cost)
        >>> path, total, graph.edges_of(path)
        (array([[1, 0]]), array([3.]), array([[1, 4]]))
    """

    layers: int
    width: int

    @property
    def edges(self) -> int:
        """E = W + (L - 1) W^2."""
        return self.width + (self.layers - 1) * self.width**2

    def edges_of(self, path: IntArray) -> IntArray:
        """Returns the edges that paths (n, L) pass, int64 (n, L)."""
        width = self.width
        block = width + np.arange(self.layers - 1) * width**2
        edges = path.astype(np.int64)
        edges[:, 1:] += block + edges[:, :-1] * width
        return edges

    def shortest(self, cost: FloatArray) -> tuple[IntArray, FloatArray]:
        """Returns the cheapest path of every row, int64 (n, L), and its cost, (n,).

        V_L(j) = 0 and V_l(i) = min_j cost(i, j) + V_{l+1}(j), from the last layer to the
        source. Of equally cheap nodes the first is taken.

        Args:
            cost: Cost of every edge, of any sign, (n, E).
        """
        to_go, choices = np.zeros((self.width, len(cost))), []
        for stage in reversed(self._stages(cost)):
            through = stage + to_go
            choices.append(through.argmin(axis=1))
            to_go = through.min(axis=1)
        rows, node, path = np.arange(len(cost)), np.zeros(len(cost), dtype=np.int64), []
        for choice in reversed(choices):
            node = choice[node, rows]
            path.append(node)
        return np.stack(path, axis=1), to_go[0]

    def steps(self, log_weight: FloatArray) -> list[FloatArray]:
        """Returns the Markov chain that draws paths in proportion to the product of weights.

        Z_L(j) = 1 and Z_l(i) = sum_j w(i, j) Z_{l+1}(j); the chain steps from i to j with
        chance w(i, j) Z_{l+1}(j) / Z_l(i). Summed in logarithms, so that no weight is too
        small.

        Args:
            log_weight: ln w of every edge, (n, E).

        Returns:
            Chances by layer: (1, W, n) from the source, then (W, W, n) from i to j.

        Takimoto and Warmuth 2003, Path kernels and multiplicative updates.
        """
        to_go, chances = np.zeros((self.width, len(log_weight))), []
        for stage in reversed(self._stages(log_weight)):
            through = stage + to_go
            peak = through.max(axis=1)
            weight = np.exp(through - peak[:, None])
            mass = weight.sum(axis=1)
            chances.append(weight / mass[:, None])
            to_go = peak + np.log(mass)
        return chances[::-1]

    def marginals(self, steps: list[FloatArray]) -> FloatArray:
        """Returns with which chance the Markov chain of `steps` passes every edge, (n, E)."""
        n = steps[0].shape[-1]
        visit, passed = np.ones((1, n)), []
        for chance in steps:
            through = visit[:, None] * chance
            passed.append(through.reshape(-1, n))
            visit = through.sum(axis=0)
        return np.concatenate(passed).T

    def _stages(self, value: FloatArray) -> list[FloatArray]:
        """Splits edge values (n, E) by layer: (1, W, n), then (W, W, n) from i to j."""
        # The rows come last: numpy reduces over the few nodes an order of magnitude faster.
        by_edge, width = np.ascontiguousarray(value.T), self.width
        blocks = by_edge[width:].reshape(self.layers - 1, width, width, len(value))
        return [by_edge[None, :width], *blocks]
