"""Answers kept before they are used, given again, and never asked twice."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from chat_cases import ScriptedClient, echo, request
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardsmith.envs.errors import ConfigError, RewardsmithError
from rewardsmith.llm_reward_design.client import ClientError, Completion, Request
from rewardsmith.llm_reward_design.clients.call_store import Spent, SqliteCalls
from rewardsmith.llm_reward_design.clients.recording import Recorded


@pytest.fixture
def calls(tmp_path: Path) -> SqliteCalls:
    return SqliteCalls(tmp_path / "journal.sqlite")


# ---- The store --------------------------------------------------------------------------------


@given(
    text=st.text(),
    counts=st.tuples(st.integers(0, 2**40), st.integers(0, 2**40)),
    cost=st.floats(0, 1e9),
    cut_off=st.booleans(),
)
@settings(max_examples=30)
def test_an_answer_is_read_as_it_was_written(
    text: str, counts: tuple[int, int], cost: float, cut_off: bool
) -> None:
    calls = SqliteCalls(":memory:")
    completion = Completion(text, *counts, cost, 1.5, cut_off)
    calls.put("key", request(), completion)
    assert calls.get("key") == completion
    assert calls.get("other") is None
    assert calls.spent() == Spent(1, sum(counts), cost)
    calls.close()


def test_the_newest_answer_counts_and_all_were_paid_for(calls: SqliteCalls) -> None:
    for text in ("old", "new"):
        calls.put("key", request(temperature=0.5), Completion(text, 1, 2, 0.5))
    assert calls.get("key") == Completion("new", 1, 2, 0.5)
    assert calls.spent() == Spent(2, 6, 1.0)
    [row] = sqlite3.connect(calls.path).execute("SELECT DISTINCT request FROM calls").fetchall()
    assert '"temperature": 0.5' in row[0]
    assert "Write a reward." in row[0]


def test_the_store_leaves_other_tables_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE results (x)")
    other.execute("INSERT INTO results VALUES (1)")
    other.commit()
    SqliteCalls(path).put("key", request(), echo(request()))
    assert SqliteCalls(path).get("key") == echo(request())
    assert other.execute("SELECT x FROM results").fetchall() == [(1,)]


def test_a_file_that_is_no_database_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be read as one" * 9)
    with pytest.raises(RewardsmithError, match=r"notes\.txt cannot be used"):
        SqliteCalls(tmp_path / "notes.txt")
    with pytest.raises(RewardsmithError, match="cannot be used"):
        SqliteCalls(tmp_path / "nowhere" / "journal.sqlite")


_WRITER = """
import sys
from chat_cases import echo, request
from rewardsmith.llm_reward_design.clients.call_store import SqliteCalls

calls = SqliteCalls(sys.argv[1])
for number in range(int(sys.argv[3])):
    calls.put(f"{sys.argv[2]} {number}", request(), echo(request("x" * 20_000, number)))
    print(number, flush=True)
