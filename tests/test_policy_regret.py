"""Complete policy regret of tallying bandits, against every sequence of arms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rewardsmith.agents.bandits import make_agent
from rewardsmith.agents.bandits.agent import Problem
from rewardsmith.envs.bandits.tallying import TallyingBandit


def least_policy_regret(
    weights: list[float], threshold: float, arms: int, rounds: int, seed: int
) -> NDArray[np.float64]:
    """Returns the least sum of `policy_regret` up to every round over all sequences of arms."""
    sequences = np.array(list(itertools.product(range(arms), repeat=rounds)))
    env = TallyingBandit(len(sequences), arms=arms, weights=weights, threshold=threshold)
    env.reset(seed=[seed] * len(sequences))  # one and the same episode in every row
    told = [env.step(arm)[4]["policy_regret"] for arm in sequences.T]
    return np.array(np.cumsum(told, axis=0).min(axis=1))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6).filter(lambda w: sum(w) > 0.01),
    st.floats(0.05, 1.0),
    st.sampled_from([(2, 9), (3, 6)]),
    st.integers(0, 2**31),
)
def test_no_sequence_does_better_than_the_comparator_of_weights_that_never_rise(
    weights: list[float], threshold: float, size: tuple[int, int], seed: int
) -> None:
    falling = sorted(weights, reverse=True)
    least = least_policy_regret(falling, threshold, *size, seed)
    np.testing.assert_allclose(least, 0.0, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6).filter(lambda w: sum(w) > 0.01),
    st.floats(0.05, 1.0),
    st.integers(0, 2**31),
)
def test_other_weights_may_be_exposed_better_but_never_by_much(
    weights: list[float], threshold: float, seed: int
) -> None:
    least = least_policy_regret(weights, threshold, 2, 9, seed)
    assert (least <= 1e-9).all()
    assert (least > -0.8 * len(weights)).all()


def test_a_pause_can_expose_sooner_where_weights_rise_again() -> None:
    # Losses 0.9, f, 0.1 beat 3 f, for f > 1/2, and 0.9, 0.9, 0.1.
    least = least_policy_regret([1.0, 0.0, 1.0], 1.0, 2, 3, seed=0)
    assert least[1] == pytest.approx(0.0)
    assert least[2] < -0.01


def test_the_sum_by_hand() -> None:
    env = TallyingBandit(1, arms=2, weights=[1.0, 1.0, 1.0], threshold=1.0)
    env.reset(seed=0)
    flat = float(env.flat[0, 1 - env.best[0]])
    told = [float(env.step(env.best)[4]["policy_regret"][0]) for _ in range(6)]
    # Twice 0.9, then 0.1; the best of t rounds is min(t f, 1.8 + 0.1 (t - 2)).
    best = [min(t * flat, 0.9 * min(t, 2) + 0.1 * max(t - 2, 0)) for t in range(1, 7)]
    paid = [0.9, 1.8, 1.9, 2.0, 2.1, 2.2]
    np.testing.assert_allclose(np.cumsum(told), np.subtract(paid, best), atol=1e-12)
    np.testing.assert_allclose(best[-1], 2.2)


@pytest.mark.parametrize(("name", "flat"), [("tallying_elimination", True), ("ucb1", False)])
def test_only_elimination_in_blocks_has_little_policy_regret(name: str, flat: bool) -> None:
    sums, horizons = [], (2000, 8000)
    for horizon in horizons:
        env, agent = TallyingBandit(40, time_limit=None), make_agent(name)
        agent.begin(Problem.of(env, horizon), seed=0)
        observation, _ = env.reset(seed=0)
        total = np.zeros(40)
        for _ in range(horizon):
            action = agent.act(observation)
            following, reward, _, _, info = env.step(action)
            agent.learn(observation, action, reward, info)
            observation = following
            total += info["policy_regret"]
        sums.append(total.mean())
    growth = np.log(sums[1] / sums[0]) / np.log(horizons[1] / horizons[0])
    assert growth < 0.25 if flat else growth > 0.9


def test_policy_regret_is_below_regret_by_the_price_of_exposure() -> None:
    env = TallyingBandit(50, time_limit=None)
    rounds = np.random.default_rng(0).integers(env.arms, size=(300, 50))
    env.reset(seed=0)
    told = [env.step(arm)[4] for arm in rounds]
    regret, policy = (sum(info[name] for info in told) for name in ("regret", "policy_regret"))
    # After many rounds the best play is the best arm's, of 8 early plays: 9 of 10 are exposed.
    early = int((env.weights.cumsum() < 0.9 * env.full - 1e-9).sum())
    np.testing.assert_allclose(np.asarray(regret) - np.asarray(policy), 0.8 * early)
