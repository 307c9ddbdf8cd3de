"""Agents for cascading decision processes: bonuses, optimism, counts, and what they learn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rewardsmith.agents.bandits.agent import Problem
from rewardsmith.agents.bandits.cascading import (
    CascadeAgent,
    cascade_problem,
    growth_exponent,
    play_cascading,
)
from rewardsmith.agents.bandits.cascading_vi import CascadingVI, CascadingVIBonus, ItemwiseVI
from rewardsmith.agents.bandits.list_as_action_vi import ListAsActionVI
from rewardsmith.envs.bandits.best_permutation import every_list, list_value
from rewardsmith.envs.bandits.cascade import CascadeModel
from rewardsmith.envs.bandits.cascading_mdp import CascadingMDP
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray, IntArray

AGENTS: list[Callable[[], CascadeAgent]] = [
    lambda: CascadingVI(0.05),
    lambda: CascadingVIBonus(0.05),
    lambda: ListAsActionVI(0.05),
]


class Fixed(CascadeAgent):
    """Always plays the same lists (H, S, m) and keeps what it is told."""

    def __init__(self, lists: IntArray) -> None:
        self.lists = lists
        self.told: list[tuple[IntArray, ...]] = []

    def plan(self) -> IntArray:
        return np.broadcast_to(self.lists, (self.problem.n, *self.lists.shape))

    def count(
        self, state: IntArray, shown: IntArray, position: IntArray, arrived: IntArray
    ) -> None:
        self.told.append((state, shown, position, arrived))


def small(n: int | None = None) -> CascadeModel:
    """Returns a process with 3 states, 4 items, lists of 2 and 3 steps."""
    return CascadeModel.random(7, 3, 4, 2, 3, n)


def began(agent: ItemwiseVI) -> ItemwiseVI:
    """Begins an agent on 2 runs of the small process, for 100 episodes."""
    agent.begin(cascade_problem(small(2).reward, 2, 3, 100), seed=0)
    return agent


# ---- The runner ---------------------------------------------------------------------------


def test_regret_is_the_exact_gap_of_the_policy_and_feedback_fits_the_model() -> None:
    model = small()
    best, values = model.optimal()
    assert np.abs(play_cascading(Fixed(best), model, 3, [0, 1])).max() < 1e-12
    lists = every_list(4, 2)[np.random.default_rng(0).integers(16, size=(3, 3))]
    agent = Fixed(lists)
    regret = play_cascading(agent, model, 400, range(100))
    gap = values[0, 0] - model.policy_value(lists)[0, 0]
    np.testing.assert_allclose(regret, gap)
    told = [np.concatenate(part) for part in zip(*agent.told, strict=True)]
    state, shown, position, _ = told
    item = np.pad(shown, ((0, 0), (0, 1)), constant_values=4)[np.arange(len(state)), position]
    paid = np.pad(model.reward, ((0, 0), (0, 1)))[state, item].reshape(400, 3, 100)
    returns = paid.sum(axis=1).ravel()
    error = returns.std() / np.sqrt(returns.size)
    assert abs(returns.mean() - (values[0, 0] - gap)) < 5 * error


@pytest.mark.parametrize("make", AGENTS)
def test_a_run_does_not_depend_on_those_beside_it(make: Callable[[], CascadeAgent]) -> None:
    together = play_cascading(make(), small(), 40, [3, 8, 5])
    np.testing.assert_allclose(play_cascading(make(), small(), 40, [8]), together[1:2])
    many = small(3)
    apart = play_cascading(make(), many, 40, [3, 8, 5])
    one = CascadeModel(many.attraction[1], many.reward[1], many.transition[1], 2, 3)
    np.testing.assert_allclose(play_cascading(make(), one, 40, [8]), apart[1:2])


def test_wrong_input_is_named() -> None:
    agent = CascadingVI()
    with pytest.raises(ConfigError, match="at least 1 episode and 1 seed, got 0 and 2"):
        play_cascading(agent, small(), 0, [0, 1])
    with pytest.raises(ConfigError, match=r"the model holds \(3,\) processes for 2 seeds"):
        play_cascading(agent, small(3), 5, [0, 1])
    for make in (CascadingVI, CascadingVIBonus, ListAsActionVI):
        with pytest.raises(ConfigError, match="bonus_scale must be positive, got 0"):
            make(bonus_scale=0.0)
        with pytest.raises(ConfigError, match="delta must be between 0 and 1, got 1"):
            make(delta=1.0)
    with pytest.raises(ConfigError, match="did you mean 'enumerate'"):
        CascadingVI(oracle="enumerat")  # type: ignore[arg-type]


def test_growth_exponent() -> None:
    episode = np.arange(1, 5001)
    regret = np.diff(np.stack((episode**0.5, episode * 3.0)), axis=1, prepend=0.0)
    np.testing.assert_allclose(growth_exponent(regret, 10), [0.5, 1.0])


# ---- What is counted and added ------------------------------------------------------------


def test_readings_go_up_to_the_click_and_an_arrival_belongs_to_the_clicked_item() -> None:
    agent = began(CascadingVI())
    state, shown = np.array([2, 0]), np.array([[3, 1], [0, 4]])
    agent.count(state, shown, np.array([0, 2]), np.array([1, 1]))
    agent.count(state, shown, np.array([1, 0]), np.array([0, 2]))
    assert agent.readings[0, 2].tolist() == [0, 1, 0, 2]
    assert agent.clicks[0, 2].tolist() == [0, 1, 0, 1]
    assert agent.readings[1, 0].tolist() == [2, 0, 0, 0]
    assert agent.clicks[1, 0].tolist() == [1, 0, 0, 0]
    arrivals = np.argwhere(agent.arrivals).tolist()
    assert arrivals == [[0, 2, 1, 0], [0, 2, 3, 1], [1, 0, 0, 2], [1, 0, 4, 1]]


def test_bonuses_by_hand() -> None:
    agent = began(CascadingVI(bonus_scale=0.5, delta=0.1))
    log = 0.5 * np.log(14 * 100 * 3 * 3 * 4 / 0.1)
    assert agent.log == pytest.approx(log)
    rate, count = np.full((2, 3, 4), 0.2), np.full((2, 3, 4), 50.0)
    expected = 2 * np.sqrt(0.16 * log / 50) + 5 * log / 50
    np.testing.assert_allclose(agent._attraction_bonus(rate, count), expected)
    kernel = np.broadcast_to([0.5, 0.5, 0.0], (2, 3, 5, 3))
    above, below = np.tile([1.0, 3.0, 9.0], (2, 1)), np.tile([0.0, 1.0, 5.0], (2, 1))
    ahead, seen = np.full((2, 3, 5), 2.0), np.full((2, 3, 5), 50.0)
    bonus = agent._value_bonus(kernel, seen, above, below, ahead)
    expected = 2 * np.sqrt(1.0 * log / 50) + 2 * np.sqrt(2.5 * log / 50) + 15 * log / 50
    np.testing.assert_allclose(bonus, expected)
    plain = began(CascadingVIBonus(bonus_scale=0.5, delta=0.1))
    np.testing.assert_allclose(plain._attraction_bonus(rate, count), np.sqrt(log / 50))
    np.testing.assert_allclose(
        plain._value_bonus(kernel, seen, above, below, ahead), 3 * np.sqrt(log / 50)
    )


def test_without_data_every_value_is_at_its_cap_and_with_much_the_plan_is_optimal() -> None:
    model = small(2)
    best, _ = model.optimal()
    for make in (CascadingVI, CascadingVIBonus):
        agent = began(make())
        first = agent.plan()
        assert (first[..., 0] < 4).all()
        agent.readings[:] = 1e9
        agent.clicks = model.attraction * 1e9
        agent.arrivals = model.transition * 1e9
        np.testing.assert_array_equal(agent.plan(), best)


def test_enumerating_the_lists_gives_the_same_plan() -> None:
    agents = began(CascadingVI(0.05)), began(CascadingVI(0.05, oracle="enumerate"))
    rng = np.random.default_rng(0)
    readings = rng.integers(200, 400, size=(2, 3, 4)).astype(np.float64)
    rate = rng.uniform(0.2, 0.7, size=(2, 3, 4))  # no optimistic attraction is 1: no ties
    arrivals = rng.integers(0, 30, size=(2, 3, 5, 3)).astype(np.float64)
    for agent in agents:
        agent.readings, agent.clicks, agent.arrivals = readings, rate * readings, arrivals
    np.testing.assert_array_equal(agents[0].plan(), agents[1].plan())


def spread(variance: float, scale: float, span: float) -> float:
    """Returns 2 sqrt(variance * scale) + 5 * span * scale."""
    return float(2 * np.sqrt(variance * scale) + 5 * span * scale)


def moments(p: FloatArray, above: FloatArray, below: FloatArray) -> tuple[float, float]:
    """Returns the variance of `above` and the mean squared gap to `below` under p."""
    return float(p @ (above - p @ above) ** 2), float(p @ (above - below) ** 2)


def test_plan_of_cascading_vi_is_that_of_the_formulas_one_number_at_a_time() -> None:
    states, items, horizon = 3, 4, 3
    rng = np.random.default_rng(4)
    for scale in (0.002, 0.02, 0.2):
        agent = began(CascadingVI(scale))
        agent.readings = rng.integers(0, 300, size=(2, states, items)).astype(np.float64)
        agent.readings[0, 0, 0] = 0.0
        agent.clicks = np.floor(agent.readings * rng.uniform(0.1, 0.8, size=(2, states, items)))
        agent.arrivals = rng.integers(0, 90, size=(2, states, items + 1, states)).astype(np.float64)
        agent.arrivals[1, 2, 3] = 0.0
        lists = agent.plan()
        assert agent.lower[:, 0].max() > 0.0 or scale == 0.2
        for run in range(2):
            for step, s in np.ndindex(horizon, states):
                above, below = agent.upper[run, step + 1], agent.lower[run, step + 1]
                u, low, w, v = (np.ones(items + 1) for _ in range(4))
                for a in range(items + 1):
                    n_p = agent.arrivals[run, s, a].sum()
                    p = agent.arrivals[run, s, a] / max(n_p, 1)
                    variance, gap = moments(p, above, below)
                    part = agent.log / max(n_p, 1)
                    wide = spread(variance, part, horizon) + 2 * np.sqrt(gap * part)
                    bonus = min(wide, horizon) if n_p else horizon
                    reward = agent.reward[run, s, a] if a < items else 0.0
                    w[a], v[a] = reward + p @ above + bonus, reward + p @ below - bonus
                    if a < items:
                        n_q = agent.readings[run, s, a]
                        q, part = agent.clicks[run, s, a] / max(n_q, 1), agent.log / max(n_q, 1)
                        width = spread(q * (1 - q), part, 1.0) if n_q else 1.0
                        u[a], low[a] = min(q + width, 1.0), max(q - width, 0.0)
                value = list_value(every_list(items, 2), u[:-1], w[:-1], w[-1]).max()
                assert agent.upper[run, step, s] == pytest.approx(min(value, horizon))
                floor, unread = 0.0, 1.0
                for a in lists[run, step, s][lists[run, step, s] < items]:
                    floor += unread * low[a] * v[a]
                    unread *= 1.0 - u[a]
                assert agent.lower[run, step, s] == pytest.approx(max(floor + unread * v[-1], 0.0))
                shown = list_value(lists[run, step, s], u[:-1], w[:-1], w[-1])
                assert shown == pytest.approx(value)


def test_plan_of_lists_as_actions_is_that_of_the_formulas_one_number_at_a_time() -> None:
    states, horizon, agent = 3, 3, ListAsActionVI(0.01)
    agent.begin(cascade_problem(small(2).reward, 2, horizon, 100), seed=0)
    rng = np.random.default_rng(5)
    agent.arrivals = rng.integers(0, 90, size=(2, states, 16, states)).astype(np.float64)
    agent.arrivals[1, 2, :15] = 0.0
    count = np.maximum(agent.arrivals.sum(axis=-1), 1)
    mean = rng.uniform(0.0, 0.4, size=count.shape)
    agent.earned, agent.earned_squared = mean * count, (mean**2 + 0.01) * count
    lists = agent.plan()
    for run, step, s in np.ndindex(2, horizon, states):
        above, below = agent.upper[run, step + 1], agent.lower[run, step + 1]
        value, floor = np.full(16, float(horizon)), np.zeros(16)
        for action in np.flatnonzero(agent.arrivals[run, s].sum(axis=-1)):
            n = count[run, s, action]
            p, part = agent.arrivals[run, s, action] / n, agent.log / n
            variance, gap = moments(p, above, below)
            wide = spread(variance, part, horizon) + 2 * np.sqrt(gap * part)
            bonus = min(wide, horizon) + spread(0.01, part, 1.0)
            value[action] = min(mean[run, s, action] + p @ above + bonus, horizon)
            floor[action] = max(mean[run, s, action] + p @ below - bonus, 0.0)
        best = value.argmax()
        assert agent.upper[run, step, s] == pytest.approx(value[best])
        assert agent.lower[run, step, s] == pytest.approx(floor[best])
        np.testing.assert_array_equal(lists[run, step, s], every_list(4, 2)[best])
    assert 0.0 < agent.lower[0, 0].max() < agent.upper[0, 0].min() < horizon


@pytest.mark.parametrize("make", [CascadingVI, ListAsActionVI])
def test_values_bracket_the_truth_with_the_theorems_bonus(
    make: Callable[[], CascadingVI | ListAsActionVI],
) -> None:
    model, agent = CascadeModel.random(0, 2, 3, 2, 2, n=20), make()
    play_cascading(agent, model, 400, range(20))
    values = model.optimal()[1]
    lists = agent.plan()
    assert (agent.upper >= values - 1e-9).all()
    assert (agent.lower <= model.policy_value(lists) + 1e-9).all()


def test_what_a_design_pays_changes_no_plan() -> None:
    env = CascadingMDP(4, states=3, items=4, horizon=3, autoreset_mode="SameStep")
    agents = CascadingVI(0.01), CascadingVI(0.01)
    for agent in agents:
        agent.begin(Problem.of(env, 300), seed=0)
        np.testing.assert_array_equal(agent.reward[2], env.model.reward)
    observation, _ = env.reset(seed=0)
    for _ in range(100):
        shown = [agent.act(observation) for agent in agents]
        np.testing.assert_array_equal(shown[0], shown[1])
        following, reward, _, _, info = env.step(shown[0])
        agents[0].learn(observation, shown[0], reward, info)
        agents[1].learn(observation, shown[0], 1.0 - 7.0 * reward, info)
        observation = following


# ---- Learning -----------------------------------------------------------------------------


def total(agent: CascadeAgent, model: CascadeModel, episodes: int, runs: int) -> FloatArray:
    """Returns the regret of every run over all episodes, (n,)."""
    return np.asarray(play_cascading(agent, model, episodes, range(runs)).sum(axis=1))


def test_itemwise_learning_beats_lists_as_actions() -> None:
    runs, episodes = 20, 600
    model = CascadeModel.random(0, 4, 5, 3, 3, n=runs)
    ours, theirs = (
        total(agent, model, episodes, runs) for agent in (CascadingVI(0.05), ListAsActionVI(0.05))
    )
    ratio = theirs / ours
    assert np.median(ratio) > 2.0
    assert (ratio > 1.0).sum() >= 18  # under equal chances P(>= 18 of 20) = 0.0002


def test_regret_flattens_where_the_bonus_is_small_and_not_yet_with_the_theorems() -> None:
    model = CascadeModel.random(0, 2, 3, 2, 2, n=20)
    small_bonus = play_cascading(CascadingVI(0.02), model, 1500, range(20))
    full_bonus = play_cascading(CascadingVI(1.0), model, 1500, range(20))
    early, late = small_bonus[:, :300].mean(axis=1), small_bonus[:, -300:].mean(axis=1)
    assert late.mean() < 0.1 * early.mean()
    assert growth_exponent(small_bonus, 100).mean() < 0.5
    assert full_bonus[:, -300:].mean() > 5 * late.mean()


def test_lists_as_actions_learn_a_process_of_few_lists() -> None:
    model = CascadeModel.random(1, 2, 3, 1, 2, n=20)
    regret = play_cascading(ListAsActionVI(0.02), model, 1500, range(20))
    assert regret[:, -300:].mean() < 0.2 * regret[:, :100].mean()


def test_lists_as_actions_count_the_list_shown_and_what_it_earned() -> None:
    agent, model = ListAsActionVI(), small(16)
    agent.begin(cascade_problem(model.reward, 2, 3, 100), seed=0)
    lists, state, runs = every_list(4, 2), np.arange(16) % 3, np.arange(16)
    position = runs % 3
    agent.count(state, lists, position, np.zeros(16, dtype=np.int64))
    np.testing.assert_array_equal(
        np.argwhere(agent.arrivals), np.stack((runs, state, runs, 0 * runs), axis=1)
    )
    item = np.pad(lists, ((0, 0), (0, 1)), constant_values=4)[runs, position]
    paid = np.pad(model.reward, ((0, 0), (0, 0), (0, 1)))[runs, state, item]
    np.testing.assert_array_equal(agent.earned[runs, state, runs], paid)
    assert agent.earned.sum() == pytest.approx(paid.sum())
