"""CascadeUCB1 and CascadeKLUCB: indices by hand, counts, and logarithmic regret."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import entropy

from rewardsmith.agents.bandits.agent import Problem
from rewardsmith.agents.bandits.cascade_ucb import CascadeIndexAgent, CascadeKLUCB, CascadeUCB1
from rewardsmith.agents.bandits.index import UCB1
from rewardsmith.envs.bandits.bernoulli import BernoulliBandit
from rewardsmith.envs.bandits.cascading_bandit import CascadingBandit
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray

ATTRACTION = [0.2] * 3 + [0.05] * 7
NOTHING = np.zeros((1, 1))


def play(agent: CascadeIndexAgent, rounds: int, n: int = 20, seed: int = 0) -> FloatArray:
    """Returns the regret of every round and run, (T, n)."""
    env = CascadingBandit(n, attraction=ATTRACTION, time_limit=None)
    agent.begin(Problem.of(env, rounds), seed)
    observation, _ = env.reset(seed=seed)
    regret = np.empty((rounds, n))
    for t in range(rounds):
        action = agent.act(observation)
        observation, reward, _, _, info = env.step(action)
        agent.learn(observation, action, reward, info)
        regret[t] = info["regret"]
    return regret


def begun(agent: CascadeIndexAgent, n: int = 1, items: int = 4) -> CascadeIndexAgent:
    """Begins an agent that shows 3 of 4 items."""
    agent.begin(Problem.of(CascadingBandit(n, items=items), 100), 0)
    return agent


def test_every_item_read_is_counted_and_only_the_clicked_one_attracts() -> None:
    agent = begun(CascadeUCB1(), n=4)
    shown = np.array([[3, 1, 0], [0, 1, 2], [2, 2, 1], [2, 2, 1]])
    agent.learn(NOTHING, shown, np.zeros(4), {"position": np.array([1, 3, 2, 0])})
    assert agent.observed.tolist() == [[0, 1, 0, 1], [1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 1, 0]]
    assert agent.attracted.tolist() == [[0, 1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]


def test_indices_by_hand() -> None:
    one, kl = begun(CascadeUCB1()), begun(CascadeKLUCB())
    rate, count = np.array([[0.0, 0.25, 0.5, 1.0]]), np.array([[10.0, 20.0, 30.0, 40.0]])
    one.round = kl.round = 100
    np.testing.assert_allclose(one._index(rate, count), rate + np.sqrt(1.5 * np.log(100) / count))
    upper = kl._index(rate, count)
    budget = np.log(100) + 3 * np.log(np.log(100))
    assert upper[0, 0] == pytest.approx(1 - np.exp(-budget / 10))
    for q, p, n in zip(upper[0, :3], rate[0], count[0], strict=False):
        assert n * entropy([p, 1 - p], [q, 1 - q]) == pytest.approx(budget, rel=1e-4)
    assert upper[0, 3] == 1.0


def test_list_is_in_falling_order_and_items_never_seen_come_first() -> None:
    agent = begun(CascadeUCB1(), n=2)
    agent.round = 50
    agent.observed = np.array([[9.0, 9, 9, 9], [9, 0, 9, 0]])
    agent.attracted = np.array([[1.0, 5, 3, 4], [1, 0, 3, 0]])
    action = agent.act(NOTHING)
    assert action[0].tolist() == [1, 3, 2]
    assert set(action[1, :2].tolist()) == {1, 3}
    assert action[1, 2] == 2


@pytest.mark.parametrize("make", [CascadeUCB1, CascadeKLUCB])
def test_regret_grows_as_a_logarithm(make: type[CascadeIndexAgent]) -> None:
    regret = play(make(), 6000)
    tail = [regret[1000:2000].sum(axis=0), regret[2000:4000].sum(axis=0)]
    # log(2000/1000) = log(4000/2000): equal halves; linear regret would double.
    assert tail[1].mean() < 1.5 * tail[0].mean()
    random = CascadingBandit(1, attraction=ATTRACTION)
    random.reset(seed=0)
    assert regret[-1000:].mean() < 0.3 * (random.best_value[0] - (1 - (1 - 0.095) ** 3))


def test_kl_bounds_regret_less_than_hoeffding_ones() -> None:
    one, kl = (play(make(), 3000).sum(axis=0) for make in (CascadeUCB1, CascadeKLUCB))
    error = np.sqrt((one.var(ddof=1) + kl.var(ddof=1)) / 20)
    assert one.mean() - kl.mean() > 5 * error


@pytest.mark.parametrize("make", [CascadeUCB1, CascadeKLUCB])
def test_equal_seeds_play_equally_and_a_saved_agent_goes_on(make: type[CascadeIndexAgent]) -> None:
    agent, again = make(), make()
    np.testing.assert_array_equal(play(agent, 60), play(again, 60))
    state = agent.state_dict()
    position = {"position": np.zeros(20, dtype=np.int64)}
    expected = []
    for _ in range(5):
        expected.append(agent.act(NOTHING))
        agent.learn(NOTHING, expected[-1], np.ones(20), position)
    agent.load_state_dict(state)
    for action in expected:
        np.testing.assert_array_equal(agent.act(NOTHING), action)
        agent.learn(NOTHING, action, np.ones(20), position)


def test_wrong_use_is_explained() -> None:
    with pytest.raises(ConfigError, match="CascadeUCB1 plays a list of items at a time"):
        CascadeUCB1().begin(Problem.of(BernoulliBandit(), 10), 0)
    with pytest.raises(ConfigError, match="UCB1 plays one arm at a time"):
        UCB1().begin(Problem.of(CascadingBandit(), 10), 0)
    with pytest.raises(ConfigError, match="horizon must be at least 1 round, got 0"):
        Problem.of(CascadingBandit(), 0)
