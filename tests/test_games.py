"""Zero-sum games: values in closed form, rates, identities, invariances, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardsmith.agents.bandits.games import best_responses, game_value, play_game
from rewardsmith.agents.bandits.players import FictitiousPlay, HedgePlayer, Player, RegretMatching
from rewardsmith.envs import ConfigError

PENNIES = np.array([[1.0, -1.0], [-1.0, 1.0]])
ROCK_PAPER_SCISSORS = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
PLAYERS = [HedgePlayer, RegretMatching, FictitiousPlay]
SEEDS = st.integers(0, 2**32 - 1)


def closed_form(game: np.ndarray) -> float:
    """Returns the value of a 2 x 2 game: a saddle point, or (ad - bc) / (a + d - b - c)."""
    below, above = game.min(axis=1).max(), game.max(axis=0).min()
    if below == above:
        return float(below)
    (a, b), (c, d) = game
    return float((a * d - b * c) / (a + d - b - c))


# ---- Values -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("game", "value"),
    [
        (PENNIES, 0.0),
        (ROCK_PAPER_SCISSORS, 0.0),
        (ROCK_PAPER_SCISSORS + 2.0, 2.0),
        (np.array([[3.0, 1.0], [0.0, 2.0]]), 1.5),
        (np.array([[2.0, 3.0], [0.0, 1.0]]), 2.0),
        (np.array([[5.0, -1.0, 4.0]]), -1.0),
        (np.array([[5.0], [7.0]]), 7.0),
    ],
)
def test_known_values(game: np.ndarray, value: float) -> None:
    assert game_value(game[None])[0] == pytest.approx(value, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=4, max_size=4))
def test_the_value_of_a_two_by_two_game_equals_the_closed_form(entries: list[int]) -> None:
    game = np.array(entries, dtype=np.float64).reshape(2, 2)
    assert game_value(game[None])[0] == pytest.approx(closed_form(game), abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.permutations(range(3)), st.permutations(range(4)))
def test_the_names_of_the_actions_do_not_change_the_value(
    seed: int, rows: list[int], columns: list[int]
) -> None:
    game = np.random.default_rng(seed).normal(size=(3, 4))
    named, renamed, sides = game, game[rows][:, columns], -game.T
    assert game_value(renamed[None])[0] == pytest.approx(game_value(named[None])[0])
    assert game_value(sides[None])[0] == pytest.approx(-game_value(named[None])[0])


def test_nash_is_not_exploitable_and_a_pure_strategy_is() -> None:
    third, rock = np.full(3, 1 / 3), np.array([1.0, 0.0, 0.0])
    nash = best_responses(ROCK_PAPER_SCISSORS, third, third)
    np.testing.assert_allclose(nash, (0.0, 0.0), atol=1e-15)
    pure = best_responses(ROCK_PAPER_SCISSORS, rock, third)
    np.testing.assert_allclose(pure, (0.0, -1.0), atol=1e-15)


# ---- Learning ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [HedgePlayer, RegretMatching])
def test_exploitability_falls_like_one_over_the_root_of_the_rounds(kind: type[Player]) -> None:
    games = np.random.default_rng(0).uniform(-1.0, 1.0, (40, 4, 5))
    means = []
    for rounds in (64, 256, 1024, 4096):
        history = play_game(games, kind(), kind(), rounds, seed=1)
        means.append(history.exploitability[-1].mean())
    slope = np.polyfit(np.log([64, 256, 1024, 4096]), np.log(means), 1)[0]
    assert -0.75 <= slope <= -0.4
    assert history.growth() <= -0.3


@pytest.mark.parametrize("kind", PLAYERS)
@pytest.mark.parametrize("game", [PENNIES, ROCK_PAPER_SCISSORS])
def test_average_play_nears_the_uniform_equilibrium(game: np.ndarray, kind: type[Player]) -> None:
    games = np.tile(game, (10, 1, 1))
    history = play_game(games, kind(), kind(), 8000, seed=2)
    np.testing.assert_allclose(history.row[-1], 1 / len(game), atol=0.06)
    np.testing.assert_allclose(history.column[-1], 1 / len(game), atol=0.06)
    assert np.abs(history.payoff[-1]).max() < 0.06


@pytest.mark.parametrize("kind", PLAYERS)
def test_every_learner_brings_random_games_near_their_value(kind: type[Player]) -> None:
    games = np.random.default_rng(3).uniform(-1.0, 1.0, (20, 3, 3))
    history = play_game(games, kind(), kind(), 4000, seed=3)
    assert history.exploitability[-1].mean() < 0.1
    assert np.abs(history.payoff[-1] - game_value(games)).mean() < 0.05


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.sampled_from(PLAYERS), st.sampled_from(PLAYERS))
def test_the_regrets_bound_the_distance_to_the_value(
    seed: int, row: type[Player], column: type[Player]
) -> None:
    games = np.random.default_rng(seed).normal(size=(5, 3, 4))
    history, value = play_game(games, row(), column(), 100, seed=seed), game_value(games)
    per_round = history.regret / history.rounds[:, None, None]
    np.testing.assert_allclose(per_round.sum(axis=-1), history.exploitability, atol=1e-12)
    assert (history.payoff >= value - per_round[..., 0] - 1e-9).all()
    assert (history.payoff <= value + per_round[..., 1] + 1e-9).all()
    assert history.rounds.tolist() == [1, 2, 4, 8, 16, 32, 64, 100]
    np.testing.assert_allclose(history.row.sum(axis=-1), 1.0)
    np.testing.assert_allclose(history.column.sum(axis=-1), 1.0)


@pytest.mark.parametrize(
    ("kind", "bound"),
    [(HedgePlayer, 2 * np.sqrt(2000 * np.log(4))), (RegretMatching, np.sqrt(2000 * 4))],
)
def test_regret_keeps_to_its_bound_and_so_does_the_average_payoff(
    kind: type[Player], bound: float
) -> None:
    rounds, games = 2000, np.random.default_rng(4).random((50, 4, 4))
    history = play_game(games, kind(), kind(), rounds, seed=4)
    # Drawn actions stray from their strategy: Azuma, chance 1e-6 for each of 100 players.
    allowed = bound + np.sqrt(0.5 * rounds * np.log(1e6))
    assert (history.regret[-1] <= allowed).all()
    assert (np.abs(history.payoff[-1] - game_value(games)) <= 2 * allowed / rounds).all()


@pytest.mark.parametrize("kind", PLAYERS)
@settings(max_examples=15, deadline=None)
@given(SEEDS, st.permutations(range(4)))
def test_a_learner_follows_a_renaming_of_its_actions(
    kind: type[Player], seed: int, order: list[int]
) -> None:
    told = np.random.default_rng(seed).random((20, 3, 4))
    one, other = kind(), kind()
    for player, payoffs in ((one, told), (other, told[..., order])):
        player.begin(3, 4, 20)
        np.testing.assert_allclose(player.strategy(), 0.25)
        for payoff in payoffs:
            player.learn(payoff)
    np.testing.assert_allclose(other.strategy(), one.strategy()[:, order])
    np.testing.assert_allclose(one.strategy().sum(axis=1), 1.0)


@pytest.mark.parametrize("kind", PLAYERS)
def test_payoffs_may_be_scaled_and_shifted(kind: type[Player]) -> None:
    games = np.random.default_rng(5).random((4, 3, 3))
    plain = play_game(games, kind(), kind(), 200, seed=5)
    scaled = play_game(8.0 * games - 3.0, kind(), kind(), 200, seed=5)
    np.testing.assert_allclose(scaled.row, plain.row)
    np.testing.assert_allclose(scaled.exploitability, 8.0 * plain.exploitability, atol=1e-12)


def test_a_constant_game_has_nothing_to_learn() -> None:
    history = play_game(np.full((2, 3, 2), 0.7), HedgePlayer(), RegretMatching(), 10)
    np.testing.assert_allclose(history.exploitability, 0.0, atol=1e-12)
    np.testing.assert_allclose(history.payoff, 0.7)
    with pytest.raises(ConfigError, match="two checkpoints of positive exploitability"):
        play_game(np.zeros((1, 2, 2)), HedgePlayer(), HedgePlayer(), 10).growth()


# ---- Errors -----------------------------------------------------------------------------


@pytest.mark.parametrize("payoff", [PENNIES, np.full((1, 2, 2), np.nan), np.zeros((1, 0, 2))])
def test_what_is_no_payoff_is_refused(payoff: Any) -> None:
    with pytest.raises(ConfigError, match=r"payoff must be finite numbers of shape \(n, A, B\)"):
        game_value(payoff)
    with pytest.raises(ConfigError, match=r"payoff must be finite numbers of shape \(n, A, B\)"):
        play_game(payoff, HedgePlayer(), HedgePlayer(), 5)


def test_wrong_rounds_and_one_learner_for_both_sides_are_refused() -> None:
    with pytest.raises(ConfigError, match="rounds must be at least 1, got 0"):
        play_game(PENNIES[None], HedgePlayer(), HedgePlayer(), 0)
    player = HedgePlayer()
    with pytest.raises(ConfigError, match="are one object; make one for each side"):
        play_game(PENNIES[None], player, player, 5)
