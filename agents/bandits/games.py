"""Repeated zero-sum matrix games: two learners play each other, average play nears Nash."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardsmith.agents.bandits.growth import growth_of
from rewardsmith.agents.bandits.players import Player
from rewardsmith.envs.bandits.matrix_value import checked_payoff, game_value, low_and_width
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray, IntArray

__all__ = ["GameHistory", "best_responses", "game_value", "play_game"]


@dataclass(frozen=True, slots=True)
class GameHistory:
    """What n games came to, after 1, 2, 4, ... rounds and after all of them.

    The regrets add up to the exploitability: (R_row + R_column) / T = exploitability. With the
    game's value v, v - R_row / T <= payoff <= v + R_column / T.

    Attributes:
        rounds: Rounds T played at the checkpoints, (C,).
        row: Average play of the row player, (C, n, A); sums to 1.
        column: Average play of the column player, (C, n, B); sums to 1.
        payoff: Average payoff of the row player per round, (C, n).
        exploitability: What best responses to the average play gain together, (C, n).
        regret: Regret of both players against their best fixed action, (C, n, 2).
    """

    rounds: IntArray
    row: FloatArray
    column: FloatArray
    payoff: FloatArray
    exploitability: FloatArray
    regret: FloatArray

    def growth(self) -> float:
        """Returns the slope of ln(mean exploitability) against ln(rounds), -1/2 for 1/sqrt(T).

        Raises:
            ConfigError: If there are fewer than two checkpoints of positive exploitability.
        """
        return growth_of("exploitability", self.rounds, self.exploitability)


def play_game(
    payoff: FloatArray, learner_row: Player, learner_column: Player, rounds: int, seed: int = 0
) -> GameHistory:
    """Lets two learners play n zero-sum games, each for `rounds` rounds.

    In every round both draw an action, a ~ x_t and b ~ y_t; the row player earns A[a, b] and
    the column player -A[a, b]. Both are then told what each action would have paid against
    the action drawn by the other, brought to [0, 1] over the entries of the matrix.

    Args:
        payoff: What the row player earns, (n, A, B).
        learner_row: Maximises; begins anew.
        learner_column: Minimises; begins anew; another object than `learner_row`.
        rounds: Number of rounds T, at least 1.
        seed: Of the drawn actions.

    Raises:
        ConfigError: If the payoff is no finite (n, A, B) array, `rounds` is below 1, or both
            learners are one object.

    Example:
        >>> from rewardsmith.agents.bandits.players import HedgePlayer, RegretMatching
        >>> pennies = np.array([[[1.0, -1.0], [-1.0, 1.0]]])
        >>> history = play_game(pennies, HedgePlayer(), RegretMatching(), rounds=1000)
        >>> bool(history.exploitability[-1, 0] < 0.1)
        True

    Freund and Schapire 1999; Slivkins 2019, arXiv 1904.07272, chapter 9.
    """
    payoff = checked_payoff(payoff)
    if rounds < 1:
        raise ConfigError(f"rounds must be at least 1, got {rounds}")
    if learner_row is learner_column:
        raise ConfigError("learner_row and learner_column are one object; make one for each side")
    n, rows, columns = payoff.shape
    low, width = low_and_width(payoff)
    unit = (payoff - low) / width
    random, games = np.random.default_rng(seed), np.arange(n)
    learner_row.begin(n, rows, rounds)
    learner_column.begin(n, columns, rounds)
    row_plays, column_plays, earned = np.zeros((n, rows)), np.zeros((n, columns)), np.zeros(n)
    checkpoints = [*(2**k for k in range((rounds - 1).bit_length())), rounds]
    kept: list[tuple[FloatArray, FloatArray, FloatArray]] = []
    for round_ in range(1, rounds + 1):
        a = _draw(learner_row.strategy(), random)
        b = _draw(learner_column.strategy(), random)
        learner_row.learn(unit[games, :, b])
        learner_column.learn(1.0 - unit[games, a, :])
        row_plays[games, a] += 1.0
        column_plays[games, b] += 1.0
        earned += payoff[games, a, b]
        if round_ == checkpoints[len(kept)]:
            kept.append((row_plays / round_, column_plays / round_, earned / round_))
    row, column, average = (np.stack(part) for part in zip(*kept, strict=True))
    return _history(payoff, np.array(checkpoints), row, column, average)


def best_responses(
    payoff: FloatArray, row: FloatArray, column: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Returns max_a (A y)_a and min_b (x^T A)_b, (...,) each; their gap is the exploitability.

    Args:
        payoff: A, (..., A, B).
        row: Strategy x, (..., A).
        column: Strategy y, (..., B).

    Example:
        >>> pennies = np.array([[1.0, -1.0], [-1.0, 1.0]])
        >>> above, below = best_responses(pennies, np.array([1.0, 0.0]), np.array([0.5, 0.5]))
        >>> float(above), float(below)
        (0.0, -1.0)
    """
    above = np.einsum("...ab,...b->...a", payoff, column).max(axis=-1)
    below = np.einsum("...ab,...a->...b", payoff, row).min(axis=-1)
    return np.asarray(above), np.asarray(below)


def _history(
    payoff: FloatArray, rounds: IntArray, row: FloatArray, column: FloatArray, average: FloatArray
) -> GameHistory:
    above, below = best_responses(payoff, row, column)
    per_round = np.stack([above - average, average - below], axis=-1)
    regret = np.asarray(rounds[:, None, None] * per_round, dtype=np.float64)
    return GameHistory(rounds, row, column, average, above - below, regret)


def _draw(strategy: FloatArray, random: np.random.Generator) -> IntArray:
    """Returns an action of every game, (n,), drawn from its strategy (n, K)."""
    ladder = strategy.cumsum(axis=1)
    height = random.random((len(strategy), 1)) * ladder[:, -1:]
    return np.asarray((ladder[:, :-1] <= height).sum(axis=1))
