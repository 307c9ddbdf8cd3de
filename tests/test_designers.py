"""Designers: what they ask in each round of a search, played with a scripted writer."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from line_card import CARD

from rewardsmith.envs import ConfigError
from rewardsmith.llm_reward_design.archive import GIVEN, Archive, Candidate, best
from rewardsmith.llm_reward_design.brief import Brief, Reflection
from rewardsmith.llm_reward_design.client import Completion, Message, Request
from rewardsmith.llm_reward_design.designers import (
    Designer,
    EnvAbstraction,
    Eureka,
    Example,
    Library,
    Names,
    Text2Reward,
    build_designer,
)
from rewardsmith.llm_reward_design.designers.library import tf_idf
from rewardsmith.llm_reward_design.program import Provenance, RewardProgram, inputs

BRIEF = Brief(CARD, CARD.goal, seed=5)
TITLES = {"Eureka": "2310.12931", "Text2Reward": "2309.11489"}

Score = float | str
"""What training on a program gives: its score, or the error it fails with."""


def source_of(name: str) -> str:
    """Returns a program that is recognised by the name of its part."""
    return f"def compute_reward(speed):\n    return speed, {{'{name}': speed}}"


def answer_of(name: str) -> str:
    """Returns what a language model might say around such a program."""
    return f"Thoughts on {name}.\n```python\n{source_of(name)}\n```"


def series(score: float, name: str) -> Reflection:
    """Returns series of three milestones that end with a score."""
    return Reflection((10, 20, 30), {name: (0.0, 1.0, 2.0)}, (0.0, score / 2, score), (9.0,) * 3)


class ScriptedWriter:
    """A ChatClient that numbers its answers and remembers what it was asked."""

    name = "scripted"
    is_language_model = False

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def complete(self, request: Request) -> Completion:
        """Answers with a program of its own for every call."""
        self.asked.append(request)
        return Completion(answer_of(f"p{len(self.asked) - 1}"))

    def close(self) -> None:
        """Holds nothing."""


@dataclass
class Play:
    """A search in which nothing is trained: a script tells what would come of each program.

    Attributes:
        designer: Who asks.
        outcome: What becomes of sample k of round n.
        archive: What there is at the start.
    """

    designer: Designer
    outcome: Callable[[int, int], Score]
    archive: Archive = field(default_factory=Archive)
    writer: ScriptedWriter = field(default_factory=ScriptedWriter)
    rounds: list[list[Request]] = field(default_factory=list)

    def run(self) -> Play:
        """Plays all rounds."""
        for number in range(self.designer.total_rounds):
            requests = self.designer.requests(self.archive, BRIEF, number)
            self.rounds.append(requests)
            for sample, request in enumerate(requests):
                self.archive.add(self.judged(request, number, sample))
        return self

    def judged(self, request: Request, number: int, sample: int) -> Candidate:
        """Returns the candidate that the answer to a call leads to."""
        response = self.writer.complete(request).text
        source = self.designer.specific(response.split("```")[1].removeprefix("python\n").strip())
        provenance = self.designer.provenance(request, self.writer.name, number, sample)
        program, outcome = RewardProgram(source, provenance), self.outcome(number, sample)
        if isinstance(outcome, str):
            return Candidate(response, program, number, sample, error=outcome)
        part = f"p{len(self.writer.asked) - 1}"
        return Candidate(response, program, number, sample, outcome, series(outcome, part))

    def messages(self, number: int, sample: int = 0) -> tuple[Message, ...]:
        """Returns the messages of a call."""
        return self.rounds[number][sample].messages


def given_program(score: float = 0.5, advice: str = "") -> Candidate:
    """Returns a person's program as a search takes it in."""
    program = RewardProgram(source_of("by_hand"), Provenance("none", "a person"))
    return Candidate.given(program, score, series(score, "by_hand"), advice)


# ---- Eureka: the loop -----------------------------------------------------------------------


def test_messages_are_two_and_then_always_four() -> None:
    play = Play(Eureka(samples=3, rounds=6), lambda n, k: float(k)).run()
    assert [len(play.messages(n)) for n in range(6)] == [2, 4, 4, 4, 4, 4]
    roles = [message.role for message in play.messages(5)]
    assert roles == ["system", "user", "assistant", "user"]
    for number in range(6):
        assert play.messages(number)[:2] == play.messages(0)
        assert len({r.messages for r in play.rounds[number]}) == 1


