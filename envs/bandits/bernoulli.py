"""`BernoulliBandit-v0`: K arms that pay 1 with fixed, hidden probabilities."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.batch import BatchEnv, Info, SingleEnv
from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.drawing import BLUE, GREEN, GREY, GRID, PAPER, Canvas
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray

NO_ARM = -1


class BernoulliBandit(BatchEnv):
    """K arms; pulling arm a pays r = 1 with probability p_a, else 0.

    The probabilities are given, or drawn uniformly from [0, 1] for every episode, from the
    row's stream. They stay hidden; the facts tell them to whoever judges, not to the agent.

    Observation, float32 of shape (1,): the last reward, 0 at the start. Action: the arm.

    Args:
        num_envs: Number of rows n.
        arms: Number of arms K, at least 2; by default 10, or as many as `probabilities`.
        probabilities: p of every arm, each in [0, 1], the same in all episodes; None draws
            them anew for every episode.
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.

    Raises:
        EnvError: If an argument is out of range, or `arms` and `probabilities` disagree.

    Example:
        >>> env = BernoulliBandit(2, probabilities=[0.0, 1.0])
        >>> observation, info = env.reset(seed=0)
        >>> _, reward, _, _, info = env.step(np.array([0, 1]))
        >>> reward, info["regret"], info["success"]
        (array([0., 1.]), array([1., 0.]), array([False,  True]))

    Lattimore and Szepesvari 2020, Bandit Algorithms, section 4.
    """

    state_names = ("probability", "best", "arm", "payout")

    def __init__(
        self,
        num_envs: int = 1,
        *,
        arms: int | None = None,
        probabilities: Sequence[float] | None = None,
        time_limit: int | None = 100,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        given = None if probabilities is None else np.asarray(probabilities, dtype=np.float64)
        self.arms = _count(arms, given)
        self._given = given
        self.card = _card(self.arms, given, time_limit)
        self.single_observation_space = gym.spaces.Box(0.0, 1.0, (1,), np.float32)
        self.single_action_space = gym.spaces.Discrete(self.arms)
        super().__init__(
            num_envs,
            time_limit=time_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
        self.probability = np.zeros((num_envs, self.arms))
        self.best = np.zeros(num_envs, dtype=np.int64)
        self.arm = np.full(num_envs, NO_ARM, dtype=np.int64)
        self.payout = np.zeros(num_envs)

    def _spawn(self, rows: IntArray) -> None:
        if self._given is not None:
            self.probability[rows] = self._given
        else:
            for arm in range(self.arms):
                self.probability[rows, arm] = self.streams.uniform(rows)
        self.best[rows] = self.probability[rows].argmax(axis=1)
        self.arm[rows] = NO_ARM
        self.payout[rows] = 0.0

    def _advance(self, action: np.ndarray) -> tuple[FloatArray, BoolArray]:
        self.arm = action.astype(np.int64)
        chance = self.probability[self._rows, self.arm]
        self.payout = (self.streams.uniform(self._rows) < chance).astype(np.float64)
        return self.payout.copy(), np.zeros(self.num_envs, dtype=np.bool_)

    def _observe(self) -> np.ndarray:
        return self.payout[:, None].astype(np.float32)

    def _facts(self) -> Info:
        pulled = self.arm != NO_ARM
        chance = np.where(pulled, self.probability[self._rows, self.arm], 0.0)
        regret = np.where(pulled, self.probability[self._rows, self.best] - chance, 0.0)
        return {
            "success": pulled & (regret == 0.0),
            "regret": regret,
            "best_arm": self.best.copy(),
            "chosen_probability": chance,
        }

    def _draw(self, row: int) -> np.ndarray:
        canvas = Canvas(6, self.arms, 32, PAPER)
        for arm, chance in enumerate(self.probability[row]):
            colour = GREEN if arm == self.best[row] else GREY
            canvas.rectangle((0.5, arm + 0.15), (4.5, arm + 0.85), GRID)
            canvas.rectangle((4.5 - 4.0 * chance, arm + 0.15), (4.5, arm + 0.85), colour)
        if self.arm[row] != NO_ARM:
            canvas.disc((5.25, self.arm[row] + 0.5), 0.32, BLUE)
            if self.payout[row] == 0.0:
                canvas.disc((5.25, self.arm[row] + 0.5), 0.2, PAPER)
        return canvas.picture()


single = functools.partial(SingleEnv, BernoulliBandit)


def _count(arms: int | None, given: FloatArray | None) -> int:
    """Returns the number of arms, or says why the options cannot work."""
    if given is not None:
        if given.ndim != 1 or not ((given >= 0.0) & (given <= 1.0)).all():
            raise EnvError(f"probabilities must be a list of numbers in [0, 1], got {given}")
        if arms is not None and arms != len(given):
            raise EnvError(
                f"arms is {arms} but probabilities has {len(given)} entries; leave arms out"
            )
        arms = len(given)
    count = 10 if arms is None else arms
    if count < 2:
        raise EnvError(f"a bandit needs at least 2 arms, got {count}")
    return count


def _oracle(best: int, observation: np.ndarray) -> IntArray:
    """Pulls the best arm in each of n rows."""
    return np.full(len(observation), best, dtype=np.int64)


def _card(arms: int, given: FloatArray | None, time_limit: int | None) -> EnvCard:
    return EnvCard(
        id="rewardsmith/BernoulliBandit-v0",
        goal=f"Earn as much as possible by finding out which of {arms} arms pays most often.",
        observation=(
            Field("last_reward", "what the last pull paid, 0 at the start", (0, 1), low=0, high=1),
        ),
        action=(Field("arm", "which arm to pull", low=0.0, high=arms - 1),),
        facts=(
            Field("success", "the best arm was pulled", low=0.0, high=1.0),
            Field("regret", "max p - p of the pulled arm, 0 at the start", low=0.0, high=1.0),
            Field("best_arm", "the first arm of the highest p", low=0.0, high=arms - 1),
            Field("chosen_probability", "p of the pulled arm, 0 at the start", low=0.0, high=1.0),
        ),
        success="The last pull was of a best arm.",
        score="return",
        time_limit=time_limit,
        oracle=None if given is None else functools.partial(_oracle, int(given.argmax())),
        human_design="Besides the task's reward, charge every pull its regret.",
        source="Lattimore and Szepesvari 2020, Bandit Algorithms, section 4.",
    )
