"""`Endpoint`: calls to an OpenAI-compatible server, tried again where that can help."""

from __future__ import annotations

import asyncio
import email.utils
import functools
import os
import random
import threading
import time
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import CancelledError, Future
from typing import Any, Literal

import httpx2
import openai

from rewardsmith.envs.errors import ConfigError, RewardsmithError

Kind = Literal["rate_limit", "overloaded", "timeout", "network", "content_filter", "parse"]
"""What keeps a server from giving a usable answer."""

_MOST_BYTES = 8 << 20
_SHOWN = 300
_OVERLOADED = 500
_FILTERED = ("content_filter", "content_policy_violation")
_JITTER = random.SystemRandom()  # processes of one seed must not try again in step


class ServerError(RewardsmithError):
    """A server gave no usable answer; what was asked may be asked again later.

    Args:
        message: One sentence for people.
        kind: The class of the failure.
    """

    def __init__(self, message: str, kind: Kind) -> None:
        super().__init__(message)
        self.kind = kind


class Endpoint:
    """An OpenAI-compatible server, such as vLLM's.

    Rate limits, overload, timeouts and network errors are tried again after a wait drawn from
    [0, first_wait_s * 2^attempt] ("full jitter"), but not before the server's Retry-After; a
    refused key, a bad request, a filtered or an overlong answer and one that is no JSON are not.
    The key is read from an environment variable and stands in no error.

    Args:
        url: Base address, such as "http://localhost:8000/v1".
        model: Name of the model, as the server calls it.
        key_variable: Environment variable that holds the key; None for a server without one.
        timeout_s: Longest time from a request's first byte to its answer's last, in seconds.
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
        if retries < 0 or not min(timeout_s, first_wait_s, longest_wait_s) > 0:
            raise ConfigError(
                f"retries must be at least 0 and timeout_s, first_wait_s and longest_wait_s above "
                f"0, got {retries}, {timeout_s}, {first_wait_s} and {longest_wait_s}"
            )
        self.url, self.model, self.retries = url, model, retries
        self.timeout_s = timeout_s
        self.first_wait_s, self.longest_wait_s = first_wait_s, longest_wait_s
        self._key_variable, self._key = key_variable, _key(key_variable)
        self._client = openai.AsyncOpenAI(
            api_key=self._key or "none",
            base_url=url,
            max_retries=0,
            default_headers={"Accept-Encoding": "identity"},  # a few packed bytes can be gigabytes
            http_client=openai.DefaultAsyncHttpxClient(
                timeout=timeout_s, event_hooks={"response": [_cap]}
            ),
        )
        self._calls: set[Future[Any]] = set()
        self._lock, self._closed = threading.Lock(), False

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Sends a JSON object and returns the JSON value of the answer.

        May be called from several threads; an interrupt or `close` ends it at once, whether it
        waits for the server or to try again.

        Raises:
            ConfigError: If the server refuses the key or the request.
            ServerError: If it gives no JSON, transient errors outlast the retries, or the
                endpoint is closed.
        """
        with self._lock:
            if self._closed:
                raise ServerError(f"the connection to {self.url} was closed", "network")
            call = asyncio.run_coroutine_threadsafe(self._post(path, body), _loop(os.getpid()))
            self._calls.add(call)
        try:
            return call.result()
        except CancelledError:
            raise ServerError(f"the connection to {self.url} was closed", "network") from None
        finally:
            call.cancel()
            with self._lock:
                self._calls.discard(call)

    def redacted(self, text: str) -> str:
        """Returns a text in which the key is not spelled out."""
        return text.replace(self._key, "[key]") if self._key else text

    def close(self) -> None:
        """Ends the calls under way and closes the connections."""
        with self._lock:
            if self._closed:
                return
            self._closed, calls = True, list(self._calls)
        for call in calls:
            call.cancel()
        asyncio.run_coroutine_threadsafe(self._client.close(), _loop(os.getpid())).result()

    # ---- Machinery -----------------------------------------------------------------

    async def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        for attempt in range(self.retries + 1):
            try:
                async with asyncio.timeout(self.timeout_s):
                    return await self._client.post(
                        path, body={"model": self.model, **body}, cast_to=object
                    )
            except openai.APIStatusError as error:
                failure, asked_s = self._refusal(error), _retry_after(error)
            except (TimeoutError, openai.APITimeoutError):
                said = f"{self.url} gave no answer within {self.timeout_s:g} s"
                failure, asked_s = ServerError(said, "timeout"), 0.0
            except openai.APIConnectionError:
                said = f"{self.url} cannot be reached, or the connection broke; is it up?"
                failure, asked_s = ServerError(said, "network"), 0.0
            except (openai.APIError, ValueError, RecursionError, _Unreadable) as error:
                said = self.redacted(f"{self.url} sent no JSON: {error}")
                failure, asked_s = ServerError(said[:_SHOWN], "parse"), None
            if asked_s is None or asked_s > self.longest_wait_s or attempt == self.retries:
                raise failure
            jitter = _JITTER.uniform(0.0, self.first_wait_s * 2**attempt)
            await asyncio.sleep(max(asked_s, min(jitter, self.longest_wait_s)))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _refusal(self, error: openai.APIStatusError) -> RewardsmithError:
        status = error.status_code
        said = self.redacted(" ".join(str(error).split()))[:_SHOWN]
        if error.code in _FILTERED:
            return ServerError(f"{self.url} filtered the request: {said}", "content_filter")
        if status == 429 and error.code != "insufficient_quota":
            return ServerError(f"{self.url} limits the rate: {said}", "rate_limit")
        if status == 408:
            return ServerError(f"{self.url} gave up waiting: {said}", "timeout")
        if status >= _OVERLOADED:
            return ServerError(f"{self.url} failed: {said}", "overloaded")
        if status in (401, 403):
            held = f"that {self._key_variable} holds" if self._key else "that was not given"
            return ConfigError(
                f"{self.url} refuses the key {held} (status {status}); name the environment "
                "variable that holds the right one in key_variable"
            )
        return ConfigError(f"{self.url} refuses the request: {said}")


@functools.cache
def _loop(process: int) -> asyncio.AbstractEventLoop:
    """Returns the event loop of a process's calls: a call on it can be ended at any time."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name=f"endpoints-{process}", daemon=True).start()
    return loop


def _key(variable: str | None) -> str | None:
    if variable is None:
        return None
    if not os.environ.get(variable):
        raise ConfigError(
            f"the environment variable {variable} is not set; put the server's key there, or "
            "leave key_variable out for a server without one"
        )
    return os.environ[variable]


def _retry_after(error: openai.APIStatusError) -> float | None:
    """Returns the seconds the server asks for, 0 if it says nothing, None if trying is no use."""
    transient = error.status_code in (408, 429) or error.status_code >= _OVERLOADED
    if not transient or error.code in (*_FILTERED, "insufficient_quota"):
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


class _Unreadable(Exception):
    """An answer that is not read to its end."""


class _Capped(httpx2.AsyncByteStream):
    """The bytes of an answer, up to the most that are read."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._stream:
            size += len(part)
            if size > _MOST_BYTES:
                raise _Unreadable(f"the answer is longer than {_MOST_BYTES >> 20} MiB")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _cap(response: httpx2.Response) -> None:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise _Unreadable("the answer is compressed, though it was asked not to be")
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = _Capped(response.stream)
