"""Transcripts turn by turn, and designs by their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from rewardsmith.envs.text.calculator import Calculator
from rewardsmith.envs.text.transcript import Transcript
from rewardsmith.rewards import RewardDesign, build_design

REWARDS = Path(__file__).parents[1] / "conf" / "reward"


def prefixes(transcript: Transcript) -> list[Transcript]:
    """Returns the transcript as it stood after 0, 1, ... turns."""
    return [
        Transcript(transcript.task, transcript.turns[:t]) for t in range(len(transcript.turns) + 1)
    ]


def design_file(name: str) -> Any:
    """Returns a design of the configuration as plain data."""
    return yaml.safe_load((REWARDS / f"{name}.yaml").read_text())


def design(name: str) -> RewardDesign:
    """Returns a design of the configuration, bound to the calculator's task."""
    built = build_design(design_file(name))
    built.bind(Calculator(1).card)
    return built
