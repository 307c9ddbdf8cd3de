"""The final answer as mathematics: equal to the right one, however it is written."""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import os
import select
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import Any, ClassVar

from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.text.message import write
from rewardsmith.envs.text.transcript import TextTask, Transcript
from rewardsmith.rewards.verify.examples import spoken
from rewardsmith.rewards.verify.outcome import Abstained, Failed, Outcome, Scored
from rewardsmith.rewards.verify.verifier import Fixture, Verifier

LONGEST = 1_000
"""Characters of an answer that are compared."""


class _Worker:
    """One process of `symbolic_worker`, started when first asked and again after it was stopped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        atexit.register(self.stop)

    def ask(self, question: dict[str, str], timeout_s: float) -> dict[str, Any]:
        """Returns the reply to a question; a process that does not give one is stopped."""
        with self._lock:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(question).encode() + b"\n")
            if select.select([process.stdout], [], [], timeout_s)[0]:
                if line := process.stdout.readline():
                    reply: dict[str, Any] = json.loads(line)
                    return reply
                self.stop()
                return {"error": "math-verify ended without a verdict"}
            self.stop()
            return {"error": f"no verdict within {timeout_s:g} s"}

    def _running(self) -> subprocess.Popen[bytes]:
        if self._owner != os.getpid():  # a fork must not read its parent's replies
            self._process, self._owner = None, os.getpid()
        if self._process is None or self._process.poll() is not None:
            command = [sys.executable, "-P", "-m", "rewardsmith.rewards.verify.symbolic_worker"]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
            )
        return self._process

    def stop(self) -> None:
        """Ends the process, if there is one."""
        if self._process is not None and self._owner == os.getpid():
            self._process.kill()
            self._process.communicate()
            self._process = None


_WORKER = _Worker()


@dataclass
class SymbolicMatch(Verifier):
    r"""1 if the answer equals the right one as mathematics, by math-verify; else 0.

    LaTeX and plain expressions are read: \frac{1}{2}, 0.5 and 1/2 are equal, so are x + y and
    y + x, and 48 + 17 and 65: where working it out is the task, use `NumericMatch`.

    It runs in a process of its own, so that it works in any thread and a comparison without end
    can be stopped; that is `Failed`, not a score of 0. Abstains where the right answer cannot be
    read as mathematics.

    Needs the extra `text`. Source: github.com/huggingface/Math-Verify.

    Args:
        timeout_s: Seconds until a verdict is given up; the first one includes the start of the
            process.

    Raises:
        ConfigError: If math-verify is not installed, or the time is not positive.
    """

    timeout_s: float = 30.0

    process: ClassVar[_Worker] = _WORKER

    def __post_init__(self) -> None:
        if importlib.util.find_spec("math_verify") is None:
            raise ConfigError(
                "SymbolicMatch needs the package math-verify; install it with "
                "pip install 'rewardsmith[text]'"
            )
        if not self.timeout_s > 0:
            raise ConfigError(f"SymbolicMatch.timeout_s must be positive, got {self.timeout_s}")

    def score(self, transcript: Transcript) -> Outcome:
        """Returns whether they are equal; 0 without an answer, or with an overlong one."""
        said = (transcript.answer or "").strip()
        if not said or len(said) > LONGEST:
            return Scored(0.0, reason="no answer" if not said else "an overlong answer")
        question = {"gold": transcript.task.answer, "said": said}
        reply = self.process.ask(question, self.timeout_s)
        if "error" in reply:
            return Failed(reply["error"])
        if reply["equal"] is None:
            return Abstained(f"the right answer is no maths: {transcript.task.answer[:80]!r}")
        return Scored(float(reply["equal"]))

    def fixtures(self) -> list[Fixture]:
        """Returns examples around one half."""
        half, unknown = TextTask("half", "?", "\\frac{1}{2}"), TextTask("why", "Why?", "")
        return [
            Fixture("full", spoken(half, write(answer="1/2")), 1.0),
            Fixture("full", spoken(half, write(answer="$0.5$")), 1.0),
            Fixture("zero", spoken(half, write(answer="1/3")), 0.0),
            Fixture("partial", spoken(half, write(answer="x + 1/2")), 0.0),
            Fixture("malformed", spoken(half, write(answer="\\frac{1}{")), 0.0),
            Fixture("malformed", spoken(half, "<answer>1/2"), 0.0),
            Fixture("abstain", spoken(unknown, write(answer="1/2")), None),
        ]
