"""`SingleEnv`: the single view of a vectorised environment, as a batch of one."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.batch import BatchEnv, Info
from rewardsmith.envs.card import EnvCard


class SingleEnv(gym.Env[Any, Any]):
    """The single-environment view of a `BatchEnv`: a batch of one, without the leading axis.

    Args:
        batch: The `BatchEnv` class.
        render_mode: As the batch class has it, or None.
        options: What the batch class takes.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(
        self, batch: type[BatchEnv], render_mode: str | None = None, **options: Any
    ) -> None:
        self.batch = batch(
            1, autoreset_mode=AutoresetMode.DISABLED, render_mode=render_mode, **options
        )
        self.metadata = type(self.batch).metadata
        self.render_mode = render_mode
        self.observation_space = self.batch.single_observation_space
        self.action_space = self.batch.single_action_space

    @property
    def card(self) -> EnvCard:
        """The card of the task."""
        return self.batch.card

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, Info]:
        """Starts a new episode; returns the observation and the facts."""
        super().reset(seed=seed)
        observation, info = self.batch.reset(seed=seed)
        return observation[0], _first(info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, Info]:
        """Plays one step."""
        observation, reward, terminated, truncated, info = self.batch.step(self.batch.one(action))
        return (
            observation[0],
            float(reward[0]),
            bool(terminated[0]),
            bool(truncated[0]),
            _first(info),
        )

    def render(self) -> Any:
        """Returns a picture, uint8 of shape (height, width, 3), or a text."""
        frames = self.batch.render()
        return None if frames is None else frames[0]

    def snapshot(self) -> dict[str, Any]:
        """Returns everything the next steps depend on."""
        return self.batch.snapshot()

    def restore(self, snapshot: dict[str, Any]) -> Any:
        """Puts a snapshot back; returns the observation at that point."""
        return self.batch.restore(snapshot)[0]


def _first(info: Info) -> Info:
    return {
        name: value.item(0) if value.ndim == 1 else value[0]
        for name, value in info.items()
        if not name.startswith("_")
    }
