"""The tasks by others that come with a card and a success predicate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewardsmith.envs.errors import ConfigError, unknown
from rewardsmith.envs.external import ant, fetch, hopper, meta_world
from rewardsmith.envs.external.cards import MOUNTAIN_CAR, PUSHER, REACHER
from rewardsmith.envs.external.preset import Preset

PRESETS: Mapping[str, Mapping[str, Preset]] = {
    "MountainCarContinuous-v0": {"flag": MOUNTAIN_CAR},
    "Reacher-v5": {"reach": REACHER},
    "Pusher-v5": {"push": PUSHER},
    "Hopper-v5": {"forward": hopper.FORWARD, "jump": hopper.JUMP, "flip": hopper.FLIP},
    "Ant-v5": {"forward": ant.FORWARD, "jump": ant.JUMP, "flip": ant.FLIP},
    "FetchReach-v4": {"reach": fetch.REACH},
    "FetchPush-v4": {"push": fetch.PUSH},
    meta_world.ID: meta_world.TASKS,
}
"""Tasks by Gymnasium id and name; the first of an id is what it stands for without a name."""


def find_preset(id: str, task: str | None) -> Preset | None:
    """Returns the named task of an id, or its first; None for an id without presets.

    Raises:
        ConfigError: If the id has no such task.

    Example:
        >>> find_preset("Hopper-v5", "jump").card.goal
        'Jump so high on one leg that the torso rises to 1.4 metres, without falling.'
        >>> find_preset("Hopper-v5", "jmup")
        Traceback (most recent call last):
        rewardsmith.envs.errors.ConfigError: unknown task 'jmup' in Hopper-v5; \
did you mean 'jump'? Known: flip, forward, jump.
    """
    tasks = PRESETS.get(id, {})
    if task is None:
        return next(iter(tasks.values()), None)
    if task not in tasks:
        raise unknown("task", task, tasks, where=id)
    return tasks[task]


def completed(preset: Preset, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a user's arguments of `gymnasium.make` with those that the task needs.

    Raises:
        ConfigError: If an argument contradicts the task.
    """
    for name, needed in preset.options.items():
        if options.get(name, needed) != needed:
            raise ConfigError(
                f"{name}={options[name]!r} contradicts the card of {preset.card.id}, which needs "
                f"{name}={needed!r}; leave it out"
            )
    limit = {} if preset.time_limit is None else {"max_episode_steps": preset.time_limit}
    return {**limit, **preset.options, **options}
