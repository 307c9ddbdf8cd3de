"""A reward program, compiled and run in the process that asks for it.

Untrusted programs are run here only behind the jail's lock.
"""

from __future__ import annotations

import ast
import re
import traceback
import warnings
from collections.abc import Mapping
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from rewardsmith.envs.errors import RewardError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.llm_reward_design.program import FUNCTION

MOST_PARTS = 32
"""How many parts a program may name."""

LONGEST_NAME = 64
"""Characters of a part's name."""

_FILE = "<reward program>"
PART_NAME = re.compile(rf"[A-Za-z]\w{{0,{LONGEST_NAME - 1}}}", re.ASCII)
"""What a part may be called."""

_LONGEST_MESSAGE, _LONGEST_LINE = 500, 120


class Paid(NamedTuple):
    """What a program answers for n environments.

    Attributes:
        names: Names of its k parts.
        pay: float64 (1 + k, n): the total, then the parts in the order of their names.
    """

    names: tuple[str, ...]
    pay: FloatArray


class Compiled:
    """A program as a function of arrays.

    Numpy's warnings are silenced: whether the pay is finite is checked where it arrives.

    Args:
        source: The program. `np` is at hand; annotations are never evaluated.

    Raises:
        RewardError: If it does not compile, fails before the function is called, or does not
            define it; names the line.

    Example:
        >>> compiled = Compiled('''def compute_reward(distance):
        ...     return -distance, {"near": -distance}''')
        >>> compiled({"distance": np.array([1.0, 2.0])}, 2)
        Paid(names=('near',), pay=array([[-1., -2.],
               [-1., -2.]]))
    """

    def __init__(self, source: str) -> None:
        self.source = source
        scope: dict[str, Any] = {"np": np, "__name__": "reward_program"}
        try:
            exec(_code(source), scope)
        except (Exception, SystemExit) as error:
            raise RewardError(f"the program fails at {explain(error, source)}") from None
        if not callable(scope.get(FUNCTION)):
            raise RewardError(f"the program must define the function {FUNCTION}")
        self._function = scope[FUNCTION]

    def __reduce__(self) -> tuple[type[Compiled], tuple[str]]:
        return type(self), (self.source,)

    def __call__(self, values: Mapping[str, FloatArray], n: int) -> Paid:
        """Runs the program on n environments.

        Args:
            values: The inputs by name, float64 (n,) or (n, k). The program may write to them.
            n: How many environments.

        Raises:
            RewardError: If the program fails, or answers something else than a total and
                named parts of shape (n,); names the part and the program's line.
        """
        try:
            with np.errstate(all="ignore"):
                answer = self._function(**values)
        except (Exception, SystemExit) as error:
            raise RewardError(f"the program fails at {explain(error, self.source)}") from None
        return self._checked(answer, n)

    def close(self) -> None:
        """Does nothing: there is nothing to free."""

    def _checked(self, answer: Any, n: int) -> Paid:
        if not (isinstance(answer, tuple | list) and len(answer) == 2):
            raise RewardError(f"{FUNCTION} must return (total, parts), got {_kind(answer)}")
        total, parts = answer
        if not isinstance(parts, Mapping):
            raise RewardError(f"{FUNCTION} must return its parts as a dict, got {_kind(parts)}")
        if len(parts) > MOST_PARTS:
            raise RewardError(f"{len(parts)} parts are too many; name at most {MOST_PARTS}")
        pay = np.empty((1 + len(parts), n))
        pay[0] = self._value("", total, n)
        for row, (name, value) in enumerate(parts.items(), start=1):
            if not (isinstance(name, str) and PART_NAME.fullmatch(name)):
                raise RewardError(
                    f"a part is called {str(name)[:LONGEST_NAME]!r}; names start with a letter "
                    f"and have at most {LONGEST_NAME} letters, digits and underscores"
                )
            pay[row] = self._value(name, value, n)
        return Paid(tuple(parts), pay)

    def _value(self, name: str, value: Any, n: int) -> np.ndarray:
        """Returns the pay called `name` (the total is called "") as a real array (n,)."""
        try:
            array = np.asarray(value)
        except ValueError:
            array = np.asarray(None)
        if array.dtype.kind not in "biuf":
            what = _kind(value) if array.ndim == 0 else f"an array of {array.dtype}"
            wrong = f"is {what}; it must be an array of real numbers"
        elif array.shape != (n,):
            wrong = f"has shape {array.shape}; it must be ({n},), one value per environment"
        else:
            return array
        raise RewardError(f"{f'part {place(name, self.source)}' if name else 'the total'} {wrong}")


def explain(error: BaseException, source: str) -> str:
    """Returns where a program failed and why, by its own lines.

    Example:
        >>> Compiled("y = x")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        rewardsmith.envs.errors.RewardError: the program fails at line 1, `y = x`: NameError: ...
    """
    if isinstance(error, SyntaxError) and error.filename == _FILE:
        line, why = error.lineno or 1, error.msg
    else:
        steps = traceback.walk_tb(error.__traceback__)
        lines = [at for frame, at in steps if frame.f_code.co_filename == _FILE]
        line, why = lines[-1] if lines else _line_of(source), _said(error)
    told = f"{type(error).__name__}: {why}" if why else type(error).__name__
    return f"line {line}{_quoted(source, line)}: {told[:_LONGEST_MESSAGE]}"


def _said(error: BaseException) -> str:
    """Returns the message of an error whose own `__str__` may fail."""
    try:
        return str(error)
    except Exception:
        return ""


def place(name: str, source: str) -> str:
    """Returns the quoted name of a part and, where it is to be seen, the line that names it."""
    line = max((_line_naming(name, node) for node in ast.walk(ast.parse(source))), default=0)
    return f"{name!r} (line {line}{_quoted(source, line)})" if line else repr(name)


def _line_naming(name: str, node: ast.AST) -> int:
    """Returns the line on which a node names a part, as a key or as an argument; 0 if not."""
    match node:
        case ast.Constant(value=str(value), lineno=line) if value == name:
            return line
        case ast.keyword(arg=value, lineno=line) if value == name:
            return line
    return 0


def _line_of(source: str) -> int:
    starts = (
        i for i, line in enumerate(source.split("\n"), 1) if line.startswith(f"def {FUNCTION}")
    )
    return next(starts, 1)


def _quoted(source: str, line: int) -> str:
    lines = source.split("\n")
    text = lines[line - 1].strip() if line <= len(lines) else ""
    return f", `{text[:_LONGEST_LINE]}`" if text else ""


def _kind(value: Any) -> str:
    name = type(value).__name__
    return f"{name} of {len(value)}" if isinstance(value, tuple | list) else name


def _code(source: str) -> CodeType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        code: CodeType = compile(source, _FILE, "exec", annotations.compiler_flag, True)
    return code
