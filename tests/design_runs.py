"""What tests of whole searches share: small programs, a scripted writer, a small search."""

from __future__ import annotations

import functools
import threading
from pathlib import Path
from typing import Any

from rewardsmith.agents.configs import compose
from rewardsmith.llm_reward_design import jail
from rewardsmith.llm_reward_design.client import ClientError, Completion, Request
from rewardsmith.llm_reward_design.designers import Designer
from rewardsmith.llm_reward_design.journal import Journal
from rewardsmith.llm_reward_design.loop import Search, Settings
from rewardsmith.llm_reward_design.settings import brief_of

SMALL = ["agent.n_envs=4", "agent.settings.n_steps=32", "agent.settings.batch_size=64"]
"""Overrides that make a training run short."""


def program(weight: float, name: str = "near") -> str:
    """A program that differs from others by one number."""
    return (
        "def compute_reward(agent, goal, success):\n"
        f"    {name} = -{weight} * np.linalg.norm(agent - goal, axis=1)\n"
        f'    return {name} + success, {{"{name}": {name}, "success": 1.0 * success}}\n'
    )


def fenced(source: str) -> str:
    return f"Nearer is better.\n```python\n{source}```\n"


class ScriptedWriter:
    """Gives the n-th answer to the n-th request; exceptions among them are raised."""

    is_language_model = True
    name = "script"

    def __init__(self, answers: list[Any]) -> None:
        self.answers = answers
        self.requests: list[Request] = []
        self._lock = threading.Lock()

    def complete(self, request: Request) -> Completion:
        with self._lock:
            answer = self.answers[len(self.requests) % len(self.answers)]
            self.requests.append(request)
        if isinstance(answer, ClientError):
            raise answer
        return Completion(answer, 10, 5, cost=0.5)

    def close(self) -> None:
        """Holds nothing."""


@functools.cache
def small_config() -> dict[str, Any]:
    """The KeyDoor grid with short training runs."""
    return compose(["env=key_door", "reward=sparse", *SMALL])


def search(
    folder: Path, designer: Designer, client: Any, *, steps: int = 256, rungs: int = 1
) -> Search:
    """A search on the KeyDoor grid, one process at a time, its journal in `folder`."""
    config = small_config()
    settings = {"env": config["env"], "task": None, "seed": 0}
    return Search(
        designer,
        client,
        Journal(folder / "journal.sqlite"),
        brief_of(settings),
        config,
        Settings(
            steps=steps,
            rungs=rungs,
            keep=0.5,
            points=2,
            episodes=3,
            sampling={},
            workers=1,
            parallel="loky",
            n_jobs=1,
            tier=jail.granted(),
            limits=jail.Limits(wall_s=200.0, cpu_s=100.0),
        ),
        folder / "trials",
    )
