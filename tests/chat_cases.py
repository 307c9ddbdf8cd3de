"""Requests, and a client that answers by a function, for the tests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.llm_reward_design.brief import Brief
from rewardsmith.llm_reward_design.client import Completion, Message, Request

CARD = EnvCard("Line-v0", "Reach the right end.", (Field("position", "place", (0, 1)),))


def request(text: str = "Write a reward.", sample: int = 0, **settings: Any) -> Request:
    """Returns a request of one system and one user message."""
    messages = (Message("system", "You write rewards."), Message("user", text))
    return Request(messages, Brief(CARD, CARD.goal), sample, settings)


def echo(asked: Request) -> Completion:
    """Says what was asked back: 10 tokens read, 5 written, at a cost of 0.25."""
    return Completion(f"{asked.messages[-1].content} {asked.sample}", 10, 5, 0.25)


class ScriptedClient:
    """Answers by a function, and remembers what it was asked.

    Attributes:
        asked: The requests, in the order they came.
        closed: Whether it was closed.
    """

    is_language_model = True

    def __init__(
        self, answer: Callable[[Request], Completion] = echo, name: str = "scripted"
    ) -> None:
        self.name, self._answer = name, answer
        self.asked: list[Request] = []
        self.closed = threading.Event()

    def complete(self, request: Request) -> Completion:
        self.asked.append(request)
        return self._answer(request)

    def close(self) -> None:
        self.closed.set()
