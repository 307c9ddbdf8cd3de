"""The lint: what it tells, where, and that it leaves sound programs alone."""

from __future__ import annotations

import numpy as np
import pytest
from equivalence import CARD

from rewardsmith.envs import EnvCard
from rewardsmith.llm_reward_design.extract import LONGEST_PROGRAM
from rewardsmith.llm_reward_design.lint import LINALG, NUMPY, Finding, lint

SOUND = '''\
"""Nearer is better."""
from __future__ import annotations
from typing import Dict, Tuple
import math

import numpy as np
from numpy.linalg import norm

SCALE = 2.0

def squash(x: np.ndarray, temperature: float = 0.5) -> np.ndarray:
    return np.exp(-x / temperature) * math.pi

def compute_reward(position, target, previous_height, *, height) -> Tuple[np.ndarray, Dict]:
    apart = norm(position - target, axis=1) + np.linalg.norm(position, axis=-1)
    parts = {"near": squash(apart), "rise": np.clip(height - previous_height, -1.0, np.inf)}
    for name in list(parts):
        parts[name] = parts[name].astype(np.float64) * SCALE
    _ = "{:.2f}".format(SCALE) + f"{SCALE}"
    _ = np.sum(position, 1) + np.sum([height, height], axis=0) + position.max(axis=1)
    _ = height * np.max([1.0, 2.0]) + np.linalg.norm(target, 1, 1) + target.mean(1)
    return sum(parts.values()), parts
'''


@pytest.mark.parametrize("card", [None, CARD])
def test_a_sound_program_has_no_findings(card: EnvCard | None) -> None:
    assert lint(SOUND, card) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("import os", "import os: only numpy and math can be imported"),
        ("import numpy.ctypeslib", "import numpy.ctypeslib: only numpy and math"),
        ("from . import x", "from . import: only"),
        ("from subprocess import run", "from subprocess import: only"),
        ("from numpy import fromfile", "from numpy import fromfile: not at hand"),
        ("from numpy import *", "from numpy import *: not at hand"),
        ("x = np.load('f')", "np.load: not at hand"),
        ("x = np.lib.format.open_memmap('f')", "np.lib: not at hand"),
        ("x = np.ctypeslib.load_library('c', '/')", "np.ctypeslib: not at hand"),
        ("x = np.norm(height)", "np.norm: write np.linalg.norm"),
        ("x = np.linalg.lapack_lite", "np.linalg.lapack_lite: not at hand"),
        ("x = np.aranje(3)", "np.aranje: not at hand; did you mean np.arange?"),
        ("x = np.random.rand(3)", "np.random: a reward must be equal for equal steps"),
        ("import numpy as n; x = n.save", "n.save: not at hand"),
        ("import numpy.linalg as la; x = la.nrm(height)", "la.nrm: not at hand; did you mean np.l"),
        ("x = [np]", "np is used as a value"),
        ("x = eval('1')", "eval is not for reward programs"),
        ("x = open('f')", "open is not for reward programs"),
        ("x = __import__('os')", "__import__ is not for reward programs"),
        ("x = getattr(np, 'load')", "getattr is not for reward programs"),
        ("x = __builtins__", "__builtins__ is not for reward programs"),
        ("print(height)", "print is not for reward programs"),
        ("x = ().__class__.__base__", ".__class__ reaches into the interpreter"),
        ("x = (i for i in height).gi_frame", ".gi_frame reaches into the interpreter"),
        ("x = height.f_globals", ".f_globals reaches into the interpreter"),
        ("height.tofile('f')", ".tofile reaches into the interpreter"),
        ("x = height.format(1)", "format only plain text"),
        ("x = '{0.__class__}'.format(height)", "format only plain text"),
        ("x = np.linalg.norm(height)", "norm without an axis mixes the environments"),
        ("x = np.linalg.norm(height, 2)", "norm without an axis mixes the environments"),
        ("x = np.mean(height)", "mean without an axis mixes the environments"),
        ("x = height.max()", "max without an axis mixes the environments"),
        ("while True: pass", "the loop has no end of its own"),
        ("while 1: pass", "the loop has no end of its own"),
        ("global x", "keeps nothing between calls"),
        ("class A: pass", "no classes"),
        ("@staticmethod\n    def f(): pass", "no decorators"),
        ("async def f(): pass", "without async"),
    ],
)
def test_a_finding_tells_the_line_and_the_mend(line: str, message: str) -> None:
    found = lint(f"def compute_reward(height):\n    {line}\n    return height, {{}}\n")
    assert any(message in f.message for f in found), found
    assert {f.line for f in found} <= {2, 3}


@pytest.mark.parametrize(
    ("source", "finding"),
    [
        ("x = (", Finding(1, "does not parse: '(' was never closed")),
        ("x = 1\n", Finding(1, "the program must define compute_reward once, found 0")),
        ("x" * (LONGEST_PROGRAM + 1), Finding(1, "65,537 characters; write at most 65,536")),
    ],
)
def test_what_is_no_program_has_one_finding(source: str, finding: Finding) -> None:
    assert lint(source) == [finding]


@pytest.mark.parametrize("source", ["\0", "-" * 60_000 + "1", "x" + ".x" * 30_000, "(" * 999])
def test_nothing_that_does_not_parse_breaks_the_lint(source: str) -> None:
    assert "does not parse" in lint(source)[0].message


def test_unknown_inputs_are_found_with_the_nearest() -> None:
    found = lint("\ndef compute_reward(postion, original_reward):\n    return 0, {}\n", CARD)
    assert found[0].line == 2
    assert "unknown input 'postion'" in found[0].message
    assert "did you mean 'position'" in found[0].message


def test_what_a_person_s_dense_reward_pays_is_withheld() -> None:
    found = lint("def compute_reward(original_reward):\n    return original_reward, {}\n", CARD)
    assert "unknown input 'original_reward'" in found[0].message


def test_findings_come_in_the_order_of_lines_and_once() -> None:
    found = lint("import os\n\ndef compute_reward(x):\n    return eval('1') + eval('2'), {}\n")
    assert [f.line for f in found] == [1, 4]
    assert str(found[0]) == "line 1: import os: only numpy and math can be imported"


def test_the_lists_name_what_numpy_has() -> None:
    assert {name for name in NUMPY if not hasattr(np, name)} <= {"astype", "atan2", "pow", "matvec"}
    assert all(hasattr(np.linalg, name) for name in LINALG)
    dangerous = "load save fromfile genfromtxt memmap ctypeslib f2py lib core testing random"
    assert NUMPY.isdisjoint(dangerous.split())
