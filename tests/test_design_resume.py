"""A search that is killed and continued ends as if nothing had happened, and pays nothing twice."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from design_runs import SMALL, fenced, program

KILLS = int(os.environ.get("DESIGN_KILLS", "2"))
"""How often the search is killed; ten are asked for, two are quick enough for every day."""

SERVER = Path(__file__).with_name("fake_chat_server.py")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A chat server in a process of its own; equal bodies get equal answers."""
    answers = [fenced(program(1.0 + number)) for number in range(5)]
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"answers": answers, "by_body": True}))
    command = [sys.executable, str(SERVER), "--port", "0", "--script", str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.terminate()


def command(server: str, name: str, *more: str) -> list[str]:
    job = [sys.executable, "-m", "rewardsmith.agents.cli", "design", "env=key_door", "llm=server"]
    given = [f"llm.url={server}/v1", "llm.model=fake", f"name={name}", "designer.samples=1"]
    short = ["designer.rounds=4", "search.steps=256", "search.points=2", "search.episodes=3"]
    final = ["seeds=1", "total_steps=256", "evaluation.points=1", "evaluation.final_episodes=2"]
    return [*job, *given, *short, *final, "evaluation.episodes=2", "n_jobs=1", *SMALL, *more]


def finish(folder: Path, server: str, name: str, *more: str) -> dict[str, Any]:
    done = subprocess.run(
        command(server, name, *more), cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    record: dict[str, Any] = json.loads((folder / "runs" / name / "design.json").read_text())
    return record


def requests(server: str) -> dict[str, int]:
    with urllib.request.urlopen(f"{server}/counts") as answer:
        counted: dict[str, dict[str, int]] = json.loads(answer.read())
    assert counted["requests"] == counted["answered"]
    return counted["requests"]


def outcome(record: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(t["id"], t["source"], t["score"], t["error"], t["parents"]) for t in record["tried"]]


def results(folder: Path) -> dict[str, str]:
    with sqlite3.connect(folder / "journal.sqlite") as database:
        kept = database.execute("SELECT key, finished FROM results WHERE key LIKE 'trial/%'")
        return {str(key): str(finished) for key, finished in kept}


def descendants(process: int) -> set[int]:
    found = subprocess.run(
        ["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    parents = {int(a): int(b) for a, b in (line.split() for line in found.splitlines())}
    mine = {process}
    while more := {child for child, parent in parents.items() if parent in mine} - mine:
        mine |= more
    return mine - {process}


def test_killed_and_continued_equals_uninterrupted(tmp_path: Path, server: str) -> None:
    whole = finish(tmp_path, server, "whole")
    asked = requests(server)
    assert sorted(asked.values()) == [1] * 4
    draw, held = random.Random(KILLS), dict[str, str]()
    duration_s = 12.0
    for _ in range(KILLS):
        with subprocess.Popen(
            command(server, "torn"),
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            time.sleep(draw.uniform(3.0, duration_s))
            family = descendants(process.pid)
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert_gone(family)
        if (tmp_path / "runs/torn/journal.sqlite").exists():
            now = results(tmp_path / "runs/torn")
            assert {key: now[key] for key in held} == held  # nothing finished was done again
            held = now
    torn = finish(tmp_path, server, "torn")
    assert outcome(torn) == outcome(whole)
    assert torn["best"] == whole["best"]
    repeated = {body: count - 1 for body, count in requests(server).items()}
    assert set(repeated) == set(asked)
    assert sorted(repeated.values()) == [1] * 4


def test_replay_needs_no_server(tmp_path: Path, server: str) -> None:
    whole = finish(tmp_path, server, "whole")
    before = requests(server)
    journal = tmp_path / "runs/whole/journal.sqlite"
    again = tmp_path / "runs/again"
    again.mkdir()
    with sqlite3.connect(journal) as old, sqlite3.connect(again / "journal.sqlite") as new:
        old.backup(new)
        new.execute("DELETE FROM results")
    new.close()
    replayed = finish(tmp_path, server, "again", "llm.mode=replay", "llm.key_variable=NO_SUCH_KEY")
    assert outcome(replayed) == outcome(whole)
    assert requests(server) == before


def assert_gone(processes: set[int], within_s: float = 20.0) -> None:
    """Asserts that none of the processes outlives its master for long."""
    until = time.monotonic() + within_s
    while left := {p for p in processes if Path(f"/proc/{p}").exists() and not is_zombie(p)}:
        assert time.monotonic() < until, f"still running: {left}"
        time.sleep(0.2)


def is_zombie(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
