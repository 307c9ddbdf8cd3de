"""Advice on actions by potentials: what it does to the action values of random problems."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from tabular import Problem, fresh, seeds, steps_of, triples

from rewardsmith.envs import ConfigError, RewardError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards import LookAheadAdvice, LookBackAdvice, Term, Transition


def advice_of(seed: int, shape: tuple[int, int]) -> tuple[FloatArray, Any]:
    phi = np.random.default_rng(seed + 1).standard_normal(shape)
    return phi, lambda state, action: phi[state.observation, action]


@given(seeds)
@settings(max_examples=10)
def test_look_ahead_advice_shifts_every_action_value_by_its_own_advice(seed: int) -> None:
    """Acting by argmax Q' + Phi, Q' = Q* - Phi; so that rule is the best policy."""
    problem = Problem.random(seed, n_states=3)
    n_states, n_actions = problem.shape
    terminal = n_states - 1
    phi, potential = advice_of(seed, problem.shape)
    term = LookAheadAdvice(potential, problem.gamma)
    paid = np.zeros((n_states, n_actions, n_states, n_actions))
    for s, a, following, b in np.ndindex(paid.shape):
        path = [(s, a), following] if following == terminal else [(s, a), (following, b), terminal]
        paid[s, a, following, b] = term.place(steps_of(path, terminal=terminal))[0]
    q = np.zeros(problem.shape)
    for _ in range(400):
        best = (q + phi).argmax(axis=1)
        value = q[np.arange(n_states), best]
        value[terminal] = 0.0
        reward = problem.reward + paid[:, :, np.arange(n_states), best]
        q = (problem.transition * (reward + problem.gamma * value)).sum(axis=2)
    assert_allclose(q + phi, problem.solve(), atol=1e-9)


@pytest.mark.parametrize("advice", [LookBackAdvice, LookAheadAdvice])
@given(seed=seeds)
@settings(max_examples=8)
def test_advice_paid_online_leaves_the_greedy_action(
    advice: type[LookBackAdvice], seed: int
) -> None:
    """On states joined with the previous state and action: Q' = Q* - what is owed.

    Look-ahead advice has nothing to correct but the first action, as its placed form.
    """
    problem = Problem.random(seed, n_states=3)
    n_states, n_actions = problem.shape
    phi, potential = advice_of(seed, problem.shape)
    paid = online_table(advice(potential, problem.gamma), problem)
    previous = n_states * n_actions  # the last index stands for "no previous step"
    q = np.zeros((previous + 1, n_states, n_actions))
    becomes = np.arange(previous).reshape(problem.shape)
    for _ in range(400):
        value = q.max(axis=2)
        value[:, -1] = 0.0
        following = value[becomes]  # (S, A, S')
        target = problem.reward + paid + problem.gamma * following
        q = (problem.transition * target).sum(axis=3)
    owed = np.append(phi.ravel() / problem.gamma, 0.0)[:, None, None]
    expected = problem.solve() - owed
    assert_allclose(q[:-1], expected[:-1], atol=1e-9)
    first = phi if advice is LookAheadAdvice else 0.0
    assert_allclose(q[-1] + first, expected[-1], atol=1e-9)


def online_table(term: Term, problem: Problem) -> FloatArray:
    """Pays every (previous step or none, s, a, s'); returns shape (P + 1, S, A, S)."""
    n_states, n_actions = problem.shape
    terminal = n_states - 1
    starts = triples(problem)
    paths = [[previous, *start] for previous in np.ndindex(problem.shape) for start in starts]
    fresh(term, len(paths))
    before, now = steps_of(*paths, terminal=terminal)
    term(replace(before, terminated=np.zeros_like(before.terminated)))
    later = term(now).reshape(n_states * n_actions, *problem.reward.shape)
    fresh(term, len(starts))
    first = term(steps_of(*starts, terminal=terminal)[0]).reshape(1, *problem.reward.shape)
    return np.concatenate([later, first])


@pytest.mark.parametrize("terminated", [True, False])
@given(seed=seeds, length=st.integers(1, 9))
@settings(max_examples=15)
def test_discounted_sums_of_advice(terminated: bool, seed: int, length: int) -> None:
    rng = np.random.default_rng(seed)
    phi, potential = advice_of(seed, (5, 3))
    gamma, states, actions = 0.7, rng.integers(0, 5, length + 1), rng.integers(0, 3, length)
    taken = phi[states[:-1], actions]
    path = [*zip(states[:-1], actions, strict=True), states[-1]]
    steps = steps_of(path, terminal=-1)
    ends: dict[str, Any] = {"terminated" if terminated else "truncated": np.array([True])}
    steps[-1] = replace(steps[-1], **ends)
    discounts = gamma ** np.arange(length)
    kept = 0.0 if terminated else gamma ** (length - 1) * taken[-1]

    ahead, back = (fresh(cls(potential, gamma), 1) for cls in (LookAheadAdvice, LookBackAdvice))
    assert_allclose(discounts @ [ahead(s)[0] for s in steps], kept - taken[0], atol=1e-12)
    assert_allclose(discounts @ [back(s)[0] for s in steps], kept, atol=1e-12)
    placed = ahead.place(steps)
    assert_allclose(discounts @ placed, kept - taken[0], atol=1e-12)
    assert_allclose(placed[:-1], gamma * taken[1:] - taken[:-1], atol=1e-12)
    assert_allclose(placed[-1], -taken[-1] if terminated else 0.0, atol=1e-12)


@pytest.mark.parametrize("advice", [LookBackAdvice, LookAheadAdvice])
@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_gamma_out_of_range(advice: type[LookBackAdvice], gamma: float) -> None:
    with pytest.raises(ConfigError, match=rf"gamma must be in \(0, 1\], got {gamma}"):
        advice(lambda state, action: action, gamma=gamma)


@pytest.mark.parametrize("advice", [LookBackAdvice, LookAheadAdvice])
def test_advice_must_give_one_value_per_row(advice: type[LookBackAdvice]) -> None:
    flat, no = np.zeros((2, 1)), np.zeros(2, dtype=np.bool_)
    term = fresh(advice(lambda state, action: action), 2)
    with pytest.raises(RewardError, match=r"returned shape \(2, 1\).*shape \(2,\)"):
        term(Transition(flat, flat, flat, np.zeros(2), no, no))
