"""Conversations side by side: slow tools, deadlines, budgets, rows at their own pace."""

from __future__ import annotations

import copy
import random
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from rewardsmith.envs import EnvError
from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.text.batch import TextEnv
from rewardsmith.envs.text.dialogue import Budget, Dialogue
from rewardsmith.envs.text.message import parse, write
from rewardsmith.envs.text.tools import Parameter, Tool, ToolError
from rewardsmith.envs.text.transcript import Message, TextTask, ToolCall, Transcript

NAP_S = 0.3


class Errand(Dialogue):
    """Ends with the answer "done"; has a slow tool, a dear one and a broken one."""

    goal = "Say done."

    def __init__(self, **budget: Any) -> None:
        self.naps = threading.Semaphore(0)
        seconds = Parameter("seconds", "number", "how long")
        tools = [
            Tool("nap", "Waits.", (seconds,), self._nap, slow=True),
            Tool("look", "Finds 7.", (), lambda transcript, arguments: 7, price=2.0),
            Tool("refuse", "Cannot.", (), _refuse, price=1.0),
        ]
        super().__init__(tools, Budget(**budget), "train")

    def _nap(self, transcript: Transcript, arguments: Mapping[str, Any]) -> str:
        time.sleep(arguments["seconds"])
        self.naps.release()
        return "rested"

    def task(self, source: random.Random) -> TextTask:
        number = source.randint(0, 10**9)
        return TextTask(str(number), f"Errand {number}.", "done")

    def judge(self, transcript: Transcript, message: Message) -> bool | None:
        return None if message.answer is None else message.answer == "done"

    def oracle(self, transcript: Transcript) -> str:
        return write(answer="done")

    def careless(self, transcript: Transcript) -> str:
        return write(answer="perhaps")

    def hacker(self, transcript: Transcript) -> str:
        return write(answer="")


def _refuse(transcript: Transcript, arguments: Mapping[str, Any]) -> str:
    raise ToolError("not today.")


def make(n: int, mode: AutoresetMode = AutoresetMode.DISABLED, **budget: Any) -> TextEnv:
    """Makes n errands."""
    env = TextEnv(Errand(**budget), EnvCard("Errand-v0", Errand.goal), n, autoreset_mode=mode)
    env.reset(seed=0)
    return env


def call(name: str, **arguments: Any) -> str:
    """Writes a message with one call."""
    return write([ToolCall(name, arguments)])


NAP, LOOK, DONE = call("nap", seconds=NAP_S), call("look"), write(answer="done")


# ---- Slow tools -------------------------------------------------------------------------


def test_one_slow_row_does_not_hold_up_the_others() -> None:
    env = make(4)
    started = time.monotonic()
    env.send([0], [NAP])
    turns = 0
    for _ in range(5):
        env.send([1, 2, 3], [LOOK] * 3)
        turns += len(env.recv(3))
    assert turns == 15
    assert time.monotonic() - started < NAP_S
    assert not env.transcripts[0].turns
    assert env.recv(1) == [0]
    assert env.transcripts[0].observation == "rested"
    assert env.elapsed.tolist() == [1, 5, 5, 5]


def test_slow_rows_wait_at_the_same_time() -> None:
    env = make(16)
    started = time.monotonic()
    observation, reward, *_ = env.step([NAP] * 16)
    assert time.monotonic() - started < 8 * NAP_S
    assert observation == ["rested"] * 16
    assert not reward.any()


def test_slow_and_fast_rows_give_what_they_give_in_step() -> None:
    one, other = make(3), make(3)
    messages = [call("nap", seconds=0.01), LOOK, DONE]
    one.send([0, 1, 2], messages)
    assert sorted(one.recv(3)) == [0, 1, 2]
    observation, reward, terminated, truncated, info = other.step(messages)
    assert one.transcripts == other.transcripts
    assert one.done.tolist() == (terminated | truncated).tolist() == [False, False, True]
    assert reward.tolist() == [0.0, 0.0, 1.0]
    assert observation == ["rested", "7", ""]
    assert info["calls"].tolist() == [1.0, 1.0, 0.0]


