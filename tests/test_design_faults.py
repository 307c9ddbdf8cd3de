"""A server that misbehaves: the search goes on, or stops with one clear sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from design_runs import fenced, program, search
from fake_chat_server import Script, serving

from rewardsmith.agents.endpoint import Endpoint
from rewardsmith.llm_reward_design.client import ClientError
from rewardsmith.llm_reward_design.clients.call_store import SqliteCalls
from rewardsmith.llm_reward_design.clients.openai_chat import OpenAIChat
from rewardsmith.llm_reward_design.clients.recording import Recorded
from rewardsmith.llm_reward_design.designers import Eureka
from rewardsmith.llm_reward_design.record import recorded
from rewardsmith.llm_reward_design.report.page import render

SECRET = "sk-do-not-tell-anybody"


def test_a_search_survives_every_fault_and_says_what_was_lost(tmp_path: Path) -> None:
    faults = [503, None, {"status": 429, "retry_after": "0"}, None, "hang", "hang"]
    faults += ["truncated", "huge", "filtered", "reset", None]
    with serving(Script(answers=[fenced(program(1.0))], faults=faults)) as server:
        endpoint = Endpoint(server.url, "m", timeout_s=1.0, retries=1, first_wait_s=0.01)
        calls = SqliteCalls(tmp_path / "journal.sqlite")
        client = Recorded(OpenAIChat(endpoint), calls)
        found = search(tmp_path, Eureka(samples=9, rounds=1), client)
        archive = found.run()
        client.close()
    said = [c.error for c in archive]
    assert sum(c.ran for c in archive) >= 2
    assert sum("timeout" in error for error in said) == 1
    assert sum("parse" in error for error in said) == 2  # cut in the middle, ten megabytes
    assert sum("content_filter" in error for error in said) == 1
    record = recorded(found, "faults", calls, priced=False)
    lost = [one for one in record.tried if one.state == "lost"]
    assert len(lost) == 4
    page = render(record, None)
    assert "4 of 9 answers were lost" in page
    assert "no answer (timeout)" in page
    assert [one.score for one in record.tried if one.state == "trained"] == [0.0] * sum(
        c.ran for c in archive
    )


def test_answers_without_a_program_are_told_apart(tmp_path: Path) -> None:
    wrong = fenced(program(1.0).replace("compute_reward", "pay"))
    with serving(Script(answers=["Go nearer.", wrong, "x" * 300_000])) as server:
        client = OpenAIChat(Endpoint(server.url, "m", timeout_s=20.0))
        archive = search(tmp_path, Eureka(samples=3, rounds=1), client).run()
        client.close()
    assert not any(c.ran for c in archive)
    first, second, third = (c.error for c in archive)
    assert "no code" in first
    assert "pay but not compute_reward" in second
    assert "no code" in third


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["llm.model=m"], "refuses the key that DESIGN_KEY holds"),
        (["llm.model=m", "llm.key_variable=NO_KEY"], "NO_KEY is not set"),
        ([], "llm.model is missing"),
        (["llm.model=m", "agent=grpo"], "agent=grpo does not train on programs"),
        (["llm.model=m", "jail.tier=strong"], "unknown tier 'strong'"),
        (["llm.model=m", "designer=eurek"], "did you mean 'eureka'"),
        (["llm.model=m", "search.keep=2"], "search.keep must be in (0, 1], got 2"),
        (["llm.model=m", "start=nowhere.yaml"], "nowhere.yaml"),
        (["llm.model=m", "advice=higher"], "name its file in start="),
        (["llm.model=m", "parallel=dusk"], "unknown backend 'dusk'"),
    ],
)
def test_mistakes_end_in_one_sentence(tmp_path: Path, more: list[str], said: str) -> None:
    job = [sys.executable, "-m", "rewardsmith.agents.cli", "design", "env=key_door", "llm=openai"]
    with serving(Script(key="another")) as server:
        url = f"llm.url={server.url}"
        done = subprocess.run(
            [*job, url, "llm.key_variable=DESIGN_KEY", "search.steps=128", *more],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "DESIGN_KEY": SECRET},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") <= 2
    everything = done.stdout + done.stderr
    for file in tmp_path.rglob("*"):
        if file.is_file():
            everything += file.read_bytes().decode(errors="replace")
    assert SECRET not in everything


def test_a_server_that_is_down_costs_no_round(tmp_path: Path) -> None:
    script = Script(answers=[fenced(program(1.0))], faults=[503, 503])
    with serving(script) as server:
        client = OpenAIChat(Endpoint(server.url, "m", retries=0))
        with pytest.raises(ClientError, match=r"none of 2 calls .*the same command continues"):
            search(tmp_path, Eureka(samples=2, rounds=1), client).run()
        archive = search(tmp_path, Eureka(samples=2, rounds=1), client).run()
        client.close()
    assert [c.ran for c in archive] == [True, True]
