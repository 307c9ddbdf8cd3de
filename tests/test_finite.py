"""Tables: their form, and shortest paths against a plain breadth-first search."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsmith.envs.control.deep_sea import DeepSea
from rewardsmith.envs.control.finite import FiniteEnv, steps_to
from rewardsmith.envs.control.key_door import KeyDoor
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray


def search(successor: IntArray, target: BoolArray) -> FloatArray:
    """Searches forward from every state on its own."""
    steps = np.full(len(successor), np.inf)
    for start in range(len(successor)):
        queue, seen = deque([(start, 0)]), {start}
        while queue:
            state, depth = queue.popleft()
            if target[state]:
                steps[start] = depth
                break
            for after in set(successor[state].tolist()) - seen:
                seen.add(after)
                queue.append((after, depth + 1))
    return steps


@given(st.integers(1, 15), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_steps_to_equals_breadth_first_search(states: int, actions: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    successor = rng.integers(states, size=(states, actions))
    target = rng.random(states) < 0.2
    np.testing.assert_array_equal(steps_to(successor, target), search(successor, target))


@pytest.mark.parametrize("env", [KeyDoor(), DeepSea(), DeepSea(size=3, mapping_seed=0)])
def test_tables_fit_each_other_and_the_end_is_the_end(env: FiniteEnv) -> None:
    table = env.tables
    states, actions = table.successor.shape
    assert table.reward.shape == (states, actions)
    assert ((table.successor >= 0) & (table.successor < states)).all()
    assert len(table.terminal) == len(table.observation) == states
    assert all(fact.shape == (states,) for fact in table.facts.values())
    ends = np.flatnonzero(table.terminal)
    assert (table.successor[ends] == ends[:, None]).all()
    assert not table.reward[ends].any()
    assert not table.facts["success"][~table.terminal].any()
