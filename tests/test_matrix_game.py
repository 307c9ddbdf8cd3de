"""The repeated matrix game: its value, how the opponents play, and that learners reach it."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.stats import chisquare, kstest

from rewardsmith.agents.bandits import make_agent
from rewardsmith.agents.bandits.agent import Problem
from rewardsmith.agents.bandits.bounds import regret_bound
from rewardsmith.agents.bandits.play import play
from rewardsmith.envs import EnvError
from rewardsmith.envs.bandits.matrix_game import OPPONENTS, MatrixGame
from rewardsmith.envs.bandits.matrix_value import game_value

PENNIES = [[1.0, 0.0], [0.0, 1.0]]
ROCK_PAPER_SCISSORS = [[0.5, 0.0, 1.0], [1.0, 0.5, 0.0], [0.0, 1.0, 0.5]]
UNEVEN = [[0.5, 0.25, 1.0], [0.75, 0.0, 0.125]]
SEEDS = st.integers(0, 2**32 - 1)


def after(actions: list[int], **options: Any) -> MatrixGame:
    """Returns a game in which `actions` have been played."""
    env = MatrixGame(1, **options)
    env.reset(seed=0)
    for action in actions:
        env.step(np.array([action]))
    return env


def told(facts: dict[str, Any]) -> dict[str, Any]:
    """Returns the facts of a round of the only game as plain numbers."""
    return {name: facts[name][0].tolist() for name in ("column", "rewards", "regret", "success")}


def by_linear_program(game: NDArray[np.float64]) -> float:
    """Returns the largest v with x^T A >= v for a mix x of rows."""
    rows, columns = game.shape
    found = linprog(
        np.append(np.zeros(rows), -1.0),
        A_ub=np.hstack([-game.T, np.ones((columns, 1))]),
        b_ub=np.zeros(columns),
        A_eq=np.append(np.ones(rows), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0.0, None)] * rows + [(None, None)],
    )
    return -float(found.fun)


# ---- The value --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payoffs", "value"),
    [
        (PENNIES, 0.5),
        (ROCK_PAPER_SCISSORS, 0.5),
        (UNEVEN, 0.25),  # a saddle point: row 0 is worth at least that, column 1 at most
        ([[0.75, 0.25], [0.0, 0.5]], 0.375),  # x = (1/2, 1/2)
        ([[1.0, 1.0], [1.0, 1.0]], 1.0),
        ([[0.0, 0.0], [0.0, 0.0]], 0.0),
    ],
)
def test_the_fact_value_is_that_of_known_games(payoffs: Any, value: float) -> None:
    told = MatrixGame(2, payoffs=payoffs).reset(seed=0)[1]["value"]
    np.testing.assert_allclose(told, value, atol=1e-12)
    assert by_linear_program(np.array(payoffs)) == pytest.approx(value, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(2, 7), st.integers(2, 7), st.booleans())
def test_the_value_is_that_of_the_linear_program(
    seed: int, rows: int, columns: int, with_ties: bool
) -> None:
    random, shape = np.random.default_rng(seed), (3, rows, columns)
    games = random.integers(0, 3, shape) / 2.0 if with_ties else random.random(shape)
    expected = [by_linear_program(game) for game in games]
    np.testing.assert_allclose(game_value(games), expected, atol=1e-9)


# ---- A round ----------------------------------------------------------------------------


def test_rounds_by_hand() -> None:
    env = MatrixGame(1, payoffs=UNEVEN, opponent="best_response")
    observation, facts = env.reset(seed=0)
    assert observation.tolist() == [[0.0]]
    assert told(facts) == {"column": -1, "rewards": [0.0, 0.0], "regret": 0.0, "success": False}
    env.loss[:], env.gain[:] = [[0.75, 0.0, 0.125]], [[0.25, 0.0]]  # as after row 1, column 1
    observation, reward, _, _, facts = env.step(np.array([1]))
    assert [reward.item(), observation.item()] == [0.0, 0.0]
    assert told(facts) == {"column": 1, "rewards": [0.25, 0.0], "regret": 0.25, "success": False}
    assert [env.loss.tolist(), env.gain.tolist()] == [[[1.5, 0.0, 0.25]], [[0.5, 0.0]]]
    observation, reward, _, _, facts = env.step(np.array([0]))
    assert [reward.item(), observation.item()] == [0.25, 0.25]
    assert told(facts) == {"column": 1, "rewards": [0.25, 0.0], "regret": 0.0, "success": True}


@pytest.mark.parametrize("opponent", OPPONENTS)
def test_regret_adds_up_to_that_against_the_best_fixed_action(opponent: str) -> None:
    env = MatrixGame(20, rows=4, columns=5, opponent=opponent, time_limit=None)
    env.reset(seed=0)
    random, rows = np.random.default_rng(0), np.arange(20)
    would_have, earned, regret = np.zeros((20, 4)), np.zeros(20), np.zeros(20)
    for _ in range(50):
        action = random.integers(4, size=20)
        _, reward, _, _, info = env.step(action)
        np.testing.assert_array_equal(info["rewards"], env.payoff[rows, :, info["column"]])
        np.testing.assert_array_equal(reward, env.payoff[rows, action, info["column"]])
        would_have, earned = would_have + info["rewards"], earned + reward
        regret += info["regret"]
        np.testing.assert_allclose(regret, would_have.max(axis=1) - earned)
        best = would_have[rows, action] == would_have.max(axis=1)
        np.testing.assert_array_equal(info["success"], best)


def test_payoffs_are_drawn_uniformly_and_anew_for_every_episode() -> None:
    env = MatrixGame(200, rows=2, columns=4)
    env.reset(seed=0)
    first = env.payoff.copy()
    assert kstest(first.ravel(), "uniform").pvalue > 1e-4
    env.reset()
    assert not (env.payoff == first).any()


# ---- The opponents ----------------------------------------------------------------------


def test_hedge_weighs_columns_by_what_they_would_have_cost() -> None:
    env = after([0, 1, 1], payoffs=UNEVEN, horizon=50)
    loss = np.array([0.5 + 2 * 0.75, 0.25, 1.0 + 2 * 0.125])
    weight = np.exp(-np.sqrt(8 * np.log(3) / 50) * loss)
    np.testing.assert_allclose(env.opponent_mix()[0], weight / weight.sum())


def test_hedge_overflows_at_no_horizon() -> None:
    env = after([0], payoffs=PENNIES, horizon=1)
    env.loss[:] = [[1e6, 0.0]]
    assert env.opponent_mix().tolist() == [[0.0, 1.0]]


def test_best_response_is_the_best_reply_to_every_history() -> None:
    game = np.array(UNEVEN)
    for actions in product(range(2), repeat=5):
        env = after(list(actions), payoffs=UNEVEN, opponent="best_response")
        shares = np.bincount(actions, minlength=2) / 5
        paid = [shares @ game[:, b] for b in range(3)]
        best = np.isclose(paid, min(paid))
        np.testing.assert_allclose(env.opponent_mix()[0], best / best.sum())


def test_equally_good_replies_are_equally_likely() -> None:
    env = after([0, 1], payoffs=PENNIES, opponent="best_response")
    assert env.opponent_mix().tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize("opponent", OPPONENTS)
def test_columns_are_drawn_from_the_mix(opponent: str) -> None:
    env = MatrixGame(4000, payoffs=UNEVEN, opponent=opponent, horizon=20)
    env.reset(seed=0)
    for _ in range(3):
        env.step(np.zeros(4000, dtype=np.int64))
    mix = env.opponent_mix()[0]
    drawn = np.bincount(env.step(np.ones(4000, dtype=np.int64))[4]["column"], minlength=3)
    assert not drawn[mix == 0.0].any()
    if (mix > 0.0).sum() > 1:
        assert chisquare(drawn[mix > 0.0], 4000 * mix[mix > 0.0]).pvalue > 1e-4


@pytest.mark.parametrize("opponent", OPPONENTS)
def test_the_opponent_sees_no_action_before_it_has_chosen(opponent: str) -> None:
    env = MatrixGame(100, opponent=opponent)
    env.reset(seed=0)
    env.step(np.zeros(100, dtype=np.int64))
    kept = env.snapshot()
    columns = []
    for action in range(3):
        env.restore(kept)
        columns.append(env.step(np.full(100, action))[4]["column"])
    assert all((chosen == columns[0]).all() for chosen in columns)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.sampled_from(OPPONENTS), st.permutations(range(3)), st.permutations(range(4)))
def test_an_opponent_follows_a_renaming_of_the_actions(
    seed: int, opponent: str, rows: list[int], columns: list[int]
) -> None:
    random = np.random.default_rng(seed)
    game, actions = random.random((3, 4)), random.integers(3, size=6)
    named = after(actions.tolist(), payoffs=game, opponent=opponent)
    inverse = np.argsort(rows)
    renamed = after(inverse[actions].tolist(), payoffs=game[rows][:, columns], opponent=opponent)
    np.testing.assert_allclose(renamed.opponent_mix(), named.opponent_mix()[:, columns])


# ---- Learning ---------------------------------------------------------------------------


@pytest.mark.parametrize("opponent", ["hedge", "best_response"])
def test_who_never_changes_is_held_to_the_least_of_its_row(opponent: str) -> None:
    env = MatrixGame(20, opponent=opponent, horizon=2000, time_limit=None)
    env.reset(seed=0)
    action = np.zeros(20, dtype=np.int64)
    late = np.mean([env.step(action)[1] for _ in range(2000)][1000:], axis=0)
    np.testing.assert_allclose(late, env.payoff[:, 0].min(axis=1), atol=0.03)


@pytest.mark.parametrize("agent", ["hedge", "follow_perturbed_leader", "exp3"])
def test_two_learners_bring_random_games_to_their_value(agent: str) -> None:
    env = MatrixGame(20, horizon=4000, time_limit=None)
    history = play(make_agent(agent), env, 4000, seed=1, checkpoints=[2000, 4000])
    late = (history.reward[1] - history.reward[0]) / 2000
    np.testing.assert_allclose(late, env.value, atol=0.05)


@pytest.mark.parametrize("agent", ["hedge", "follow_perturbed_leader"])
@pytest.mark.parametrize("opponent", OPPONENTS)
def test_bounds_of_full_feedback_hold_against_every_opponent(agent: str, opponent: str) -> None:
    env = MatrixGame(100, opponent=opponent, horizon=1000, time_limit=None)
    player: Any = make_agent(agent)
    regret = play(player, env, 1000).regret[-1]
    assert regret.mean() < player.bound(Problem.of(env, 1000), np.zeros(3))


def test_bounds_for_payments_fixed_beforehand_are_stated_of_the_uniform_opponent_alone() -> None:
    for opponent, stated in (("uniform", True), ("hedge", False), ("best_response", False)):
        env, agent = MatrixGame(2, opponent=opponent), make_agent("exp3")
        agent.begin(Problem.of(env, 100), seed=0)
        assert (regret_bound(agent, env) is not None) is stated


# ---- The picture and errors -------------------------------------------------------------


def test_the_picture_marks_what_was_played_and_how_well_it_paid() -> None:
    env = MatrixGame(1, payoffs=UNEVEN, render_mode="rgb_array")
    env.reset(seed=0)
    before: Any = env.render()
    column = int(env.step(np.array([1]))[4]["column"][0])
    picture: Any = env.render()
    assert picture[0].shape == (160, 200, 3)
    place = (3 * 40 + 20, (column + 2) * 40 + 20)
    assert picture[0][place].tolist() == [226, 170, 22] != before[0][place].tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"opponent": "fixed"}, "one of 'hedge', 'best_response', 'uniform', got 'fixed'"),
        ({"horizon": 0}, "horizon must be at least 1 round, got 0"),
        ({"rows": 1}, "needs at least 2 rows, got 1"),
        ({"columns": 0}, "needs at least 2 columns, got 0"),
        ({"payoffs": [[0.5, 0.5]]}, "needs at least 2 rows, got 1"),
        ({"payoffs": PENNIES, "rows": 3}, "rows is 3 but payoffs has 2; leave rows out"),
        ({"payoffs": PENNIES, "columns": 3}, "columns is 3 but payoffs has 2"),
        ({"payoffs": [[1.0, -1.0], [-1.0, 1.0]]}, r"matrix of numbers in \[0, 1\]"),
        ({"payoffs": [[0.0, np.nan], [0.0, 1.0]]}, r"matrix of numbers in \[0, 1\]"),
        ({"payoffs": [0.5, 0.5]}, r"matrix of numbers in \[0, 1\], got \[0.5, 0.5\]"),
        ({"payoffs": [[0.5, 0.5], [1.0]]}, "rows of equally many numbers"),
    ],
)
def test_options_that_cannot_work_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        MatrixGame(2, **options)
