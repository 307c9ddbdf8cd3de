"""The picture of a routing task: a graph, its best path, and the path taken."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from rewardsmith.envs.bandits.layered_graph import LayeredGraph
from rewardsmith.envs.drawing import BLUE, GREEN, GREY, GRID, PAPER, RED, Canvas
from rewardsmith.envs.stateful import FloatArray, IntArray


def draw_paths(
    graph: LayeredGraph, mean: FloatArray, path: IntArray, loss: FloatArray
) -> np.ndarray:
    """Draws one row of a routing task.

    Args:
        graph: L layers of W nodes; edges that lose often are thin.
        mean: Mean loss of every edge, (E,); the best path is green.
        path: Nodes of the path taken, (L,), in blue; none if negative.
        loss: Losses of its edges, (L,); the node behind an edge that lost is red.

    Returns:
        A picture, uint8 of shape (64 W, 64 (L + 1), 3).
    """
    canvas = Canvas(graph.width, graph.layers + 1.0, 64, PAPER)

    def node(layer: int, place: float) -> tuple[float, float]:
        return place + 0.5, layer + 1.5

    source = node(-1, (graph.width - 1) / 2)
    _, *pairs = np.split(mean, range(graph.width, graph.edges, graph.width**2))
    ways = [(source, node(0, j), mean[j]) for j in range(graph.width)]
    for layer, pair in enumerate(pairs):
        for (i, j), chance in np.ndenumerate(pair.reshape(graph.width, -1)):
            ways.append((node(layer, i), node(layer + 1, j), chance))
    for start, end, chance in ways:
        canvas.stroke(start, end, 0.02 + 0.06 * (1.0 - float(chance)), GRID)
    best, _ = graph.shortest(mean[None])
    for nodes, colour, thickness in ((best[0], GREEN, 0.14), (path, BLUE, 0.06)):
        if nodes[0] >= 0:
            stops = [source, *(node(layer, int(place)) for layer, place in enumerate(nodes))]
            for start, end in pairwise(stops):
                canvas.stroke(start, end, thickness, colour)
    for layer in range(graph.layers):
        for place in range(graph.width):
            passed = place == path[layer]
            lost = RED if passed and loss[layer] else BLUE
            canvas.disc(node(layer, place), 0.16, lost if passed else GREY)
    canvas.disc(source, 0.16, GREY)
    return canvas.picture()