def test_the_best_of_the_last_round_is_carried_with_its_own_answer() -> None:
    # Failures before the best: an index into what ran is not one into all answers.
    scores: dict[int, list[Score]] = {0: ["boom", 1.0, "boom", 7.0], 1: [2.0, "boom", 5.0, 4.0]}
    play = Play(Eureka(samples=4, rounds=3), lambda n, k: scores.get(n, [0.0] * 4)[k]).run()
    assert play.messages(1)[2].content == answer_of("p3")
    assert "p3: [0.00, 1.00, 2.00], Max: 2.00, Mean: 1.00, Min: 0.00" in play.messages(1)[3].content
    assert "task_score: [0.00, 3.50, 7.00]" in play.messages(1)[3].content
    assert play.messages(2)[2].content == answer_of("p6")
    assert play.rounds[2][0].brief.shown[0].program.source == source_of("p6")
    assert "p3" not in play.messages(2)[3].content


@settings(max_examples=40)
@given(
    st.lists(
        st.lists(st.one_of(st.none(), st.integers(0, 3)), min_size=2, max_size=2),
        min_size=2,
        max_size=4,
    )
)
def test_answers_and_programs_never_part(scores: list[list[int | None]]) -> None:
    def outcome(n: int, k: int) -> Score:
        score = scores[n][k]
        return "boom" if score is None else float(score)

    play = Play(Eureka(samples=2, rounds=len(scores)), outcome).run()
    for request in (r for calls in play.rounds for r in calls if r.brief.shown):
        name = re.findall(r"'(p\d+)'", request.brief.shown[0].program.source)[0]
        assert request.messages[2].content == answer_of(name)
        assert f"\n{name}: [" in request.messages[3].content


def test_the_best_of_all_rounds_is_kept_apart() -> None:
    scores = {0: [0.2, 0.9], 1: [0.4, 0.3], 2: [0.1, 0.2]}
    play = Play(Eureka(samples=2, rounds=3), lambda n, k: scores[n][k]).run()
    found = play.archive.best
    assert found is not None
    assert (found.score, found.round, found.sample) == (0.9, 0, 1)
    assert found.response == answer_of("p1")
    assert play.messages(2)[2].content == answer_of("p2")  # not the best of all


def test_a_round_of_failures_repeats_its_messages_and_counts() -> None:
    play = Play(Eureka(samples=2, rounds=4), lambda n, k: "boom" if n < 2 else 1.0).run()
    assert len(play.rounds) == 4
    assert play.messages(0) == play.messages(1) == play.messages(2)
    assert len(play.messages(3)) == 4
    later = Play(Eureka(samples=2, rounds=4), lambda n, k: "boom" if n == 1 else float(k)).run()
    assert later.messages(2) == later.messages(1)
    assert later.messages(3) != later.messages(1)


def test_nothing_ran_totals_no_best() -> None:
    play = Play(Eureka(samples=2, rounds=3), lambda n, k: "boom").run()
    assert play.archive.best is None
    assert [len(play.messages(n)) for n in range(3)] == [2, 2, 2]


@pytest.mark.parametrize("parents", ["greedy", "archive"])
@pytest.mark.parametrize("fails", [True, False])
def test_no_call_is_ever_made_twice(parents: str, fails: bool) -> None:
    designer = Eureka(samples=3, rounds=3, restarts=2, parents=parents)  # type: ignore[arg-type]
    play = Play(designer, lambda n, k: "boom" if fails else float(k == n)).run()
    keys = [request.key("writer") for calls in play.rounds for request in calls]
    assert len(set(keys)) == len(keys) == 18
    assert [r.sample for r in play.rounds[0]] == [0, 1, 2]
    if fails:
        assert [r.sample for r in play.rounds[2]] == [6, 7, 8]


def test_one_sample_to_a_round_is_shown_its_error() -> None:
    play = Play(Eureka(samples=1, rounds=3), lambda n, k: f"NameError: v{n}").run()
    assert play.messages(1)[2].content == answer_of("p0")
    assert "NameError: v0" in play.messages(1)[3].content
    assert "task_score" not in play.messages(1)[3].content
    assert "NameError: v1" in play.messages(2)[3].content
    assert len(play.messages(2)) == 4


