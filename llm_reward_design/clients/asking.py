"""`ask`: many requests at once, their answers in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from rewardsmith.agents.progress import Interrupted, StopRequest
from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.client import ChatClient, ClientError, Completion, Request
from rewardsmith.llm_reward_design.clients.call_store import Spent

_LOOKS_S = 0.1
"""How often a stop is looked for, in seconds."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How far the asking is.

    Attributes:
        requests: Requests in all.
        failed: Requests without a usable answer.
        spent: What the answered ones took, whether asked now or long ago.
    """

    requests: int
    failed: int = 0
    spent: Spent = field(default_factory=Spent)


def ask(
    client: ChatClient,
    requests: Sequence[Request],
    *,
    workers: int,
    progress: Callable[[Asked], None] = lambda asked: None,
    stop: StopRequest | None = None,
) -> list[Completion | ClientError]:
    """Answers requests in parallel threads; a failure is an answer like any other.

    If an error is raised, the client is closed: that ends the calls under way at once, also
    those that wait to try again.

    Args:
        client: Who answers.
        requests: What is asked.
        workers: Calls under way at once.
        progress: Called in this thread after every answer.
        stop: Tells when to stop; by default never.

    Returns:
        An answer or a failure for each request, in their order.

    Raises:
        ConfigError: The first one that a call raises: no further call can succeed.
        Interrupted: If it was asked to stop.
    """
    if workers < 1:
        raise ConfigError(f"workers must be at least 1, got {workers}")
    pool = ThreadPoolExecutor(workers, "ask")
    calls = [pool.submit(_answer, client, request) for request in requests]
    try:
        _follow(calls, progress, stop or StopRequest())
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        client.close()
        raise
    finally:
        pool.shutdown()
    return [call.result() for call in calls]


def _follow(
    calls: Sequence[Future[Completion | ClientError]],
    progress: Callable[[Asked], None],
    stop: StopRequest,
) -> None:
    pending, asked = set(calls), Asked(len(calls))
    while pending:
        if stop.is_asked():
            raise Interrupted(
                f"stopped with {len(pending)} of {len(calls)} calls to the model unanswered; the "
                "same command continues from there"
            )
        ended, pending = wait(pending, _LOOKS_S, return_when=FIRST_COMPLETED)
        for call in ended:
            answer = call.result()
            if isinstance(answer, ClientError):
                asked = Asked(asked.requests, asked.failed + 1, asked.spent)
            else:
                asked = Asked(asked.requests, asked.failed, asked.spent + Spent.of(answer))
            progress(asked)


def _answer(client: ChatClient, request: Request) -> Completion | ClientError:
    try:
        return client.complete(request)
    except ClientError as error:
        return error
