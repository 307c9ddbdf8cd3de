"""`Recorded`: answers kept and given again, so that a search re-runs without a model."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Literal, get_args

from rewardsmith.envs.errors import ConfigError, unknown
from rewardsmith.llm_reward_design.client import ChatClient, Completion, Request
from rewardsmith.llm_reward_design.clients.call_store import CallStore

Mode = Literal["record", "replay", "live"]
"""What is asked anew: what was never recorded, nothing, or everything."""


class Recorded:
    """Keeps the answers of a client, and gives those it has.

    A call is known by `Request.key` of the client's name. Every answer is in the store before
    it is returned; failures are not kept. Equal calls at the same time become one.

    Args:
        client: Who answers what the store does not hold; never called in mode "replay".
        store: Where the answers are.
        mode: "record" asks what was never recorded, "replay" asks nothing, and "live" asks
            everything anew and records that.

    Raises:
        ConfigError: If there is no such mode.
    """

    def __init__(self, client: ChatClient, store: CallStore, mode: Mode = "record") -> None:
        if mode not in get_args(Mode):
            raise unknown("mode", mode, get_args(Mode), where="llm.mode")
        self.client, self.store, self.mode = client, store, mode
        self.name, self.is_language_model = client.name, client.is_language_model
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[Completion]] = {}

    def complete(self, request: Request) -> Completion:
        """Returns the recorded answer, or the client's once it is recorded.

        Raises:
            ClientError: If the client has no usable answer.
            ConfigError: If the client is refused for good, or mode "replay" lacks the call.
        """
        key = request.key(self.name)
        if self.mode == "live":
            return self._asked(key, request)
        with self._lock:
            waited_for = self._under_way.get(key)
            if waited_for is None:
                answer = self._under_way[key] = Future()
        if waited_for is not None:
            return waited_for.result()
        try:
            answer.set_result(self.store.get(key) or self._asked(key, request))
        except BaseException as error:
            answer.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._under_way[key]
        return answer.result()

    def close(self) -> None:
        """Closes the client; the store stays open."""
        self.client.close()

    def _asked(self, key: str, request: Request) -> Completion:
        if self.mode == "replay":
            raise ConfigError(
                f"mode=replay holds no answer of {self.name} to call {key[:12]} (sample "
                f"{request.sample}): its prompt or settings are not those recorded; set "
                "mode=record to ask the model for what is missing"
            )
        completion = self.client.complete(request)
        self.store.put(key, request, completion)
        return completion