def test_tips_and_contract_are_told_every_time() -> None:
    play = Play(Eureka(samples=2, rounds=2), lambda n, k: 1.0).run()
    system, task, _, feedback = (message.content for message in play.messages(1))
    tip = "Each squashed part needs a temperature of its own"
    assert tip in system
    assert tip in feedback
    assert "def compute_reward(place, previous_place, push):" in system
    assert "| `place` | (n, 2) | m | 0 to 9 | where it is |" in task
    assert "start over with a different idea" in feedback


def test_requests_follow_from_the_archive_alone() -> None:
    designer = Eureka(samples=3, rounds=4, parents="archive")
    play = Play(designer, lambda n, k: float((7 * n + 3 * k) % 5)).run()
    again = designer.requests(play.archive, BRIEF, 2)
    assert again == play.rounds[2]  # although the archive knows later rounds by now
    assert again[0].settings == {"temperature": 1.0}


def test_restarts_know_nothing_of_each_other_but_the_best_is_of_all() -> None:
    scores = {0: 0.3, 1: 0.9, 2: 0.1, 3: 0.2}
    play = Play(Eureka(samples=1, rounds=2, restarts=2), lambda n, k: scores[n]).run()
    assert [len(play.messages(n)) for n in range(4)] == [2, 4, 2, 4]
    assert play.messages(3)[2].content == answer_of("p2")
    assert play.archive.best is not None
    assert play.archive.best.score == 0.9


# ---- Eureka: where a person comes in ---------------------------------------------------------


def test_a_given_program_is_the_best_of_a_round_before_the_first() -> None:
    archive = Archive([given_program()])
    play = Play(Eureka(samples=2, rounds=2), lambda n, k: 0.1, archive).run()
    assert [len(play.messages(n)) for n in range(2)] == [4, 4]
    assert play.messages(0)[2].content == f"```python\n{source_of('by_hand')}\n```"
    assert "by_hand: [0.00, 1.00, 2.00]" in play.messages(0)[3].content
    assert play.messages(1)[2].content == answer_of("p0")
    assert play.archive.best is not None
    assert play.archive.best.round == GIVEN


def test_advice_stands_beside_the_statistics_or_in_their_place() -> None:
    archive = Archive([given_program(advice="It should run, not hop.")])
    both, alone = (
        Eureka(samples=1, statistics=shown).requests(archive, BRIEF, 0)[0].messages[3].content
        for shown in (True, False)
    )
    assert "It should run, not hop." in both
    assert "task_score" in both
    assert "It should run, not hop." in alone
    assert "task_score" not in alone
    assert "How to read them" not in alone


# ---- Eureka: several parents -----------------------------------------------------------------


def test_lineages_go_back_to_the_first_program_of_the_search() -> None:
    def candidate(name: str, number: int, sample: int, parents: tuple[str, ...]) -> Candidate:
        known = {c.response: c.program.id for c in made if c.program is not None}
        ids = tuple(known.get(parent, parent) for parent in parents)
        program = RewardProgram(source_of(name), Provenance("test", "test", parents=ids))
        return Candidate(name, program, number, sample, score=float(len(made)))

    made: list[Candidate] = [replace(given_program(), response="hand")]
    for name, number, sample, parents in (
        ("a", 0, 0, ("hand",)),
        ("b", 0, 1, ("hand",)),
        ("a1", 1, 0, ("a", "b")),
        ("b1", 1, 1, ("b", "a")),
        ("a2", 2, 0, ("a failed repair", "a1")),
        ("c", 2, 1, ()),
    ):
        made.append(candidate(name, number, sample, parents))
    groups = [[c.response for c in group] for group in Archive(made).lineages().values()]
    assert groups == [["hand"], ["a", "a1", "a2"], ["b", "b1"], ["c"]]
    assert [c.response for c in Archive(made).elites()] == ["hand", "a2", "b1", "c"]


def test_archive_parents_keep_lineages_apart() -> None:
    designer = Eureka(samples=8, rounds=2, parents="archive")
    play = Play(designer, lambda n, k: float(k)).run()
    shown = [[s.program.source for s in r.brief.shown] for r in play.rounds[1]]
    assert all(len(set(pair)) == 2 for pair in shown)
    firsts = {pair[0] for pair in shown}
    assert len(firsts) > 1
    assert source_of("p0") not in firsts  # the worst never wins a tournament of two
    for request, (first, second) in zip(play.rounds[1], shown, strict=True):
        assert len(request.messages) == 4
        assert first in request.messages[2].content
        feedback = request.messages[3].content
        assert second in feedback
        score = request.brief.shown[1].score
        assert f"reached a task score of {score:.2f}" in feedback


