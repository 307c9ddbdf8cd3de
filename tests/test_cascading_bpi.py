"""CascadingBPI: its bonuses and bound by hand, when it settles, and on how good a policy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from rewardsmith.agents.bandits.cascading import cascade_problem, play_cascading
from rewardsmith.agents.bandits.cascading_bpi import CascadingBPI, identify
from rewardsmith.envs.bandits.cascade import CascadeModel
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray

RUNS = 20


def processes(seed: int = 0) -> CascadeModel:
    """Returns 20 random processes of 2 states, 3 items, lists of 2 and 2 steps."""
    return CascadeModel.random(seed, 2, 3, 2, 2, n=RUNS)


def loss(model: CascadeModel, lists: np.ndarray) -> FloatArray:
    """Returns how much less than the best policy the lists earn from state 0, (n,)."""
    return np.asarray((model.optimal()[1] - model.policy_value(lists))[:, 0, 0])


def test_bonuses_by_hand() -> None:
    agent = CascadingBPI(bonus_scale=0.1, delta=0.07)
    agent.begin(cascade_problem(np.zeros((1, 3, 4)), 2, 5, 10), seed=0)
    told, ones = np.log(7 * 5 * 3 * 4 / 0.07), np.ones((1, 3, 4))
    growth = np.log(8 * np.e * 51)
    small, large = 0.1 * (told + growth) / 50, 0.1 * (told + 3 * growth) / 50
    expected = 4 * np.sqrt(0.16 * small) + 15 * small
    np.testing.assert_allclose(agent._attraction_bonus(0.2 * ones, 50 * ones), expected)
    kernel = np.broadcast_to([0.5, 0.5, 0.0], (1, 3, 5, 3))
    above, below = np.array([[1.0, 3.0, 9.0]]), np.array([[0.0, 1.0, 5.0]])
    bonus = agent._value_bonus(kernel, np.full((1, 3, 5), 50.0), above, below, np.full(1, 2.0))
    expected = 4 * np.sqrt(1.0 * small) + 15 * 25 * large + 2 / 5 * 1.5
    np.testing.assert_allclose(bonus, expected)


def test_the_bound_on_the_error_by_hand() -> None:
    """One state, two items and two steps, with counts so large that nothing is at its cap."""
    agent = CascadingBPI(bonus_scale=1e-6)
    agent.begin(cascade_problem(np.array([[[0.9, 0.5]]]), 2, 2, 10), seed=0)
    agent.readings[:], agent.clicks[:] = [1000.0, 400.0], [500.0, 100.0]
    agent.arrivals[0, 0, :, 0] = 500.0, 100.0, 300.0
    assert agent.plan()[0].tolist() == [[[0, 1]]] * 2
    rate, read = np.array([0.5, 0.25]), np.array([1000.0, 400.0])
    log = np.log(7 * 2 * 1 * 2 / 0.005) + np.log(8 * np.e * (read + 1))
    width = 4 * np.sqrt(rate * (1 - rate) * 1e-6 * log / read) + 15e-6 * log / read
    seen = np.array([500.0, 100.0, 300.0])
    rest = 60e-6 * (np.log(7 * 2 * 1 * 2 / 0.005) + np.log(8 * np.e * (seen + 1))) / seen
    high, low = rate + width, rate - width
    bound, above, below = 0.0, 0.0, 0.0
    for _ in range(2):
        bonus = rest + (above - below)  # there is one state: no variance; 2 / H = 1
        worth = np.array([0.9, 0.5, 0.0]) + above + bonus
        worst = np.array([0.9, 0.5, 0.0]) + below - bonus
        each = 2 * bonus + 2 * bound
        first, second = 12 * width + high * each[:2]
        bound = first + (1 - low[0]) * (second + (1 - low[1]) * each[2])
        above = high[0] * worth[0] + (1 - high[0]) * (high[1] * worth[1] + (1 - high[1]) * worth[2])
        below = low[0] * worst[0] + (1 - high[0]) * (low[1] * worst[1] + (1 - high[1]) * worst[2])
    assert 0.01 < bound < 2.0
    np.testing.assert_allclose(agent.error, bound)
    np.testing.assert_allclose([agent.upper[0, 0, 0], agent.lower[0, 0, 0]], [above, below])


def test_without_data_the_error_is_at_its_cap() -> None:
    agent = CascadingBPI(epsilon=1.0)
    agent.begin(cascade_problem(processes().reward, 2, 2, 10), seed=0)
    agent.plan()
    assert agent.error.tolist() == [2.0] * RUNS
    assert not agent.settled.any()


def test_samples_grow_as_epsilon_shrinks_and_every_policy_is_good_enough() -> None:
    model, samples = processes(), []
    for epsilon in (0.8, 0.4):
        agent = CascadingBPI(bonus_scale=0.001, epsilon=epsilon)
        lists = identify(agent, model, 6000, range(RUNS))
        assert (loss(model, lists) <= epsilon).all()
        assert (agent.error <= epsilon).all()
        samples.append(agent.samples.astype(np.float64))
    # The theorem's growth is (1 / epsilon)^2 for small epsilon.
    assert 2.0 < (samples[1] / samples[0]).mean() < 5.0


def test_the_bound_covers_the_loss_of_the_plan_whatever_was_counted() -> None:
    model, agent, random = processes(3), CascadingBPI(), np.random.default_rng(0)
    agent.begin(cascade_problem(model.reward, 2, 2, 1000), seed=0)
    read = (10.0 ** random.uniform(4.0, 9.0, (RUNS, 2, 3))).astype(np.int64)
    agent.readings[:], agent.clicks[:] = read, random.binomial(read, model.attraction)
    seen = (10.0 ** random.uniform(4.0, 9.0, (RUNS, 2, 4))).astype(np.int64)
    agent.arrivals[:] = random.multinomial(seen, model.transition)
    lists = agent.plan()
    assert (agent.error >= loss(model, lists)).all()
    assert (agent.error < 2.0).sum() > RUNS // 2
    assert loss(model, lists).max() > 0.0


def test_a_settled_run_keeps_its_policy_and_stops_counting_samples() -> None:
    model, agent = processes(), CascadingBPI(bonus_scale=0.001, epsilon=0.8)
    lists = identify(agent, model, 6000, range(RUNS))
    samples = agent.samples.copy()
    again = CascadingBPI(bonus_scale=0.001, epsilon=0.8)
    regret = play_cascading(again, model, int(samples.max()) + 50, range(RUNS))
    np.testing.assert_allclose(regret[:, -50:], np.tile(loss(model, lists)[:, None], 50))
    assert again.settled.all()
    assert np.abs(again.samples / samples - 1.0).max() < 0.01


def test_runs_that_do_not_settle_are_told_of() -> None:
    with pytest.raises(ConfigError, match="20 of 20 runs have not settled after 5 episodes"):
        identify(CascadingBPI(), processes(), 5, range(RUNS))
    with pytest.raises(ConfigError, match=r"epsilon of CascadingBPI must be in \(0, inf\), got 0"):
        CascadingBPI(epsilon=0.0)


def test_a_saved_agent_still_knows_who_has_settled() -> None:
    model, agent = processes(), CascadingBPI(bonus_scale=0.001, epsilon=0.8)
    play_cascading(agent, model, 600, range(RUNS))
    assert agent.settled.any()
    assert not agent.settled.all()
    state = pickle.loads(pickle.dumps(agent.state_dict()))
    other = CascadingBPI(bonus_scale=0.001, epsilon=0.8)
    other.begin(agent.problem, seed=5)
    other.load_state_dict(state)
    np.testing.assert_array_equal(other.plan(), agent.plan())
    np.testing.assert_array_equal(other.samples, agent.samples)
