"""`VectorAdapter`: a Gymnasium vector environment as a Stable-Baselines3 `VecEnv`.

SB3's own `DummyVecEnv` calls each environment in a Python loop and copies every info. Here
one `step` serves all rows; Python touches only the rows whose episode just ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from rewardsmith.envs.errors import EnvError


class VectorAdapter(VecEnv):
    """Lets SB3 train on a numpy-vectorised Gymnasium environment.

    SB3 resets in the same step, so the environment must be made with
    `AutoresetMode.SAME_STEP`. Infos are empty but for finished rows, which carry SB3's
    `terminal_observation` and `TimeLimit.truncated`; record anything else on the Gymnasium
    side, where it is an array.

    Args:
        env: The vector environment, its reward wrapper included.

    Raises:
        EnvError: If the environment resets in another way.

    Example:
        >>> env = gym.make_vec("rewardsmith/KeyDoor-v0", 4, autoreset_mode="SameStep")
        >>> VectorAdapter(env).reset().shape[0]
        4
    """

    def __init__(self, env: gym.vector.VectorEnv[Any, Any, Any]) -> None:
        mode = env.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.SAME_STEP:
            raise EnvError(
                f"VectorAdapter needs an environment with autoreset_mode="
                f"AutoresetMode.SAME_STEP, got {mode!r}; make it with that mode"
            )
        self.env = env
        self._actions: Any = None
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> VecEnvObs:
        """Starts an episode in every row, with the seeds given to `seed`, if any."""
        seeds = self._seeds if any(s is not None for s in self._seeds) else None
        observation, _ = self.env.reset(seed=seeds)  # type: ignore[arg-type]
        self._reset_seeds()
        return observation  # type: ignore[no-any-return]

    def step_async(self, actions: np.ndarray) -> None:
        """Keeps the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Steps all rows at once."""
        observation, reward, terminated, truncated, info = self.env.step(self._actions)
        done = terminated | truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for row in np.flatnonzero(done):
            infos[row] = {
                "terminal_observation": info["final_obs"][row],
                "TimeLimit.truncated": bool(truncated[row] and not terminated[row]),
            }
        return observation, reward.astype(np.float32), done, infos

    def close(self) -> None:
        """Closes the environment."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Returns the attribute once per row: all rows share one environment."""
        return [getattr(self.env, attr_name)] * len(self._rows(indices))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Sets the attribute on the one environment all rows share."""
        setattr(self.env, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Calls the method once and returns its result once per row."""
        result = getattr(self.env, method_name)(*method_args, **method_kwargs)
        return [result] * len(self._rows(indices))

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """Single-environment wrappers never occur here."""
        return [False] * len(self._rows(indices))

    def get_images(self) -> Sequence[np.ndarray | None]:
        """Returns a picture of every row."""
        pictures: Any = self.env.render()
        return [None] * self.num_envs if pictures is None else list(pictures)

    def _rows(self, indices: Any) -> list[int]:
        return list(self._get_indices(indices))
