"""Unit tests against code that a model wrote, both run behind the lock."""

from __future__ import annotations

import ast
import linecache
import sys
import tempfile
import types
import unittest
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.jail.limits import Limits
from rewardsmith.llm_reward_design.jail.running import run
from rewardsmith.llm_reward_design.jail.tier import Tier

MODULE = "program"
"""What the code is called where tests import it."""

LIMITS = Limits(wall_s=30.0, cpu_s=30.0, memory_bytes=1 << 30, processes=4, file_bytes=1 << 20)
"""What tests may use by default."""

_FILE = "<tests of the program>"
_LONGEST_WHY = 2000


@dataclass(frozen=True)
class Tested:
    """How the tests went.

    Attributes:
        passed: Names of the tests that passed, methods as "Class.test_name".
        failed: Why the others did not, by name.
        error: Why the tests could not be run to their end, "" if they were: time or memory ran
            out, or the code or the tests do not import. No test has passed then, and none failed.
    """

    passed: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    error: str = ""


def run_tests(
    code: str, tests: str, *, limits: Limits = LIMITS, tier: Tier | None = None
) -> Tested:
    """Runs a file of unit tests against code, in the jail.

    The tests find the code as the module `program`, its names also without an import, and are
    functions `test_...` or methods of a `unittest.TestCase`.

    The jail keeps the code from harming this machine, but not from meddling with the tests,
    which run in its process: what passes here was not proven against code that means to cheat.

    Args:
        code: Untrusted.
        tests: The tests; which there are is read off this text, whatever the code says.
        limits: What code and tests may use together.
        tier: The strength of the jail; None for the strongest there is.

    Raises:
        ConfigError: If the tests do not parse or hold no test, or this machine does not grant
            the tier.

    Example:
        >>> tested = run_tests(
        ...     "def double(x): return x + x if x else 1",
        ...     "def test_two(): assert double(2) == 4",
        ... )
        >>> tested
        Tested(passed=('test_two',), failed={}, error='')
    """
    names = _names(tests)
    payload = {"code": code, "tests": tests, "names": names}
    with tempfile.TemporaryDirectory() as folder:
        ended = run(f"{__name__}:prepare", payload, folder=Path(folder), limits=limits, tier=tier)
    if ended.how != "finished":
        return Tested(error=f"{ended.how}: {ended.error}")
    told = ended.value if isinstance(ended.value, dict) else {}
    why = {name: told.get(name, "it told nothing of this test") for name in names}
    passed = tuple(name for name in names if why[name] == "")
    return Tested(passed, {n: str(why[n])[-_LONGEST_WHY:] for n in names if n not in passed})


def prepare(payload: Mapping[str, Any]) -> Callable[[], dict[str, str]]:
    """Entry: answers why each test failed, "" if it passed.

    Args:
        payload: `code`, `tests`, and `names` of the tests.
    """

    def work() -> dict[str, str]:
        module = types.ModuleType(MODULE)
        sys.modules[MODULE] = module
        _execute(payload["code"], f"<{MODULE}>", module.__dict__)
        scope = {**module.__dict__, "__name__": "tests"}
        _execute(payload["tests"], _FILE, scope)
        return {name: _why_failed(_case(scope, name)) for name in payload["names"]}

    return work


def _names(tests: str) -> list[str]:
    """Returns the names of the tests in a file."""
    try:
        tree = ast.parse(tests)
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"the tests do not parse: {error}") from None
    names = _functions(tree.body)
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            names += [f"{node.name}.{name}" for name in _functions(node.body)]
    if not names:
        raise ConfigError("the tests hold no function or method whose name starts with test_")
    return names


def _functions(body: list[ast.stmt]) -> list[str]:
    functions = (node.name for node in body if isinstance(node, ast.FunctionDef))
    return [name for name in functions if name.startswith("test_")]


def _execute(source: str, file: str, scope: dict[str, Any]) -> None:
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    exec(compile(source, file, "exec", dont_inherit=True), scope)


def _case(scope: Mapping[str, Any], name: str) -> unittest.TestCase:
    owner, _, method = name.rpartition(".")
    if owner:
        case: unittest.TestCase = scope[owner](method)
        return case
    return unittest.FunctionTestCase(scope[name])


def _why_failed(case: unittest.TestCase) -> str:
    result = unittest.TestResult()
    case.run(result)
    trouble = [*result.failures, *result.errors, *result.skipped]
    return trouble[0][1] or "it failed without a word" if trouble else ""
