"""Layered graphs against lists of all their paths."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardsmith.envs.bandits.layered_graph import LayeredGraph
from rewardsmith.envs.stateful import FloatArray, IntArray

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 3))
SEEDS = st.integers(0, 2**32 - 1)


def all_paths(graph: LayeredGraph) -> IntArray:
    """Returns every path, (W^L, L)."""
    return np.array(list(product(range(graph.width), repeat=graph.layers)))


def path_sums(graph: LayeredGraph, value: FloatArray) -> FloatArray:
    """Returns the sum of the edge values (E,) over every path, (W^L,), edge by edge."""
    sums = []
    for path in all_paths(graph):
        total, edge = value[path[0]], graph.width
        for before, after in pairwise(path):
            total += value[edge : edge + graph.width**2].reshape(-1, graph.width)[before, after]
            edge += graph.width**2
        sums.append(total)
    return np.array(sums)


@settings(max_examples=60, deadline=None)
@given(SHAPES, SEEDS)
def test_the_shortest_path_is_the_least_of_all(shape: tuple[int, int], seed: int) -> None:
    graph = LayeredGraph(*shape)
    cost = np.random.default_rng(seed).normal(size=(3, graph.edges))
    path, total = graph.shortest(cost)
    for row in range(3):
        sums = path_sums(graph, cost[row])
        assert path[row].tolist() == all_paths(graph)[sums.argmin()].tolist()
        assert total[row] == pytest.approx(sums.min())


@settings(max_examples=40, deadline=None)
@given(SHAPES, SEEDS)
def test_edges_of_a_path_add_up_to_its_cost(shape: tuple[int, int], seed: int) -> None:
    graph = LayeredGraph(*shape)
    cost = np.random.default_rng(seed).random(graph.edges)
    edges = graph.edges_of(all_paths(graph))
    np.testing.assert_allclose(cost[edges].sum(axis=1), path_sums(graph, cost))
    assert np.unique(edges).tolist() == list(range(graph.edges))  # no edge is idle


@settings(max_examples=40, deadline=None)
@given(SHAPES, SEEDS, st.sampled_from([1.0, 1e4]))
def test_the_chain_draws_paths_in_proportion_to_their_weights(
    shape: tuple[int, int], seed: int, scale: float
) -> None:
    graph = LayeredGraph(*shape)
    log_weight = -scale * np.random.default_rng(seed).random((2, graph.edges))
    steps = graph.steps(log_weight)
    marginal = graph.marginals(steps)
    paths = all_paths(graph)
    for row in range(2):
        sums = path_sums(graph, log_weight[row])
        weight = np.exp(sums - sums.max())
        expected = weight / weight.sum()
        chance, node = np.ones(len(paths)), np.zeros(len(paths), dtype=np.int64)
        for layer, step in enumerate(steps):
            chance *= step[node, paths[:, layer], row]
            node = paths[:, layer]
        np.testing.assert_allclose(chance, expected, atol=1e-9)
        passed = np.zeros(graph.edges)
        np.add.at(passed, graph.edges_of(paths), expected[:, None])
        np.testing.assert_allclose(marginal[row], passed, atol=1e-9)
