"""Sessions: chances are as told, values exact, and what adaptive weights win."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardsmith.envs import EnvError
from rewardsmith.envs.bandits.session import MYOPIC, NOURISHING, SessionRecommender
from rewardsmith.envs.bandits.session_model import SessionModel
from rewardsmith.envs.stateful import FloatArray

TYPES = np.array([0.0, 0.4, 1.0])


def two_items(weight: FloatArray = TYPES, leave: float = 0.1, horizon: int = 10) -> SessionModel:
    """Returns the model of one myopic item, 0, and one nourishing item, 1."""
    click, retention = np.array([MYOPIC, NOURISHING]).T
    return SessionModel(click, retention, weight, leave, horizon)


# ---- The decision process -----------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 3), st.integers(1, 4))
def test_optimal_values_are_those_of_trying_every_plan(seed: int, items: int, horizon: int) -> None:
    rng = np.random.default_rng(seed)
    weight = 2 * rng.random(2)
    model = SessionModel(rng.random(items), rng.random(items), weight, rng.random(), horizon)
    _, values = model.optimal()
    plans = (np.array(plan)[:, None] for plan in product(range(items), repeat=horizon))
    tried = [model.policy_value(np.tile(plan, (1, 2)))[0] for plan in plans]
    np.testing.assert_allclose(values[0], np.max(tried, axis=0))


def test_showing_one_item_for_ever_is_a_geometric_sum() -> None:
    model = two_items(leave=0.2, horizon=7)
    for item, (click, retention) in enumerate((MYOPIC, NOURISHING)):
        stay = 1 - 0.2 * (1 - retention)
        expected = (click + TYPES * retention) * (1 - stay**7) / (1 - stay)
        shown = np.full((7, 3), item)
        np.testing.assert_allclose(model.policy_value(shown)[0], expected)


def test_the_best_item_depends_on_the_type_and_on_the_steps_that_remain() -> None:
    action_values, values = two_items().optimal()
    best = action_values.argmax(axis=2)
    assert best[:, 0].tolist() == [0] * 10
    assert best[:, 1].tolist() == [1] * 8 + [0] * 2
    assert best[:, 2].tolist() == [1] * 10
    # Nourishing wins now by 0.4 w - 0.2 and stays 0.04 more likely for what is to come.
    lead = action_values[..., 1] - action_values[..., 0]
    np.testing.assert_allclose(lead, 0.4 * TYPES - 0.2 + 0.04 * values[1:])


def test_equal_weights_lose_what_adaptive_ones_do_not() -> None:
    model = two_items()
    best = model.optimal()[1][0]

    def loss(weight: FloatArray) -> FloatArray:
        """Returns the regret by type of what is best if retention is worth `weight`."""
        plan = two_items(weight).optimal()[0].argmax(axis=2)
        return np.asarray(best - model.policy_value(plan)[0])

    np.testing.assert_allclose(loss(TYPES), 0.0)
    fixed = loss(np.ones(3))  # weights (1/2, 1/2) rank as (1, 1) do
    assert fixed[0] > 0.5
    assert fixed[1] > 0.01
    assert fixed[2] == pytest.approx(0.0)


# ---- The environment ----------------------------------------------------------------------


def test_clicks_retention_and_leaving_are_as_frequent_as_told() -> None:
    n, click, retention, leave = 40_000, [0.3, 0.8], [0.6, 0.25], 0.5
    env = SessionRecommender(n, click=click, retention=retention, weights=[0.5], leave=leave)
    for item in (0, 1):
        env.reset(seed=item)
        _, reward, terminated, _, info = env.step(np.full(n, item))
        np.testing.assert_array_equal(reward, info["click"] + 0.5 * info["retention"])
        kept = info["retention"] == 1
        assert not terminated[kept].any()
        for drawn, chance in (
            (info["click"], click[item]),
            (info["retention"], retention[item]),
            (info["click"] * info["retention"], click[item] * retention[item]),
            (terminated[~kept], leave),
        ):
            error = np.sqrt(chance * (1 - chance) / drawn.size)
            assert abs(drawn.mean() - chance) < 5 * error


@pytest.mark.parametrize("shown", ["best", "random"])
def test_mean_return_is_the_value_and_regrets_sum_to_what_is_lost(shown: str) -> None:
    n = 30_000
    env = SessionRecommender(n, autoreset_mode="Disabled")
    action_values, values = env.model.optimal()
    rng = np.random.default_rng(0)
    plan = action_values.argmax(axis=2) if shown == "best" else rng.integers(10, size=(10, 3))
    env.reset(seed=0)
    kind, total, lost = env.user_type.copy(), np.zeros(n), np.zeros(n)
    going = np.ones(n, dtype=bool)
    for step in range(10):
        _, reward, terminated, _, info = env.step(plan[step, env.user_type])
        total, lost = total + reward * going, lost + info["regret"] * going
        ended = going & terminated
        np.testing.assert_array_equal(info["success"][ended], lost[ended] < 1e-9)
        assert not info["success"][going & ~terminated].any()
        going &= ~terminated
        env.done[:] = False  # steps on; what comes after an end is left out above
    assert not going.any()
    value = env.model.policy_value(plan)[0]
    for which in range(3):
        rows = kind == which
        error = 5 / np.sqrt(rows.sum())
        assert abs(rows.mean() - 1 / 3) < 0.02
        assert abs(total[rows].mean() - value[which]) < error * total[rows].std()
        gap = values[0, which] - value[which]
        assert abs(lost[rows].mean() - gap) <= error * lost[rows].std() + 1e-9


def test_the_observation_tells_the_type_the_time_and_what_just_happened() -> None:
    env = SessionRecommender(50, leave=0.0, horizon=4, autoreset_mode="Disabled")
    observation, info = env.reset(seed=0)
    np.testing.assert_array_equal(observation[:, 3:], 0.0)
    for step in range(1, 5):
        observation, _, terminated, _, info = env.step(np.arange(50) % 10)
        np.testing.assert_array_equal(observation[:, :3].argmax(axis=1), info["user_type"])
        np.testing.assert_allclose(observation[:, 3], step / 4)
        np.testing.assert_array_equal(observation[:, 4], info["click"])
        np.testing.assert_array_equal(observation[:, 5], info["retention"])
        assert (terminated == (step == 4)).all()


def test_a_user_who_always_comes_back_and_one_who_never_does() -> None:
    env = SessionRecommender(
        20, click=[0.0, 1.0], retention=[1.0, 0.0], leave=1.0, autoreset_mode="Disabled"
    )
    env.reset(seed=0)
    _, reward, terminated, _, _ = env.step(np.arange(20) % 2)
    assert (terminated == (np.arange(20) % 2 == 1)).all()
    np.testing.assert_array_equal(reward[1::2], 1.0)
    np.testing.assert_array_equal(reward[::2], TYPES[env.user_type[::2]])


def test_sessions_that_reach_the_horizon_start_anew_under_every_autoreset() -> None:
    for mode, length in (("NextStep", 4), ("SameStep", 3)):
        env = SessionRecommender(3, leave=0.0, horizon=3, autoreset_mode=mode)
        env.reset(seed=0)
        ends = [env.step(np.zeros(3, dtype=np.int64))[2].all() for _ in range(2 * length)]
        assert np.flatnonzero(ends).tolist() == [2, 2 + length]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"click": [0.5, 1.5], "retention": [0.5, 0.5]}, r"click must .* \[0, 1\], got \[0.5, 1.5"),
        ({"retention": [-0.1] * 10}, "retention must hold probabilities"),
        ({"click": [0.5], "retention": [0.5]}, "at least 2 items, got 1 and 1"),
        ({"click": [0.5, 0.5]}, "one entry for each of at least 2 items, got 2 and 10"),
        ({"leave": 2.0}, "leave must hold probabilities"),
        ({"weights": []}, "weights must be finite numbers of at least 0"),
        ({"weights": [-1.0]}, "weights must be finite numbers of at least 0"),
        ({"horizon": 0}, "horizon must be at least 1 step, got 0"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        SessionRecommender(**options)
