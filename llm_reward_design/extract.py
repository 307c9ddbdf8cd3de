"""From what a language model answered to the source of the program in it."""

from __future__ import annotations

import ast
import re
import textwrap
from dataclasses import dataclass

from rewardsmith.envs.errors import RewardsmithError
from rewardsmith.llm_reward_design.program import FUNCTION

LONGEST_ANSWER = 10_000_000
"""Characters of an answer that are looked at; a longer one is refused."""

LONGEST_PROGRAM = 65_536
"""Characters of a program; a longer one is refused."""

_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})[^`]*")
_STATEMENT = re.compile(r"import \w|from [\w.]+ import |(async )?def \w|@\w|[A-Za-z_]\w* *=[^=]")
_CONTINUED = re.compile(r"[ \t]|[)\]}#]|$")
_LISTED = 5


class ExtractError(RewardsmithError):
    """An answer without a usable program; the message can be sent back to who wrote it."""


@dataclass(frozen=True, slots=True)
class _Code:
    """Code found in an answer, and whether the fence around it was closed."""

    text: str
    closed: bool = True

    def parse(self) -> ast.Module:
        """Returns the syntax tree; raises ExtractError if there is none."""
        if len(self.text) > LONGEST_PROGRAM:
            raise ExtractError(
                f"the code is {len(self.text):,} characters long; write at most {LONGEST_PROGRAM:,}"
            )
        try:
            return ast.parse(self.text)
        except SyntaxError as error:
            line = (error.text or "").strip()[:120]
            said = f"line {error.lineno}: {error.msg}" + (f" in `{line}`" if line else "")
        except (ValueError, RecursionError, MemoryError) as error:
            said = str(error) or "it is nested too deeply"
        cut = "" if self.closed else "; its fence is never closed: was the answer cut off?"
        raise ExtractError(f"the code does not parse: {said}{cut}")


def extract(answer: str, function: str = FUNCTION) -> str:
    """Returns the source of the program in an answer, without its fence and common indent.

    Of several fenced blocks (``` or ~~~, with or without a language) it is the last one that
    parses and defines `function` at its top level: answers correct themselves downwards.
    Without such a block it is the code outside the fences: the whole text, or the statements
    that stand in the prose by themselves. Takes time linear in the answer's length.

    Args:
        answer: What was answered, at most `LONGEST_ANSWER` characters.
        function: The function that the program must define.

    Raises:
        ExtractError: If no program is found; says what was found instead, and what is expected.

    Example:
        >>> print(extract('''Go nearer:
        ... ```python
        ... def compute_reward(distance):
        ...     return -distance, {"near": -distance}
        ... ```
        ... Call it as `compute_reward(distance)`.'''), end="")
        def compute_reward(distance):
            return -distance, {"near": -distance}
    """
    if len(answer) > LONGEST_ANSWER:
        raise ExtractError(
            f"the answer is {len(answer):,} characters long; at most {LONGEST_ANSWER:,} are read"
        )
    blocks, prose = _split(answer)
    whole = _tidy(prose)
    found = [*reversed(blocks), whole, _tidy(_statements(prose))]
    failed: ExtractError | None = None
    for code in found:
        if f"def {function}" in code.text:
            try:
                if function in _functions(code.parse().body):
                    return code.text
            except ExtractError as error:
                if code is not whole:  # which is mostly prose, and need not be code
                    failed = failed or error
    raise failed or _nothing(found, function)


def _split(answer: str) -> tuple[list[_Code], list[str]]:
    """Returns the fenced blocks, and the lines outside of them."""
    blocks, prose, inside, marks = [], [], list[str](), ""
    for line in answer.removeprefix("\ufeff").replace("\r\n", "\n").split("\n"):
        if not marks:
            if fence := _FENCE.fullmatch(line):
                marks, inside = fence[1], []
            else:
                prose.append(line)
        elif line.rstrip().endswith(marks):  # on a line of its own, or right behind the code
            inside.append(line.rstrip().rstrip(marks[0]))
            blocks.append(_tidy(inside))
            marks = ""
        else:
            inside.append(line)
    if marks:
        blocks.append(_tidy(inside, closed=False))
    return blocks, prose


def _tidy(lines: list[str], *, closed: bool = True) -> _Code:
    """Joins lines, without their common indent, trailing blanks and tabs in the margin.

    Without these a program can be written to YAML as a block that people can read.
    """
    text = textwrap.dedent("\n".join(map(_tidied, lines)))
    return _Code(text.strip("\n") + "\n", closed)


def _tidied(line: str) -> str:
    body = line.strip()
    return line[: len(line) - len(line.lstrip())].expandtabs() + body if body else ""


def _statements(prose: list[str]) -> list[str]:
    """Returns the lines that start a statement at the margin, and those that carry it on."""
    kept, inside = [], False
    for line in prose:
        inside = bool(_STATEMENT.match(line) or (inside and _CONTINUED.match(line)))
        if inside:
            kept.append(line)
    return kept


def _functions(body: list[ast.stmt]) -> list[str]:
    return [node.name for node in body if isinstance(node, ast.FunctionDef)]


def _nothing(found: list[_Code], function: str) -> ExtractError:
    """Says what the code defines instead of `function`."""
    names: dict[str, None] = {}
    methods: dict[str, None] = {}
    for code in found:
        try:
            tree = code.parse() if "def " in code.text else ast.Module([], [])
        except ExtractError:
            continue
        names |= dict.fromkeys(_functions(tree.body))
        classes = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
        methods |= dict.fromkeys(f"{c.name}.{n}" for c in classes for n in _functions(c.body))
    if f".{function}" in "".join(methods):
        method = next(name for name in methods if name.endswith(f".{function}"))
        return ExtractError(
            f"the code defines the method {method}; define the function {function} "
            "at the top level, without a class and without self"
        )
    if names or methods:
        listed = ", ".join([*names, *methods][:_LISTED])
        return ExtractError(f"the code defines {listed} but not {function}; name it {function}")
    return ExtractError(
        "the answer holds no code that defines a function; write the whole program in one block "
        f"fenced by ```python and ```, and define {function} in it"
    )
