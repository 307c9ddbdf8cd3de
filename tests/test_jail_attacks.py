"""Programs that attack: each is tried in the jail, and the range must be as it was before."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from attacks import ATTACKS, VERDICT, Attack
from jail_cases import held, namespaced
from jail_range import LIMITS, Range, shooting_range, survivors

from rewardsmith.llm_reward_design import jail
from rewardsmith.llm_reward_design.jail import Tier
from rewardsmith.llm_reward_design.lint import lint

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the range is Linux's")
WITHOUT_A_BOUNDARY = {
    "open": "file leaked",
    "np.fromfile": "file leaked",
    "machine code": "signal 10 arrived",
    "write a file": "written changed",
    "change a mode": "secret changed",
    "a link left for the caller": "left was left behind",
    "tcp": "tcp was reached",
    "tcp over IPv6": "tcp6 was reached",
    "udp": "udp was reached",
    "a UNIX socket": "unix was reached",
    "an abstract UNIX socket": "abstract was reached",
    "signal the caller": "signal 10 arrived",
}
AS_ROOT = {"the caller's memory": "memory leaked", "the caller's environment": "environment leaked"}
REACHING_OUT = ("processes", "network", "kernel", "native")


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Range]:
    with shooting_range(tmp_path) as there:
        yield there


def name_of(attack: Attack) -> str:
    return f"{attack.kind}-{attack.name}"


@held
@pytest.mark.parametrize("attack", ATTACKS, ids=name_of)
def test_attacks_do_no_harm_when_locked(attack: Attack, there: Range) -> None:
    ended = there.attack(attack, Tier.LOCKED)
    assert not there.harm(ended), (attack.name, ended)
    assert ended.tier == Tier.LOCKED
    assert not attack.ends or ended.how in attack.ends, ended


@namespaced
@pytest.mark.parametrize("attack", [a for a in ATTACKS if a.kind in REACHING_OUT], ids=name_of)
def test_attacks_do_no_harm_in_namespaces(attack: Attack, there: Range) -> None:
    ended = there.attack(attack, Tier.NAMESPACED)
    assert not there.harm(ended), (attack.name, ended)


def test_the_lint_flags_whatever_reaches_out() -> None:
    texts = dict.fromkeys(("SECRET", "OUTSIDE", "UNIX", "ABSTRACT", "KEY"), "x")
    numbers = dict.fromkeys(("PARENT", "ADDRESS", "TCP4", "TCP6", "UDP"), 1)
    passed = [attack for attack in ATTACKS if not lint(attack.source({**texts, **numbers}))]
    assert {attack.kind for attack in passed} <= {"exhaustion", "answers", "bombs"}
    assert len(passed) < len(ATTACKS) / 10


@pytest.mark.parametrize("name", [*WITHOUT_A_BOUNDARY, *AS_ROOT])
def test_the_range_notices_what_gets_out(name: str, there: Range) -> None:
    if name in AS_ROOT and os.geteuid() != 0:
        pytest.skip("reading another process needs root on many systems")
    if name == "machine code" and platform.machine() != "x86_64":
        pytest.skip("the code is x86's")
    if name == "tcp over IPv6" and "tcp6" not in there.listeners:
        pytest.skip("this machine has no IPv6")
    (attack,) = [attack for attack in ATTACKS if attack.name == name]
    ended = there.attack(attack, Tier.PROCESS)
    expected = {**WITHOUT_A_BOUNDARY, **AS_ROOT}[name]
    assert expected in there.harm(ended), ended


def test_the_range_notices_what_survives(there: Range) -> None:
    orphan = "import subprocess; subprocess.Popen(['sleep', '60'], start_new_session=True)"
    subprocess.run([sys.executable, "-I", "-c", orphan], check=True)
    ended = there.attack(Attack("nothing", "none", "pass"), Tier.PROCESS)
    assert len(survivors(there.children)) == 1
    assert any("survived" in harm for harm in there.harm(ended))


@pytest.mark.parametrize("name", ["os.fork", "a daemon", "subprocess in a session of its own"])
def test_even_without_a_boundary_nothing_survives(name: str, there: Range) -> None:
    (attack,) = [attack for attack in ATTACKS if attack.name == name]
    assert there.attack(attack, Tier.PROCESS).how == "finished"
    assert not survivors(there.children)


@held
@pytest.mark.parametrize("attack", VERDICT, ids=name_of)
def test_what_a_program_forges_stays_in_its_process(attack: Attack, there: Range) -> None:
    import numpy as np

    before = (np.mean, np.asarray, jail.Child, jail.run)
    there.attack(attack, Tier.LOCKED)
    assert before == (np.mean, np.asarray, jail.Child, jail.run)


@held
def test_a_flood_costs_the_caller_no_memory(there: Range) -> None:
    (attack,) = [attack for attack in ATTACKS if attack.name == "print without end"]
    started = time.monotonic()
    ended = there.attack(attack, Tier.LOCKED, replace(LIMITS, output_bytes=100))
    assert ended.how == "flooded"
    assert len(ended.output) == 100
    assert set(ended.output) <= {"x", "\n"}
    assert time.monotonic() - started < 10.0
