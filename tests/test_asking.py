"""Many requests at once: order, failures as data, and stopping at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from chat_cases import ScriptedClient, echo, request
from fake_chat_server import Script, serving

from rewardsmith.agents.endpoint import Endpoint
from rewardsmith.agents.progress import Interrupted, StopRequest
from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.client import ClientError, Completion, Request
from rewardsmith.llm_reward_design.clients.asking import Asked, ask
from rewardsmith.llm_reward_design.clients.call_store import Spent
from rewardsmith.llm_reward_design.clients.openai_chat import OpenAIChat

REQUESTS = [request(sample=i) for i in range(9)]


def test_answers_come_in_the_order_of_the_requests() -> None:
    def answer(asked: Request) -> Completion:
        time.sleep(0.002 * (9 - asked.sample))
        if asked.sample == 4:
            raise ClientError("too busy", "overloaded")
        return echo(asked)

    seen: list[Asked] = []
    client = ScriptedClient(answer)
    answers = ask(client, REQUESTS, workers=4, progress=seen.append)
    failed = answers.pop(4)
    assert isinstance(failed, ClientError)
    assert failed.kind == "overloaded"
    assert answers == [echo(asked) for asked in REQUESTS if asked.sample != 4]
    assert [one.failed + one.spent.calls for one in seen] == list(range(1, 10))
    assert seen[-1] == Asked(9, 1, Spent(8, 120, 2.0))
    assert not client.closed.is_set()


def test_nothing_is_asked_for_nothing() -> None:
    assert ask(ScriptedClient(), [], workers=4) == []
    with pytest.raises(ConfigError, match="workers must be at least 1, got 0"):
        ask(ScriptedClient(), REQUESTS, workers=0)


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_calls_are_under_way_than_workers(workers: int) -> None:
    lock, under_way, busiest = threading.Lock(), 0, 0

    def answer(asked: Request) -> Completion:
        nonlocal under_way, busiest
        with lock:
            under_way += 1
            busiest = max(busiest, under_way)
        time.sleep(0.02)
        with lock:
            under_way -= 1
        return echo(asked)

    ask(ScriptedClient(answer), REQUESTS, workers=workers)
    assert busiest == workers


def waiting(refused: Callable[[], Exception | None]) -> ScriptedClient:
    """Returns a client whose first call ends as told; the others wait until it is closed."""

    def answer(asked: Request) -> Completion:
        error = refused() if asked.sample == 0 else None
        if error:
            time.sleep(0.1)
            raise error
        client.closed.wait(20)
        raise ClientError("was closed", "network")

    client = ScriptedClient(answer)
    return client


def test_the_first_refusal_ends_the_rest_at_once() -> None:
    client = waiting(lambda: ConfigError("the key is refused"))
    started = time.monotonic()
    with pytest.raises(ConfigError, match="the key is refused"):
        ask(client, REQUESTS, workers=3)
    assert time.monotonic() - started < 2
    assert client.closed.is_set()
    assert len(client.asked) <= 4  # the first three, and one that took the refused one's place


def test_a_defect_is_not_taken_for_an_answer() -> None:
    client = waiting(lambda: ZeroDivisionError("a defect"))
    with pytest.raises(ZeroDivisionError):
        ask(client, REQUESTS, workers=3)
    assert client.closed.is_set()


def test_a_stop_ends_calls_that_wait_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stop(StopRequest):
        def is_asked(self) -> bool:
            return bool(server.bodies) and time.monotonic() > started + 0.3

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    faults = [{"status": 503, "retry_after": "50"}, "hang"] * 2
    with serving(Script(faults=faults)) as server:
        client, started = OpenAIChat(Endpoint(server.url, "tiny")), time.monotonic()
        with pytest.raises(Interrupted, match="9 of 9 calls to the model unanswered"):
            ask(client, REQUESTS, workers=4, stop=Stop())
    assert time.monotonic() - started < 5


def test_an_interrupt_ends_calls_that_wait() -> None:
    def interrupt(asked: Asked) -> None:
        raise KeyboardInterrupt

    def answer(asked: Request) -> Completion:
        if asked.sample:
            client.closed.wait(20)
        return echo(asked)

    client = ScriptedClient(answer)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        ask(client, REQUESTS, workers=3, progress=interrupt)
    assert time.monotonic() - started < 2
    assert threading.active_count() < 20
