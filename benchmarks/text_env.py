"""Turns: conversations per second, and what slow tools cost those that do not wait for them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import count, islice
from typing import Any
from zlib import crc32

import numpy as np
from gymnasium.vector import AutoresetMode
from protocol import Contest, Outcome, Race, Side, Skipped, Target

from rewardsmith.envs.text.calculator import Calculator, single
from rewardsmith.envs.text.message import write
from rewardsmith.envs.text.transcript import ToolCall, Transcript

ROWS = 256
EPISODES = 40_000
NAP_S = 0.2
ARCHIVE, ONE_IN = "archive", 20
"""Of so many calls one is to the tool that sleeps."""

Talk = tuple[int, list[str]]
"""The seed of an episode, and what is said in it."""


def contests(quick: bool) -> Iterator[Contest | Skipped]:
    rows, nap_s = (8, 0.02) if quick else (ROWS, NAP_S)
    steps = 4 if quick else 79
    yield Contest(
        f"{rows * steps:,} turns in {rows} rows",
        _lockstep(rows, steps),
        _single_environments(rows, steps),
        Target("seconds", 1.0),
    )
    many, few = _talks(60 if quick else EPISODES), _talks(8 * rows)
    yield Contest(
        f"one call in {ONE_IN} sleeps {nap_s:g} s, against none",
        _played(rows, many, nap_s),
        _played(rows, many, 0.0),
        Target("cost", 1 / 0.8),
        clock=time.perf_counter,
    )
    yield Contest(
        f"one call in {ONE_IN} sleeps {nap_s:g} s, against waiting for all rows",
        _played(rows, few, nap_s),
        _played(rows, few, nap_s, in_step=True),
        Target("faster", 2.0),
        clock=time.perf_counter,
    )


# ---- In lockstep, fast tools ----------------------------------------------------------------


def _lockstep(rows: int, steps: int) -> Side:
    """Says what the oracle would, from a tape: its own time is not measured."""
    env = Calculator(rows, autoreset_mode=AutoresetMode.SAME_STEP)
    tape = _oracle_tape(env, steps)

    def run() -> Outcome:
        env.reset(seed=0)
        return _outcome(env.step(messages)[:3] for messages in tape)

    return Side(run)


def _single_environments(rows: int, steps: int) -> Side:
    """The same conversations in single environments."""
    envs = [single() for _ in range(rows)]
    tape = _oracle_tape(Calculator(rows, autoreset_mode=AutoresetMode.SAME_STEP), steps)

    def run() -> Outcome:
        for row, env in enumerate(envs):
            env.reset(seed=row)
        told: list[tuple[Any, Any, Any]] = []
        for messages in tape:
            rows = [_stepped(env, text) for env, text in zip(envs, messages, strict=True)]
            texts, reward, terminated = zip(*rows, strict=True)
            told.append((texts, reward, terminated))
        return _outcome(told)

    return Side(run)


def _outcome(told: Iterable[tuple[Any, Any, Any]]) -> Outcome:
    """Returns what all rows were told, a checksum of the texts of every step."""
    texts, reward, terminated = zip(*told, strict=True)
    sums = [crc32("\0".join(step).encode()) for step in texts]
    return {"texts": sums, "reward": reward, "terminated": terminated}


def _stepped(env: Any, text: str) -> tuple[str, float, bool]:
    observation, reward, terminated, truncated, _ = env.step(text)
    if terminated or truncated:
        observation, _ = env.reset()
    return observation, reward, terminated


def _oracle_tape(env: Calculator, steps: int) -> list[list[str]]:
    env.reset(seed=0)
    tape = []
    for _ in range(steps):
        tape.append([env.dialogue.oracle(transcript) for transcript in env.transcripts])
        env.step(tape[-1])
    return tape


# ---- Slow tools -----------------------------------------------------------------------------


def _played(rows: int, talks: list[Talk], nap_s: float, *, in_step: bool = False) -> Side:
    """Plays all talks, a row the next one as soon as its last is over.

    Args:
        rows: Conversations at a time.
        talks: What is said.
        nap_s: How long the archive sleeps; 0 makes it a tool like any other.
        in_step: Wait for all rows, instead of going on with those that have their reply.
    """
    env = Calculator(rows, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=0)
    calculator = env.dialogue.tools["calculator"]

    def search(transcript: Transcript, arguments: Mapping[str, Any]) -> Any:
        time.sleep(nap_s)
        return calculator.run(transcript, arguments)

    archive = replace(calculator, name=ARCHIVE, run=search if nap_s else calculator.run)
    env.dialogue.tools = {**env.dialogue.tools, ARCHIVE: replace(archive, slow=nap_s > 0)}

    def run() -> Outcome:
        waiting, going = iter(enumerate(talks)), dict[int, tuple[int, Iterator[str]]]()
        reward, turns = np.zeros(len(talks)), np.zeros(len(talks))
        rows: list[int] = list(range(env.num_envs))
        while True:
            for row in rows:
                if row in going and not env.done[row]:
                    continue
                if row in going:
                    index, _ = going.pop(row)
                    last = env.transcripts[row]
                    reward[index], turns[index] = last.turns[-1].reward, len(last.turns)
                for index, (seed, said) in islice(waiting, 1):
                    env.open(row, seed)
                    going[row] = index, iter(said)
            if not going:
                return {"reward": reward, "turns": turns}
            spoken = [row for row in rows if row in going]
            env.send(spoken, [next(going[row][1]) for row in spoken])
            rows = env.recv(len(going) if in_step else 1)

    return Side(run)


def _talks(episodes: int) -> list[Talk]:
    """Returns the oracle's part in some episodes, one call in twenty made to the archive."""
    env = Calculator(1, autoreset_mode=AutoresetMode.DISABLED)
    talks, calls = list[Talk](), count(1)
    for seed in range(episodes):
        env.open(0, seed)
        task = env.transcripts[0].task
        said = [
            write([ToolCall(call.name if next(calls) % ONE_IN else ARCHIVE, call.arguments)])
            for call in task.calls
        ]
        talks.append((seed, [*said, write(answer=task.answer)]))
    return talks


RACE = Race(
    "Turns",
    "Turns of text tasks",
    """\
Arithmetic word problems, played by messages that are known beforehand. First an absolute number:
seconds of CPU time for some 20,000 turns of all rows together, every message parsed, every call
run, every fact and transcript handed out; single environments in a loop do the same work, and
their time does not count. Then seconds on the clock while one tool call in twenty sleeps, each
row going on as soon as it has its own reply (`send` and `recv`): our time over that of the same
loop with nobody asleep; and the time of a loop that waits for all rows over ours. All episodes
have the same length and reward.""",
    contests,
)
