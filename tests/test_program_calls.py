"""Calls of a program behind the lock: equal to calls without, and nothing outlives its owner."""

from __future__ import annotations

import contextlib
import copy
import gc
import itertools
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal

from rewardsmith.envs.errors import ConfigError, RewardError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.llm_reward_design.compiled import Compiled
from rewardsmith.llm_reward_design.jail.calls import JailedCalls
from rewardsmith.llm_reward_design.jail.census import descendants
from rewardsmith.llm_reward_design.jail.selftest import granted
from rewardsmith.llm_reward_design.jail.tier import Tier

PROGRAM = """\
def compute_reward(position, goal, speed, force):
    apart = np.linalg.norm(position - goal, axis=1)
    near = np.exp(-3.0 * apart)
    smooth = -0.1 * np.sum(force**2, axis=1) - 0.05 * np.abs(speed)
    there = np.where(apart < 0.1, 1.0, 0.0)
    position -= goal  # its own copy
    spread = np.full(len(speed), np.mean(force))
    return near + smooth + there + spread, {
        "near": near, "smooth": smooth, "there": there, "spread": spread
    }
"""
EVIL = "import os, struct\ndef compute_reward(speed):\n{}\n    return speed, {{'speed': speed}}\n"


def values(n: int, seed: int = 0) -> dict[str, FloatArray]:
    rng = np.random.default_rng(seed)
    wide = {name: np.asfortranarray(rng.normal(size=(n, 3))) for name in ("position", "goal")}
    return wide | {"speed": rng.normal(size=n), "force": np.asfortranarray(rng.normal(size=(n, 8)))}


def inline(given: dict[str, FloatArray], n: int) -> FloatArray:
    return Compiled(PROGRAM)({name: v.copy(order="F") for name, v in given.items()}, n).pay


@pytest.fixture
def calls() -> Iterator[JailedCalls]:
    made = JailedCalls(PROGRAM)
    yield made
    made.close()


@contextlib.contextmanager
def evil(body: str, timeout_s: float = 10.0) -> Iterator[JailedCalls]:
    """Calls of a program that does `body` before it answers."""
    made = JailedCalls(EVIL.format(textwrap.indent(textwrap.dedent(body), "    ")), None, timeout_s)
    yield made
    made.close()


@pytest.fixture
def nothing_new() -> Callable[[], bool]:
    """Tells whether what this process started since the test began ends within seconds."""
    before = set(descendants())

    return lambda: soon(lambda: set(descendants()) <= before)


def soon(true: Callable[[], bool]) -> bool:
    """Tells whether something becomes true within seconds."""
    deadline = time.monotonic() + 10
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


def all_ended(pids: Iterable[int]) -> bool:
    return not any(map(running, pids))


def running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


# ---- The same numbers -------------------------------------------------------------------


@pytest.mark.parametrize("tier", [Tier.PROCESS, Tier.LOCKED, Tier.NAMESPACED])
def test_every_tier_pays_as_inline(tier: Tier) -> None:
    try:
        made = JailedCalls(PROGRAM, granted(tier))
    except ConfigError as error:
        pytest.skip(str(error))
    for n in (3, 1):
        assert_array_equal(made(values(n), n).pay, inline(values(n), n))
    made.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[JailedCalls]:
    made = JailedCalls(PROGRAM)
    yield made
    made.close()


floats = st.floats(allow_subnormal=False)


@settings(max_examples=40)
@given(data=st.data(), n=st.integers(1, 20))
def test_jailed_is_inline_bit_for_bit(shared: JailedCalls, data: st.DataObject, n: int) -> None:
    shapes = {"position": (3, n), "goal": (3, n), "speed": (n,), "force": (8, n)}
    drawn = {k: data.draw(arrays(np.float64, s, elements=floats)).T for k, s in shapes.items()}
    names, pay = shared(drawn, n)
    assert names == ("near", "smooth", "there", "spread")
    assert pay.tobytes() == inline(drawn, n).tobytes()


def test_it_grows_and_shrinks_with_the_environments(calls: JailedCalls) -> None:
    for n in (4, 1024, 5000, 2, 4096):
        assert_array_equal(calls(values(n), n).pay, inline(values(n), n))


def test_the_pay_is_a_copy(calls: JailedCalls) -> None:
    first = calls(values(4), 4).pay
    kept = first.copy()
    calls(values(4, seed=1), 4)
    assert_array_equal(first, kept)


