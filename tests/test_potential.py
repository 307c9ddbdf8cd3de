"""Shaping by potentials leaves the best policy alone: theorems, checked on random problems.

The reward tables of the shaped problems are paid by the components themselves, step by
step, so that the proofs and the code are held to each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from tabular import Problem, fresh, seeds, steps_of, triples

from rewardsmith.envs import ConfigError, RewardError
from rewardsmith.envs.stateful import FloatArray, IntArray
from rewardsmith.rewards import (
    DynamicPotential,
    FadingPotential,
    PotentialShaping,
    RewardDesign,
    State,
    Term,
    Transition,
    VectorRewardWrapper,
)


@given(seeds)
@settings(max_examples=20)
def test_shaping_shifts_every_action_value_of_a_state_by_its_potential(seed: int) -> None:
    problem = Problem.random(seed)
    phi = np.random.default_rng(seed + 1).standard_normal(problem.shape[0])
    term = fresh(
        PotentialShaping(lambda state: phi[state.observation], problem.gamma),
        len(triples(problem)),
    )
    (step,) = steps_of(*triples(problem), terminal=problem.shape[0] - 1)
    shaped = problem.reward + term(step).reshape(problem.reward.shape)
    assert_allclose(problem.solve(shaped) + phi[:, None], problem.solve(), atol=1e-9)


@dataclass
class Table(DynamicPotential):
    """Phi(s, t) out of a table (T, S)."""

    values: FloatArray

    def __call__(self, state: State, time: IntArray) -> FloatArray:
        return np.asarray(self.values[time, state.observation])


@given(seeds)
@settings(max_examples=10)
def test_so_does_a_potential_that_changes_with_time(seed: int) -> None:
    """Backward induction over a horizon at whose end every episode terminates."""
    problem, horizon = Problem.random(seed), 5
    terminal = problem.shape[0] - 1
    phi = np.random.default_rng(seed + 1).standard_normal((horizon + 1, problem.shape[0]))
    (step,) = steps_of(*triples(problem), terminal=terminal)
    last = replace(step, terminated=np.ones(step.n, dtype=np.bool_))
    plain, shaped = np.zeros(problem.shape), np.zeros(problem.shape)
    for t in reversed(range(horizon)):
        term = fresh(PotentialShaping(Table(phi), problem.gamma), step.n)
        for _ in range(t):
            term(step)
        fresh(term, step.n)
        paid = term(last if t == horizon - 1 else step).reshape(problem.reward.shape)
        plain = problem.backup(problem.reward, plain)
        shaped = problem.backup(problem.reward + paid, shaped)
        assert_allclose(shaped + phi[t][:, None], plain, atol=1e-9)


@given(seeds, st.integers(1, 12), st.booleans(), st.booleans())
@settings(max_examples=40)
def test_the_discounted_sum_telescopes(
    seed: int, length: int, terminated: bool, dynamic: bool
) -> None:
    rng = np.random.default_rng(seed)
    gamma, table = 0.8, rng.standard_normal((length + 1, 6))
    path = rng.integers(0, 6, length + 1)
    potential = Table(table) if dynamic else lambda state: table[0, state.observation]
    term = fresh(PotentialShaping(potential, gamma), 1)
    total = sum(gamma**t * paid for t, paid in enumerate(walk(term, path, terminated)))
    times = (0, length) if dynamic else (0, 0)
    start, end = table[times[0], path[0]], table[times[1], path[-1]]
    assert_allclose(total, (0.0 if terminated else gamma**length * end) - start, atol=1e-12)


def walk(
    term: Term, path: IntArray, terminated: bool, truncated: bool | None = None
) -> list[float]:
    """Pays one episode along a path of states, which ends terminated or truncated."""
    truncated = not terminated if truncated is None else truncated
    paid = []
    for t, (state, following) in enumerate(pairwise(path)):
        last = t == len(path) - 2
        ends = np.array([last and terminated]), np.array([last and truncated])
        here, there = np.array([state]), np.array([following])
        step = Transition(here, np.zeros(1), there, np.zeros(1), *ends)
        paid.append(float(term(step)[0]))
    return paid


def test_the_potential_is_zero_at_termination_and_kept_at_truncation() -> None:
    for terminated, expected in ((True, -3.0), (False, 0.5 * 8.0 - 3.0)):
        term = fresh(PotentialShaping(lambda state: state.observation, gamma=0.5), 1)
        assert walk(term, np.array([3, 8]), terminated) == [expected]


@given(seeds, st.integers(1, 9))
@settings(max_examples=20)
def test_zeroing_at_truncation_biases_a_bootstrapped_return(seed: int, length: int) -> None:
    """A learner adds gamma^T V'(s_T) with V' = V - Phi, the value of the shaped problem."""
    rng = np.random.default_rng(seed)
    gamma, phi, value = 0.9, rng.standard_normal(5), rng.standard_normal(5)
    path = rng.integers(0, 5, length + 1)
    discounts = gamma ** np.arange(length)
    bootstrap = gamma**length * (value - phi)[path[-1]]

    def shaped_return(terminated: bool) -> float:
        term = fresh(PotentialShaping(lambda state: phi[state.observation], gamma), 1)
        return float(discounts @ walk(term, path, terminated, truncated=True) + bootstrap)

    unbiased = gamma**length * value[path[-1]] - phi[path[0]]
    assert_allclose(shaped_return(terminated=False), unbiased, atol=1e-12)
    assert_allclose(
        shaped_return(terminated=True), unbiased - gamma**length * phi[path[-1]], atol=1e-12
    )


def test_rows_that_start_an_episode_are_evaluated_alone() -> None:
    seen: list[int] = []

    def potential(state: State) -> FloatArray:
        seen.append(state.n)
        return np.asarray(state.observation[:, 0], dtype=np.float64)

    term = fresh(PotentialShaping(potential, gamma=1.0), 3)
    one, two, three = (np.full((3, 1), value) for value in (1.0, 2.0, 5.0))
    no = np.zeros(3, dtype=np.bool_)
    assert_array_equal(term(Transition(one, 0, two, np.zeros(3), no, no)), [1.0, 1.0, 1.0])
    term.reset(np.array([False, True, False]))
    start = np.array([[2.0], [4.0], [2.0]])
    assert_array_equal(term(Transition(start, 0, three, np.zeros(3), no, no)), [3.0, 1.0, 3.0])
    assert_array_equal(term(Transition(three, 0, one, np.zeros(3), no, no)), [-4.0, -4.0, -4.0])
    assert seen == [3, 3, 1, 3, 3]


def test_a_potential_may_hand_out_a_view_of_a_buffer_that_changes() -> None:
    term = fresh(PotentialShaping(lambda state: state.observation, gamma=1.0), 1)
    buffer, no = np.array([2.0]), np.zeros(1, dtype=np.bool_)
    term(Transition(np.array([1.0]), 0, buffer, np.zeros(1), no, no))
    buffer[:] = 99.0
    step = Transition(np.array([2.0]), 0, np.array([3.0]), np.zeros(1), no, no)
    assert_array_equal(term(step), [1.0])


def test_a_fading_potential_counts_the_steps_of_each_row() -> None:
    potential = FadingPotential(lambda state: state.observation, horizon=4)
    term = fresh(PotentialShaping(potential, gamma=1.0), 1)
    # Phi(s, t) = (1 - t / 4) s along 8, 8, 4 and, after a reset, 8, 8, 8
    assert walk(term, np.array([8, 8, 4]), terminated=False) == [6.0 - 8.0, 2.0 - 6.0]
    fresh(term, 1)
    assert walk(term, np.array([8, 8, 8, 8]), terminated=False) == [2.0 - 4.0, -2.0, 0.0]


class Countdown(gym.Env[Any, Any]):
    """Counts 3, 2, 1, 0 and ends there."""

    observation_space = gym.spaces.Box(0, 9, (1,))
    action_space = gym.spaces.Discrete(2)

    def reset(self, **_: Any) -> tuple[Any, dict[str, Any]]:
        self.left = 3.0
        return np.array([self.left], dtype=np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.left -= 1.0
        return np.array([self.left], dtype=np.float32), 0.0, self.left == 0.0, False, {}


def test_no_shaping_on_the_step_that_resets() -> None:
    env = SyncVectorEnv([Countdown] * 2, autoreset_mode=AutoresetMode.NEXT_STEP)
    term = PotentialShaping(lambda state: state.observation[:, 0], gamma=0.5)
    paid = VectorRewardWrapper(env, RewardDesign({"shaping": term}))
    paid.reset(seed=0)
    pay = [paid.step(np.zeros(2, dtype=np.int64))[1][0] for _ in range(8)]
    assert pay == [1.0 - 3.0, 0.5 - 2.0, -1.0, 0.0, 1.0 - 3.0, 0.5 - 2.0, -1.0, 0.0]


def nothing(state: State) -> FloatArray:
    return np.zeros(state.n)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PotentialShaping(nothing, gamma=1.1), r"gamma must be in \[0, 1\], got 1.1"),
        (lambda: FadingPotential(nothing, horizon=0), "horizon must be at least 1 step, got 0"),
    ],
)
def test_parameters_out_of_range(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_potential_must_give_one_value_per_row() -> None:
    flat, no = np.zeros((2, 1)), np.zeros(2, dtype=np.bool_)
    term = fresh(PotentialShaping(lambda state: state.observation), 2)
    with pytest.raises(RewardError, match=r"returned shape \(2, 1\).*shape \(2,\)"):
        term(Transition(flat, flat, flat, np.zeros(2), no, no))