"""


def writer(path: Path, name: str, rows: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path), name, str(rows)],
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_threads_and_processes_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    processes = [writer(path, name, 20) for name in ("a", "b", "c")]
    calls = SqliteCalls(path)
    with ThreadPoolExecutor(4) as pool:
        keys = [f"d {number}" for number in range(20)]
        list(pool.map(lambda key: calls.put(key, request(), echo(request())), keys))
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert calls.spent().calls == 80
    assert all(calls.get(f"{name} {i}") for name in "abcd" for i in range(20))


def test_a_write_waits_for_another(calls: SqliteCalls) -> None:
    other = sqlite3.connect(calls.path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    ending = threading.Timer(0.3, lambda: other.execute("COMMIT"))
    ending.start()
    calls.put("key", request(), echo(request()))
    ending.join()
    assert calls.get("key") == echo(request())


@pytest.mark.parametrize("reads", [1, 7, 30])
def test_a_killed_writer_leaves_every_answer_it_reported(tmp_path: Path, reads: int) -> None:
    path = tmp_path / "journal.sqlite"
    with writer(path, "a", 100_000) as process:
        assert process.stdout is not None
        for _ in range(reads):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        reported = reads + len(process.stdout.read().split())
    calls = SqliteCalls(path)
    assert calls.spent().calls in (reported, reported + 1)
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)
    for number in range(calls.spent().calls):
        assert calls.get(f"a {number}") == echo(request("x" * 20_000, number))


# ---- The modes --------------------------------------------------------------------------------


def test_a_recorded_call_is_not_asked_again(calls: SqliteCalls, tmp_path: Path) -> None:
    client = ScriptedClient()
    first = [Recorded(client, calls).complete(request(sample=i)) for i in range(3)]
    again = SqliteCalls(tmp_path / "journal.sqlite")
    assert [Recorded(client, again).complete(request(sample=i)) for i in range(3)] == first
    assert [asked.sample for asked in client.asked] == [0, 1, 2]
    assert len({answer.text for answer in first}) == 3


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (request("Another."), "scripted"),
        (request(sample=1), "scripted"),
        (request(temperature=0.0), "scripted"),
        (request(), "another"),
    ],
)
def test_other_calls_are_asked(calls: SqliteCalls, asked: Request, name: str) -> None:
    Recorded(ScriptedClient(), calls).complete(request())
    client = ScriptedClient(name=name)
    Recorded(client, calls).complete(asked)
    assert client.asked == [asked]


def test_replay_never_touches_the_client(calls: SqliteCalls) -> None:
    recorded = Recorded(ScriptedClient(), calls).complete(request())
    client = ScriptedClient()
    replay = Recorded(client, calls, "replay")
    assert replay.complete(request()) == recorded
    with pytest.raises(ConfigError, match=r"mode=replay holds no answer.*set mode=record"):
        replay.complete(request("Never asked."))
    assert client.asked == []


def test_live_asks_anew_and_is_recorded(calls: SqliteCalls) -> None:
    numbers = iter(range(9))
    client = ScriptedClient(lambda asked: Completion(f"answer {next(numbers)}", 1, 1))
    live = Recorded(client, calls, "live")
    assert [live.complete(request()).text for _ in range(2)] == ["answer 0", "answer 1"]
    assert Recorded(client, calls, "replay").complete(request()).text == "answer 1"
    assert calls.spent() == Spent(2, 4)


def test_a_failure_is_not_kept(calls: SqliteCalls) -> None:
    def fail_once(asked: Request) -> Completion:
        if len(client.asked) == 1:
            raise ClientError("too busy", "overloaded")
        return echo(asked)

    client = ScriptedClient(fail_once)
    recorded = Recorded(client, calls)
    with pytest.raises(ClientError, match="too busy"):
        recorded.complete(request())
    assert calls.spent() == Spent()
    assert recorded.complete(request()) == echo(request())


def test_an_answer_is_kept_before_it_is_used(calls: SqliteCalls) -> None:
    class Broken(SqliteCalls):
        def put(self, key: str, asked: Request, completion: Completion) -> None:
            raise RewardsmithError("the disk is full")

    client = ScriptedClient()
    with pytest.raises(RewardsmithError, match="the disk is full"):
        Recorded(client, Broken(calls.path)).complete(request())
    assert len(client.asked) == 1


@pytest.mark.parametrize("fails", [False, True])
def test_equal_calls_at_the_same_time_are_one(calls: SqliteCalls, fails: bool) -> None:
    gate = threading.Event()

    def answer(asked: Request) -> Completion:
        gate.wait(10)
        if fails:
            raise ClientError("too busy", "overloaded")
        return echo(asked)

    client = ScriptedClient(answer)
    recorded = Recorded(client, calls)

    def attempt(sample: int) -> Any:
        try:
            return recorded.complete(request(sample=sample))
        except ClientError as error:
            return error.kind

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(attempt, i % 2) for i in range(8)]
        while len(client.asked) < 2:
            time.sleep(0.01)
        time.sleep(0.1)
        gate.set()
    expected = ["overloaded"] * 2 if fails else [echo(request(sample=i)) for i in range(2)]
    assert [answer.result() for answer in answers] == expected * 4
    assert len(client.asked) == 2
    assert calls.spent().calls == (0 if fails else 2)


def test_the_rest_is_passed_on(calls: SqliteCalls) -> None:
    client = ScriptedClient()
    recorded = Recorded(client, calls)
    assert (recorded.name, recorded.is_language_model) == ("scripted", True)
    recorded.close()
    assert client.closed.is_set()
    with pytest.raises(ConfigError, match=r"unknown mode 'replays'.*'replay'"):
        Recorded(client, calls, "replays")  # type: ignore[arg-type]
