"""What went wrong in a jailed program, told in the program's own lines."""

from __future__ import annotations

import re
import traceback

LONGEST = 4000
"""Most characters of a description."""

_PROGRAM = re.compile(r"<[a-z ]*program>")
_OURS = re.compile(r"^rewardsmith\.[\w.]+\.(?=\w+(:|$))", re.MULTILINE)
_PATH = re.compile(r"(?<![\w.])/(?:[\w.@+-]+/)+([\w.@+-]+)")


def describe(error: BaseException) -> str:
    r"""Returns an error as Python prints it, without frames and paths that are not the program's.

    The error is untrusted: whatever its methods do, text comes back.

    Example:
        >>> from rewardsmith.llm_reward_design.jail.source import execute
        >>> try:
        ...     execute("x = 1\ny = x / 0")
        ... except ZeroDivisionError as error:
        ...     print(describe(error))
        Traceback (most recent call last):
          File "<program>", line 2, in <module>
            y = x / 0
                ~~^~~
        ZeroDivisionError: division by zero
    """
    try:
        told = traceback.TracebackException.from_exception(error, max_group_depth=4)
        _keep_program(told)
        text = "".join(told.format()).rstrip()
    except BaseException:
        return "the program failed with an error that cannot be shown"
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]}\n...\n{text[-LONGEST // 2 :]}"
    text = _OURS.sub("", _PATH.sub(r".../\1", text))
    return text.encode("utf-8", "backslashreplace").decode()


def _keep_program(told: traceback.TracebackException) -> None:
    frames = [frame for frame in told.stack if _PROGRAM.fullmatch(frame.filename)]
    told.stack = traceback.StackSummary.from_list(frames)
    for below in (told.__cause__, told.__context__, *(told.exceptions or ())):
        if below is not None:
            _keep_program(below)
