"""Suites of environments that register with Gymnasium only when they are imported."""

from __future__ import annotations

import contextlib
import importlib
import io

import gymnasium as gym

from rewardsmith.envs.errors import EnvError

EXTRA = "robotics"
"""The extra that installs them."""

SUITES = {
    "Meta-World/": "metaworld",
    "Fetch": "gymnasium_robotics",
    "Hand": "gymnasium_robotics",
    "Adroit": "gymnasium_robotics",
    "FrankaKitchen": "gymnasium_robotics",
    "PointMaze_": "gymnasium_robotics",
    "AntMaze_": "gymnasium_robotics",
}
"""Package by the beginning of the ids it registers."""


def import_suite(id: str) -> None:
    """Imports the package that registers `id`, if the id is one of a suite's.

    Raises:
        EnvError: If that package is not installed; names the extra that installs it.
    """
    for prefix, package in SUITES.items():
        if id.startswith(prefix) and id not in gym.registry:
            try:
                with contextlib.redirect_stderr(io.StringIO()):  # a notice on other environments
                    importlib.import_module(package)
            except ImportError as error:
                raise EnvError(
                    f"{id} comes with the package {package}, which cannot be imported "
                    f"({error}); pip install 'rewardsmith[{EXTRA}]'"
                ) from error
