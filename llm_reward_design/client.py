"""What is asked of a language model, what it answers, and the protocol of who answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from rewardsmith.envs.errors import RewardsmithError
from rewardsmith.llm_reward_design.brief import Brief


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat.

    Attributes:
        role: Who speaks.
        content: What is said.
    """

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Request:
    """One call: the messages, and what they were written from.

    Attributes:
        messages: The chat so far, the last message the user's.
        brief: What the messages tell, as data; what searches without a language model reads.
        sample: Index among requests that are otherwise equal, so that K samples differ.
        settings: Sampling settings sent along, such as temperature.
    """

    messages: tuple[Message, ...]
    brief: Brief
    sample: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)

    def key(self, client: str) -> str:
        """Returns the SHA-256 that identifies this call to the client so described."""
        spoken = [(message.role, message.content) for message in self.messages]
        written = [client, spoken, sorted(self.settings.items()), self.sample]
        return hashlib.sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer, and what it cost.

    Attributes:
        text: What was answered.
        prompt_tokens: Tokens read.
        completion_tokens: Tokens written.
        cost: Price in the currency of the prices given, 0 where none were.
        wall_s: How long it took, in seconds.
        cut_off: Whether it ends where the tokens allowed were used up, not where it was done.
    """

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    wall_s: float = 0.0
    cut_off: bool = False


class ChatClient(Protocol):
    """Who answers requests."""

    name: str
    """Model and endpoint, in words that identify them; part of every cache key."""

    is_language_model: bool
    """False for program search, which reports must not call a language model."""

    def complete(self, request: Request) -> Completion:
        """Answers one request; may be called from several threads at once.

        Raises:
            ClientError: If there is no usable answer; `kind` says why.
            ConfigError: If the request or the key is refused: no further call can succeed.
        """
        ...

    def close(self) -> None:
        """Frees connections and memory."""
        ...


class ClientError(RewardsmithError):
    """A call without a usable answer.

    Args:
        message: One sentence for people.
        kind: The class of the failure.
    """

    def __init__(
        self,
        message: str,
        kind: Literal[
            "rate_limit", "overloaded", "timeout", "network", "content_filter", "parse", "budget"
        ],
    ) -> None:
        super().__init__(message)
        self.kind = kind