def test_a_tool_that_is_too_slow_gives_an_error_turn() -> None:
    env = make(2, timeout_s=0.05)
    started = time.monotonic()
    observation, _, terminated, _, info = env.step([NAP, LOOK])
    assert time.monotonic() - started < NAP_S
    assert observation == ["Error: no result within 0.05 s.", "7"]
    assert info["errors"].tolist() == [1.0, 0.0]
    assert not terminated.any()
    dialogue = env.dialogue
    assert isinstance(dialogue, Errand)
    assert dialogue.naps.acquire(timeout=5)  # the tool ends later; its result is not taken
    assert env.transcripts[0].observation == "Error: no result within 0.05 s."
    assert env.step([DONE, DONE])[1].tolist() == [1.0, 1.0]


def test_a_row_is_given_up_in_time_while_others_keep_arriving() -> None:
    env = make(3, timeout_s=0.15, turns=10_000, calls=10_000)
    nap, short = call("nap", seconds=30), call("nap", seconds=0.001)
    env.send([0, 1, 2], [nap, short, short])
    ends = time.monotonic() + 5
    while not env.transcripts[0].turns and time.monotonic() < ends:
        rows = [row for row in env.recv(1) if row != 0]
        env.send(rows, [short] * len(rows))
    assert env.transcripts[0].observation == "Error: no result within 0.15 s."
    assert all(turn.reply == "rested" for row in (1, 2) for turn in env.transcripts[row].turns)


def test_a_result_that_comes_too_late_is_not_taken_for_that_of_the_next_turn() -> None:
    env = make(1, timeout_s=0.1)
    for seconds, reply in ((0.4, "Error: no result within 0.1 s."), (0.0, "rested")):
        env.send([0], [call("nap", seconds=seconds)])
        assert env.recv(1) == [0]
        assert env.transcripts[0].observation == reply
    time.sleep(0.5)  # the first tool ends meanwhile
    env.send([0], [LOOK])
    assert env.recv(1) == [0]
    assert [turn.reply for turn in env.transcripts[0].turns][1:] == ["rested", "7"]


def test_a_defect_of_a_tool_is_not_hidden_by_its_thread() -> None:
    env = make(2)
    env.send([0], [call("nap", seconds=-1)])
    with pytest.raises(ValueError, match="non-negative"):
        env.recv(1)


def test_a_tool_that_never_ends_lets_the_program_end() -> None:
    program = (
        "import test_text_batch as t; t.make(1, timeout_s=0.05).step([t.call('nap', seconds=99)])"
    )
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parent, check=True)
    assert time.monotonic() - started < 60


def test_what_runs_in_threads_is_not_copied() -> None:
    env = make(1)
    env.send([0], [NAP])
    with pytest.raises(EnvError, match="receive their replies before"):
        copy.copy(env._slow)
    env.recv(1)
    assert len(copy.copy(env._slow)) == 0


def test_recv_without_waiting_takes_what_is_there() -> None:
    env = make(3)
    env.send([0, 2], [NAP, LOOK])
    assert env.recv(0) == [2]
    assert env.recv(0) == []
    assert env.recv(1) == [0]


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_a_row_that_is_over_calls_no_tool(mode: AutoresetMode) -> None:
    env = make(2, mode)
    env.step([DONE, LOOK])
    started = time.monotonic()
    env.step([NAP if mode is AutoresetMode.NEXT_STEP else LOOK, LOOK])
    assert time.monotonic() - started < NAP_S


def test_wrong_sends_are_explained() -> None:
    env = make(2)
    env.send([0], [NAP])
    with pytest.raises(EnvError, match="row 0 waits for a tool"):
        env.send([0], [LOOK])
    with pytest.raises(EnvError, match="recv waits for 2 rows, but only 1 were sent to"):
        env.recv(2)
    env.recv(1)
    env.send([1], [DONE])
    env.recv(1)
    with pytest.raises(EnvError, match="row 1 is over or was never reset"):
        env.send([1], [LOOK])