def test_a_larger_tournament_prefers_the_better() -> None:
    def scores(size: int) -> list[list[float | None]]:
        designer = Eureka(samples=8, rounds=2, parents="archive", tournament=size)
        play = Play(designer, lambda n, k: float(k)).run()
        return [[shown.score for shown in r.brief.shown] for r in play.rounds[1]]

    totals = [sum(pair[0] or 0.0 for pair in scores(size)) for size in (1, 3, 8)]
    assert totals == sorted(totals)
    assert scores(8) == [[7.0, 6.0]] * 8


# ---- Archive ---------------------------------------------------------------------------------


def test_ties_go_to_the_first_and_later_stages_before_higher_scores() -> None:
    one = given_program()
    early = [replace(one, round=0, sample=k, score=s) for k, s in enumerate((0.5, 0.7, 0.7))]
    assert best(early) is early[1]
    late = replace(one, round=0, sample=3, score=0.1, rung=1)
    assert best([*early, late]) is late
    assert best([]) is None


def test_an_archive_only_grows_in_order() -> None:
    archive = Archive([replace(given_program(), round=1, sample=1)])
    with pytest.raises(ConfigError, match="candidate 1 of round 1 was added after"):
        archive.add(replace(given_program(), round=1, sample=1))
    archive.add(replace(given_program(), round=1, sample=2))
    assert len(archive) == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"score": float("nan")}, "has the score nan"),
        ({"score": None}, "either a score or the error"),
        ({"error": "boom"}, "either a score or the error"),
        ({"program": None}, "a score but no program"),
    ],
)
def test_candidates_that_contradict_themselves_are_refused(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        replace(given_program(), **changes)


# ---- Text2Reward -----------------------------------------------------------------------------


def test_an_error_is_mended_by_the_second_call() -> None:
    designer, writer = Text2Reward(samples=1), ScriptedWriter()
    (request,) = designer.requests(Archive(), BRIEF, 0)
    outcomes: list[Score] = ["NameError: name 'sped' is not defined", 1.0]
    attempt = 0
    while True:
        answer = writer.complete(request).text
        program = RewardProgram(source_of(f"p{attempt}"), Provenance("test", "test"))
        outcome = outcomes[attempt]
        if not isinstance(outcome, str):
            break
        again = designer.repair(request, Candidate(answer, program, 0, 0, error=outcome), attempt)
        assert again is not None
        request, attempt = again, attempt + 1
    assert len(writer.asked) == 2
    mended = writer.asked[1]
    assert mended.messages[:2] == writer.asked[0].messages
    assert mended.messages[2].content == answer_of("p0")
    assert "NameError: name 'sped' is not defined" in mended.messages[3].content
    assert mended.brief.shown[0].program.source == source_of("p0")
    assert mended.brief.shown[0].error == outcomes[0]


def test_repairs_end() -> None:
    designer = Text2Reward(repairs=2)
    (request,) = designer.requests(Archive(), BRIEF, 0)
    failed = Candidate("no code", None, 0, 0, error="the answer holds no code")
    for attempt in range(2):
        again = designer.repair(request, failed, attempt)
        assert again is not None
        assert len(again.messages) == len(request.messages) + 2
        assert again.brief.shown == ()
        request = again
    assert designer.repair(request, failed, 2) is None
    lost = replace(failed, response="")
    assert designer.repair(request, lost, 0) is None
    assert Eureka().repair(request, failed, 0) is None


def test_refinement_tells_the_whole_history() -> None:
    archive = Archive([given_program(advice="Keep to the middle.")])
    play = Play(Text2Reward(samples=2, rounds=3), lambda n, k: float(k + n), archive).run()
    system, user = play.messages(2)
    assert system.role == "system"
    places = [user.content.index(f"'{name}'") for name in ("by_hand", "p1", "p3")]
    assert places == sorted(places)
    assert "'p0'" not in user.content
    assert "Reward function number 3:" in user.content
    assert "Keep to the middle." in user.content
    assert user.content.count("Nobody gave advice.") == 2
    shown = [one.program.source for one in play.rounds[2][0].brief.shown]
    assert shown == [source_of("p3"), source_of("p1"), source_of("by_hand")]
    assert (
        "was tried for this task"
        not in Text2Reward().requests(Archive(), BRIEF, 0)[0].messages[1].content
    )


def test_rounds_without_a_program_that_ran_leave_no_trace() -> None:
    play = Play(Text2Reward(samples=2, rounds=2), lambda n, k: "boom").run()
    assert play.messages(0) == play.messages(1)
    assert [request.sample for request in play.rounds[1]] == [2, 3]


def test_the_writer_sees_better_names_and_the_task_gets_its_own() -> None:
    designer = Text2Reward(samples=1, rounds=2, names={"velocity": "speed"})
    (request,) = designer.requests(Archive(), BRIEF, 0)
    told = request.messages[1].content
    assert "velocity: np.ndarray  # (n,), m/s, any: how fast it is" in told
    assert "speed:" not in told
    written = "def compute_reward(velocity, previous_velocity, push):\n    return velocity, {}"
    source = designer.specific(written)
    assert source == "def compute_reward(speed, previous_speed, push):\n    return speed, {}"
    RewardProgram(source, Provenance("test", "test")).check(CARD)
    ran = Candidate(written, RewardProgram(source, Provenance("t", "t")), 0, 0, score=1.0)
    later = designer.requests(Archive([ran]), BRIEF, 1)[0].messages[1].content
    assert written in later
    failed = Candidate(written, None, 0, 0, error="speed has shape (n,)")
    again = designer.repair(request, failed, 0)
    assert again is not None
    assert "velocity has shape (n,)" in again.messages[-1].content


def test_examples_are_shown_as_many_as_wanted() -> None:
    def shown(**values: Any) -> int:
        (request,) = Text2Reward(**values).requests(Archive(), BRIEF, 0)
        return request.messages[1].content.count("Reward function:")

    assert [shown(), shown(examples=0), shown(examples=3), shown(examples=99)] == [1, 0, 3, 6]


# ---- Stubs, names, library -------------------------------------------------------------------


def test_stubs_are_python_with_every_input() -> None:
    tree = ast.parse(EnvAbstraction(CARD).stubs())
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    assert list(classes) == ["Observation", "Facts", "Action"]
    attributes = {
        name: [item.target.id for item in node.body
               if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)]
        for name, node in classes.items()
    }  # fmt: skip
    assert attributes == {
        "Observation": ["place", "speed"],
        "Facts": ["is_near"],
        "Action": ["push"],
    }
    assert set().union(*attributes.values()) <= inputs(CARD).keys()


