"""`Endpoint`: calls to an OpenAI-compatible server, tried again where that can help."""

from __future__ import annotations

import email.utils
import os
import random
import time
from collections.abc import Mapping
from typing import Any

import openai

from rewardsmith.envs.errors import ConfigError, RewardsmithError

_SHOWN = 300
_OVERLOADED = 500
_CALLER_AT_FAULT = {400, 404, 405, 413, 422}


class ServerError(RewardsmithError):
    """A server gave no usable answer; what was asked may be asked again later."""


class Endpoint:
    """An OpenAI-compatible server, such as vLLM's.

    Rate limits, overload, timeouts and network errors are tried again after a wait drawn from
    [0, first_wait_s * 2^attempt] ("full jitter"), or as long as the server's Retry-After says;
    a refused key, a bad request and an answer that is no JSON are not. The key is read from an
    environment variable and stands in no error.

    Args:
        url: Base address, such as "http://localhost:8000/v1".
        model: Name of the model, as the server calls it.
        key_variable: Environment variable that holds the key; None for a server without one.
        timeout_s: Longest wait for an answer to begin or go on, in seconds.
        retries: Further attempts after the first.
        first_wait_s: Upper end of the first wait, in seconds.
        longest_wait_s: Upper end of any wait, in seconds; a server that asks for more is given up.

    Raises:
        ConfigError: If a setting is out of range, or the variable is not set.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key_variable: str | None = None,
        timeout_s: float = 300.0,
        retries: int = 5,
        first_wait_s: float = 1.0,
        longest_wait_s: float = 60.0,
    ) -> None:
        if "@" in url or not url.startswith(("http://", "https://")):
            raise ConfigError(
                "url must begin with http:// or https:// and hold no password; put the key into "
                "an environment variable and name it in key_variable"
            )
        if retries < 0 or min(timeout_s, first_wait_s, longest_wait_s) <= 0:
            raise ConfigError(
                f"retries must be at least 0 and timeout_s, first_wait_s and longest_wait_s above "
                f"0, got {retries}, {timeout_s}, {first_wait_s} and {longest_wait_s}"
            )
        self.url, self.model, self.retries = url, model, retries
        self.timeout_s = timeout_s
        self.first_wait_s, self.longest_wait_s = first_wait_s, longest_wait_s
        self._key_variable, self._key = key_variable, _key(key_variable)
        self._client = openai.OpenAI(
            api_key=self._key or "none", base_url=url, timeout=timeout_s, max_retries=0
        )

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Sends a JSON object and returns the JSON value of the answer.

        Raises:
            ConfigError: If the server refuses the key or the request.
            ServerError: If it gives no JSON, or transient errors outlast the retries.
        """
        for attempt in range(self.retries + 1):
            try:
                return self._client.post(path, body={"model": self.model, **body}, cast_to=object)
            except openai.APIError as error:
                failure, asked_s = self._failure(error), _retry_after(error)
            except ValueError as error:
                failure, asked_s = ServerError(f"{self.url} sent no JSON: {error}"), None
            if asked_s is None or asked_s > self.longest_wait_s or attempt == self.retries:
                raise failure
            jitter = random.uniform(0.0, self.first_wait_s * 2**attempt)
            time.sleep(max(asked_s, min(jitter, self.longest_wait_s)))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _failure(self, error: openai.APIError) -> RewardsmithError:
        if isinstance(error, openai.APITimeoutError):
            return ServerError(f"{self.url} gave no answer within {self.timeout_s:g} s")
        if not isinstance(error, openai.APIStatusError):
            return ServerError(f"{self.url} cannot be reached, or the connection broke; is it up?")
        said = " ".join(str(error).split())
        said = said.replace(self._key, "[key]") if self._key else said
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            held = f"that {self._key_variable} holds" if self._key else "that was not given"
            return ConfigError(
                f"{self.url} refuses the key {held} (status {error.status_code}); name the "
                "environment variable that holds the right one in key_variable"
            )
        if error.status_code in _CALLER_AT_FAULT:
            return ConfigError(f"{self.url} refuses the request: {said[:_SHOWN]}")
        return ServerError(f"{self.url} failed: {said[:_SHOWN]}")


def _key(variable: str | None) -> str | None:
    if variable is None:
        return None
    if not os.environ.get(variable):
        raise ConfigError(
            f"the environment variable {variable} is not set; put the server's key there, or "
            "leave key_variable out for a server without one"
        )
    return os.environ[variable]


def _retry_after(error: openai.APIError) -> float | None:
    """Returns the seconds the server asks for, 0 if it says nothing, None if trying is no use."""
    if isinstance(error, openai.APIConnectionError):  # timeouts are among these
        return 0.0
    if not isinstance(error, openai.APIStatusError):
        return None
    if error.status_code not in (408, 429) and error.status_code < _OVERLOADED:
        return None
    said = error.response.headers.get("retry-after", "0")
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(said).timestamp() - time.time())
    except ValueError:
        return 0.0
