"""`PointMaze-v0`: a point must turn its back on the goal to get round a U-shaped wall."""

from __future__ import annotations

import functools

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.batch import BatchEnv, Info
from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.control.walls import Walls
from rewardsmith.envs.drawing import BLUE, GREEN, GRID, INK, PAPER, WHITE, Canvas, Point
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray

BOXES = np.array([[0.25, 0.7, 0.65, 0.8], [0.55, 0.2, 0.65, 0.8], [0.25, 0.2, 0.65, 0.3]])
"""Left, bottom, right and top of the U's upper arm, back and lower arm (metres)."""
CORNERS = np.array([[0.25, 0.7], [0.25, 0.8], [0.65, 0.8], [0.65, 0.2], [0.25, 0.2], [0.25, 0.3]])
OUTWARD = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1], [-1, -1], [-1, 1]])
"""For each corner, the signs of the diagonal that leads away from the wall."""
START = (0.05, 0.35, 0.5, 0.65)
GOAL = (0.75, 0.35, 0.95, 0.65)
"""Left, bottom, right and top of the regions that starts and goals are drawn from (metres)."""
CLEARANCE = 0.02
"""How far from a corner, along x and along y, the oracle passes it (metres)."""

WALLS = Walls(BOXES, CORNERS)
_ROUTES = Walls(BOXES, CORNERS + CLEARANCE * OUTWARD)


