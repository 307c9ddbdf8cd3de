"""`MatrixGame-v0`: a zero-sum game in matrix form, again and again, against who learns too."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.bandits.arms import NO_ARM
from rewardsmith.envs.bandits.matrix_drawing import draw_game
from rewardsmith.envs.bandits.matrix_value import game_value
from rewardsmith.envs.batch import BatchEnv, Info
from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.draws import uniforms
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray

OPPONENTS = ("hedge", "best_response", "uniform")
_SIDE = 3


class MatrixGame(BatchEnv):
    """The player picks a row a, the opponent a column b; the player earns A[a, b] in [0, 1].

    The opponent earns 1 - A[a, b]. It sees the rounds before, not the player's present choice,
    and draws b from a mix over columns. With L(b) = sum_s A[a_s, b], what column b would have
    cost it against the player's past actions a_1, ..., a_{t-1}:

    - "hedge": in proportion to exp(-eta L(b)), with eta = sqrt(8 ln B / horizon).
    - "best_response": uniform over the columns of least L, which are the best replies to the
      shares in which the player has played its actions (fictitious play).
    - "uniform": uniform over all columns, whatever the player does.

    The payoffs are given, or drawn uniformly from [0, 1] for every episode, from the row's
    stream. The fact `regret` is the growth of the regret against the best fixed action in
    hindsight, given the columns that came up, as in `AdversarialBandit`: with
    G_t(a) = sum_s A[a, b_s], max_a G_t(a) - max_a G_{t-1}(a) - r_t. An opponent that adapts
    would have played other columns against another player, which this regret leaves out.

    Observation, float32 of shape (1,): the last reward, 0 at the start. Action: the row.

    Args:
        num_envs: Number of environments n.
        payoffs: The matrix A, the same in all episodes, at least 2 x 2 numbers in [0, 1]; None
            draws it for every episode.
        rows: Number of the player's actions, at least 2; 3 unless `payoffs` says otherwise.
        columns: Number of the opponent's, at least 2; 3 unless `payoffs` says otherwise.
        opponent: "hedge", "best_response" or "uniform".
        horizon: Rounds that the learning rate of "hedge" is made for, at least 1.
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.

    Raises:
        EnvError: If an argument is out of range, or sizes disagree with `payoffs`.

    Example:
        >>> env = MatrixGame(1, payoffs=[[1.0, 0.0], [0.0, 1.0]], opponent="best_response")
        >>> env.reset(seed=0)[1]["value"].round(9)
        array([0.5])
        >>> _ = env.step(np.array([0]))
        >>> info = env.step(np.array([0]))[4]  # told to expect action 0, it plays column 1
        >>> info["column"], info["rewards"]
        (array([1]), array([[0., 1.]]))

    Freund and Schapire 1999; Slivkins 2019, arXiv 1904.07272, chapter 9.
    """

    state_names = ("payoff", "value", "loss", "gain", "regret", "played", "column")

    regret_kinds: tuple[str, ...] = ("adaptive",)
    """Bounds on the regret must hold although the opponent sees the play before a round;
    against "uniform" they may assume "oblivious", payments that do not depend on the play."""
    reward_width = 1.0

    def __init__(
        self,
        num_envs: int = 1,
        *,
        payoffs: Sequence[Sequence[float]] | None = None,
        rows: int | None = None,
        columns: int | None = None,
        opponent: str = "hedge",
        horizon: int = 100,
        time_limit: int | None = 100,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        if opponent not in OPPONENTS:
            known = ", ".join(map(repr, OPPONENTS))
            raise EnvError(f"opponent must be one of {known}, got {opponent!r}")
        if horizon < 1:
            raise EnvError(f"horizon must be at least 1 round, got {horizon}")
        self._given = None if payoffs is None else _given(payoffs)
        own, other = (None, None) if self._given is None else self._given.shape
        self.rows = _count("rows", rows, own)
        self.columns = _count("columns", columns, other)
        self.opponent = opponent
        self.eta = float(np.sqrt(8.0 * np.log(self.columns) / horizon))
        if opponent == "uniform":
            self.regret_kinds = ("oblivious",)
        self.card = _card(self.rows, self.columns, opponent, time_limit)
        self.single_observation_space = gym.spaces.Box(0.0, 1.0, (1,), np.float32)
        self.single_action_space = gym.spaces.Discrete(self.rows)
        super().__init__(
            num_envs, time_limit=time_limit, autoreset_mode=autoreset_mode, render_mode=render_mode
        )
        self.payoff = np.zeros((num_envs, self.rows, self.columns))
        self.value = np.zeros(num_envs)
        self.loss = np.zeros((num_envs, self.columns))
        self.gain = np.zeros((num_envs, self.rows))
        self.regret = np.zeros(num_envs)
        self.played = np.full(num_envs, NO_ARM, dtype=np.int64)
        self.column = np.full(num_envs, NO_ARM, dtype=np.int64)

    def opponent_mix(self) -> FloatArray:
        """Returns the chance of every column in the next round, (n, B), for whoever judges."""
        if self.opponent == "uniform":
            return np.full(self.loss.shape, 1.0 / self.columns)
        behind = self.loss - self.loss.min(axis=1, keepdims=True)
        weight = np.exp(-self.eta * behind) if self.opponent == "hedge" else 1.0 * (behind == 0.0)
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))

    def _spawn(self, rows: IntArray) -> None:
        if self._given is None:
            drawn = uniforms(self.streams, rows, self.rows * self.columns)
            self.payoff[rows] = drawn.reshape(-1, self.rows, self.columns)
        else:
            self.payoff[rows] = self._given
        self.value[rows] = game_value(self.payoff[rows])
        self.loss[rows] = self.gain[rows] = 0.0
        self.regret[rows] = 0.0
        self.played[rows] = self.column[rows] = NO_ARM

    def _advance(self, action: np.ndarray) -> tuple[FloatArray, BoolArray]:
        ladder = self.opponent_mix().cumsum(axis=1)
        height = self.streams.uniform(self._rows)[:, None] * ladder[:, -1:]
        self.column = np.asarray((ladder[:, :-1] <= height).sum(axis=1))
        self.played = action.astype(np.int64)
        before = self.gain.max(axis=1)
        self.gain = self.gain + self.payoff[self._rows, :, self.column]
        self.loss = self.loss + self.payoff[self._rows, self.played]
        reward = self.payoff[self._rows, self.played, self.column]
        self.regret = self.gain.max(axis=1) - before - reward
        return reward, np.zeros(self.num_envs, dtype=np.bool_)

    def _rewards(self) -> FloatArray:
        """Returns what every action would have paid in the last round, (n, A), 0 at the start."""
        began = (self.column != NO_ARM)[:, None]
        return np.where(began, self.payoff[self._rows, :, self.column], 0.0)

    def _observe(self) -> np.ndarray:
        return self._rewards()[self._rows, self.played][:, None].astype(np.float32)

    def _facts(self) -> Info:
        leads = self.gain[self._rows, self.played] == self.gain.max(axis=1)
        return {
            "success": (self.played != NO_ARM) & leads,
            "regret": self.regret.copy(),
            "rewards": self._rewards(),
            "column": self.column.copy(),
            "value": self.value.copy(),
        }

    def _draw(self, row: int) -> np.ndarray:
        fared = self.gain[row] / max(int(self.elapsed[row]), 1)
        mix = self.opponent_mix()[row]
        return draw_game(self.payoff[row], fared, mix, int(self.played[row]), int(self.column[row]))


single = functools.partial(SingleEnv, MatrixGame)


def _given(payoffs: Sequence[Sequence[float]]) -> FloatArray:
    """Returns the payoffs as an array (A, B), or says why they are no matrix."""
    try:
        given = np.asarray(payoffs, dtype=np.float64)
    except ValueError:
        raise EnvError(f"payoffs must be rows of equally many numbers, got {payoffs}") from None
    if given.ndim != 2 or not ((given >= 0.0) & (given <= 1.0)).all():
        raise EnvError(f"payoffs must be a matrix of numbers in [0, 1], got {given.tolist()}")
    return given


def _count(name: str, asked: int | None, given: int | None) -> int:
    """Returns the number of rows or columns."""
    if asked is not None and given is not None and asked != given:
        raise EnvError(f"{name} is {asked} but payoffs has {given}; leave {name} out")
    count = given if given is not None else _SIDE if asked is None else asked
    if count < 2:
        raise EnvError(f"a matrix game needs at least 2 {name}, got {count}")
    return count


def _card(rows: int, columns: int, opponent: str, time_limit: int | None) -> EnvCard:
    other = {
        "hedge": "an opponent that learns by exponential weights",
        "best_response": "an opponent that replies best to all that you played so far",
        "uniform": "an opponent that plays at random",
    }[opponent]
    return EnvCard(
        id="rewardsmith/MatrixGame-v0",
        goal=f"Earn as much as possible in a zero-sum game of {rows} x {columns} payoffs, played "
        f"again and again against {other}.",
        observation=(
            Field("last_reward", "the last payoff, 0 at the start", (0, 1), low=0, high=1),
        ),
        action=(Field("row", "which row of the payoffs to play", low=0.0, high=rows - 1),),
        facts=(
            Field("success", "no action has a larger total so far", low=0.0, high=1.0),
            Field(
                "regret",
                "growth of the regret against the best fixed action in hindsight",
                low=-1.0,
                high=1.0,
            ),
            Field("rewards", "what every action would have paid, 0 at the start", low=0, high=1),
            Field("column", "what the opponent played, -1 at the start", low=-1, high=columns - 1),
            Field("value", "the mean payoff that a best mix makes sure of", low=0.0, high=1.0),
        ),
        success="The last action was a best one in hindsight, against all columns played so far.",
        score="return",
        time_limit=time_limit,
        human_design="Besides the task's reward, charge every round its regret.",
        source="Freund and Schapire 1999; Slivkins 2019, arXiv 1904.07272, chapter 9.",
    )
