"""`BatchEnv`: environments vectorised in numpy."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray, Stateful
from rewardsmith.envs.streams import Streams

Info = dict[str, Any]


class BatchEnv(gym.vector.VectorEnv[Any, Any, np.ndarray], Stateful):
    """`n` copies of one task, stepped together as numpy arrays.

    Row i seeded with s behaves exactly as a batch of one seeded with s: each row draws
    from its own random stream, also across resets and under every autoreset mode.

    A subclass sets `card`, `single_observation_space` and `single_action_space` before
    calling `super().__init__`, names its state arrays (leading axis n) in `state_names`,
    and writes the five methods under "What a task defines".

    Args:
        num_envs: Number of rows n.
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None; text tasks have "ansi" instead.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012
    card: EnvCard

    def __init__(
        self,
        num_envs: int = 1,
        *,
        time_limit: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        if not isinstance(num_envs, int | np.integer) or num_envs < 1:
            raise EnvError(f"num_envs must be a whole number of at least 1, got {num_envs}")
        if time_limit is not None and time_limit < 1:
            raise EnvError(f"time_limit must be at least 1 step or null, got {time_limit}")
        modes = type(self).metadata["render_modes"]
        if render_mode not in (None, *modes):
            raise EnvError(f"render_mode must be {modes[0]!r} or None, got {render_mode!r}")
        self.num_envs = num_envs
        self.time_limit = time_limit
        self.autoreset_mode = _mode(autoreset_mode)
        self.render_mode = render_mode
        self.metadata = {
            **type(self).metadata,
            "autoreset_mode": self.autoreset_mode,
            "whole_final_obs": True,  # beyond Gymnasium's promise, see _reset_same_step
        }
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.streams = Streams(num_envs)
        self.elapsed = np.zeros(num_envs, dtype=np.int64)
        self.done = np.ones(num_envs, dtype=np.bool_)
        self._rows = np.arange(num_envs)
        self._all = np.ones(num_envs, dtype=np.bool_)
        self._seeded = False

    # ---- What a task defines -------------------------------------------------------

    @abstractmethod
    def _spawn(self, rows: IntArray) -> None:
        """Puts `rows` into a start state, drawing from `self.streams` for those rows only."""

    @abstractmethod
    def _advance(self, action: Any) -> tuple[FloatArray, BoolArray]:
        """Moves every row by one step; returns reward and terminated, each of shape (n,)."""

    @abstractmethod
    def _observe(self) -> Any:
        """Returns the observation of every row as a fresh array of shape (n, ...)."""

    @abstractmethod
    def _facts(self) -> Info:
        """Returns the card's facts, "success" among them, as fresh arrays of shape (n, ...)."""

    def _draw(self, row: int) -> Any:
        """Returns a picture of one row, uint8 of shape (height, width, 3)."""
        raise EnvError(f"{type(self).__name__} has no picture")

    # ---- Machinery -----------------------------------------------------------------

    def reset(
        self,
        *,
        seed: int | list[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, Info]:
        """Starts new episodes, in all rows or where `options["reset_mask"]` (n,) is true.

        An integer seed s gives row i the seed s + i, as in Gymnasium; without a seed the
        rows go on with their streams.
        """
        mask = self._reset_mask(options)
        rows = self._rows if mask is None else np.flatnonzero(mask)
        self._seed(rows, seed)
        self._begin(rows)
        return self._observe(), self._masked(self._facts(), self._all if mask is None else mask)

    def step(self, actions: Any) -> tuple[Any, FloatArray, BoolArray, BoolArray, Info]:
        """Steps every row; a finished row is reset as the autoreset mode says."""
        actions = self._checked(actions)
        if not self._seeded:
            raise EnvError("step was called before the first reset; call reset(seed=...)")
        if self.autoreset_mode is AutoresetMode.NEXT_STEP:
            return self._step_then_reset_next(actions)
        if self.done.any():
            raise EnvError(
                f"row {int(np.flatnonzero(self.done)[0])} is finished or was never reset; call "
                "reset(), or reset(options={'reset_mask': ...}) under AutoresetMode.DISABLED"
            )
        reward, terminated, truncated = self._advance_and_limit(actions)
        if self.autoreset_mode is AutoresetMode.DISABLED or not self.done.any():
            return self._observe(), reward, terminated, truncated, self._info()
        return self._reset_same_step(reward, terminated, truncated)

    def snapshot(self) -> dict[str, Any]:
        """Returns everything the next steps depend on, random streams included."""
        return {
            "of": self._identity(),
            "task": self.state_dict(),
            "streams": self.streams.state_dict(),
            "elapsed": self.elapsed.copy(),
            "done": self.done.copy(),
            "seeded": self._seeded,
        }

    def restore(self, snapshot: dict[str, Any]) -> Any:
        """Puts a snapshot back, bit for bit; returns the observation at that point.

        Raises:
            EnvError: If the snapshot was taken of another task or number of rows.
        """
        if snapshot["of"] != self._identity():
            raise EnvError(
                f"the snapshot was taken of {snapshot['of']}, this environment is "
                f"{self._identity()}; make it with the same options and num_envs"
            )
        self.load_state_dict(snapshot["task"])
        self.streams.load_state_dict(snapshot["streams"])
        self.elapsed, self.done = snapshot["elapsed"].copy(), snapshot["done"].copy()
        self._seeded = snapshot["seeded"]
        return self._observe()

    def render(self) -> tuple[Any, ...] | None:
        """Returns a picture per row, or None without `render_mode="rgb_array"`."""
        if self.render_mode is None:
            return None
        return tuple(self._draw(row) for row in range(self.num_envs))

    def _identity(self) -> str:
        return f"{type(self).__name__} x {self.num_envs} with {self.single_observation_space}"

    def _step_then_reset_next(
        self, actions: Any
    ) -> tuple[Any, FloatArray, BoolArray, BoolArray, Info]:
        finished = np.flatnonzero(self.done)
        counter = self.streams.counter.copy() if finished.size else None
        reward, terminated, truncated = self._advance_and_limit(actions)
        if counter is not None:  # the action of a finished row is ignored, its draws undone
            self.streams.counter[finished] = counter[finished]
            self._begin(finished)
            reward[finished] = 0.0
            terminated[finished] = truncated[finished] = False
        return self._observe(), reward, terminated, truncated, self._info()

    def _reset_same_step(
        self, reward: FloatArray, terminated: BoolArray, truncated: BoolArray
    ) -> tuple[Any, FloatArray, BoolArray, BoolArray, Info]:
        # The final observation and facts are right in every row, not in finished ones alone.
        finished = self.done
        final_observation, final_info = self._observe(), self._masked(self._facts(), finished)
        self._begin(np.flatnonzero(finished))
        info = self._info() | {
            "final_obs": final_observation,
            "_final_obs": finished,
            "final_info": final_info,
            "_final_info": finished,
        }
        return self._observe(), reward, terminated, truncated, info

    def _advance_and_limit(self, actions: Any) -> tuple[FloatArray, BoolArray, BoolArray]:
        reward, terminated = self._advance(actions)
        self.elapsed += 1
        if self.time_limit is None:
            truncated = np.zeros(self.num_envs, dtype=np.bool_)
        else:
            truncated = (self.elapsed >= self.time_limit) & ~terminated
        self.done = terminated | truncated
        return reward, terminated, truncated

    def _begin(self, rows: IntArray) -> None:
        self._spawn(rows)
        self.elapsed[rows] = 0
        self.done = self.done.copy()
        self.done[rows] = False

    def _seed(self, rows: IntArray, seed: int | list[int | None] | None) -> None:
        if seed is None and not self._seeded:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        if seed is None:
            return
        if isinstance(seed, list | tuple):
            seeds = list(seed)
        elif isinstance(seed, int | np.integer):
            seeds = [int(seed) + i for i in range(self.num_envs)]
        else:
            raise EnvError(f"seeds must be a whole number or a list of them, got {seed!r}")
        if len(seeds) != self.num_envs:
            raise EnvError(f"seed has {len(seeds)} entries for {self.num_envs} rows")
        given = [row for row in rows.tolist() if seeds[row] is not None]
        chosen = [seeds[row] for row in given]
        if any(not isinstance(s, int | np.integer) or not 0 <= s < 2**63 for s in chosen):
            raise EnvError(f"seeds must be whole numbers in [0, 2**63), got {chosen}")
        self.streams.seed(np.array(given, dtype=np.int64), np.array(chosen, dtype=np.int64))
        self._seeded = True

    def _reset_mask(self, options: dict[str, Any] | None) -> BoolArray | None:
        if not options or "reset_mask" not in options:
            return None
        mask = np.asarray(options["reset_mask"])
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
            raise EnvError(
                f"options['reset_mask'] must be a boolean array of shape "
                f"({self.num_envs},) with at least one true entry, got {mask!r}"
            )
        return mask

    def one(self, action: Any) -> Any:
        """Returns the action of a single environment as that of a batch of one."""
        return np.asarray(action)[None]

    def _checked(self, actions: Any) -> Any:
        array = np.asarray(actions)
        if array.shape != self.action_space.shape:
            raise EnvError(f"actions must have shape {self.action_space.shape}, got {array.shape}")
        space = self.single_action_space
        if isinstance(space, gym.spaces.Discrete | gym.spaces.MultiDiscrete):
            if array.dtype.kind not in "iu":
                raise EnvError(f"actions must be whole numbers, got an array of {array.dtype}")
            choices = space.n if isinstance(space, gym.spaces.Discrete) else space.nvec
            legal, allowed = (array >= 0) & (array < choices), f"0..{choices - 1}"
        else:
            legal, allowed = np.isfinite(array), "the finite numbers"
        if not legal.all():
            row = int(np.argwhere(~legal)[0, 0])
            raise EnvError(f"action {array[row]} of row {row} is outside {allowed}")
        return array

    def _info(self) -> Info:
        return self._masked(self._facts(), self._all)

    @staticmethod
    def _masked(facts: Info, mask: BoolArray) -> Info:
        return facts | {f"_{name}": mask for name in facts}


def _mode(mode: AutoresetMode | str) -> AutoresetMode:
    try:
        return AutoresetMode(mode)
    except ValueError:
        known = ", ".join(repr(m.value) for m in AutoresetMode)
        raise EnvError(f"autoreset_mode must be one of {known}, got {mode!r}") from None