class PointMaze(BatchEnv):
    """A point in a square of 1 m, in front of a U-shaped wall; the goal lies behind it.

    r = 1 within `goal_radius` of the goal, which ends the episode, else 0. The start, often
    inside the U, and the goal are drawn per episode from the row's stream. The straight line
    leads into the U, a dead end: the way out first leads away from the goal.

    Observation, float32 of shape (8,): x and y of the point, x and y of the goal, metres in
    [0, 1], then the same four from the middle in quarter metres, in [-2, 2]: spread like a
    standardised input, without which PPO's small network finds no way round. Action, float32
    of shape (2,) in [-1, 1]: the move along x and y as a share of `step_length`; what lies
    beyond is clipped. Walls and border stop the part of a move that
    runs into them, and the point slides along.

    The fact `path_distance` is the exact length of the shortest way round the wall, so that a
    potential of it shapes without deceiving, as one of `distance` does not.

    Args:
        num_envs: Number of rows n.
        step_length: Longest move along each axis in one step (metres), in (0, 0.1].
        goal_radius: How near counts as arrived (metres), in (0, 0.1].
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.

    Raises:
        EnvError: If an argument is out of range or an action is not finite.

    Example:
        >>> env = PointMaze(3)
        >>> observation, info = env.reset(seed=0)
        >>> bool((info["path_distance"] > info["distance"]).all())
        True
        >>> action = env.card.oracle(observation)
        >>> closer = env.step(action)[4]["path_distance"] < info["path_distance"]
        >>> closer.tolist()
        [True, True, True]

    After PointMaze-UMaze of D4RL (Fu et al. 2020, arXiv 2004.07219).
    """

    state_names = ("position", "goal", "_onward", "_path_distance")

    def __init__(
        self,
        num_envs: int = 1,
        *,
        step_length: float = 0.05,
        goal_radius: float = 0.05,
        time_limit: int | None = 200,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        for name, value in (("step_length", step_length), ("goal_radius", goal_radius)):
            if not 0.0 < value <= 0.1:
                raise EnvError(f"{name} must be in (0, 0.1] metres, got {value}")
        self.step_length, self.goal_radius = step_length, goal_radius
        self.card = _card(step_length, time_limit)
        low, high = np.repeat([0.0, -2.0], 4), np.repeat([1.0, 2.0], 4)
        self.single_observation_space = gym.spaces.Box(
            low.astype(np.float32), high.astype(np.float32), dtype=np.float32
        )
        self.single_action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        super().__init__(
            num_envs,
            time_limit=time_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
        self.position = np.zeros((num_envs, 2))
        self.goal = np.zeros((num_envs, 2))
        self._onward = np.zeros((num_envs, len(CORNERS) + 1))
        self._path_distance = np.zeros(num_envs)

    def _spawn(self, rows: IntArray) -> None:
        start, goal = self._somewhere(rows, START), self._somewhere(rows, GOAL)
        onward = WALLS.onward(goal)
        self.position[rows], self.goal[rows], self._onward[rows] = start.T, goal.T, onward.T
        self._path_distance[rows] = WALLS.path_length(start, goal, onward)

    def _somewhere(self, rows: IntArray, region: tuple[float, ...]) -> FloatArray:
        """Draws a point of a region for each of `rows`; x and y, (2, k)."""
        left, bottom, right, top = region
        x = left + (right - left) * self.streams.uniform(rows)
        y = bottom + (top - bottom) * self.streams.uniform(rows)
        return np.stack((x, y))

    def _advance(self, action: np.ndarray) -> tuple[FloatArray, BoolArray]:
        change = np.clip(action, -1.0, 1.0) * self.step_length
        point = WALLS.slide(self.position.T, change.T)
        self.position = np.ascontiguousarray(point.T)
        self._path_distance = WALLS.path_length(point, self.goal.T, self._onward.T)
        arrived = self._distance() <= self.goal_radius
        return arrived.astype(np.float64), arrived

    def _distance(self) -> FloatArray:
        return np.asarray(np.hypot(*(self.position - self.goal).T))

    def _observe(self) -> np.ndarray:
        places = np.concatenate((self.position, self.goal), axis=1)
        return np.concatenate((places, (places - 0.5) * 4.0), axis=1, dtype=np.float32)

    def _facts(self) -> Info:
        distance = self._distance()
        return {
            "success": distance <= self.goal_radius,
            "distance": distance,
            "path_distance": self._path_distance.copy(),
        }

    def _draw(self, row: int) -> np.ndarray:
        canvas = Canvas(1, 1, 256, PAPER)
        for left, bottom, right, top in (START, GOAL):
            canvas.rectangle((1 - top, left), (1 - bottom, right), GRID)
        for left, bottom, right, top in BOXES:
            canvas.rectangle((1 - top, left), (1 - bottom, right), INK)
        goal, agent = _on_canvas(self.goal[row]), _on_canvas(self.position[row])
        canvas.disc(goal, self.goal_radius, GREEN)
        canvas.disc(goal, self.goal_radius * 0.5, WHITE)
        canvas.disc(agent, 0.025, BLUE)
        return canvas.picture()


single = functools.partial(SingleEnv, PointMaze)


def _on_canvas(point: FloatArray) -> Point:
    """Returns x (right) and y (up) as the canvas's row (down) and column."""
    return 1.0 - float(point[1]), float(point[0])


def _oracle(step_length: float, observation: np.ndarray) -> np.ndarray:
    """Heads along the shortest way, keeping off the corners; (n, 8) -> (n, 2)."""
    point, goal = np.split(observation[:, :4].astype(np.float64).T, 2)
    ahead = (_ROUTES.first_bend(point, goal, passed=CLEARANCE / 2) - point).T
    longest = np.abs(ahead).max(axis=1, keepdims=True)
    return np.asarray(ahead / np.maximum(longest, step_length), dtype=np.float32)


_OBSERVATION = (
    Field("position", "x and y of the point", (0, 2), unit="m", low=0.0, high=1.0),
    Field("goal", "x and y of the goal", (2, 4), unit="m", low=0.0, high=1.0),
    Field(
        "places_code",
        "position and goal again, from the middle of the square",
        (4, 8),
        unit="m/4",
        low=-2.0,
        high=2.0,
    ),
)


def _card(step_length: float, time_limit: int | None) -> EnvCard:
    diagonal = float(np.sqrt(2))
    return EnvCard(
        id="rewardsmith/PointMaze-v0",
        goal="Move the point round the U-shaped wall to the goal behind it.",
        observation=_OBSERVATION,
        action=(
            Field(
                "move",
                f"move along x and y, as a share of {step_length:g} m",
                (0, 2),
                low=-1.0,
                high=1.0,
            ),
        ),
        facts=(
            Field("success", "the goal is reached", low=0.0, high=1.0),
            Field("distance", "straight to the goal", unit="m", low=0.0, high=diagonal),
            Field(
                "path_distance",
                "to the goal, the shortest way round the wall",
                unit="m",
                low=0.0,
                high=2.0,
            ),
        ),
        success="The point is within the goal's radius.",
        time_limit=time_limit,
        oracle=functools.partial(_oracle, step_length),
        human_design="Besides the task's reward, pay the metres by which the shortest way round "
        "the wall gets shorter, and charge a little for every step.",
        source="After PointMaze-UMaze of D4RL (Fu et al. 2020, arXiv 2004.07219).",
    )