# ---- What goes wrong --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def compute_reward(speed):\n    return np.norm(speed), {}", "line 2, `return np.norm"),
        ("def compute_reward(speed):\n    return speed", r"must return \(total, parts\)"),
        ("x = 1 / 0\ndef compute_reward(speed): ...", "line 1, `x = 1 / 0`: ZeroDivisionError"),
        (
            "def compute_reward(speed):\n    raise ValueError('a\x1b[31m\\nb' * 9999)",
            "ValueError: a",
        ),
        ("def compute_reward(speed):\n    return np.zeros(1 << 40), {}", "MemoryError"),
        ("class E(Exception):\n  def __str__(s): raise s\ndef compute_reward(speed): raise E", "E"),
        ("def compute_reward(speed):\n    raise KeyboardInterrupt", "KeyboardInterrupt|ended"),
        ("import os\ndef compute_reward(speed): os._exit(3)", "ended its process on 2 env"),
        ("import os\nos._exit(3)\ndef compute_reward(speed): ...", "ended its process as it st"),
        ("import ctypes\ndef compute_reward(speed): ctypes.string_at(0)", "ended its process on"),
    ],
)
def test_a_program_that_fails_is_told_by_its_own_lines(source: str, message: str) -> None:
    with pytest.raises(RewardError, match=message) as failed:
        JailedCalls(source)({"speed": np.ones(2)}, 2)
    assert str(failed.value).isprintable()
    assert len(str(failed.value)) < 1500


def test_a_call_without_end_is_ended_and_the_next_one_starts_afresh(
    nothing_new: Callable[[], bool],
) -> None:
    with evil("while speed[0] > 1: pass", timeout_s=0.3) as calls:
        start = time.monotonic()
        with pytest.raises(RewardError, match=r"longer than 0.3 s on 1 environments"):
            calls({"speed": np.array([2.0])}, 1)
        assert time.monotonic() - start < 10
        assert nothing_new()
        assert calls({"speed": np.array([1.0])}, 1).pay[0] == 1.0


def test_an_interrupted_call_does_not_answer_the_next_one() -> None:
    class Interrupted(Exception):
        pass

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted

    body = "import time\nspeed = speed.copy()\ntime.sleep(0.5 * (speed[0] > 1))"
    with evil(body) as calls:
        calls({"speed": np.array([0.0])}, 1)
        before = signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(Interrupted):
            calls({"speed": np.array([2.0])}, 1)
        signal.signal(signal.SIGALRM, before)
        assert calls({"speed": np.array([1.0])}, 1).pay[0] == 1.0


def test_a_child_that_hangs_up_and_stays_does_not_hold_its_caller() -> None:
    body = "if speed[0] > 1:\n    os.closerange(0, 256)\n    while True: pass"
    with evil(body) as calls:
        start = time.monotonic()
        with pytest.raises(RewardError, match="ended its process on 1 environments: it closed"):
            calls({"speed": np.array([2.0])}, 1)
        assert time.monotonic() - start < 9
        assert calls({"speed": np.array([1.0])}, 1).pay[0] == 1.0


def test_a_child_that_dies_between_calls_is_replaced(nothing_new: Callable[[], bool]) -> None:
    calls = JailedCalls("def compute_reward(speed):\n    return speed, {}")
    before = set(descendants())
    calls({"speed": np.ones(1)}, 1)
    started = set(descendants()) - before
    for pid in started:
        os.kill(pid, signal.SIGKILL)
    assert soon(lambda: all_ended(started))
    assert calls({"speed": np.ones(1)}, 1).pay[0] == 1.0
    calls.close()
    assert nothing_new()


def test_what_is_printed_stops_nothing() -> None:
    with evil("print('x' * 1_000_000)") as calls:
        assert calls({"speed": np.ones(1)}, 1).pay[0] == 1.0


every_descriptor = """
for fd in range(3, 256):
    try:
        {}
    except OSError:
        pass
"""


