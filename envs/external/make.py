"""`make_external`: a Gymnasium environment by id, with a card and a success predicate."""

from __future__ import annotations

import dataclasses
import difflib
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.errors import ConfigError, EnvError
from rewardsmith.envs.external.preset import Preset
from rewardsmith.envs.external.presets import completed, find_preset
from rewardsmith.envs.external.sparse import SparseTask
from rewardsmith.envs.external.success import Success, thresholds
from rewardsmith.envs.external.suites import import_suite


def make_external(
    id: str,
    *,
    task: str | None = None,
    success: Success | None = None,
    terminate_on_success: bool | None = None,
    render_mode: str | None = None,
    **options: Any,
) -> gym.Env[Any, Any]:
    """Makes an environment that others wrote, by its Gymnasium id.

    An id in `PRESETS` comes with a card and a success predicate, some ids with several tasks
    of which `task` chooses one. Any other id gets a card
    by inspection of its spaces and of the numbers in `info` at reset; given `success` it
    becomes a `SparseTask`, without it the environment keeps its own reward and is judged by
    its return (`card.score` is "return").

    Args:
        id: Gymnasium id; "package:Name-v0" imports the package that registers it first.
            MetaWorld and Gymnasium-Robotics are imported by themselves.
        task: Which of the id's tasks, such as "jump" of "Hopper-v5"; by default the first.
        success: When the task counts as solved; by default the preset's predicate.
        terminate_on_success: Whether the first success ends the episode; by default as the
            preset says, else no.
        render_mode: Passed on.
        options: Passed on to `gymnasium.make`, `max_episode_steps` among them.

    Raises:
        ConfigError: If Gymnasium knows no such id or option, if the id has no such task, if
            the predicate reads a field that the card does not have, or if the options change
            the observation that the preset's card describes.
        EnvError: If the environment needs a package that is not installed; the message says
            which extra to install.

    Example:
        >>> env = make_external("MountainCarContinuous-v0")
        >>> env.card.success
        'position >= 0.45 m; the episode ends there'
        >>> EnvCard.of(make_external("CartPole-v1")).score
        'return'
        >>> make_external("Raecher-v5")
        Traceback (most recent call last):
        rewardsmith.envs.errors.ConfigError: unknown environment 'Raecher-v5'; did you mean \
'Reacher-v5' or 'Reacher-v4' or 'Reacher-v2'? gymnasium.pprint_registry() lists all; \
'package:Name-v0' imports the package that registers an environment of yours
    """
    import_suite(id)
    preset = find_preset(id, task)
    env = _made(id, render_mode, options if preset is None else completed(preset, options))
    if preset is not None:
        env = env if preset.wrap is None else preset.wrap(env)
        _check_layout(preset, env)
    elif success is not None:
        preset = Preset(_inspected(env), thresholds(success), False)
    elif terminate_on_success is not None:
        raise ConfigError(
            f"terminate_on_success={terminate_on_success} has no meaning for {id} without a "
            "success predicate; give success={field: ..., above or below: ...}"
        )
    else:
        return env
    ends = preset.terminate_on_success if terminate_on_success is None else terminate_on_success
    return SparseTask(
        env,
        preset.card,
        preset.success if success is None else success,
        terminate_on_success=ends,
        facts=preset.facts,
    )


def make_external_vec(
    id: str,
    num_envs: int = 1,
    *,
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    **options: Any,
) -> SyncVectorEnv:
    """Makes `num_envs` copies of `make_external(id, **options)`, stepped one after another.

    Under `AutoresetMode.SAME_STEP` the facts of the step that ended an episode, success
    among them, are in `info["final_info"]`; `info` itself belongs to the new episode.

    Args:
        id: Gymnasium id.
        num_envs: Number of copies n.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        options: Passed on to `make_external`.

    Raises:
        ConfigError: As `make_external` does.
        EnvError: If `num_envs` is below 1, or as `make_external` does.
    """
    if num_envs < 1:
        raise EnvError(f"num_envs must be at least 1, got {num_envs}")
    return SyncVectorEnv(
        [partial(make_external, id, **options)] * num_envs, autoreset_mode=autoreset_mode
    )


def _made(id: str, render_mode: str | None, options: dict[str, Any]) -> gym.Env[Any, Any]:
    try:
        if render_mode is not None:  # not every environment takes it
            options = {"render_mode": render_mode, **options}
        return gym.make(id, **options)
    except (gym.error.DependencyNotInstalled, ImportError) as error:
        raise EnvError(f"{id} cannot be made here: {error}") from error
    except TypeError as error:
        raise ConfigError(f"{id} does not take these options: {error}") from error
    except gym.error.Error as error:
        if id in gym.registry:
            raise ConfigError(f"{id}: {error}") from error
        near = difflib.get_close_matches(id, gym.registry, n=3, cutoff=0.5)
        hint = f" did you mean {' or '.join(repr(name) for name in near)}?" if near else ""
        raise ConfigError(
            f"unknown environment {id!r};{hint} gymnasium.pprint_registry() lists all; "
            "'package:Name-v0' imports the package that registers an environment of yours"
        ) from None


def _check_layout(preset: Preset, env: gym.Env[Any, Any]) -> None:
    described = max(field.columns[1] for field in preset.card.observation if field.columns)
    held = gym.spaces.flatdim(env.observation_space)
    if described != held:
        raise ConfigError(
            f"the card of {preset.card.id} describes {described} observation columns, but with "
            f"these options there are {held}; leave the options out, or wrap the environment "
            "in SparseTask with a card of its own"
        )


def _inspected(env: gym.Env[Any, Any]) -> EnvCard:
    """Returns the card of `env`, with the numbers that its reset puts in `info` as facts."""
    card = EnvCard.of(env)
    if not card.human_design:
        card = dataclasses.replace(card, human_design="what it came with, `original_reward`")
    if card.facts:
        return card
    _, info = env.reset()
    named = {field.name for field in card.observation}
    return dataclasses.replace(
        card,
        facts=tuple(
            Field(key, f"key {key!r} of info")
            for key, value in info.items()
            if key not in named and np.asarray(value).dtype.kind in "biuf"
        ),
    )
