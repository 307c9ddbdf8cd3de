"""The textbook bandits: pay, regret and hidden state are as their docstrings say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from rewardsmith.envs import BatchEnv, EnvError, Streams
from rewardsmith.envs.bandits.adversarial import AdversarialBandit
from rewardsmith.envs.bandits.gaussian import GaussianBandit
from rewardsmith.envs.bandits.linear import LinearBandit
from rewardsmith.envs.bandits.tallying import TallyingBandit
from rewardsmith.envs.draws import normals, uniforms

# ---- Draws ------------------------------------------------------------------------------


@pytest.mark.parametrize(("many", "one"), [(uniforms, "uniform"), (normals, "normal")])
def test_many_draws_are_those_one_by_one_and_touch_no_other_row(many: Any, one: str) -> None:
    rows = np.array([0, 2])
    together, singly = Streams(3), Streams(3)
    for streams in (together, singly):
        streams.seed(np.arange(3), np.array([5, 6, 7]))
        streams.uniform(rows)
    expected = np.stack([getattr(singly, one)(rows) for _ in range(4)], axis=1)
    np.testing.assert_array_equal(many(together, rows, 4), expected)
    np.testing.assert_array_equal(together.counter, singly.counter)


# ---- Gaussian ---------------------------------------------------------------------------


def test_gaussian_pay_has_the_mean_and_spread_of_the_arm() -> None:
    env = GaussianBandit(2000, means=[-1.0, 3.0], sigma=0.5, time_limit=None)
    env.reset(seed=0)
    arm = np.tile([0, 1], 1000)
    paid = np.concatenate([env.step(arm)[1] for _ in range(10)])
    noise = (paid - np.tile(np.where(arm == 0, -1.0, 3.0), 10)) / 0.5
    assert kstest(noise, "norm").pvalue > 1e-4
    drawn = GaussianBandit(500, arms=4)
    drawn.reset(seed=0)
    assert kstest(drawn.mean.ravel(), "norm").pvalue > 1e-4


def test_gaussian_facts_and_oracle() -> None:
    env = GaussianBandit(3, means=[0.5, -2.0, 0.5])
    observation, info = env.reset(seed=0)
    assert not info["regret"].any()
    info = env.step(np.arange(3))[4]
    assert info["regret"].tolist() == [0.0, 2.5, 0.0]
    assert info["success"].tolist() == [True, False, True]
    assert env.card.oracle is not None
    assert env.step(env.card.oracle(observation))[4]["success"].all()
    assert GaussianBandit().card.oracle is None


# ---- Adversarial ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["switch", "random_walk"])
def test_adversarial_regret_adds_up_to_that_against_the_best_fixed_arm(kind: str) -> None:
    env = AdversarialBandit(20, arms=4, kind=kind, horizon=60, time_limit=None)
    env.reset(seed=0)
    random = np.random.default_rng(0)
    would_have, earned, regret = np.zeros((20, 4)), np.zeros(20), np.zeros(20)
    for _ in range(60):
        arm = random.integers(4, size=20)
        _, reward, _, _, info = env.step(arm)
        np.testing.assert_array_equal(reward, info["rewards"][np.arange(20), arm])
        would_have, earned = would_have + info["rewards"], earned + reward
        regret += info["regret"]
        np.testing.assert_allclose(regret, would_have.max(axis=1) - earned)


@pytest.mark.parametrize("kind", ["switch", "random_walk"])
def test_the_adversary_is_oblivious(kind: str) -> None:
    sequences = []
    for arm in (0, 2):
        env = AdversarialBandit(5, arms=3, kind=kind, horizon=40, time_limit=None)
        env.reset(seed=3)
        sequences.append([env.step(np.full(5, arm))[4]["rewards"] for _ in range(40)])
    np.testing.assert_array_equal(sequences[0], sequences[1])


def test_the_good_arm_changes_exactly_at_the_given_fractions() -> None:
    env = AdversarialBandit(300, arms=3, horizon=20, switches=[0.25, 0.75], time_limit=None)
    env.reset(seed=0)
    best = [env.chance.argmax(axis=1)]
    for _ in range(20):
        best.append(env.step(np.zeros(300, dtype=int))[4]["best_arm"])
        ordered = np.sort(env.chance, axis=1)
        np.testing.assert_allclose(ordered, np.tile([0.3, 0.3, 0.7], (300, 1)))
    played = np.array(best[1:])
    np.testing.assert_array_equal(played[0], best[0])
    changed = (played[1:] != played[:-1]).mean(axis=1)
    assert np.flatnonzero(changed).tolist() == [4, 14]  # before the rounds of index 5 and 15
    assert (changed[[4, 14]] == 1.0).all()
    # The next arm is uniform over the others.
    share = ((played[5] - played[4]) % 3 == 1).mean()
    assert abs(share - 0.5) < 4.5 * 0.5 / np.sqrt(300)


def test_the_walk_steps_up_or_down_and_stays_a_probability() -> None:
    env = AdversarialBandit(50, arms=3, kind="random_walk", step=0.3, time_limit=None)
    env.reset(seed=0)
    ups = []
    for _ in range(200):
        before = env.chance.copy()
        env.step(np.zeros(50, dtype=int))
        assert ((env.chance >= 0.0) & (env.chance <= 1.0)).all()
        inner = (before > 0.3) & (before < 0.7)
        moved = env.chance[inner] - before[inner]
        np.testing.assert_allclose(np.abs(moved), 0.3)
        ups += (moved > 0).tolist()
    assert abs(np.mean(ups) - 0.5) < 4.5 * 0.5 / np.sqrt(len(ups))


# ---- Linear -----------------------------------------------------------------------------


def test_linear_pay_is_the_product_of_features_and_theta() -> None:
    env = LinearBandit(400, arms=3, features=4, sigma=0.2, time_limit=None)
    observation, _ = env.reset(seed=0)
    np.testing.assert_allclose(np.linalg.norm(env.theta, axis=1), 1.0)
    random, errors = np.random.default_rng(0), []
    for _ in range(20):
        shown = observation.astype(np.float64).reshape(400, 3, 4)
        np.testing.assert_allclose(np.linalg.norm(shown, axis=2), 1.0, atol=1e-6)
        value = np.einsum("nkd,nd->nk", shown, env.theta)
        arm = random.integers(3, size=400)
        observation, reward, _, _, info = env.step(arm)
        mean = value[np.arange(400), arm]
        np.testing.assert_allclose(info["regret"], value.max(axis=1) - mean, atol=1e-12)
        np.testing.assert_array_equal(info["success"], value.argmax(axis=1) == arm)
        errors.append((reward - mean) / 0.2)
    assert kstest(np.concatenate(errors), "norm").pvalue > 1e-4
    # Directions are uniform: every coordinate has mean 0 and variance 1 / d.
    drawn = env.feature.reshape(-1, 4)
    assert (np.abs(drawn.mean(axis=0)) < 4.5 * 0.5 / np.sqrt(1200)).all()
    assert (np.abs((drawn**2).mean(axis=0) - 0.25) < 4.5 * 0.25 / np.sqrt(1200)).all()


# ---- Tallying ---------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=12),
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=4).filter(lambda w: sum(w) > 0.01),
)
def test_the_tally_is_the_weighted_count_of_recent_plays(
    plays: list[int], weights: list[float]
) -> None:
    env = TallyingBandit(1, arms=3, weights=weights, time_limit=None)
    env.reset(seed=0)
    for t, arm in enumerate(plays):
        info = env.step(np.array([arm]))[4]
        expected = sum(w for i, w in enumerate(weights) if t >= i and plays[t - i] == arm)
        assert info["tally"][0] == pytest.approx(expected)


def test_the_best_arm_pays_only_once_fully_exposed() -> None:
    env = TallyingBandit(2000, arms=3, weights=[1.0, 0.5, 0.5], threshold=1.0, time_limit=None)
    env.reset(seed=0)
    for played in range(1, 6):
        _, reward, _, _, info = env.step(env.best)
        loss = 0.9 if played < 3 else 0.1
        np.testing.assert_allclose(info["regret"], loss - 0.1)
        assert info["success"].all()
        assert abs(reward.mean() - (1 - loss)) < 4.5 * 0.3 / np.sqrt(2000)
    other = (env.best + 1) % 3
    info = env.step(other)[4]
    assert ((info["regret"] >= 0.4) & (info["regret"] <= 0.5)).all()
    np.testing.assert_allclose(env.step(env.best)[4]["regret"], 0.8)  # a break costs exposure


# ---- Errors -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "options", "message"),
    [
        (GaussianBandit, {"arms": 1}, "at least 2 arms, got 1"),
        (GaussianBandit, {"arms": 3, "means": [0.0, 1.0]}, "arms is 3 but means has 2 entries"),
        (GaussianBandit, {"means": [0.0, float("inf")]}, "means must be a list of finite"),
        (GaussianBandit, {"sigma": -1.0}, "sigma must be a finite number of at least 0, got -1"),
        (AdversarialBandit, {"arms": 1}, "at least 2 arms, got 1"),
        (AdversarialBandit, {"kind": "walk"}, "one of 'switch', 'random_walk', got 'walk'"),
        (AdversarialBandit, {"horizon": 0}, "horizon must be at least 1 round, got 0"),
        (AdversarialBandit, {"switches": [0.5, 0.5]}, r"increasing fractions in \(0, 1\)"),
        (AdversarialBandit, {"switches": [1.5]}, r"increasing fractions in \(0, 1\)"),
        (AdversarialBandit, {"gap": 1.5}, r"gap must be in \(0, 1\], got 1.5"),
        (AdversarialBandit, {"step": 0.0}, r"step must be in \(0, 1\], got 0.0"),
        (LinearBandit, {"arms": 1}, "at least 2 arms, got 1"),
        (LinearBandit, {"features": 0}, "features must be at least 1, got 0"),
        (LinearBandit, {"sigma": float("nan")}, "sigma must be a finite number"),
        (TallyingBandit, {"arms": 1}, "at least 2 arms, got 1"),
        (TallyingBandit, {"weights": [1.0, 1.2]}, r"weights must be numbers in \[0, 1\]"),
        (TallyingBandit, {"weights": [0.0]}, "one of them positive"),
        (TallyingBandit, {"threshold": 0.0}, r"threshold must be in \(0, 1\], got 0.0"),
    ],
)
def test_wrong_options_are_named(
    env: type[BatchEnv], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(EnvError, match=message):
        env(**options)
