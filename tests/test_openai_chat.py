"""Answers from a server: what is sent, what is read, and what a bad server gets."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_cases import request
from fake_chat_server import FakeChatServer, Script, serving

from rewardsmith.agents.endpoint import Endpoint
from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.client import ClientError, Completion
from rewardsmith.llm_reward_design.clients.budget import Prices
from rewardsmith.llm_reward_design.clients.openai_chat import OpenAIChat

KEY = "sk-very-secret"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeChatServer]:
    monkeypatch.setenv("WRITER_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(Script(answers=["One fish.", "Two fish."], key=KEY)) as running:
        yield running


def chat(server: FakeChatServer, prices: Prices | None = None, **options: Any) -> OpenAIChat:
    given: dict[str, Any] = {
        "key_variable": "WRITER_KEY",
        "first_wait_s": 0.02,
        "retries": 2,
    } | options
    return OpenAIChat(Endpoint(server.url, "tiny", **given), prices)


def failure(client: OpenAIChat, **settings: Any) -> ClientError:
    with pytest.raises(ClientError) as told:
        client.complete(request(**settings))
    assert KEY not in str(told.value)
    assert told.value.__cause__ is None
    return told.value


# ---- Answers ----------------------------------------------------------------------------------


def test_an_answer_with_its_tokens_and_cost(server: FakeChatServer) -> None:
    client = chat(server, Prices(prompt=3.0, completion=10.0))
    completion = client.complete(request("Count.", temperature=0.5, max_tokens=7))
    assert (completion.text, completion.cut_off) == ("One fish.", False)
    assert (completion.prompt_tokens, completion.completion_tokens) == (4, 2)
    assert completion.cost == pytest.approx(32e-6)
    assert 0 < completion.wall_s < 10
    assert server.bodies == [
        {
            "model": "tiny",
            "temperature": 0.5,
            "max_tokens": 7,
            "messages": [
                {"role": "system", "content": "You write rewards."},
                {"role": "user", "content": "Count."},
            ],
        }
    ]
    assert client.name == f"tiny at {server.url}"


def test_without_prices_or_counts_nothing_is_made_up(server: FakeChatServer) -> None:
    server.script.faults = ["no_usage", {"body": _said("Hi.", usage={"prompt_tokens": "many"})}]
    client = chat(server)
    for _ in range(2):
        completion = client.complete(request())
        assert (completion.prompt_tokens, completion.completion_tokens) == (0, 0)
        assert completion.cost == 0.0


def test_an_answer_that_was_cut_off_is_one(server: FakeChatServer) -> None:
    server.script.faults = ["cut_off"]
    completion = chat(server).complete(request())
    assert (completion.text, completion.cut_off) == ("One ", True)


def test_half_a_surrogate_pair_is_neither_sent_nor_kept(server: FakeChatServer) -> None:
    server.script.faults = [{"body": _said("a \ud83d b")}]
    text = chat(server).complete(request("c \udce4 d")).text
    assert text.encode() == b"a ? b"
    assert server.bodies[0]["messages"][1]["content"] == "c ? d"


# ---- Faults -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [500, 503, 529, 408, 429, "reset"])
def test_transient_faults_are_outlasted(server: FakeChatServer, fault: Any) -> None:
    server.script.faults = [fault, fault]
    assert chat(server).complete(request()).text == "One fish."
    assert len(server.bodies) == 3


@pytest.mark.parametrize(
    ("fault", "kind", "attempts"),
    [
        (429, "rate_limit", 3),
        (500, "overloaded", 3),
        (408, "timeout", 3),
        ("reset", "network", 3),
        ({"status": 400, "code": "content_filter"}, "content_filter", 1),
        ("filtered", "content_filter", 1),
        ("refused", "content_filter", 1),
        ("truncated", "parse", 1),
        ("huge", "parse", 1),
        ("zipped", "parse", 1),
        ("silent", "parse", 1),
        ({"body": {"error": {"message": f"{KEY} is spent"}}}, "parse", 1),
        ({"body": {"choices": [{"message": "Hi."}]}}, "parse", 1),
        ({"body": {"choices": [{"message": {"content": ["Hi."]}}]}}, "parse", 1),
        ({"body": []}, "parse", 1),
    ],
)
def test_faults_that_last(server: FakeChatServer, fault: Any, kind: str, attempts: int) -> None:
    server.script.faults = [fault] * 3
    assert failure(chat(server)).kind == kind
    assert len(server.bodies) == attempts


@pytest.mark.parametrize("fault", ["hang", "drip", "drip_head"])
def test_hanging_and_dripping_servers_end_in_time(server: FakeChatServer, fault: str) -> None:
    server.script.faults = [fault] * 2
    started = time.monotonic()
    error = failure(chat(server, timeout_s=0.3, retries=1))
    assert (error.kind, len(server.bodies)) == ("timeout", 2)
    assert "0.3 s" in str(error)
    assert 0.6 <= time.monotonic() - started < 2


def test_a_server_is_not_asked_again_before_it_allows(server: FakeChatServer) -> None:
    server.script.faults = [{"status": 429, "retry_after": "0.4"}]
    started = time.monotonic()
    chat(server).complete(request())
    assert time.monotonic() - started >= 0.4
    server.script.faults = [{"status": 503, "retry_after": "3600"}]
    assert failure(chat(server)).kind == "overloaded"


@pytest.mark.parametrize(
    ("fault", "match"),
    [
        (400, "refuses the request"),
        (402, "refuses the request"),
        (404, "refuses the request"),
        (403, "refuses the key that WRITER_KEY holds"),
        ({"status": 429, "code": "insufficient_quota"}, "refuses the request"),
    ],
)
def test_what_no_retry_can_mend(server: FakeChatServer, fault: Any, match: str) -> None:
    server.script.faults = [fault]
    with pytest.raises(ConfigError, match=match) as told:
        chat(server).complete(request())
    assert KEY not in str(told.value)
    assert len(server.bodies) == 1


def test_a_wrong_key_is_named_by_its_variable(
    server: FakeChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRITER_KEY", "sk-wrong")
    with pytest.raises(ConfigError, match="the key that WRITER_KEY holds") as told:
        chat(server).complete(request())
    assert "sk-wrong" not in str(told.value)
    monkeypatch.delenv("WRITER_KEY")
    with pytest.raises(ConfigError, match="WRITER_KEY is not set"):
        chat(server)


def test_the_key_is_in_no_log_error_or_answer(
    server: FakeChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.script.faults = [500, {"body": _said(f"My key is {KEY}.")}]
    client = chat(server)
    assert client.complete(request()).text == "My key is [key]."
    server.script.faults = [500] * 3
    error = failure(client)
    assert "[key]" in str(error)
    assert caplog.records
    assert KEY not in caplog.text
    assert KEY not in repr(vars(client)) + repr(error.__context__)


# ---- Stopping ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [{"status": 503, "retry_after": "50"}, "hang"])
def test_closing_ends_calls_that_wait(server: FakeChatServer, fault: Any) -> None:
    server.script.faults = [fault]
    client = chat(server)
    ending = threading.Timer(0.3, client.close)
    started = time.monotonic()
    ending.start()
    error = failure(client)
    assert (error.kind, "was closed" in str(error)) == ("network", True)
    assert 0.3 <= time.monotonic() - started < 2
    assert failure(client).kind == "network"
    ending.join()
    client.close()


_INTERRUPTED = """
import signal
import sys
from chat_cases import request
from rewardsmith.agents.endpoint import Endpoint
from rewardsmith.llm_reward_design.clients.openai_chat import OpenAIChat

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
client = OpenAIChat(Endpoint(sys.argv[1], "tiny"))
try:
    client.complete(request())
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interrupt_is_not_delayed_by_a_wait() -> None:
    with (
        serving(Script(faults=[{"status": 503, "retry_after": "50"}])) as server,
        subprocess.Popen(
            [sys.executable, "-c", _INTERRUPTED, server.url],
            cwd=Path(__file__).parent,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            while not server.bodies and process.poll() is None:
                time.sleep(0.01)
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    assert said == "interrupted\n"


def test_calls_run_side_by_side(server: FakeChatServer) -> None:
    server.script.delay_s = 0.2
    client, answers = chat(server), list[Completion]()
    threads = [
        threading.Thread(target=lambda: answers.append(client.complete(request())))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.text for answer in answers) == ["One fish."] * 4 + ["Two fish."] * 4
    assert server.busiest > 1


# ---- The server as a process ------------------------------------------------------------------


def test_the_server_counts_as_a_process_of_its_own(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"answers": ["a", "b"], "faults": [400]}))
    program = Path(__file__).parent / "fake_chat_server.py"
    with subprocess.Popen(
        [sys.executable, str(program), "--script", str(script)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            root = f"http://127.0.0.1:{int(process.stdout.readline())}"
            client = OpenAIChat(Endpoint(f"{root}/v1", "tiny"))
            with pytest.raises(ConfigError):
                client.complete(request())
            texts = [client.complete(request(text)).text for text in ("x", "x", "x", "y")]
            with urllib.request.urlopen(f"{root}/counts") as answer:
                counts = json.load(answer)
        finally:
            process.kill()
    assert texts == ["a", "b", "a", "a"]
    assert sorted(counts["requests"].values()) == [1, 1, 3]
    assert sorted(counts["answered"].values()) == [1, 3]


def _said(text: str, **more: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"content": text}, "finish_reason": "stop"}], **more}
