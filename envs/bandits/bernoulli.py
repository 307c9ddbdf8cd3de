"""`BernoulliBandit-v0`: K arms that pay 1 with fixed, hidden probabilities."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.bandits.arms import count_arms, given_means
from rewardsmith.envs.bandits.drawing import draw_arms
from rewardsmith.envs.bandits.priors import Prior, beta_prior, betas
from rewardsmith.envs.bandits.stationary import StationaryBandit, stationary_card
from rewardsmith.envs.draws import uniforms
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.stateful import FloatArray, IntArray


class BernoulliBandit(StationaryBandit):
    """K arms; pulling arm a pays r = 1 with probability p_a, else 0.

    The probabilities are given, or drawn for every episode from the row's stream: from a Beta
    prior, by default the uniform one on [0, 1], or as a hard instance, in which all are 1/2
    but for one arm, any with the same chance, of 1/2 + gap. With gap of the order sqrt(K / T)
    nobody's regret over T rounds is below the order sqrt(K T) (Auer et al. 2002, theorem A.2).
    They stay hidden; the facts tell them to whoever judges, not to the agent.

    Observation, float32 of shape (1,): the last reward, 0 at the start. Action: the arm.

    Args:
        num_envs: Number of rows n.
        arms: Number of arms K, at least 2; by default 10, or as many as `probabilities`.
        probabilities: p of every arm, each in [0, 1], the same in all episodes; None draws
            them anew for every episode.
        prior: Parameters [a, b] of the Beta prior of every arm, or such a pair per arm; None
            is [1, 1], the uniform one.
        gap: By how much one arm of a hard instance is better, in (0, 1/2]; None draws from
            the prior.
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.

    Attributes:
        known: What an agent is told beforehand where chances are drawn from a prior: its
            parameters, (K, 2), as `beta_prior`.

    Raises:
        EnvError: If an argument is out of range, `arms` disagrees with the others, or more
            than one of `probabilities`, `prior` and `gap` is given.

    Example:
        >>> env = BernoulliBandit(2, probabilities=[0.0, 1.0])
        >>> observation, info = env.reset(seed=0)
        >>> _, reward, _, _, info = env.step(np.array([0, 1]))
        >>> reward, info["regret"], info["success"]
        (array([0., 1.]), array([1., 0.]), array([False,  True]))

    Lattimore and Szepesvari 2020, Bandit Algorithms, section 4; hard instances: Slivkins 2019,
    arXiv 1904.07272, chapter 2.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        arms: int | None = None,
        probabilities: Sequence[float] | None = None,
        prior: Prior | None = None,
        gap: float | None = None,
        time_limit: int | None = 100,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        given = given_means("probabilities", probabilities, arms, ends=(0.0, 1.0))
        count = count_arms(arms, given)
        _check(probabilities, prior, gap)
        self._gap, self._is_uniform = gap, prior is None
        self._prior = beta_prior((1.0, 1.0) if prior is None else prior, count)
        self.known: dict[str, Any] = {}
        if given is None and gap is None:
            self.known["beta_prior"] = self._prior
            self.regret_kinds = ("stationary", "Beta prior")
        self.card = stationary_card(
            "rewardsmith/BernoulliBandit-v0",
            f"Earn as much as possible by finding out which of {count} arms pays most often."
            + ("" if given is not None else _drawn(prior, gap)),
            "Lattimore and Szepesvari 2020, Bandit Algorithms, section 4.",
            given,
            count,
            spread=1.0,
            pay=(0.0, 1.0),
            time_limit=time_limit,
        )
        self.single_observation_space = gym.spaces.Box(0.0, 1.0, (1,), np.float32)
        super().__init__(
            num_envs,
            arms=count,
            given=given,
            time_limit=time_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )

    def _draw_means(self, rows: IntArray) -> FloatArray:
        if self._gap is not None:
            best = self.streams.integers(rows, self.arms)
            return np.where(best[:, None] == np.arange(self.arms), 0.5 + self._gap, 0.5)
        if self._is_uniform:
            return uniforms(self.streams, rows, self.arms)
        return betas(self.streams, rows, self._prior)

    def _pay(self, mean: FloatArray) -> FloatArray:
        return (self.streams.uniform(self._rows) < mean).astype(np.float64)

    def _draw(self, row: int) -> np.ndarray:
        return draw_arms(
            self.mean[row], int(self.best[row]), int(self.arm[row]), float(self.payout[row])
        )


single = functools.partial(SingleEnv, BernoulliBandit)


def _check(probabilities: object, prior: object, gap: float | None) -> None:
    """Says which option cannot work."""
    options = {"probabilities": probabilities, "prior": prior, "gap": gap}
    told = [name for name, value in options.items() if value is not None]
    if len(told) > 1:
        raise EnvError(f"{' and '.join(told)} exclude each other; give one of them")
    if gap is not None and not 0.0 < gap <= 0.5:
        raise EnvError(f"gap must be in (0, 0.5], got {gap}")


def _drawn(prior: Prior | None, gap: float | None) -> str:
    """Says how the chances are drawn."""
    if gap is not None:
        return f" All pay with chance 1/2 but one, drawn for every episode, with {0.5 + gap:g}."
    how = "uniformly from [0, 1]" if prior is None else f"from Beta with parameters {prior}"
    return f" Their chances are drawn for every episode, {how}."