# ---- Budgets ----------------------------------------------------------------------------


def told(dialogue: Dialogue, messages: Sequence[str]) -> list[str]:
    """Returns the replies to one message after another."""
    transcript = dialogue.begin(0)
    for message in messages:
        transcript = dialogue.reply(transcript, parse(message))
    return [turn.reply for turn in transcript.turns]


def test_turns() -> None:
    env = make(2, turns=3)
    steps = [env.step([LOOK, LOOK]) for _ in range(3)]
    assert [terminated.tolist() for _, _, terminated, _, _ in steps] == [
        [False] * 2,
        [False] * 2,
        [True] * 2,
    ]
    assert not any(truncated.any() for _, _, _, truncated, _ in steps)


def test_an_answer_may_be_given_in_the_last_turn() -> None:
    env = make(1, turns=1)
    _, reward, terminated, truncated, _ = env.step([DONE])
    assert (reward[0], terminated[0], truncated[0]) == (1.0, True, False)


def test_calls() -> None:
    three = write([ToolCall("look")] * 3)
    assert told(Errand(calls=4), [three, three]) == [
        "7\n7\n7",
        "7\nError: all 4 calls are used up.\nError: all 4 calls are used up.",
    ]


def test_cost() -> None:
    dialogue = Errand(cost=5.0)
    assert told(dialogue, [LOOK, LOOK, LOOK, call("refuse"), call("refuse")]) == [
        "7",
        "7",
        "Error: the budget of 5 is spent.",
        "Error: not today.",
        "Error: the budget of 5 is spent.",
    ]
    transcript = dialogue.reply(dialogue.begin(0), parse(write([ToolCall("look")] * 3)))
    assert transcript.cost == 4.0
    assert [result.ok for result in transcript.results] == [True, True, False]


@pytest.mark.parametrize("name", ["turns", "calls", "cost", "timeout_s"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_budgets_must_be_positive(name: str, value: float) -> None:
    with pytest.raises(EnvError, match=rf"budget\.{name} must be positive"):
        Budget(**{name: value})  # type: ignore[arg-type]


# ---- Tools ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        (call("nap"), "Error: nap needs the argument 'seconds'."),
        (call("nap", seconds="1"), "Error: the argument 'seconds' of nap must be a number."),
        (call("nap", seconds=True), "Error: the argument 'seconds' of nap must be a number."),
        (call("nap", seconds=0, x=1), "Error: nap has no argument 'x'; it has seconds."),
        (call("dream"), "Error: there is no tool 'dream'; there is nap, look, refuse."),
        (call("refuse"), "Error: not today."),
        ("hello", "Error: write a <tool_call> or an <answer>."),
        ("<answer>done", "Error: <answer> is never closed."),
        (LOOK + "<tool_call>{</tool_call>", "7\nError: This is no JSON object: {"),
    ],
)
def test_what_is_wrong_comes_back_as_text(message: str, reply: str) -> None:
    assert told(Errand(), [message]) == [reply]


def test_facts_count_a_turn() -> None:
    env = make(1)
    info = env.step([write([ToolCall("look"), ToolCall("refuse")]) + "<tool_call>?</tool_call>"])[4]
    facts = {name: info[name].tolist() for name in ("calls", "errors", "cost", "answered")}
    assert facts == {"calls": [2.0], "errors": [2.0], "cost": [3.0], "answered": [0.0]}
    assert isinstance(info["transcript"], np.ndarray)


def test_long_results_are_cut() -> None:
    tool = Tool("tell", "Tells.", (), lambda transcript, arguments: "x" * 5_000)
    result = tool.call(Errand().begin(0), ToolCall("tell"))
    assert len(result.text) == 2_004
    assert len(result.value) == 5_000
