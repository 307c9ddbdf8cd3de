"""`PlayShares`: which arms were played of late, as columns of a run's metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rewardsmith.agents.bandits.agent import Problem
from rewardsmith.agents.run_record import PULLS
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray

_MOST_ARMS = 20
_ORDINALS = {1: "st", 2: "nd", 3: "rd"}


class PlayShares:
    """Counts plays by arm over all n runs; `take` turns the counts into shares.

    What a column stands for depends on what the environment tells:

    - the value of every arm, ranked alike in all runs: "arm 3 (best)", "arm 0", ..., best first;
    - values ranked differently from run to run: "best", "2nd", "3rd", ..., by rank in its run;
    - `success` alone, or more than 20 arms: "best" where it holds, else "other";
    - nothing: "arm 0", "arm 1", ..., and no columns with more than 20 arms.

    A list counts every item on it, and its columns say "item".

    Args:
        problem: What is played.
        values: Value of every arm, (n, K); None where the environment does not tell.

    Example:
        >>> from rewardsmith.envs import EnvCard
        >>> problem = Problem(n=2, arms=3, horizon=9, card=EnvCard("", ""))
        >>> shares = PlayShares(problem, np.array([[0.1, 0.7, 0.4], [0.9, 0.2, 0.3]]))
        >>> shares.add(np.array([1, 2]), {}, np.array([True, True]))
        >>> shares.take()
        {'pulls/best': 0.5, 'pulls/2nd': 0.5, 'pulls/3rd': 0.0}
    """

    def __init__(self, problem: Problem, values: FloatArray | None) -> None:
        few, kind = problem.arms <= _MOST_ARMS, "arm" if problem.places is None else "item"
        self._column: IntArray | None = None
        self.names: list[str] = []
        if few and values is not None:
            order = np.argsort(-values, axis=1, kind="stable")
            self._column, self.names = order.argsort(axis=1), _ranked(order, kind)
        elif problem.card.is_fact("success"):
            self.names = ["best", "other"]
        elif few:
            self._column = np.tile(np.arange(problem.arms), (problem.n, 1))
            self.names = [f"{kind} {arm}" for arm in range(problem.arms)]
        self._count = np.zeros(len(self.names))

    def add(self, action: IntArray, info: Mapping[str, Any], counted: BoolArray) -> None:
        """Counts a round.

        Args:
            action: Arms (n,) or lists (n, m).
            info: Facts of the round.
            counted: Runs that are not over, (n,).
        """
        if not self.names:
            return
        if self._column is None:
            column = np.where(np.asarray(info["success"]), 0, 1)
        else:
            column = np.take_along_axis(self._column, action.reshape(len(action), -1), axis=1)
        self._count += np.bincount(column[counted].ravel(), minlength=len(self.names))

    def take(self) -> dict[str, float]:
        """Returns the share of every column since the last call; they sum to 1."""
        share, self._count = self._count / max(self._count.sum(), 1.0), 0.0 * self._count
        return {f"{PULLS}{name}": float(x) for name, x in zip(self.names, share, strict=True)}


def _ranked(order: IntArray, kind: str) -> list[str]:
    """Returns a name per rank from the arms (n, K) of every run, best first."""
    if len(order) > 1 and (order == order[0]).all():
        names = [f"{kind} {arm}" for arm in order[0]]
        return [f"{names[0]} (best)", *names[1:]]
    ranks = range(2, order.shape[1] + 1)
    return ["best", *(f"{rank}{_ORDINALS.get(rank, 'th')}" for rank in ranks)]
