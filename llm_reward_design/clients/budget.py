"""`Budgeted`: no call that could exceed what may be spent is made."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.client import ChatClient, ClientError, Completion, Request
from rewardsmith.llm_reward_design.clients.call_store import CallStore, Spent

_FRAME = 16
"""Tokens that a chat template puts around a message, at most."""
_LONGEST = ("max_completion_tokens", "max_tokens")


@dataclass(frozen=True, slots=True)
class Prices:
    """What a model's tokens cost.

    Args:
        prompt: Price of a million tokens read.
        completion: Price of a million tokens written.

    Raises:
        ConfigError: If a price is negative or no number.

    Example:
        >>> Prices(prompt=2.0, completion=8.0).of(500_000, 100_000)
        1.8
    """

    prompt: float
    completion: float

    def __post_init__(self) -> None:
        for name, value in (("prompt", self.prompt), ("completion", self.completion)):
            _check(f"prices.{name}", value, least=0.0)

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Returns the price of a call."""
        return (self.prompt * prompt_tokens + self.completion * completion_tokens) / 1e6


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent in all; None for no limit.

    Args:
        calls: Answered calls.
        tokens: Tokens read and written.
        cost: Price, in the currency of the prices.

    Raises:
        ConfigError: If a limit is negative or no number.
    """

    calls: int | None = None
    tokens: int | None = None
    cost: float | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) is not None:
                _check(f"budget.{name}", getattr(self, name), least=0.0)

    def exceeded(self, spent: Spent) -> str | None:
        """Returns the name of the first limit that is exceeded, None if none is."""
        for name in self.__slots__:
            limit = getattr(self, name)
            if limit is not None and getattr(spent, name) > limit:
                return name
        return None

    @property
    def needs_longest(self) -> bool:
        """Whether keeping it takes knowing how long an answer can get."""
        return self.tokens is not None or self.cost is not None


class Budgeted:
    """Lets a call through only if its worst case fits into what is left.

    The worst case is a token for every byte asked and as many written as the sampling settings
    allow. It is set aside while the call is under way, and what the call took is counted once
    it is answered; a call without an answer counts nothing. Calls that could fit once others
    are answered wait for them.

    Args:
        client: Who answers.
        budget: The limits.
        store: Tells what was spent before, so that a resumed search has the rest only.
        prices: What tokens cost; needed for a limit of the cost.

    Raises:
        ConfigError: If the cost is limited and there are no prices.
    """

    def __init__(
        self, client: ChatClient, budget: Budget, store: CallStore, prices: Prices | None = None
    ) -> None:
        if budget.cost is not None and prices is None:
            raise ConfigError(
                f"budget.cost={budget.cost:g} cannot be kept without prices; set prices.prompt "
                "and prices.completion, or limit budget.tokens"
            )
        self.client, self.budget, self.prices = client, budget, prices
        self.name, self.is_language_model = client.name, client.is_language_model
        self._spent, self._set_aside = store.spent(), [Spent()]
        self._changed = threading.Condition()

    def complete(self, request: Request) -> Completion:
        """Answers one request, if the budget allows for it.

        Raises:
            ClientError: Of kind "budget", if it does not; else as the client.
            ConfigError: As the client; or if tokens or cost are limited, but the settings do
                not limit the answer, or the answer tells no token counts.
        """
        most = self._most(request)
        self._reserve(most)
        took = Spent()
        try:
            completion = self.client.complete(request)
            took = Spent.of(completion)
        finally:
            with self._changed:
                self._set_aside.remove(most)
                self._spent += took
                self._changed.notify_all()
        if self.budget.needs_longest and not took.tokens:
            raise ConfigError(
                f"{self.name} tells no token counts, so a budget of tokens or cost cannot be "
                "kept; limit budget.calls"
            )
        return completion

    def close(self) -> None:
        """Closes the client."""
        self.client.close()

    def _reserve(self, most: Spent) -> None:
        with self._changed:
            while self.budget.exceeded(sum(self._set_aside, self._spent) + most):
                name = self.budget.exceeded(self._spent + most)
                if name:
                    limit, spent = getattr(self.budget, name), getattr(self._spent, name)
                    raise ClientError(
                        f"the budget of {limit:,.9g} {name} does not allow for another call: "
                        f"{spent:,.9g} are spent and it may take {getattr(most, name):,.9g}; "
                        f"raise budget.{name}",
                        "budget",
                    )
                self._changed.wait()
            self._set_aside.append(most)

    def _most(self, request: Request) -> Spent:
        if not self.budget.needs_longest:
            return Spent(calls=1)
        written = longest_answer(request.settings)
        said = (message.content.encode(errors="replace") for message in request.messages)
        read = sum(len(content) + _FRAME for content in said)
        return Spent(1, read + written, self.prices.of(read, written) if self.prices else 0.0)


def longest_answer(sampling: Mapping[str, Any]) -> int:
    """Returns how many tokens sampling settings let an answer have.

    Raises:
        ConfigError: If they do not say.
    """
    for name in _LONGEST:
        if isinstance(sampling.get(name), int):
            return int(sampling[name])
    raise ConfigError(
        "a budget of tokens or cost needs to know how long an answer can get; set "
        f"sampling.{_LONGEST[0]} or sampling.{_LONGEST[1]}"
    )


def _check(name: str, value: Any, *, least: float) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not least <= value < math.inf:
        raise ConfigError(f"{name} must be a number of at least {least:g}, got {value!r}")
