"""The `design` configuration, checked and read into what a search is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewardsmith.agents.sb3.algorithms import ALGORITHMS
from rewardsmith.agents.tasks import make_task
from rewardsmith.agents.train import check
from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError, unknown
from rewardsmith.llm_reward_design import jail
from rewardsmith.llm_reward_design.brief import Brief
from rewardsmith.llm_reward_design.designers import widths
from rewardsmith.llm_reward_design.loop import Settings
from rewardsmith.llm_reward_design.program import inputs
from rewardsmith.llm_reward_design.term import TIERS
from rewardsmith.llm_reward_design.trials.rungs import rungs
from rewardsmith.llm_reward_design.trials.running import check_backend

_KEYS = ("env", "agent", "seed", "total_steps", "device", "evaluation", "reward", "tracker")


def checked(settings: Mapping[str, Any]) -> EnvCard:
    """Finds what cannot work before anything is asked or trained; returns the task's card.

    Raises:
        ConfigError: Naming the field, the value and the mend.
    """
    search = settings["search"]
    for name in ("steps", "points", "episodes"):
        value = search[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigError(f"search.{name} must be a whole number of at least 1, got {value!r}")
    rungs(search["steps"], search["rungs"], search["keep"])
    check_backend(settings["parallel"])
    for name in ("wall_s", "memory_gb"):
        if not isinstance(settings["jail"][name], int | float) or settings["jail"][name] <= 0:
            raise ConfigError(f"jail.{name} must be above 0, got {settings['jail'][name]!r}")
    if settings["agent"]["algorithm"] not in ALGORITHMS:
        raise ConfigError(
            f"agent={settings['agent']['name']} does not train on programs; choose one of "
            f"{', '.join(ALGORITHMS)}"
        )
    if settings["advice"] is not None and settings["start"] is None:
        raise ConfigError("advice speaks of a program; name its file in start=...")
    check(train_config(settings))
    card = _card(settings["env"])
    if not inputs(card):
        raise ConfigError(f"the card of {card.id} names no field that a program could read")
    tier_of(settings)
    return card


def train_config(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the `train` part of a `design` configuration."""
    return {key: settings[key] for key in _KEYS}


def brief_of(settings: Mapping[str, Any]) -> Brief:
    """Returns the task and what is wanted of it."""
    env = make_task(settings["env"], 1)
    try:
        card = EnvCard.of(env)
        wanted = str(settings["task"] or card.goal)
        return Brief(card, wanted, seed=int(settings["seed"]), widths=widths(card, env))
    finally:
        env.close()


def search_settings(settings: Mapping[str, Any], *, workers: int) -> Settings:
    """Returns how the search trains and judges."""
    search, held = settings["search"], settings["jail"]
    return Settings(
        steps=search["steps"],
        rungs=search["rungs"],
        keep=search["keep"],
        points=search["points"],
        episodes=search["episodes"],
        sampling=settings["llm"].get("sampling") or {},
        workers=workers,
        parallel=settings["parallel"],
        n_jobs=settings["n_jobs"],
        tier=tier_of(settings),
        limits=jail.Limits(
            wall_s=float(held["wall_s"]),
            cpu_s=float(held["wall_s"]),
            memory_bytes=int(held["memory_gb"] * (1 << 30)),
        ),
    )


def tier_of(settings: Mapping[str, Any]) -> jail.Tier:
    """Returns the tier asked for, or the strongest that this machine grants.

    Raises:
        ConfigError: If the tier is unknown or not granted, or would hold nothing.
    """
    wanted = settings["jail"]["tier"]
    if wanted is not None and wanted not in TIERS:
        raise unknown("tier", wanted, TIERS, where="jail.tier")
    tier = jail.granted(None if wanted is None else jail.Tier[wanted.upper()])
    if not tier.is_boundary and wanted is None:
        raise ConfigError(
            "this machine grants no jail that holds untrusted code (Linux 5.13 or newer does); "
            f"jail.tier={tier.name.lower()} goes on without one, at your own risk"
        )
    return tier


def _card(env: Mapping[str, Any]) -> EnvCard:
    """Returns the card of a configured task."""
    task = make_task(env, 1)
    try:
        return EnvCard.of(task)
    finally:
        task.close()
