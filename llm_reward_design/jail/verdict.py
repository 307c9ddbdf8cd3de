"""From what was heard of a jailed process to how it ended; nothing heard is trusted."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass, field
from typing import Any

from rewardsmith.llm_reward_design.jail.answer import BadAnswer, decode
from rewardsmith.llm_reward_design.jail.limits import Ended, How, Limits
from rewardsmith.llm_reward_design.jail.tier import Tier

_LONGEST_ERROR = 8000
_SHOWN = 2000
_CONTROL = re.compile("[^\\t\\n\\x20-\\x7e\\xa0-\\U0010ffff]")


@dataclass
class Heard:
    """What came out of a jailed process.

    Attributes:
        output: The end of what it printed.
        answer: What came over the pipe for the answer.
        status: How the warden says it ended, such as "exit 0".
        stopped: Why its caller ended it, "" if it did not.
        wall_s: How long it took, in seconds.
    """

    output: bytearray = field(default_factory=bytearray)
    answer: bytearray = field(default_factory=bytearray)
    status: bytearray = field(default_factory=bytearray)
    stopped: str = ""
    wall_s: float = 0.0


def verdict(heard: Heard, limits: Limits, tier: Tier) -> Ended:
    """Returns how it ended."""
    output = plain(bytes(heard.output))
    how, value, error = _judge(heard, limits, output)
    return Ended(how, value, error[:_LONGEST_ERROR], output, heard.wall_s, tier)


def plain(data: bytes) -> str:
    r"""Returns text fit for a terminal: control characters, which move its cursor, are replaced.

    Example:
        >>> plain(b"a\x1b[2Jb\n")
        'a?[2Jb\n'
    """
    return _CONTROL.sub("?", data.decode("utf-8", "replace"))


def _judge(heard: Heard, limits: Limits, output: str) -> tuple[How, Any, str]:
    status, _, detail = heard.status.decode("utf-8", "replace").partition(" ")
    if heard.stopped == "out_of_time":
        return "out_of_time", None, f"took longer than {limits.wall_s:g} s"
    if heard.stopped == "flooded":
        return "flooded", None, "printed without end"
    if heard.stopped:
        return "error", None, heard.stopped
    if status == "out_of_time":
        return "out_of_time", None, f"took more than {limits.cpu_s:g} s of processor time"
    if status == "flooded":
        return "flooded", None, f"wrote more than {limits.file_bytes} bytes into its folder"
    if status == "crowded":
        return "killed", None, f"ran more than {limits.processes} processes and threads"
    if status == "refused":
        return "error", None, f"the jail could not be built: {detail}"
    if status == "signal":
        return "killed", None, f"killed by {_signal(detail)}{_printed(output)}"
    if status != "exit":
        return "killed", None, f"killed together with its warden{_printed(output)}"
    if not heard.answer:
        return "error", None, f"ended without an answer (exit status {detail}){_printed(output)}"
    return _answer(bytes(heard.answer))


def _answer(data: bytes) -> tuple[How, Any, str]:
    try:
        told = decode(data)
    except BadAnswer as error:
        return "error", None, f"the answer is unusable: {plain(str(error).encode())}"
    if isinstance(told, dict) and set(told) == {"value"}:
        return "finished", told["value"], ""
    said = told.get("error") if isinstance(told, dict) else None
    if not isinstance(said, str):
        return "error", None, "the answer is unusable: neither a value nor an error"
    how: How = "out_of_memory" if told.get("out_of_memory") is True else "error"
    return how, None, plain(said.encode())


def _signal(number: str) -> str:
    try:
        return signal.Signals(int(number)).name
    except ValueError:
        return f"signal {number}"


def _printed(output: str) -> str:
    tail = output[-_SHOWN:].strip()
    return f"; it printed: {tail}" if tail else ""