@pytest.mark.parametrize(
    "does",
    [
        "os.ftruncate(fd, 0)",
        "os.ftruncate(fd, 1 << 40)",
        "os.write(fd, struct.pack('<ii', 0, 0))",
        "os.write(fd, struct.pack('<ii', 1, 1 << 30))",
        "os.write(fd, struct.pack('<ii', 1, -5))",
        "os.write(fd, struct.pack('<ii', 2, 1 << 30))",
        "os.write(fd, b'x')",
        "os.close(fd)",
    ],
)
def test_a_hostile_child_spoils_its_own_pay_only(does: str) -> None:
    """It may lie about the reward, which is its own, but not break or hang its caller."""
    with evil(every_descriptor.format(does), timeout_s=2.0) as calls:
        for _ in range(2):
            with contextlib.suppress(RewardError):
                names, pay = calls({"speed": np.ones(3)}, 3)
                assert pay.shape == (1 + len(names), 3)


# ---- Whose child it is ------------------------------------------------------------------


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))]
)
def test_a_copy_has_a_child_of_its_own(calls: JailedCalls, copied: object) -> None:
    calls(values(2), 2)
    other = copied(calls)  # type: ignore[operator]
    assert_array_equal(other(values(3), 3).pay, inline(values(3), 3))
    other.close()
    assert_array_equal(calls(values(2), 2).pay, inline(values(2), 2))


def in_a_fork(calls: JailedCalls, right: FloatArray) -> None:
    same = calls(values(2), 2).pay.tobytes() == right.tobytes()
    calls.close()
    os._exit(0 if same else 1)


def test_a_fork_has_a_child_of_its_own(calls: JailedCalls) -> None:
    right = calls(values(2), 2).pay
    fork = multiprocessing.get_context("fork").Process(target=in_a_fork, args=(calls, right))
    fork.start()
    for _ in range(50):
        assert_array_equal(calls(values(2), 2).pay, right)
    fork.join(30)
    assert fork.exitcode == 0
    assert_array_equal(calls(values(2), 2).pay, right)


def test_a_fork_closes_no_descriptor_that_is_not_the_worker_s(calls: JailedCalls) -> None:
    calls(values(2), 2)
    worker = calls._worker  # held, though closed
    calls.close()
    pipes = [os.pipe() for _ in range(8)]  # take over the numbers that became free
    if (fork := os.fork()) == 0:
        with contextlib.suppress(OSError):
            for descriptor in itertools.chain(*pipes):
                os.fstat(descriptor)
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == 0
    for descriptor in itertools.chain(*pipes):
        os.close(descriptor)
    del worker


def total(calls: JailedCalls, n: int) -> float:
    return float(calls(values(n), n).pay[0].sum())


def test_joblib_takes_it_along(calls: JailedCalls) -> None:
    calls(values(2), 2)
    paid = joblib.Parallel(n_jobs=2)(joblib.delayed(total)(calls, n) for n in (2, 3))
    assert paid == [float(inline(values(n), n)[0].sum()) for n in (2, 3)]


def test_nothing_is_left_after_close_or_the_last_reference(
    calls: JailedCalls, nothing_new: Callable[[], bool]
) -> None:
    calls(values(2), 2)
    calls.close()
    calls.close()
    other = JailedCalls(PROGRAM)
    other(values(2), 2)
    del other
    gc.collect()
    assert nothing_new()


def test_no_descriptor_is_left(calls: JailedCalls) -> None:
    def held() -> int:
        return len(os.listdir("/proc/self/fd"))

    calls(values(2), 2)
    calls.close()
    before = held()
    for _ in range(3):
        calls(values(2), 2)
        calls.close()
    assert held() == before


OWNER = """
import os, signal, sys, time
import numpy as np
from rewardsmith.llm_reward_design.jail.calls import JailedCalls
from rewardsmith.llm_reward_design.jail.census import descendants
calls = JailedCalls(
    "def compute_reward(speed):\\n    while speed[0] > 1: pass\\n    return speed, {}"
)
calls({"speed": np.ones(1)}, 1)
if "forked" in sys.argv[1] and os.fork() == 0:
    time.sleep(20)
print(*descendants(), flush=True)
if "busy" in sys.argv[1]:
    calls({"speed": np.full(1, 2.0)}, 1)
time.sleep(60)
"""


@pytest.mark.parametrize("state", ["idle", "busy", "forked", "forked and busy"])
def test_the_child_dies_with_its_owner_even_by_kill_9(state: str) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, state], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    pids = [int(word) for word in owner.stdout.readline().split()]
    jailed = [pid for pid in pids if b"warden" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(jailed) >= 2  # the warden and the child
    time.sleep(0.2)
    owner.kill()
    owner.wait()
    assert soon(lambda: all_ended(jailed))
    for pid in set(pids) - set(jailed):
        os.kill(pid, signal.SIGKILL)
