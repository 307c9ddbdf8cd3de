"""The jail: what is granted, and what ends how."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from jail_cases import LIMITS, REWARD, ended, held, in_every_tier, program

from rewardsmith.envs import ConfigError
from rewardsmith.llm_reward_design.jail import (
    Child,
    Limits,
    Tier,
    granted,
    landlock,
    run,
    selftest,
)
from rewardsmith.llm_reward_design.jail.selftest import missing

# What is granted


@held
def test_a_tier_that_is_got_out_of_is_not_granted(monkeypatch: pytest.MonkeyPatch) -> None:
    missing.cache_clear()
    monkeypatch.setattr(selftest, "Child", lambda *a, tier, **k: Child(*a, tier=Tier.PROCESS, **k))
    try:
        with pytest.raises(ConfigError, match="got out by: read_a_file"):
            granted(Tier.LOCKED)
    finally:
        missing.cache_clear()


@pytest.mark.parametrize(
    ("where", "name", "value", "said"),
    [
        (landlock, "version", lambda: 0, "the kernel offers no Landlock"),
        (platform, "machine", lambda: "riscv64", "system calls of riscv64"),
        (sys, "platform", "darwin", "neither Landlock nor seccomp"),
    ],
)
def test_what_is_missing_is_named(
    where: object, name: str, value: object, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing.cache_clear()
    selftest._warn.cache_clear()
    monkeypatch.setattr(where, name, value)
    try:
        for tier in (Tier.LOCKED, Tier.NAMESPACED):
            with pytest.raises(ConfigError, match=f"tier {tier.name.lower()} .*{said}"):
                granted(tier)
        with pytest.warns(UserWarning, match="no security boundary"):
            assert granted() == Tier.PROCESS
    finally:
        missing.cache_clear()


def test_what_a_person_asks_for_is_granted() -> None:
    assert granted(Tier.INLINE) == Tier.INLINE
    assert granted(Tier.PROCESS) == Tier.PROCESS
    assert Tier.INLINE < Tier.PROCESS < Tier.LOCKED < Tier.NAMESPACED
    assert [tier.is_boundary for tier in Tier] == [False, False, True, True]


@held
def test_the_self_test_is_quick() -> None:
    missing.cache_clear()
    started = time.monotonic()
    assert granted() >= Tier.LOCKED
    assert time.monotonic() - started < 10.0  # some 0.3 s on a machine at rest
    started = time.monotonic()
    granted()
    assert time.monotonic() - started < 0.01


@held
def test_a_kernel_that_can_hold_a_program_does() -> None:
    assert missing(Tier.LOCKED) == ""
    assert "got out" not in missing(Tier.NAMESPACED)


# How things end

FILES = "for n in range(10**6): open(str(n), 'wb').write(bytes(1 << 16))"
THREADS = """
import threading, time
for _ in range(10): threading.Thread(target=time.sleep, args=(60,)).start()
time.sleep(60)
"""


@in_every_tier
def test_work_is_answered_alike_in_every_tier(tier: Tier, tmp_path: Path) -> None:
    came = ended("return -x, {'half': x / 2}", tmp_path / "run", tier)
    assert (came.how, came.value, came.error) == ("finished", {"half": [0.5] * 4}, "")
    assert came.tier == tier


@in_every_tier
def test_errors_are_told_in_the_programs_own_lines(tier: Tier, tmp_path: Path) -> None:
    came = ended("y = x + 1\nreturn np.dot(y, np.ones(5)), {}", tmp_path / "run", tier)
    assert came.how == "error"
    assert came.error.splitlines() == [
        "Traceback (most recent call last):",
        '  File "<program>", line 3, in compute_reward',
        "    return np.dot(y, np.ones(5)), {}",
        "           ^^^^^^^^^^^^^^^^^^^^^",
        "ValueError: shapes (4,) and (5,) not aligned: 4 (dim 0) != 5 (dim 0)",
    ]


@in_every_tier
@pytest.mark.parametrize(
    ("body", "limits", "how", "said"),
    [
        ("import time\ntime.sleep(60)", {"wall_s": 0.8}, "out_of_time", "longer than 0.8 s"),
        ("while True: pass", {"cpu_s": 1.0}, "out_of_time", "more than 1 s of processor time"),
        ("np.ones(1 << 28).sum()", {}, "out_of_memory", "Unable to allocate 2.00 GiB"),
        ("open('x', 'wb').write(bytes(1 << 24))", {"file_bytes": 1 << 20}, "error", "too large"),
        (FILES, {"file_bytes": 1 << 20}, "flooded", "more than 1048576 bytes into its folder"),
        (THREADS, {"processes": 8}, "killed", "more than 8 processes and threads"),
        ("import os\nos.abort()", {}, "killed", "killed by SIG"),
        ("while True: print('x' * 10000)", {}, "flooded", "printed without end"),
    ],
)
def test_limits_end_what_exceeds_them(
    body: str, limits: dict[str, float], how: str, said: str, tier: Tier, tmp_path: Path
) -> None:
    if tier == Tier.INLINE:
        pytest.skip("inline has no limits")
    came = ended(body, tmp_path / "run", tier, Limits(**{**asdict(LIMITS), **limits}))
    assert came.how == how, came
    assert said in came.error
    assert came.value is None


@pytest.mark.parametrize("name", ["wall_s", "cpu_s", "memory_bytes", "processes", "output_bytes"])
def test_limits_are_above_0(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"limit {name} must be above 0, got 0"):
        ended("return x, {}", tmp_path / "run", limits=replace(LIMITS, **{name: 0}))


def test_output_is_kept_from_its_end_and_cleaned(tmp_path: Path) -> None:
    body = "print('a' * 100 + '\\x1b[2Jend')\nreturn x, {}"
    came = ended(body, tmp_path / "run", limits=replace(LIMITS, output_bytes=10))
    assert came.output == "aa?[2Jend\n"


def test_a_large_payload_passes(tmp_path: Path) -> None:
    came = ended(f"return x, {{'a': x + len({'y' * (1 << 20)!r})}}", tmp_path / "run")
    assert came.value == {"a": [1.0 + (1 << 20)] * 4}


@pytest.mark.parametrize("entry", ["no.such.module:f", f"{REWARD.partition(':')[0]}:no_function"])
def test_failures_before_the_lock_are_told_in_full(entry: str, tmp_path: Path) -> None:
    came = run(entry, None, folder=tmp_path / "run", tier=Tier.PROCESS)
    assert came.how == "error"
    assert came.error.startswith("before the lock: Traceback")


@held
def test_threads_before_the_lock_are_refused(tmp_path: Path) -> None:
    entry = "faulthandler:dump_traceback_later"  # starts a thread and returns
    came = run(entry, 60, folder=tmp_path / "run", tier=Tier.LOCKED)
    assert "2 threads run before the lock" in came.error


# Children and their callers


def test_a_child_inherits_what_it_is_given_and_can_be_ended(tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    body = f"import os, time\nos.write({theirs}, b'hello')\ntime.sleep(60)"
    child = Child(
        REWARD,
        program(body),
        folder=tmp_path / "run",
        limits=LIMITS,
        tier=Tier.PROCESS,
        inherit=(theirs,),
    )
    os.close(theirs)
    with child:
        assert os.getsid(child._process.pid) != os.getsid(0)
        started = time.monotonic()
        assert child.pump(30.0, ours) is None
        assert time.monotonic() - started < 10.0
        assert os.read(ours, 10) == b"hello"
        assert child.pump(0.05) is None
    last = child.pump(0.0)
    assert last is not None
    assert last.error == "ended by its caller"
    os.close(ours)


def test_a_child_ends_with_its_caller(tmp_path: Path) -> None:
    """A caller killed outright leaves nothing behind."""
    folder = tmp_path / "run"
    source = program("import time\nprint('up', flush=True)\ntime.sleep(60)")
    script = f"""
import os
from pathlib import Path
from rewardsmith.llm_reward_design.jail import Child, Limits, Tier
child = Child({REWARD!r}, {source!r},
              folder=Path({str(folder)!r}), limits=Limits(), tier=Tier.PROCESS)
while not child._heard.output:
    child.pump(0.1)
os.kill(os.getpid(), 9)
"""
    ran = subprocess.run([sys.executable, "-c", script], timeout=60, check=False)
    assert ran.returncode == -9
    until = time.monotonic() + 10.0
    while (left := list(working_in(folder))) and time.monotonic() < until:
        time.sleep(0.05)
    assert not left


def working_in(folder: Path) -> Iterator[str]:
    """Yields the processes whose working folder is `folder`."""
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if os.readlink(link) == str(folder):
                yield link.parent.name
        except OSError:
            continue


def test_callers_in_threads_do_not_meet(tmp_path: Path) -> None:
    came: dict[int, object] = {}

    def work(number: int) -> None:
        body = f"return x, {{'a': x * {number}}}"
        came[number] = ended(body, tmp_path / str(number)).value

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert came == {number: {"a": [float(number)] * 4} for number in range(3)}
