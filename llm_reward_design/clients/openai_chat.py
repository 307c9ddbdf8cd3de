"""`OpenAIChat`: answers from any OpenAI-compatible server."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rewardsmith.agents.endpoint import Endpoint, ServerError
from rewardsmith.llm_reward_design.client import ClientError, Completion, Request
from rewardsmith.llm_reward_design.clients.budget import Prices

_SHOWN = 200


class OpenAIChat:
    """A model behind a chat completions endpoint.

    The request's settings are sent as they are, so a server's own ones can be given. Its key
    is blotted out of what is answered, too.

    Args:
        endpoint: The server; tries again what is worth trying again.
        prices: What its tokens cost; without them every answer's cost is 0.
    """

    is_language_model = True

    def __init__(self, endpoint: Endpoint, prices: Prices | None = None) -> None:
        self.endpoint, self.prices = endpoint, prices
        self.name = name_of(endpoint.model, endpoint.url)

    def complete(self, request: Request) -> Completion:
        """Answers one request; may be called from several threads at once.

        Raises:
            ClientError: If there is no usable answer; `kind` says why.
            ConfigError: If the server refuses the key or the request.
        """
        started = time.monotonic()
        messages = [
            {"role": said.role, "content": _encodable(said.content)} for said in request.messages
        ]
        try:
            answer = self.endpoint.post(
                "/chat/completions", {**request.settings, "messages": messages}
            )
        except ServerError as error:
            raise ClientError(str(error), error.kind) from None
        text, cut_off = self._read(answer)
        read, written = (_count(answer, f"{part}_tokens") for part in ("prompt", "completion"))
        return Completion(
            text=text,
            prompt_tokens=read,
            completion_tokens=written,
            cost=self.prices.of(read, written) if self.prices else 0.0,
            wall_s=time.monotonic() - started,
            cut_off=cut_off,
        )

    def close(self) -> None:
        """Ends the calls under way and closes the connections."""
        self.endpoint.close()

    def _read(self, answer: Any) -> tuple[str, bool]:
        """Returns the text of an answer, and whether it was cut off."""
        url = self.endpoint.url
        try:
            choice = answer["choices"][0]
            message, reason = choice["message"], choice.get("finish_reason")
            text, refusal = message.get("content"), message.get("refusal")
        except (TypeError, KeyError, IndexError, AttributeError):
            said = self.endpoint.redacted(str(answer))[:_SHOWN]
            raise ClientError(f"{url} sent an answer without a message: {said}", "parse") from None
        if refusal or reason == "content_filter":
            said = self.endpoint.redacted(str(refusal or "its content filter held the answer back"))
            raise ClientError(f"{self.name} refuses to answer: {said[:_SHOWN]}", "content_filter")
        if isinstance(text, str) and text.strip():
            return self.endpoint.redacted(_encodable(text)), reason == "length"
        if reason == "length":
            raise ClientError(
                f"{self.name} used up its tokens before it wrote an answer; let it write more "
                "with sampling.max_completion_tokens or sampling.max_tokens",
                "parse",
            )
        raise ClientError(f"{self.name} answered with no text", "parse")


def name_of(model: str, url: str) -> str:
    """Returns what identifies a model at a server.

    Example:
        >>> name_of("qwen3", "http://localhost:8000/v1")
        'qwen3 at http://localhost:8000/v1'
    """
    return f"{model} at {url}"


def _encodable(text: str) -> str:
    """Returns a text without halves of surrogate pairs, which fit into no file or message."""
    return text.encode(errors="replace").decode()


def _count(answer: Any, name: str) -> int:
    usage = answer.get("usage")
    count = usage.get(name) if isinstance(usage, Mapping) else None
    return count if isinstance(count, int) and count > 0 else 0
