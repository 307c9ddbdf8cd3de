"""Rollouts from a server: those of the process itself, and what a bad server gets."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from text_play import calculator, fresh_policy

from rewardsmith.agents.endpoint import Endpoint, ServerError
from rewardsmith.agents.llm.chat import Chat
from rewardsmith.agents.llm.generator import CachedGenerator, Generator
from rewardsmith.agents.llm.rollout import Rollout, spans
from rewardsmith.agents.llm.sampling import Sampling
from rewardsmith.agents.llm.server import ServerGenerator
from rewardsmith.envs.errors import ConfigError

POLICY = fresh_policy()
CHAT = Chat(POLICY.tokenizer)
CONTEXT = 256
GREEDY = Sampling(temperature=0.0, max_new_tokens=12)
KEY = "sk-very-secret"
PROMPT = CHAT.opening(None, "1+1?")


class Server(ThreadingHTTPServer):
    """vLLM's completions endpoint over our own generator, and faults on demand.

    Attributes:
        faults: What the next requests get instead of an answer: a status, "hang", "truncated"
            (half of the JSON), "cut" (the connection ends too early), or an answer.
        asked: The requests' bodies.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults: list[Any] = []
        self.asked: list[dict[str, Any]] = []
        self.retry_after = "0.3"
        self.lock, self.hanging = threading.Lock(), threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        sampling = Sampling(asked["temperature"], max_new_tokens=asked["max_tokens"])
        with self.lock:
            generator = CachedGenerator(
                POLICY, asked["stop_token_ids"], slots=1, sampling=sampling, context=CONTEXT,
                seed=asked["seed"],
            )  # fmt: skip
            generator.feed(0, np.array(asked["prompt"]))
            [turn] = generator.run()
        logprobs = {"token_logprobs": turn.span.logprobs.tolist()}
        return {"choices": [{"token_ids": turn.span.ids.tolist(), "logprobs": logprobs}]}


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(asked)
        fault = self.server.faults.pop(0) if self.server.faults else None
        key = self.headers["Authorization"]
        if key != f"Bearer {KEY}":
            self.send(401, {"error": {"message": f"{key} is wrong"}})
        elif isinstance(fault, int):
            self.send(fault, {"error": {"message": f"fault for {key}"}})
        elif fault == "hang":
            self.server.hanging.wait(5)
        elif isinstance(fault, dict):
            self.send(200, fault)
        else:
            self.send(200, self.server.answer(asked), fault)

    def send(self, status: int, value: dict[str, Any], fault: str | None = None) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) // (2 if fault == "truncated" else 1)))
        if status == 429:
            self.send_header("Retry-After", self.server.retry_after)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if fault else body)

    def log_message(self, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("ROLLOUT_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.hanging.set()
        running.shutdown()
        thread.join()


def endpoint(server: Server, **options: Any) -> Endpoint:
    given = {"key_variable": "ROLLOUT_KEY", "first_wait_s": 0.02, "retries": 2} | options
    return Endpoint(server.url, "tiny", **given)


def generator(server: Server, slots: int = 1, **options: Any) -> ServerGenerator:
    given = {"context": CONTEXT, "sampling": GREEDY} | options
    return ServerGenerator(endpoint(server), CHAT.stop_ids, slots=slots, **given)


def say(source: Generator, slot: int, context: Any = PROMPT) -> list[int]:
    source.feed(slot, context)
    [turn] = source.run()
    return turn.span.ids.tolist()


# ---- The same turns -------------------------------------------------------------------------


def test_rollouts_through_a_server_are_those_of_the_process(server: Server) -> None:
    own = CachedGenerator(POLICY, CHAT.stop_ids, slots=4, sampling=GREEDY, context=CONTEXT)
    played = [
        Rollout(calculator(4), source, CHAT, POLICY.tokenizer.decode).play(range(6))
        for source in (own, generator(server, slots=4))
    ]
    for mine, served in zip(*played, strict=True):
        assert [step.action for step in mine.steps] == [step.action for step in served.steps]
        for a, b in zip(spans(mine), spans(served), strict=True):
            assert_array_equal(a.context, b.context)
            assert_array_equal(a.ids, b.ids)
            assert_allclose(a.logprobs, b.logprobs, atol=1e-4)
    assert max(len(episode) for episode in played[1]) > 1
    request = server.asked[0]
    assert (request["model"], request["return_token_ids"], request["top_k"]) == ("tiny", True, 0)


def test_a_conversation_goes_on_forks_and_is_forgotten(server: Server) -> None:
    sources: tuple[Generator, ...] = (
        CachedGenerator(POLICY, CHAT.stop_ids, slots=2, sampling=GREEDY, context=64),
        generator(server, slots=2, context=64),
    )
    following = CHAT.continuation("2+2?", stopped=False)
    told = []
    for source in sources:
        first, room = say(source, 0), source.room(0)
        source.fork(0, 1)
        again = [say(source, slot, following) for slot in (0, 1)]
        rest = source.room(1)
        source.close(1)
        told.append((first, room, again, rest, source.room(1), say(source, 1)))
        with pytest.raises(ConfigError, match="room"):
            source.feed(0, np.ones(source.room(0) + 1, np.int64))
        with pytest.raises(ConfigError, match="slot 7"):
            source.feed(7, PROMPT)
    assert told[0] == told[1]


def test_slots_and_turns_draw_with_seeds_of_their_own(server: Server) -> None:
    hot = Sampling(temperature=1.0, max_new_tokens=12)
    turns = []
    for _ in range(2):
        source = generator(server, slots=2, sampling=hot, seed=3)
        turns.append([say(source, 0), say(source, 1)])
        source.close(0)
        turns[-1].append(say(source, 0))
    assert turns[0] == turns[1]
    assert len({tuple(ids) for ids in turns[0]}) == 3


def test_requests_run_side_by_side_and_a_closed_one_is_dropped(server: Server) -> None:
    server.faults = ["hang"]
    source = generator(server, slots=2)
    source.feed(0, PROMPT)
    assert source.run(at_least=0) == []
    while not server.asked:
        time.sleep(0.01)
    source.feed(1, PROMPT)
    [turn] = source.run(at_least=1)
    assert turn.slot == 1
    with pytest.raises(ConfigError, match="mid-turn"):
        source.feed(0, PROMPT)
    source.close(0)
    assert source.run() == []
    assert say(source, 0) == turn.span.ids.tolist()


# ---- Faults ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [500, 503, 529, 408, "cut"])
def test_transient_faults_are_outlasted(server: Server, fault: int | str) -> None:
    expected = say(generator(server), 0)
    server.faults = [fault, fault]
    assert say(generator(server), 0) == expected
    assert len(server.asked) == 4


@pytest.mark.parametrize("fault", [500, "cut"])
def test_lasting_faults_end_with_a_sentence_without_the_key(server: Server, fault: Any) -> None:
    server.faults = [fault] * 3
    with pytest.raises(ServerError, match=r"127\.0\.0\.1") as told:
        say(generator(server), 0)
    assert len(server.asked) == 3
    assert KEY not in str(told.value)
    assert told.value.__cause__ is None


def test_a_rate_limit_is_waited_for_as_long_as_it_says(server: Server) -> None:
    server.faults = [429]
    started = time.monotonic()
    say(generator(server), 0)
    assert time.monotonic() - started >= 0.3
    server.faults, server.retry_after = [429], "Wed, 21 Oct 2015 07:28:00 GMT"
    say(generator(server), 0)
    server.faults, server.retry_after = [429], "3600"
    with pytest.raises(ServerError, match="429"):
        say(generator(server), 0)


def test_a_server_that_hangs_is_left_after_the_timeout(server: Server) -> None:
    server.faults = ["hang"] * 2
    started = time.monotonic()
    with pytest.raises(ServerError, match=r"no answer within 0\.2 s"):
        endpoint(server, timeout_s=0.2, retries=1).post("/completions", {})
    assert time.monotonic() - started < 3
    assert len(server.asked) == 2


def test_a_server_that_is_down_is_said_to_be(server: Server) -> None:
    nobody = Endpoint("http://127.0.0.1:9", "tiny", retries=1, first_wait_s=0.01)
    with pytest.raises(ServerError, match="cannot be reached"):
        nobody.post("/completions", {})


def test_wrong_keys_and_requests_are_not_tried_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.faults = [400]
    with pytest.raises(ConfigError, match=r"refuses the request: .*\[key\]") as told:
        say(generator(server), 0)
    assert KEY not in str(told.value)
    monkeypatch.setenv("ROLLOUT_KEY", "sk-other")
    with pytest.raises(ConfigError, match="the key that ROLLOUT_KEY holds") as told:
        say(generator(server), 0)
    assert "sk-other" not in str(told.value)
    with pytest.raises(ConfigError, match="that was not given"):
        endpoint(server, key_variable=None).post("/completions", {})
    assert len(server.asked) == 3


NUMBERS = {"token_logprobs": [-1.0]}


@pytest.mark.parametrize(
    ("answer", "error", "match"),
    [
        ("truncated", ServerError, "no JSON"),
        ({"choices": []}, ServerError, "without choices"),
        ({"choices": [{"text": "2", "logprobs": NUMBERS}]}, ConfigError, "no token ids"),
        ({"choices": [{"token_ids": [2]}]}, ConfigError, "no log-probabilities"),
        ({"choices": [{"token_ids": [], "logprobs": {"token_logprobs": []}}]}, ServerError, "1 to"),
        ({"choices": [{"token_ids": [2, 3], "logprobs": NUMBERS}]}, ServerError, "2 token ids"),
        ({"choices": [{"token_ids": [2], "logprobs": {"token_logprobs": [None]}}]}, ServerError,
         "numbers"),
    ],
)  # fmt: skip
def test_answers_that_are_no_turns(server: Server, answer: Any, error: Any, match: str) -> None:
    server.faults = [answer]
    with pytest.raises(error, match=match):
        say(generator(server), 0)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"url": "localhost:8000"}, "must begin with http"),
        ({"url": "http://me:pass@host/v1"}, "no password"),
        ({"key_variable": "NO_SUCH_KEY"}, "NO_SUCH_KEY is not set"),
        ({"retries": -1}, "retries must be"),
        ({"timeout_s": 0.0}, "above 0"),
    ],
)
def test_wrong_settings_get_a_sentence(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match) as told:
        Endpoint(**{"url": "http://127.0.0.1:9/v1", "model": "tiny"} | options)
    assert "me:pass" not in str(told.value)


def test_a_generator_refuses_what_no_server_can_do(server: Server) -> None:
    with pytest.raises(ConfigError, match="entropies"):
        generator(server, sampling=Sampling(want_entropies=True))
    with pytest.raises(ConfigError, match="slots"):
        generator(server, slots=0)
    with pytest.raises(ConfigError, match="at least one token"):
        generator(server).feed(0, PROMPT[:0])
