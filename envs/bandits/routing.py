"""`RoutingBandit-v0`: choose a path through a layered graph; its edges cost their losses."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.bandits.arms import NO_ARM, always, given_means
from rewardsmith.envs.bandits.layered_graph import LayeredGraph
from rewardsmith.envs.bandits.routing_drawing import draw_paths
from rewardsmith.envs.batch import BatchEnv, Info
from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.draws import uniforms
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray

KINDS = ("stochastic", "adversarial")
_TIE = 1e-9


class RoutingBandit(BatchEnv):
    """Online routing: a path pays r = 1 - the mean loss of its L edges.

    The graph is a `LayeredGraph` of L layers of W nodes, E edges. In every round edge e
    loses 1 with chance mu_e, else 0; the losses of all E edges are drawn before the path is
    known, from the row's stream. Two kinds of task:

    - "stochastic": mu is given, or drawn uniformly from [0, 1] for every episode. The fact
      `regret` is the mean of mu over the path - that over the best path.
    - "adversarial": mu is drawn anew after half of the horizon. The fact `regret` is the
      growth of the regret against the best fixed path in hindsight, as in
      `AdversarialBandit`: with C_t the loss that the path of least loss up to round t has
      had, 1 - (C_t - C_{t-1}) - r_t. Its sum is the regret; a single value may be negative.

    Observation, float32 of shape (1,): the last reward, 0 at the start. Action, (L,): the
    node to pass in every layer. The feedback is in the facts: `edge_loss` for agents that
    are told the losses of the edges they passed (semi-bandit), `losses` for those that are
    told all (full).

    Args:
        num_envs: Number of rows n.
        layers: L, at least 1.
        width: W, at least 2.
        kind: "stochastic" or "adversarial".
        means: mu of every edge in the order of `LayeredGraph`, (E,), each in [0, 1], the
            same in all episodes; None draws them. Of kind "stochastic" only.
        horizon: Rounds T of which "adversarial" changes mu after half, at least 1.
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.

    Raises:
        EnvError: If an argument is out of range, or two disagree.

    Example:
        >>> env = RoutingBandit(2, layers=2, width=2, means=[0, 1, 1, 0, 0, 0])
        >>> observation, info = env.reset(seed=0)
        >>> _, reward, _, _, info = env.step(np.array([[0, 1], [1, 1]]))
        >>> reward, info["edge_loss"].tolist(), info["regret"]
        (array([1. , 0.5]), [[0.0, 0.0], [1.0, 0.0]], array([0. , 0.5]))

    Awerbuch and Kleinberg 2004; Slivkins 2019, arXiv 1904.07272, section 7.2.
    """

    state_names = (
        "mean", "best_mean", "loss", "total", "least",
        "path", "edge_loss", "payout", "excess", "regret",
    )  # fmt: skip

    regret_kinds: tuple[str, ...] = ("routing",)
    """Bounds on the regret may assume that losses do not depend on the play, and where it is
    "stationary routing" too that their means are fixed."""
    reward_width = 1.0

    def __init__(
        self,
        num_envs: int = 1,
        *,
        layers: int = 3,
        width: int = 3,
        kind: str = "stochastic",
        means: Sequence[float] | None = None,
        horizon: int = 100,
        time_limit: int | None = 100,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        _check(layers, width, kind, means, horizon)
        self.graph, self.kind = LayeredGraph(layers, width), kind
        self._given = given_means("means", means, None, (0.0, 1.0))
        if self._given is not None and len(self._given) != self.graph.edges:
            raise EnvError(
                f"means must have one entry per edge, {self.graph.edges} for {layers} layers of "
                f"{width} nodes, got {len(self._given)}"
            )
        if kind == "stochastic":
            self.regret_kinds = ("routing", "stationary routing")
        self._switch_round = horizon // 2 if kind == "adversarial" else -1
        self.card = _card(self.graph, kind, self._given, time_limit)
        self.single_observation_space = gym.spaces.Box(0.0, 1.0, (1,), np.float32)
        self.single_action_space = gym.spaces.MultiDiscrete([width] * layers)
        super().__init__(
            num_envs,
            time_limit=time_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
        self.mean = np.zeros((num_envs, self.graph.edges))
        self.loss, self.total = np.zeros_like(self.mean), np.zeros_like(self.mean)
        self.best_mean, self.least = np.zeros(num_envs), np.zeros(num_envs)
        self.path = np.full((num_envs, layers), NO_ARM, dtype=np.int64)
        self.edge_loss = np.zeros((num_envs, layers))
        self.payout, self.excess, self.regret = np.zeros((3, num_envs))

    def _spawn(self, rows: IntArray) -> None:
        self._set_means(rows)
        self.loss[rows] = self.total[rows] = 0.0
        self.path[rows] = NO_ARM
        self.edge_loss[rows] = 0.0
        for value in (self.least, self.payout, self.excess, self.regret):
            value[rows] = 0.0

    def _advance(self, action: np.ndarray) -> tuple[FloatArray, BoolArray]:
        if (turned := np.flatnonzero(self.elapsed == self._switch_round)).size:
            self._set_means(turned)
        self.path = action.astype(np.int64)
        passed = (self._rows[:, None], self.graph.edges_of(self.path))
        draws = uniforms(self.streams, self._rows, self.graph.edges)
        self.loss = (draws < self.mean).astype(np.float64)
        self.edge_loss = self.loss[passed]
        self.payout = 1.0 - self.edge_loss.mean(axis=1)
        self.excess = np.maximum(self.mean[passed].mean(axis=1) - self.best_mean, 0.0)
        self.regret = self.excess if self.kind == "stochastic" else self._growth()
        return self.payout.copy(), np.zeros(self.num_envs, dtype=np.bool_)

    def _observe(self) -> np.ndarray:
        return self.payout[:, None].astype(np.float32)

    def _facts(self) -> Info:
        return {
            "success": (self.path[:, 0] != NO_ARM) & (self.excess < _TIE),
            "regret": self.regret.copy(),
            "edge_loss": self.edge_loss.copy(),
            "losses": self.loss.copy(),
        }

    def _set_means(self, rows: IntArray) -> None:
        """Gives or draws mu of `rows` (k,)."""
        given = self._given
        self.mean[rows] = uniforms(self.streams, rows, self.graph.edges) if given is None else given
        self.best_mean[rows] = self._least(self.mean[rows])

    def _growth(self) -> FloatArray:
        """Returns by how much the regret against the best fixed path grows, (n,)."""
        self.total = self.total + self.loss
        before, self.least = self.least, self._least(self.total)
        return 1.0 - (self.least - before) - self.payout

    def _least(self, value: FloatArray) -> FloatArray:
        """Returns the mean over the edges of the path of least value, (k,), from (k, E)."""
        return self.graph.shortest(value)[1] / self.graph.layers

    def _draw(self, row: int) -> np.ndarray:
        return draw_paths(self.graph, self.mean[row], self.path[row], self.edge_loss[row])


single = functools.partial(SingleEnv, RoutingBandit)


def _check(layers: int, width: int, kind: str, means: object, horizon: int) -> None:
    """Says which option cannot work."""
    if layers < 1:
        raise EnvError(f"layers must be at least 1, got {layers}")
    if width < 2:
        raise EnvError(f"width must be at least 2 nodes, got {width}")
    if kind not in KINDS:
        raise EnvError(f"kind must be one of {', '.join(map(repr, KINDS))}, got {kind!r}")
    if means is not None and kind != "stochastic":
        raise EnvError(f"means and kind {kind!r} do not go together; leave one of them out")
    if horizon < 1:
        raise EnvError(f"horizon must be at least 1 round, got {horizon}")


def _card(
    graph: LayeredGraph, kind: str, given: FloatArray | None, time_limit: int | None
) -> EnvCard:
    oracle = None
    if given is not None:
        (path,), _ = graph.shortest(given[None])
        oracle = functools.partial(always, path)
    turns = "" if kind == "stochastic" else ", although all chances change halfway"
    return EnvCard(
        id="rewardsmith/RoutingBandit-v0",
        goal=f"Lose as little as possible by finding which path through {graph.layers} layers of "
        f"{graph.width} nodes has edges of little loss{turns}.",
        observation=(
            Field("last_reward", "what the last path paid, 0 at the start", (0, 1), low=0, high=1),
        ),
        action=(Field("path", "node to pass in every layer", low=0.0, high=graph.width - 1),),
        facts=(
            Field("success", "a best path was taken", low=0.0, high=1.0),
            Field(
                "regret",
                "mean loss per edge of the path - that of a best one"
                if kind == "stochastic"
                else "growth of the regret against the best fixed path in hindsight",
                low=0.0 if kind == "stochastic" else -1.0,
                high=1.0,
            ),
            Field("edge_loss", "losses of the edges passed, 0 at the start", low=0.0, high=1.0),
            Field("losses", "losses of all edges, 0 at the start", low=0.0, high=1.0),
        ),
        success="The last path was one of least mean loss at that round.",
        score="return",
        time_limit=time_limit,
        oracle=oracle,
        human_design="Besides the task's reward, charge every path its regret.",
        source="Awerbuch and Kleinberg 2004; Slivkins 2019, arXiv 1904.07272, section 7.2.",
    )
