"""The search as a whole: what is asked, what is trained on, what is remembered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from design_runs import ScriptedWriter, fenced, program, search, small_config

from rewardsmith import envs
from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.archive import GIVEN, Archive
from rewardsmith.llm_reward_design.client import ClientError
from rewardsmith.llm_reward_design.clients.call_store import SqliteCalls
from rewardsmith.llm_reward_design.clients.recording import Recorded
from rewardsmith.llm_reward_design.designers import Eureka, Text2Reward
from rewardsmith.llm_reward_design.program import Provenance, RewardProgram
from rewardsmith.llm_reward_design.trials.rungs import rungs, survivors

NAME_ERROR = """
def compute_reward(agent):
    return -distance, {"near": -distance}
"""
HURT = ClientError("the server is down", "network")


def told(archive: Archive) -> list[tuple[int, int, bool, str]]:
    return [(c.round, c.sample, c.ran, c.error[:20]) for c in archive]


def test_every_answer_is_accounted_for_and_nothing_is_done_twice(tmp_path: Path) -> None:
    answers = [
        fenced(program(1.0)),
        "I would rather not write code.",
        HURT,
        fenced(NAME_ERROR),
        fenced(program(2.0)),
        fenced(program(2.0)),  # the same program again
        fenced(program(3.0, "gap")),
        fenced("import os\n" + program(4.0)),
    ]
    writer = ScriptedWriter(answers)
    calls = SqliteCalls(tmp_path / "journal.sqlite")
    first = search(tmp_path, Eureka(samples=4, rounds=2), Recorded(writer, calls), rungs=2)
    archive = first.run()
    assert [c.ran for c in archive] == [True, False, False, False, True, True, True, False]
    errors = [c.error for c in archive]
    assert "no code" in errors[1]
    assert "network" in errors[2]
    assert "line 2" in errors[3]
    assert "distance" in errors[3]
    assert "import os" in errors[7]
    shown = [request.brief.shown for request in writer.requests]
    assert shown[:4] == [(), (), (), ()]
    best = archive.candidates[0].program
    assert best is not None
    assert {one.program.id for brief in shown[4:] for one in brief} == {best.id}
    assert len(first.outcomes) == (1 + 1) + (2 + 2)  # both rungs each: all score 0
    assert {c.program.provenance.writer for c in archive if c.program} == {"script"}

    silent = ScriptedWriter(["Nothing is asked twice."])
    again = search(tmp_path, Eureka(samples=4, rounds=2), Recorded(silent, calls), rungs=2)
    trained = again.journal.spent_s("trial/")
    assert told(again.run()) == told(archive)
    assert [c.score for c in again.archive] == [c.score for c in archive]
    assert again.journal.spent_s("trial/") == trained
    assert silent.requests == []  # what was lost stays lost


def test_a_failing_program_is_sent_back_to_its_writer(tmp_path: Path) -> None:
    class Mending(ScriptedWriter):
        def complete(self, request):  # type: ignore[no-untyped-def]
            self.answers = [fenced(NAME_ERROR) if not self.requests else fenced(program(1.0))]
            return super().complete(request)

    writer = Mending([])
    archive = search(tmp_path, Text2Reward(samples=1, rounds=1), writer).run()
    assert [c.ran for c in archive] == [True]
    assert len(writer.requests) == 2
    assert "distance" in writer.requests[1].messages[-1].content


def test_two_searches_side_by_side_leave_each_other_and_the_code_alone(tmp_path: Path) -> None:
    code = sorted(Path(envs.__path__[0]).rglob("*.py"))
    before = {file: file.read_bytes() for file in code}

    def run(name: str, weight: float) -> Archive:
        folder = tmp_path / name
        folder.mkdir()
        writer = ScriptedWriter([fenced(program(weight, name))])
        return search(folder, Eureka(samples=1, rounds=1), writer).run()

    small_config()  # composed here: Hydra is not for threads
    with ThreadPoolExecutor(2) as pool:
        found = dict(zip("ab", pool.map(run, "ab", (1.0, 2.0)), strict=True))
    for name, archive in found.items():
        (candidate,) = archive
        assert candidate.reflection is not None
        assert name in candidate.reflection.parts
    assert {file: file.read_bytes() for file in code} == before


def test_a_budget_ends_the_search_with_what_it_has(tmp_path: Path) -> None:
    spent = ClientError("the budget of 1 calls is used up", "budget")
    writer = ScriptedWriter([fenced(program(1.0)), spent])
    found = search(tmp_path, Eureka(samples=2, rounds=3), writer)
    archive = found.run()
    assert len(archive) == 2
    assert found.ended == "the budget of 1 calls is used up"
    assert archive.best is archive.candidates[0]
    more = search(tmp_path, Eureka(samples=2, rounds=1), ScriptedWriter([fenced(program(1.0))]))
    assert [c.ran for c in more.run()] == [True, True]  # a larger budget asks again


def test_a_persons_program_is_where_the_search_starts(tmp_path: Path) -> None:
    writer = ScriptedWriter([fenced(program(1.0))])
    found = search(tmp_path, Eureka(samples=1, rounds=1), writer)
    mine = RewardProgram(program(5.0), Provenance("none", "a person"))
    found.bring(mine, "It walks in circles.")
    archive = found.run()
    assert [c.round for c in archive] == [GIVEN, 0]
    assert program(5.0).strip() in writer.requests[0].messages[2].content
    assert "It walks in circles." in writer.requests[0].messages[3].content
    with pytest.raises(ConfigError, match=r"start: .*line 3"):
        search(tmp_path, Eureka(), writer).bring(RewardProgram(NAME_ERROR, mine.provenance))


def test_rungs_grow_to_the_full_length() -> None:
    assert [rung.steps for rung in rungs(90, 3, 1 / 3)] == [10, 30, 90]
    assert survivors([5, 1, 4, 3, 2], float, 0.5) == [5, 4, 3]
    assert survivors([5, 4, 4, 4], float, 0.5) == [5, 4, 4, 4]
    assert survivors([3], float, 0.1) == [3]
    assert survivors([], float, 0.5) == []
    with pytest.raises(ConfigError, match=r"search\.keep"):
        rungs(10, 2, 0.0)
    with pytest.raises(ConfigError, match=r"search\.rungs"):
        rungs(10, 0, 0.5)
