"""`CascadingBPI`: finds a near-optimal policy of a cascading process, and knows when it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardsmith.agents.bandits.agent import Problem
from rewardsmith.agents.bandits.cascading import play_episodes, side_by_side
from rewardsmith.agents.bandits.cascading_vi import ItemwiseVI, expect, read_through
from rewardsmith.agents.bandits.counting import check_range
from rewardsmith.envs.bandits.cascade import CascadeModel
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray, IntArray


@dataclass
class CascadingBPI(ItemwiseVI):
    """Optimistic value iteration that stops exploring once its plan is surely good enough.

    With l(n) = log(7 H S N / delta), L(n) = bonus_scale [l + log(8 e (n + 1))] and
    L'(n) = bonus_scale [l + S log(8 e (n + 1))],

        b_q  = min(1, 4 sqrt(qhat (1 - qhat) L / n_q) + 15 L / n_q),
        b_pV = min(H, 4 sqrt(Var_phat(Vbar) L / n_p) + 15 H^2 L' / n_p
                      + (2 / H) phat^T (Vbar - Vlow)).

    The error of the plan pi is at most G_1, with G_{H+1} = 0 and, for A = pi_h(s),
    g = 2 b_pV + (1 + 2 / H) phat^T G_{h+1} and qlow = max(0, qhat - b_q),

        G_h(s) = min(H, sum_i [prod_{j<i} (1 - qlow_j)] (6 H b_q,i + min(1, qhat + b_q)_i g_i)
                        + [prod_i (1 - qlow_i)] g_none).

    A run settles for its plan at the start of the first episode at which G_1 of state 0 is at
    most epsilon, and shows those lists ever after. With bonus_scale = 1 they are then
    epsilon-optimal with chance 1 - delta, after O~(H^3 S N / epsilon^2) episodes for small
    epsilon.

    After `plan`, `error` (n,) holds G_1 of state 0, `settled` (n,) whether a run has settled,
    `samples` (n,) the episodes that it explored, and `output` (n, H, S, m) its lists.

    Args:
        bonus_scale: Factor on L and L'; less settles sooner, on less evidence.
        delta: Probability with which a run may settle for a worse policy.
        oracle: As in `ItemwiseVI`.
        epsilon: How much less than the best policy the chosen one may earn in an episode.

    Raises:
        ConfigError: If an argument is out of range.

    Du, Srikant and Chen 2024, Cascading Reinforcement Learning, arXiv 2401.08961, with the
    logarithms of Menard et al. 2021, arXiv 2007.13442.
    """

    epsilon: float = 0.1

    state_names = (*ItemwiseVI.state_names, "error", "settled", "samples", "output")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range(self, "epsilon", self.epsilon, 0.0, np.inf)

    def begin(self, problem: Problem, seed: int) -> None:
        """Forgets everything and gets ready for episode 0."""
        super().begin(problem, seed)
        n, states, items = self.shape
        self._log = np.log(7 * self.steps * states * items / self.delta)
        self.error = np.full(n, float(self.steps))
        self.settled = np.zeros(n, dtype=np.bool_)
        self.samples = np.zeros(n, dtype=np.int64)
        self.output = np.full((n, self.steps, states, self.length), items, dtype=np.int64)

    def plan(self) -> IntArray:
        """Returns the lists of settled runs and the optimistic ones of the others, (n, H, S, m)."""
        if self.settled.all():
            return self.output.copy()
        explored = ~self.settled
        lists = super().plan()
        self.error = np.where(explored, self._error_bound(lists)[:, 0], self.error)
        self.settled = self.error <= self.epsilon
        self.samples += ~self.settled
        self.output = np.where(explored[:, None, None, None], lists, self.output)
        return self.output.copy()

    def _error_bound(self, lists: IntArray) -> FloatArray:
        """Returns G_1 of showing `lists` (n, H, S, m), by state (n, S)."""
        told, horizon = self.estimates, self.steps
        bound = np.zeros(self.shape[:2])
        for step in reversed(range(horizon)):
            ahead = (1.0 + 2.0 / horizon) * expect(told.kernel, bound)
            each = 2.0 * told.bonus[:, step] + ahead
            gain = 6.0 * horizon * told.width + told.high * each[..., :-1]
            total = read_through(lists[:, step], 1.0 - told.low, gain, each[..., -1])
            bound = np.minimum(total, horizon)
        return bound

    def _attraction_bonus(self, rate: FloatArray, read: FloatArray) -> FloatArray:
        scale = self._logarithm(read, 1) / read
        return np.asarray(4.0 * np.sqrt(rate * (1.0 - rate) * scale) + 15.0 * scale)

    def _value_bonus(
        self,
        kernel: FloatArray,
        seen: FloatArray,
        above: FloatArray,
        below: FloatArray,
        expected: FloatArray,
    ) -> FloatArray:
        horizon, states = self.steps, self.shape[1]
        variance = np.maximum(expect(kernel, above**2) - expected**2, 0.0)
        spread = 4.0 * np.sqrt(variance * self._logarithm(seen, 1) / seen)
        rest = 15.0 * horizon**2 * self._logarithm(seen, states) / seen
        return np.asarray(spread + rest + 2.0 / horizon * expect(kernel, above - below))

    def _logarithm(self, count: FloatArray, times: int) -> FloatArray:
        growth = 1.0 + np.log(8.0 * (count + 1.0))
        return np.asarray(self.bonus_scale * (self._log + times * growth))


def identify(
    agent: CascadingBPI, model: CascadeModel, most_episodes: int, seeds: Sequence[int]
) -> IntArray:
    """Lets an agent explore until every run has settled; returns their policies (n, H, S, m).

    Afterwards `agent.samples` (n,) holds how many episodes each of them took.

    Args:
        agent: Who explores, from a fresh start.
        model: The process, the same in all runs, or with a leading axis n one for each.
        most_episodes: Episodes after which to give up.
        seeds: One non-negative integer per run, n of them.

    Raises:
        ConfigError: If a run has not settled after `most_episodes`.

    Example:
        >>> model = CascadeModel.random(0, states=2, items=3, list_length=2, horizon=2)
        >>> agent = CascadingBPI(bonus_scale=0.001, epsilon=0.5)
        >>> lists = identify(agent, model, 2000, seeds=[0])
        >>> loss = model.optimal()[1] - model.policy_value(lists[0])
        >>> bool(loss[0, 0] <= 0.5)
        True
    """
    for _ in play_episodes(agent, side_by_side(model, len(seeds)), most_episodes, seeds):
        if agent.settled.all():
            return agent.output
    raise ConfigError(
        f"{int((~agent.settled).sum())} of {len(seeds)} runs have not settled after "
        f"{most_episodes} episodes; allow more, or raise epsilon or lower bonus_scale"
    )
