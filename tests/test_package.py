"""The package: what is installed, what importing costs, what the start-up file does."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("envs", "rewards", "agents", "llm_reward_design", "conf")


def run_python(code: str) -> str:
    """Runs code in a fresh interpreter outside the repository; returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd="/", check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_folder_is_listed_as_a_package() -> None:
    listed = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    )
    on_disk = {
        f"rewardsmith.{'.'.join(path.parent.relative_to(ROOT).parts)}"
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".yaml", ".html", ".css")
    }
    assert listed == on_disk


def test_gym_make_needs_no_import_of_ours() -> None:
    code = "import gymnasium as gym; print(gym.make('rewardsmith/KeyDoor-v0').spec.id)"
    assert run_python(code) == "rewardsmith/KeyDoor-v0"


@pytest.mark.parametrize("module", ["rewardsmith", "rewardsmith.agents.cli"])
def test_import_pulls_in_nothing_heavy(module: str) -> None:
    code = (
        f"import {module}, sys; "
        "print([m for m in ('torch', 'stable_baselines3', 'hydra', 'numpy') "
        "if m in sys.modules])"
    )
    assert run_python(code) == "[]"


def test_rewards_need_neither_torch_nor_sb3() -> None:
    code = (
        "import rewardsmith.rewards, rewardsmith.envs, sys; "
        "print([m for m in ('torch', 'stable_baselines3', 'hydra', 'matplotlib') "
        "if m in sys.modules])"
    )
    assert run_python(code) == "[]"
