"""Composing configurations: groups checked by name, reward files put in place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from rewardsmith.envs.errors import ConfigError, unknown

PACKAGE = "rewardsmith.conf"
GROUPS = ("env", "reward", "agent", "tracker", "experiment", "designer", "llm")


def choices(group: str) -> dict[str, str]:
    """Returns the options of a group with the comment on their first line.

    Example:
        >>> choices("reward")["sparse"]
        "The environment's own reward, nothing else."
    """
    found = {}
    for file in sorted(resources.files(PACKAGE).joinpath(group).iterdir(), key=lambda f: f.name):
        if file.name.endswith(".yaml"):
            lines = file.read_text().removeprefix("# @package _global_\n").splitlines()
            comment = lines[0].removeprefix("# ") if lines[0].startswith("#") else ""
            found[file.name.removesuffix(".yaml")] = comment
    return found


def with_reward_files(overrides: list[str]) -> list[str]:
    """Writes `reward=some/file.yaml` as the overrides Hydra understands."""
    written = []
    for override in overrides:
        key, _, value = override.partition("=")
        if key == "reward" and value.endswith((".yaml", ".yml")):
            written += ["reward=file", f"reward.path='{Path(value).absolute()}'"]
        else:
            written.append(override)
    return written


def check_groups(overrides: list[str]) -> None:
    """Checks the names given to configuration groups.

    Raises:
        ConfigError: If a group has no such option; names the nearest.
    """
    for override in overrides:
        group, _, value = override.partition("=")
        if group in GROUPS and not any(c in value for c in "${},[]*") and "/" not in value:
            options = choices(group)
            if value not in options and value != "null":
                raise unknown(group, value, (o for o in options if o != "file"))


def compose(overrides: list[str]) -> dict[str, Any]:
    """Returns the resolved `train` configuration under the given overrides.

    Raises:
        ConfigError: If a key or option is unknown, or a value is missing.
    """
    import hydra
    from hydra.core.global_hydra import GlobalHydra

    overrides = with_reward_files(overrides)
    check_groups(overrides)
    if GlobalHydra.instance().is_initialized():
        return plain(_composed("train", overrides))
    with hydra.initialize_config_module(PACKAGE, version_base="1.3"):
        return plain(_composed("train", overrides))


def preflight(job: str, arguments: list[str]) -> None:
    """Checks the arguments of a job before Hydra runs it, for errors that name the mend.

    A multirun and Hydra's own flags are left to Hydra.

    Raises:
        ConfigError: If a group option or a key is unknown, or an override is malformed.
    """
    import hydra

    check_groups(arguments)
    if not any(argument.startswith("-") for argument in arguments):
        with hydra.initialize_config_module(PACKAGE, version_base="1.3"):
            _composed(job, arguments)


def _composed(job: str, overrides: list[str]) -> Any:
    """Composes a configuration; an unknown key is reported with its nearest neighbours."""
    import hydra
    from hydra.errors import HydraException
    from omegaconf import DictConfig, OmegaConf

    try:
        return hydra.compose(job, overrides)
    except HydraException as error:
        cause: Any = error
        while cause is not None and not getattr(cause, "full_key", None):
            cause = cause.__cause__
        if cause is None:
            raise ConfigError(str(error).partition("\nSee https")[0]) from None
        full_key = re.sub(r"\[(\d+)\]", r".\1", str(cause.full_key))  # group[0] is group.0
        parent, _, key = full_key.rpartition(".")
        rest = [o for o in overrides if not _gives(o, full_key)]
        if len(rest) == len(overrides):
            told = str(cause).partition("\n")[0]
            raise ConfigError(f"unknown key {full_key!r}: {told}") from None
        base = _composed(job, rest)
        siblings = OmegaConf.select(base, parent) if parent else base
        known = list(siblings) if isinstance(siblings, DictConfig) else []
        raise ConfigError(
            f"{unknown('key', key, map(str, known), where=parent or job)} A key that is not there "
            f"yet is added with a plus sign: +{full_key}=..."
        ) from None


def _gives(override: str, full_key: str) -> bool:
    """Tells whether an override sets the key, something below it, or a mapping that holds it."""
    key = override.lstrip("+~").partition("=")[0]
    held = key not in GROUPS and full_key.startswith(f"{key}.")
    return key == full_key or key.startswith(f"{full_key}.") or held


def plain(config: Any) -> dict[str, Any]:
    """Returns an OmegaConf configuration as resolved plain data, its reward file read in.

    Raises:
        ConfigError: If an interpolation finds nothing or a mandatory value is missing.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        resolved: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(_explain(error, config)) from None
    reward = resolved.get("reward")
    if isinstance(reward, Mapping) and set(reward) == {"path"}:
        resolved["reward"] = _read_design(Path(str(reward["path"])))
    return dict(resolved)


def _explain(error: Exception, config: Any) -> str:
    message = str(error).partition("\n")[0]
    where = getattr(error, "full_key", None)
    if "issing mandatory value" in message:
        missing = message.rpartition(":")[2].strip()
        missing = where if where and where.endswith(f".{missing}") else missing
        return f"{missing} is missing; give it on the command line: {missing}=..."
    if "env." in message and "not found" in message:
        return (
            f"the chosen reward needs {message.partition(chr(39))[2].partition(chr(39))[0]!r}, "
            f"which env={config.env.get('name')} does not define; set it on the command line "
            "or choose another reward"
        )
    return f"{where}: {message}" if where else message


def _read_design(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"reward={path} cannot be read: {error}") from None
