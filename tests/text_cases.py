"""Text environments and what is said in them, for tests that hold of all of them."""

from __future__ import annotations

import importlib
import random
from typing import Any

import gymnasium as gym
from env_cases import TEXT_NAMES

from rewardsmith.envs import SingleEnv
from rewardsmith.envs.registration import ENTRY_POINTS
from rewardsmith.envs.text.batch import TextEnv
from rewardsmith.envs.text.dialogue import SCRIPTS, Dialogue
from rewardsmith.envs.text.transcript import Transcript

__all__ = ["DIFFICULTIES", "TEXT_NAMES", "make", "make_single", "say", "text_class"]

DIFFICULTIES = range(1, 6)

_NOISE = (
    "",
    "hello",
    "<answer>",
    "<answer></answer>",
    "<tool_call>{}</tool_call>",
    '<tool_call>{"name": "nothing", "arguments": {}}</tool_call>',
)


def text_class(name: str) -> type[TextEnv]:
    """Returns the vectorised class registered under `rewardsmith/name`."""
    module, _, attribute = ENTRY_POINTS[name].partition(":")
    found: type[TextEnv] = getattr(importlib.import_module(module), attribute)
    return found


def make(name: str, n: int = 1, **options: Any) -> TextEnv:
    """Makes the vectorised environment of n rows."""
    return text_class(name)(n, **options)  # type: ignore[arg-type]


def make_single(name: str, **options: Any) -> SingleEnv:
    """Makes the single view, without Gymnasium's wrappers."""
    env = gym.make(f"rewardsmith/{name}", **options).unwrapped
    assert isinstance(env, SingleEnv)
    return env


def say(dialogue: Dialogue, transcript: Transcript, source: random.Random) -> str:
    """Draws what to say: what a script would, or noise."""
    script = source.choice([*SCRIPTS, "oracle", "noise"])
    if script == "noise" or transcript.over:
        return source.choice(_NOISE)
    return dialogue.script(script)(transcript)
