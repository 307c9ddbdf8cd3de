"""Hard instances: all arms pay with chance 1/2 but one, by a gap too small to see in time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare

from rewardsmith.agents.bandits import make_agent
from rewardsmith.agents.bandits.agent import Problem
from rewardsmith.agents.bandits.play import play
from rewardsmith.envs import EnvError
from rewardsmith.envs.bandits.bernoulli import BernoulliBandit

ARMS, RUNS = 10, 200
AGENTS = ("ucb1", "moss", "kl_ucb", "thompson")


def least_regret(horizon: int, gap: float) -> float:
    """Returns what any agent loses on average over the better arm (Auer et al., theorem A.2).

    gap (T - T / K - T / 2 sqrt(-(T / K) ln(1 - 4 gap^2))).
    """
    seen = np.sqrt(-horizon / ARMS * np.log1p(-4.0 * gap**2))
    return float(gap * horizon * (1.0 - 1.0 / ARMS - seen / 2.0))


def test_one_arm_is_better_any_with_the_same_chance() -> None:
    env = BernoulliBandit(4000, arms=ARMS, gap=0.125)
    env.reset(seed=0)
    ordered = np.sort(env.mean, axis=1)
    assert (ordered[:, :-1] == 0.5).all()
    assert (ordered[:, -1] == 0.625).all()
    first = env.best.copy()
    env.reset()
    for drawn in (first, env.best):
        assert chisquare(np.bincount(drawn, minlength=ARMS)).pvalue > 1e-4
    assert (first == env.best).mean() < 0.15
    assert env.card.oracle is None
    assert "1/2 but one, drawn for every episode, with 0.625" in env.card.goal


@pytest.mark.parametrize("factor", [0.25, 0.5])
@pytest.mark.parametrize("horizon", [300, 1000, 2000])
def test_nobody_loses_less_than_the_lower_bound(
    factor: float, horizon: int, record_property: Any
) -> None:
    gap = factor * float(np.sqrt(ARMS / horizon))
    least = least_regret(horizon, gap)
    assert least > 0.16 * np.sqrt(ARMS * horizon)
    for name in AGENTS:
        env = BernoulliBandit(RUNS, arms=ARMS, gap=gap, time_limit=None)
        regret = play(make_agent(name), env, horizon).regret[-1].mean()
        record_property(name, float(regret / np.sqrt(ARMS * horizon)))
        assert least < regret <= gap * horizon


@pytest.mark.parametrize("name", AGENTS)
def test_where_the_gap_shows_agents_learn_and_keep_to_their_bounds(name: str) -> None:
    horizon = 2000
    gap = float(np.sqrt(ARMS / horizon)) * 4.0
    env = BernoulliBandit(RUNS, arms=ARMS, gap=gap, time_limit=None)
    agent: Any = make_agent(name)
    regret = play(agent, env, horizon).regret[-1].mean()
    assert regret < 0.75 * gap * horizon * (1.0 - 1.0 / ARMS)  # what playing at random loses
    if name != "thompson":  # whose bound is on the regret under its own prior
        gaps = np.append(0.0, np.full(ARMS - 1, gap))
        assert regret < agent.bound(Problem.of(env, horizon), gaps)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gap": 0.0}, r"gap must be in \(0, 0.5\], got 0.0"),
        ({"gap": 0.6}, r"gap must be in \(0, 0.5\], got 0.6"),
        ({"gap": 0.1, "prior": [1, 1]}, "prior and gap exclude each other; give one of them"),
        ({"gap": 0.1, "probabilities": [0.5, 0.6]}, "probabilities and gap exclude each other"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        BernoulliBandit(**options)
