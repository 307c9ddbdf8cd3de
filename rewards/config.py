"""Reward designs as plain data: to and from dictionaries and YAML.

A component is written `{_target_: dotted.Class, parameter: value, ...}`, which is also
Hydra's form; a plain function is `{_function_: "module:name"}`. Parameters left at their
default are not written.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from rewardsmith.envs.errors import ConfigError, RewardsmithError, unknown
from rewardsmith.rewards.component import Component, Function
from rewardsmith.rewards.design import RewardDesign


def to_config(value: Any) -> Any:
    """Returns a component, or anything inside one, as plain data fit for YAML.

    Raises:
        ConfigError: If a value has no plain form, such as a lambda.
    """
    if isinstance(value, Function):
        return to_config(value.function)
    if isinstance(value, Component):
        return {"_target_": public_path(type(value)), **_parameters(value)}
    if isinstance(value, Mapping):
        return {str(key): to_config(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [to_config(item) for item in value]
    if callable(value):
        return {"_function_": function_path(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ConfigError(
        f"{value!r} of type {type(value).__name__} has no plain form; "
        "use numbers, text, lists, mappings, components or named functions"
    )


def build(config: Any, where: str = "design") -> Any:
    """Builds what `to_config` wrote, or what a person wrote in the same form.

    Args:
        config: Plain data, parsed YAML.
        where: The place named in errors.

    Raises:
        ConfigError: Naming the place, the unknown class or parameter, and the nearest ones.
    """
    if isinstance(config, Mapping):
        if "_function_" in config:
            return load_function(str(config["_function_"]), where)
        items = {
            str(key): build(value, f"{where}.{key}")
            for key, value in config.items()
            if key != "_target_"
        }
        return _construct(str(config["_target_"]), items, where) if "_target_" in config else items
    if isinstance(config, Sequence) and not isinstance(config, str):
        return [build(item, f"{where}[{i}]") for i, item in enumerate(config)]
    return config


def build_design(config: Any) -> RewardDesign:
    """Builds a `RewardDesign`; a lone term becomes a design of that one term.

    Raises:
        ConfigError: If the data does not describe a reward design.
    """
    built = build(config, "reward")
    if isinstance(built, RewardDesign):
        return built
    if isinstance(built, Component) or callable(built):
        return RewardDesign({type(built).__name__: built})
    raise ConfigError(f"reward: expected a mapping with _target_ and terms, got {config!r}")


def save_design(design: RewardDesign, path: str | Path) -> None:
    """Writes a design to a YAML file."""
    Path(path).write_text(yaml.safe_dump(to_config(design), sort_keys=False))


def load_design(path: str | Path) -> RewardDesign:
    """Reads a design from a YAML file.

    Raises:
        ConfigError: If the file is missing, is not YAML, or describes no design.
    """
    try:
        data = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise ConfigError(f"cannot read the design {str(path)!r}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{str(path)!r} is not valid YAML: {error}") from None
    return build_design(data)


def public_path(cls: type) -> str:
    """Returns the shortest dotted path a class is exported under."""
    package = cls.__module__
    best = f"{package}.{cls.__qualname__}"
    while "." in package:
        package = package.rpartition(".")[0]
        try:
            module = importlib.import_module(package)
        except ImportError:
            break
        if getattr(module, cls.__name__, None) is cls:
            best = f"{package}.{cls.__name__}"
    return best


def function_path(function: Callable[..., Any]) -> str:
    """Returns "module:name" of a function that can be imported by name.

    Raises:
        ConfigError: For lambdas and local functions.
    """
    name = getattr(function, "__qualname__", "")
    module = getattr(function, "__module__", None)
    if not name or "<" in name or module is None:
        raise ConfigError(
            f"{function!r} cannot be saved: only a function defined at the top of "
            "a module can be named in YAML; move it there"
        )
    return f"{module}:{name}"


def load_function(path: str, where: str) -> Any:
    """Imports the function that "module:name" names."""
    module, _, name = path.partition(":")
    if not name:
        raise ConfigError(f"{where}._function_: expected 'module:name', got {path!r}")
    return _attribute(module, name, where)


def _parameters(component: Any) -> dict[str, Any]:
    if not dataclasses.is_dataclass(component):
        raise ConfigError(
            f"{type(component).__name__} is not a dataclass, so its parameters "
            "cannot be written down; decorate it with @dataclass"
        )
    written = {}
    for field in dataclasses.fields(component):
        value = getattr(component, field.name)
        if field.init and not _is_default(field, value):
            written[field.name] = to_config(value)
    return written


def _is_default(field: dataclasses.Field[Any], value: Any) -> bool:
    if field.default is not dataclasses.MISSING:
        default = field.default
    elif field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    else:
        return False
    return type(default) is type(value) and bool(np.all(default == value))


def _construct(target: str, parameters: dict[str, Any], where: str) -> Any:
    module, _, name = target.rpartition(".")
    if not module:
        raise ConfigError(
            f"{where}._target_: expected a dotted path such as "
            f"'rewardsmith.rewards.shaping.Distance', got {target!r}"
        )
    cls = _attribute(module, name, where)
    signature = inspect.signature(cls)
    for parameter in parameters:
        if parameter not in signature.parameters:
            raise unknown("parameter", parameter, signature.parameters, where=f"{where} ({name})")
    missing = [
        p.name
        for p in signature.parameters.values()
        if p.default is inspect.Parameter.empty
        and p.name not in parameters
        and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if missing:
        raise ConfigError(f"{where} ({name}) needs the parameter {missing[0]!r}")
    try:
        return cls(**parameters)
    except RewardsmithError as error:
        raise ConfigError(f"{where} ({name}): {error}") from None


def _attribute(module: str, name: str, where: str) -> Any:
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(f"{where}: cannot import {module!r}: {error}") from None
    if not hasattr(found, name):
        public = getattr(found, "__all__", [n for n in vars(found) if not n.startswith("_")])
        raise unknown("name", name, public, where=f"{module} ({where})")
    return getattr(found, name)