@pytest.mark.parametrize(
    ("called", "said"),
    [
        ({"velocity": "sped"}, "unknown input 'sped'.*'speed'"),
        ({"my speed": "speed"}, "'my speed' cannot be an argument"),
        ({"place": "speed"}, "2 inputs of Line-v0 are called 'place'"),
    ],
)
def test_names_that_do_not_fit_the_task_are_refused(called: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        EnvAbstraction(CARD, called)


def test_longest_names_first() -> None:
    names = Names({"cube": "obj", "cube.pose": "obj.pose.p"})
    assert names.specific("cube.pose") == "obj.pose.p"
    assert names.general("obj.pose.p") == "cube.pose"
    assert names.specific("cube") == "obj"


def test_names_may_be_swapped_and_parts_of_words_stay() -> None:
    names = Names({"a": "b", "b": "a"})
    assert names.specific("a - b + ab + a_b") == "b - a + ab + a_b"


GENERAL = ["cube", "cube.pose", "cube.pose.p", "robot", "robot_arm", "x"]
SPECIFIC = ["obj", "obj.pose", "obj.pose.p", "agent", "agent_arm", "state[0]"]


@given(
    st.permutations(SPECIFIC),
    st.lists(
        st.tuples(st.sampled_from([*GENERAL, "other", "np"]), st.sampled_from(" +(),\n*")),
        max_size=12,
    ),
)
def test_there_is_a_way_back(specific: list[str], words: list[tuple[str, str]]) -> None:
    names = Names(dict(zip(GENERAL, specific, strict=True)))
    text = "".join(word + mark for word, mark in words)
    assert names.general(names.specific(text)) == text


def test_names_without_a_way_back_are_refused() -> None:
    with pytest.raises(ConfigError, match="'a' and 'b' both stand for 'c'"):
        Names({"a": "c", "b": "c"})
    with pytest.raises(ConfigError, match="'a' and 'b' both stand for 'speed'"):
        Text2Reward(names={"a": "speed", "b": "speed"})


def test_tf_idf_is_the_formula() -> None:
    vectors = tf_idf(["push push box", "push door", "box"])
    # Vocabulary box, door, push; documents 2, 1, 2 of 3.
    rare, common = np.log(3.0), np.log(1.5)
    first = np.array([common, 0.0, 2 * common])
    second = np.array([0.0, rare, common])
    np.testing.assert_allclose(vectors[0], first / np.linalg.norm(first))
    np.testing.assert_allclose(vectors[1], second / np.linalg.norm(second))
    np.testing.assert_allclose(vectors[2], [1.0, 0.0, 0.0])


LIBRARY = Library.load()


@pytest.mark.parametrize("example", LIBRARY.examples, ids=lambda e: str(e.task)[:20])
def test_retrieval_never_returns_the_task_itself(example: Example) -> None:
    for task in (example.task, f"  {example.task.upper().rstrip('.')}!"):
        found = LIBRARY.nearest(task, k=99)
        assert len(found) == len(LIBRARY.examples) - 1
        assert example not in found


def test_retrieval_finds_what_the_task_is_about() -> None:
    for task, word in (
        ("Lift the mug off the shelf with the gripper.", "gripper"),
        ("Walk forward on four legs at two metres per second.", "four-legged"),
        ("Open the cabinet by pulling its handle.", "drawer"),
    ):
        assert word in LIBRARY.nearest(task, k=1)[0].task


@pytest.mark.parametrize("example", LIBRARY.examples, ids=lambda e: str(e.task)[:20])
def test_examples_keep_the_contract(example: Example) -> None:
    program = RewardProgram(example.program, Provenance("library", "a person"))
    namespace: dict[str, Any] = {}
    exec(compile(example.program, "example", "exec"), namespace)
    wide = re.findall(r"(\w+)(?: - (\w+))?, axis=1|np.sum\((\w+)\*\*2", example.program)
    columns = {name for found in wide for name in found if name}
    generator = np.random.default_rng(0)
    values = {
        name: generator.uniform(0.1, 1.0, (5, 3) if name in columns else 5)
        for name in program.arguments()
    }
    total, parts = namespace["compute_reward"](**values)
    assert total.shape == (5,)
    assert {part.shape for part in parts.values()} == {(5,)}
    np.testing.assert_allclose(sum(parts.values()), total)


@pytest.mark.parametrize("text", ["- {task: a}", "a: [", "- 1"])
def test_a_library_of_another_form_is_refused(text: str, tmp_path: Any) -> None:
    path = tmp_path / "library.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"designer\.library=.*library\.yaml"):
        Text2Reward(library=str(path))
    with pytest.raises(ConfigError, match="cannot be read"):
        Text2Reward(library=str(tmp_path / "none.yaml"))


# ---- Configuration ---------------------------------------------------------------------------


@pytest.mark.parametrize(("file", "cls"), [("eureka", Eureka), ("text2reward", Text2Reward)])
def test_configurations_name_every_setting(file: str, cls: type[Designer]) -> None:
    folder = resources.files("rewardsmith.conf") / "designer"
    config = yaml.safe_load((folder / f"{file}.yaml").read_text())
    built = build_designer(config)
    assert type(built) is cls
    assert config["name"] == built.name == file
    assert config.keys() - {"name", "_target_"} == inspect.signature(cls).parameters.keys()
    assert TITLES[cls.__name__] in (inspect.getdoc(cls) or "")


@pytest.mark.parametrize(
    ("cls", "values", "said"),
    [
        (Eureka, {"samples": 0}, r"designer\.samples must be a whole number of at least 1, got 0"),
        (Eureka, {"rounds": 1.5}, r"designer\.rounds must be a whole number"),
        (Eureka, {"restarts": True}, r"designer\.restarts must be a whole number"),
        (Eureka, {"temperature": -1}, r"designer\.temperature must be in \[0, 2\], got -1"),
        (Eureka, {"parents": "gredy"}, "unknown choice 'gredy'.*'greedy'"),
        (Eureka, {"tournament": 0}, r"designer\.tournament"),
        (Text2Reward, {"repairs": -1}, r"designer\.repairs must be a whole number of at least 0"),
        (Text2Reward, {"examples": -1}, r"designer\.examples"),
    ],
)
def test_settings_out_of_range_are_refused(
    cls: type[Designer], values: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        cls(**values)


def test_what_is_no_designer_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected _target_ to name a designer"):
        build_designer({"_target_": "rewardsmith.rewards.TaskReward"})
