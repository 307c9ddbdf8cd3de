"""R7: a reward program behind the lock, against no lock, an interpreter, and fresh processes."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from protocol import Contest, Outcome, Race, Side, Skipped, Target

from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.jail import Tier, granted
from rewardsmith.llm_reward_design.jail.calls import JailedCalls

ROWS = 1024
QUICK_ROWS = 32
QUICK_CALLS = 2

PROGRAM = """\
import numpy as np

def compute_reward(position, previous_position, goal, speed, force):
    distance = np.linalg.norm(position - goal, axis=1)
    before = np.linalg.norm(previous_position - goal, axis=1)
    near = np.exp(-5.0 * distance)
    progress = 10.0 * (before - distance)
    slow = -0.1 * np.abs(speed) * (distance < 0.2)
    gentle = -0.05 * np.sum(np.square(force), axis=1)
    total = near + progress + slow + gentle
    return total, {"near": near, "progress": progress, "slow": slow, "gentle": gentle}
"""
COLUMNS = {"position": 2, "previous_position": 2, "goal": 2, "speed": 0, "force": 2}

FRESH = """\
import pickle, sys
source, inputs = pickle.load(sys.stdin.buffer)
scope = {}
exec(source, scope)
pickle.dump(scope["compute_reward"](**inputs), sys.stdout.buffer)
"""

Inputs = dict[str, np.ndarray]
Function = Callable[..., tuple[np.ndarray, dict[str, np.ndarray]]]


def contests(quick: bool) -> Iterator[Contest | Skipped]:
    try:
        tier = granted(Tier.LOCKED)
    except ConfigError as error:
        yield Skipped(str(error))
        return
    given = inputs(QUICK_ROWS if quick else ROWS)
    jailed = JailedCalls(PROGRAM, tier)

    def contest(name: str, in_a_row: int, theirs: Callable[[], Outcome], target: Target) -> Contest:
        calls = QUICK_CALLS if quick else in_a_row
        return Contest(
            f"{name}, {len(given['speed']):,} rows, {calls} calls in a row",
            Side(partial(repeated, calls, partial(behind_the_lock, jailed, given))),
            Side(partial(repeated, calls, theirs)),
            target,
            rtol=1e-12,
            clock=time.perf_counter,
        )

    try:
        inline = partial(in_this_process, function(), given)
        yield contest("numpy in this process", 200, inline, Target("cost", 4.0))
        fresh = partial(in_a_fresh_process, given)
        yield contest("a process for each call", 5, fresh, Target("faster", 300.0))
        try:
            define = smolagents()
        except ImportError as error:
            yield Skipped(f"smolagents cannot be imported ({error}); `make benchmarks` installs it")
            return
        rows, batch = partial(row_by_row, define, given), partial(in_this_process, define(), given)
        yield contest("smolagents, row by row", 20, rows, Target("faster", 1000.0))
        yield contest("smolagents, all rows at once", 200, batch, Target("faster", 1.0))
    finally:
        jailed.close()


def repeated(calls: int, call: Callable[[], Outcome]) -> Outcome:
    for _ in range(calls):
        made = call()
    return made


def inputs(rows: int) -> Inputs:
    rng = np.random.default_rng(0)
    return {
        name: rng.normal(size=(k, rows)).T if k else rng.normal(size=rows)
        for name, k in COLUMNS.items()
    }


def behind_the_lock(jailed: JailedCalls, given: Inputs) -> Outcome:
    names, pay = jailed(given, len(given["speed"]))
    return outcome(pay[0], dict(zip(names, pay[1:], strict=True)))


def function() -> Function:
    scope: dict[str, Any] = {}
    exec(PROGRAM, scope)
    made: Function = scope["compute_reward"]
    return made


def in_this_process(program: Function, given: Inputs) -> Outcome:
    return outcome(*program(**given))


def in_a_fresh_process(given: Inputs) -> Outcome:
    done = subprocess.run(
        [sys.executable, "-I", "-c", FRESH],
        input=pickle.dumps((PROGRAM, given)),
        capture_output=True,
        check=True,
    )
    return outcome(*pickle.loads(done.stdout))


def smolagents() -> Callable[[], Function]:
    """Returns what makes the program a function that smolagents interprets."""
    from smolagents.local_python_executor import LocalPythonExecutor

    executor = LocalPythonExecutor(["numpy", "numpy.*"])
    executor.send_tools({})

    def define() -> Function:
        executor(PROGRAM)  # which also starts to count its ten million operations anew
        made: Function = executor.custom_tools["compute_reward"]
        return made

    return define


def row_by_row(define: Callable[[], Function], given: Inputs) -> Outcome:
    program, totals, parts = define(), [], []
    for i in range(len(given["speed"])):
        total, named = program(**{name: value[i : i + 1] for name, value in given.items()})
        totals.append(total)
        parts.append(named)
    return outcome(
        np.concatenate(totals),
        {name: np.concatenate([row[name] for row in parts]) for name in parts[0]},
    )


def outcome(total: np.ndarray, parts: Mapping[str, np.ndarray]) -> Outcome:
    return {"total": total, **parts}


RACE = Race(
    key="R7",
    title="Reward programs behind the lock",
    about=(
        f"The total and four parts of a reward program, five inputs of {ROWS:,} environments, "
        "answered by one locked process that stays (Landlock, seccomp and limits). Against the "
        "same function called in this process, which holds nothing back; against a fresh Python "
        "process for each call; and against the interpreter of "
        "[smolagents](https://github.com/huggingface/smolagents), which walks the syntax tree "
        "and is no boundary, called for every row, as rewards are in an environment that is not "
        "vectorised, and called once for all rows. Time on the clock, since the work is done in "
        "another process; the rewards are equal."
    ),
    contests=contests,
)
