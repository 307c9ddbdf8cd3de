"""UCB1 in every cell of a mesh over contexts in [0, 1]."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardsmith.agents.bandits.agent import Problem
from rewardsmith.agents.bandits.counting import (
    CountingAgent,
    check_range,
    confidence_radius,
)
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray, IntArray

_FIELD = "context"


@dataclass
class ContextMesh(CountingAgent):
    """Splits [0, 1] into C cells of equal width, and plays UCB1 on the rounds of each alone.

    In cell c the arm of the largest mean + scale sqrt(2 ln T / pulls) in that cell is played.
    By default C = 1 / epsilon, rounded up, with epsilon = (K ln T / (T L^2))^(1/3), and the
    regret is O(T^(2/3) (L K ln T)^(1/3)). With a cell per value of the context it is a bandit
    per context, of regret O(sqrt(C K T ln T)).

    Attributes:
        cells: C, at least 1; None takes the default.
        lipschitz: L; None takes what the task tells, `known["lipschitz"]`.
        scale: Width of the interval in which rewards lie.

    Raises:
        ConfigError: If a setting is out of range.

    Example:
        >>> from rewardsmith.envs.bandits.lipschitz_contexts import LipschitzContexts
        >>> agent = ContextMesh()
        >>> agent.begin(Problem.of(LipschitzContexts(1, lipschitz=2.0), horizon=1000), seed=0)
        >>> agent.pulls.shape, agent.cell(np.array([[0.0]])), agent.cell(np.array([[1.0]]))
        ((1, 6, 3), array([0]), array([5]))

    Slivkins 2019, arXiv 1904.07272, sections 8.1 and 8.2.
    """

    bound_kinds = ("lipschitz contexts",)

    cells: int | None = None
    lipschitz: float | None = None
    scale: float = 1.0

    def __post_init__(self) -> None:
        check_range(self, "scale", self.scale, 0.0, np.inf)
        if self.lipschitz is not None:
            check_range(self, "lipschitz", self.lipschitz, 0.0, np.inf)
        if self.cells is not None and self.cells < 1:
            raise ConfigError(f"cells of ContextMesh must be at least 1, got {self.cells}")

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything and lays the mesh.

        Raises:
            ConfigError: If the environment shows no context, or neither tells L nor is it set.
        """
        super().begin(problem, seed)
        if not any(field.name == _FIELD for field in problem.card.observation):
            raise ConfigError(
                f"ContextMesh reads a context in [0, 1], and the observation of "
                f"{problem.card.id} has no field {_FIELD!r}; use rewardsmith/LipschitzContexts-v0"
            )
        self._cells = self._count(problem)
        self.pulls = np.zeros((problem.n, self._cells, problem.arms))
        self.total = np.zeros_like(self.pulls)
        self._rows = np.arange(problem.n)
        self._first = self._rows * self._cells * problem.arms

    def cell(self, observation: np.ndarray) -> IntArray:
        """Returns the cell of every run's context, int64 (n,)."""
        context = self.problem.card.field(_FIELD).read(observation)[:, 0]
        return np.clip((context * self._cells).astype(np.int64), 0, self._cells - 1)

    def act(self, observation: np.ndarray) -> IntArray:
        """Returns the arm of every run, (n,): in each cell all once, then by UCB1's index."""
        here = (self._rows, self.cell(observation))
        pulls = self.pulls[here]
        mean = self.total[here] / np.maximum(pulls, 1.0)
        radius = confidence_radius(pulls, self.problem.horizon, self.scale)
        return np.asarray((mean + radius).argmax(axis=1))

    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Counts the pull in the context's cell and adds up what it paid."""
        place = self.cell(observation) * self.problem.arms + action
        super().learn(observation, place, reward, info)

    def bound(self, problem: Problem, gaps: FloatArray) -> float:
        """Returns 2 L T / C + 4 scale sqrt(2 C K T ln T) + C K (1 + 2 / T^2).

        Within a cell the means change by at most L / C, which costs a round twice that; the
        rest is UCB1's in each cell, sum over its pulls of twice the radius. With as many cells
        as the task has contexts nothing changes within one, and the first term falls away.
        For rewards in [0, 1] and scale of at least 1. Never above T.

        Args:
            problem: What was played.
            gaps: Not used.
        """
        cells, horizon = self._count(problem), problem.horizon
        width = 0.0 if problem.known.get("contexts") == cells else 1.0 / cells
        drift = 2.0 * self._slope(problem) * width * horizon if width else 0.0
        places = cells * problem.arms
        pulls = 4.0 * self.scale * float(np.sqrt(2.0 * places * horizon * np.log(horizon)))
        return min(drift + pulls + places * (1.0 + 2.0 / horizon**2), float(horizon))

    def _count(self, problem: Problem) -> int:
        """Returns C."""
        if self.cells is not None:
            return self.cells
        logarithm = np.log(max(problem.horizon, 2))
        fineness = problem.horizon * self._slope(problem) ** 2 / (problem.arms * logarithm)
        return int(np.ceil(np.cbrt(fineness)))

    def _slope(self, problem: Problem) -> float:
        """Returns L."""
        slope = problem.known.get("lipschitz") if self.lipschitz is None else self.lipschitz
        if slope is None:
            raise ConfigError(
                f"{problem.card.id} does not tell how fast pay changes with the context; set "
                "lipschitz or cells of context_mesh"
            )
        return float(slope)
