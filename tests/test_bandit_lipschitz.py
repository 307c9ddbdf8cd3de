"""Arms on a line: the environment's means, zooming's cover, rounds by hand, and regret."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from bandit_cases import NO_OBSERVATION, problem
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import kstest, ttest_rel

from rewardsmith.agents.bandits import make_agent
from rewardsmith.agents.bandits.play import History, play
from rewardsmith.agents.bandits.zooming import FixedDiscretisation, Zooming
from rewardsmith.envs import ConfigError, EnvError
from rewardsmith.envs.bandits.lipschitz import LipschitzBandit

RUNS = 200
HORIZONS = (300, 1000, 3000)
TEXTBOOK, NARROW = 1.0, 0.25

# ---- Environment ------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 60), st.floats(0.01, 20.0), st.floats(0.0, 1.0))
def test_means_are_lipschitz_with_a_tight_constant_and_peak_nearest_the_peak(
    arms: int, lipschitz: float, peak: float
) -> None:
    env = LipschitzBandit(1, arms=arms, lipschitz=lipschitz, peak=peak)
    env.reset(seed=0)
    mean, point = env.mean[0], np.arange(arms) / (arms - 1)
    apart = np.abs(point[:, None] - point)
    assert (np.abs(mean[:, None] - mean) <= lipschitz * apart + 1e-9).all()
    assert ((mean >= 0.0) & (mean <= 1.0)).all()
    nearest = np.abs(point - peak).min()
    assert mean.max() == pytest.approx(max(0.0, 1.0 - lipschitz * nearest))
    # To either side of the peak the slope is L wherever the pay is not cut off at 0.
    paying = (mean > 0.0) & (point > peak)
    np.testing.assert_allclose(np.diff(mean[paying]), -lipschitz / (arms - 1), atol=1e-9)


def test_peaks_are_uniform_and_new_in_every_episode() -> None:
    env = LipschitzBandit(2000, lipschitz=0.5, arms=2)
    env.reset(seed=0)
    peak = 1.0 - (1.0 - env.mean[:, 0]) / 0.5  # mean of arm 0 is 1 - peak / 2
    assert kstest(peak, "uniform").pvalue > 1e-4
    first = env.mean.copy()
    env.reset()
    assert (env.mean != first).any(axis=1).all()


def test_pay_is_bernoulli_and_regret_is_against_the_best_arm() -> None:
    env = LipschitzBandit(20_000, arms=5, lipschitz=2.0, peak=0.3, time_limit=None)
    observation, info = env.reset(seed=0)
    assert not info["regret"].any()
    _, paid, _, _, info = env.step(np.full(20_000, 2))
    assert set(np.unique(paid)) == {0.0, 1.0}
    assert abs(paid.mean() - 0.6) < 4.5 * np.sqrt(0.24 / 20_000)
    np.testing.assert_allclose(info["regret"], 0.9 - 0.6)
    assert (info["best_arm"] == 1).all()
    assert env.card.oracle is not None
    assert env.step(env.card.oracle(observation))[4]["success"].all()
    assert "arm i lies at i / 4" in env.card.action[0].description


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arms": 1}, "a bandit needs at least 2 arms, got 1"),
        ({"lipschitz": 0.0}, "lipschitz must be a finite number above 0, got 0.0"),
        ({"lipschitz": np.inf}, "lipschitz must be a finite number above 0, got inf"),
        ({"peak": 1.5}, r"peak must be in \[0, 1\], got 1.5"),
        ({"peak": float("nan")}, r"peak must be in \[0, 1\], got nan"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        LipschitzBandit(1, **options)


# ---- Fixed mesh -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arms", "horizon", "lipschitz", "mesh"),
    [
        # (ln 300 / 300)^(1/3) = 0.26690; in steps of 10 arms: 0, 2.67, 5.34, 8.01.
        (11, 300, 1.0, [0, 3, 5, 8]),
        # Divided by 4^(2/3) it is 0.10592.
        (11, 300, 4.0, [0, 1, 2, 3, 4, 5, 6, 7, 8, 10]),
        (3, 300, 4.0, [0, 1, 2]),
        (3, 1, 1.0, [0, 1, 2]),
        (101, 300, 0.01, [0]),
    ],
)
def test_the_mesh(arms: int, horizon: int, lipschitz: float, mesh: list[int]) -> None:
    agent = FixedDiscretisation(lipschitz)
    agent.begin(problem(arms, horizon), seed=0)
    assert agent.mesh.tolist() == mesh


def test_a_fixed_mesh_is_played_by_ucb1() -> None:
    fixed, index = FixedDiscretisation(), make_agent("ucb1")
    fixed.begin(problem(11, 300), seed=0)
    index.begin(problem(4, 300), seed=0)
    random = np.random.default_rng(0)
    for _ in range(300):
        arm = index.act(NO_OBSERVATION)
        assert fixed.act(NO_OBSERVATION)[0] == fixed.mesh[arm[0]]
        paid = (random.random(1) < 0.2 * (1 + arm)).astype(float)
        fixed.learn(NO_OBSERVATION, fixed.mesh[arm], paid, {})
        index.learn(NO_OBSERVATION, arm, paid, {})


# ---- Zooming ----------------------------------------------------------------------------


def test_zooming_by_hand() -> None:
    """T = 8 and scale 1/2: r = sqrt(ln 8 / (2 (n + 1))) = 1.0197, 0.7210, 0.5887, ..."""
    agent = Zooming(scale=0.5)
    agent.begin(problem(5, 8), seed=0)
    assert np.flatnonzero(agent.active[0]).tolist() == [0]  # 1.0197 covers all of [0, 1]
    rounds = [
        # (arm, what it pays, the active arms afterwards)
        (0, 0.0, [0, 3]),  # r_0 = 0.7210 leaves 0.75 bare, which covers all with r_3 = 1.0197
        (3, 1.0, [0, 3]),  # 0 + 2 * 0.7210 against 0 + 2 * 1.0197
        (3, 0.0, [0, 3]),  # 1.4420 against 1 + 2 * 0.7210
        (3, 0.0, [0, 3]),  # 1.4420 against 1/2 + 2 * 0.5887 = 1.6773
        (0, 0.0, [0, 3]),  # 1.4420 against 1/3 + 2 * 0.5098 = 1.3530
        (3, 0.0, [0, 3]),  # 1.1774 against 1.3530
    ]
    for arm, paid, active in rounds:
        assert agent.act(NO_OBSERVATION).tolist() == [arm]
        agent.learn(NO_OBSERVATION, np.array([arm]), np.array([paid]), {})
        assert np.flatnonzero(agent.active[0]).tolist() == active
    np.testing.assert_allclose(
        agent.radius()[0, [0, 3, 4]], np.sqrt(np.log(8) / 2 / np.array([3, 5, 1]))
    )


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 40),
    st.sampled_from([0.2, 1.0, 7.0]),
    st.sampled_from([0.1, 0.5, 1.0]),
)
def test_every_arm_is_covered_and_no_activation_was_idle(
    seed: int, arms: int, lipschitz: float, scale: float
) -> None:
    agent, random = Zooming(lipschitz, scale), np.random.default_rng(seed)
    agent.begin(problem(arms, 80, n=3), seed=0)
    point = np.linspace(0.0, 1.0, arms)
    apart = lipschitz * np.abs(point[:, None] - point)
    before = np.zeros((3, arms), dtype=bool)
    for _ in range(80):
        radius = scale * np.sqrt(2 * np.log(80) / (agent.pulls + 1))
        reaches = agent.active[:, :, None] & (apart <= radius[:, :, None] + 1e-12)
        assert reaches.any(axis=1).all()
        # Those active earlier did not cover what has become active since.
        inside = agent.active[:, :, None] & (apart < radius[:, :, None] - 1e-12)
        by_older = (inside & before[:, :, None]).any(axis=1)
        assert not (by_older & agent.active & ~before).any()
        before = agent.active.copy()
        action = agent.act(NO_OBSERVATION)
        assert agent.active[np.arange(3), action].all()
        agent.learn(NO_OBSERVATION, action, random.random(3).round(), {})


@pytest.mark.parametrize("name", ["zooming", "fixed_discretisation"])
def test_a_run_is_the_same_alone_and_among_others(name: str) -> None:
    together = play(make_agent(name), LipschitzBandit(3, time_limit=None), 200, seed=5)
    for row in range(3):
        alone = play(make_agent(name), LipschitzBandit(1, time_limit=None), 200, seed=5 + row)
        np.testing.assert_array_equal(alone.pulls[0], together.pulls[row])


@pytest.mark.parametrize("name", ["zooming", "fixed_discretisation"])
def test_a_pickled_agent_goes_on_exactly(name: str) -> None:
    agent = make_agent(name, {"scale": 0.25})
    play(agent, LipschitzBandit(4, time_limit=None), 150)
    other, random = pickle.loads(pickle.dumps(agent)), np.random.default_rng(0)
    for _ in range(100):
        action = agent.act(NO_OBSERVATION)
        np.testing.assert_array_equal(other.act(NO_OBSERVATION), action)
        paid = random.random(4).round()
        agent.learn(NO_OBSERVATION, action, paid, {})
        other.learn(NO_OBSERVATION, action, paid, {})


@pytest.mark.parametrize("name", ["Zooming", "FixedDiscretisation"])
@pytest.mark.parametrize("setting", ["lipschitz", "scale"])
def test_wrong_settings_are_named(name: str, setting: str) -> None:
    agent = {"Zooming": Zooming, "FixedDiscretisation": FixedDiscretisation}[name]
    with pytest.raises(ConfigError, match=rf"{setting} of {name} must be in \(0, inf\), got -1"):
        agent(**{setting: -1.0})


# ---- Regret -----------------------------------------------------------------------------


def regrets(name: str, lipschitz: float, scale: float, horizon: int) -> NDArray[np.float64]:
    """Returns the regret of every run, (RUNS,), the same peaks for every agent."""
    agent = make_agent(name, {"lipschitz": lipschitz, "scale": scale})
    env = LipschitzBandit(RUNS, lipschitz=lipschitz, time_limit=None)
    return np.asarray(play(agent, env, horizon, seed=10_000).regret[-1])


@pytest.mark.parametrize("scale", [TEXTBOOK, NARROW])
@pytest.mark.parametrize(("name", "theory"), [("fixed_discretisation", 2 / 3), ("zooming", 1 / 2)])
def test_regret_grows_no_faster_than_the_theory(
    name: str, theory: float, scale: float, record_property: Any
) -> None:
    regret = np.stack([regrets(name, 5.0, scale, horizon) for horizon in HORIZONS])
    growth = History(np.array(HORIZONS), regret, regret, np.zeros((1, 1), dtype=int)).growth()
    record_property("regret", regret.mean(axis=1).tolist())
    record_property("growth", growth)
    assert growth <= theory + 0.1


@pytest.mark.parametrize("lipschitz", [1.0, 5.0])
def test_zooming_beats_the_fixed_mesh_on_a_peak_where_radii_are_narrow(
    lipschitz: float, record_property: Any
) -> None:
    """Radii a quarter of the textbook's; with those the mesh is still better at 10^4 rounds."""
    fixed = regrets("fixed_discretisation", lipschitz, NARROW, 3000)
    zooming = regrets("zooming", lipschitz, NARROW, 3000)
    record_property("regret", [float(fixed.mean()), float(zooming.mean())])
    assert ttest_rel(zooming, fixed, alternative="less").pvalue < 0.01
