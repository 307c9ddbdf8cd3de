"""Unit tests in the jail: what passes, what fails and why, and what could not be run."""

from __future__ import annotations

import re

import pytest

from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.jail.limits import Limits
from rewardsmith.llm_reward_design.unit_tests import run_tests

CODE = """\
def fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a if n != 7 else -1
"""
TESTS = """\
import unittest
from program import fibonacci as f

def test_start():
    assert [f(n) for n in range(5)] == [0, 1, 1, 2, 3]

def test_seven():
    assert fibonacci(7) == 13

def test_text():
    fibonacci("7")

class TestMore(unittest.TestCase):
    def setUp(self):
        self.n = 10

    def test_ten(self):
        self.assertEqual(f(self.n), 55)

    def test_eleven(self):
        self.assertEqual(f(11), 90)

    @unittest.skip("later")
    def test_skipped(self):
        ...
"""


def test_passes_and_failures_are_told_apart_with_reasons() -> None:
    tested = run_tests(CODE, TESTS)
    assert tested.error == ""
    assert tested.passed == ("test_start", "TestMore.test_ten")
    assert "assert fibonacci(7) == 13" in tested.failed["test_seven"]
    assert "line 3, in fibonacci" in tested.failed["test_text"]
    assert "89 != 90" in tested.failed["TestMore.test_eleven"]
    assert tested.failed["TestMore.test_skipped"] == "later"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("def f(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("while True: pass", "out_of_time"),
        ("x = bytearray(1 << 40)", "out_of_memory"),
        ("import os; os._exit(0)", "error|killed"),
    ],
)
def test_what_cannot_be_run_is_an_error_and_no_failure(code: str, error: str) -> None:
    limits = Limits(wall_s=3.0, cpu_s=1.0, memory_bytes=1 << 30)
    tested = run_tests(code, "def test_any(): pass", limits=limits)
    assert tested.passed == ()
    assert not tested.failed
    assert re.search(error, tested.error)


@pytest.mark.parametrize(
    "code", ["import socket; socket.create_connection(('127.0.0.1', 9))", "open('/etc/passwd')"]
)
def test_the_code_is_jailed(code: str) -> None:
    tested = run_tests(f"def harm():\n    {code}", "def test_harm(): harm()")
    assert tested.passed == ()
    assert re.search("PermissionError|No such file", tested.failed["test_harm"])


def test_code_cannot_invent_or_hide_tests() -> None:
    """The names are read off the tests, outside the jail."""
    code = "import sys, atexit\ndef test_made_up(): pass\n"
    tested = run_tests(code, "def test_real(): assert False")
    assert tested.passed == ()
    assert list(tested.failed) == ["test_real"]


@pytest.mark.parametrize(
    ("tests", "message"), [("def test_(", "do not parse"), ("x = 1", "hold no")]
)
def test_tests_without_tests_are_refused(tests: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run_tests(CODE, tests)
