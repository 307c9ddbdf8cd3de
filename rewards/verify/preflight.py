"""`preflight`: what a verifier must get right on a task before anything is trained on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rewardsmith.envs.text.dialogue import Dialogue
from rewardsmith.envs.text.message import parse, write
from rewardsmith.rewards.verify.outcome import Failed, Outcome, Scored
from rewardsmith.rewards.verify.verifier import Verifier

FULL = 1.0 - 1e-9


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a verifier got wrong.

    Attributes:
        check: "gold", "empty", "echo", "hack" or "repeat".
        task: Id of the task.
        outcome: What the verifier said.
    """

    check: str
    task: str
    outcome: Outcome

    def __str__(self) -> str:
        return f"{self.check} on {self.task[:60]!r}: {self.outcome}"


def preflight(verifier: Verifier, dialogue: Dialogue, seeds: Iterable[int]) -> list[Finding]:
    """Returns what a verifier gets wrong on the tasks that `seeds` draw.

    Gold, the oracle's transcript, must get full marks, unless the verifier prices effort. If it
    judges content, an empty message, the question as its own answer and the hacker's transcript
    must get less. Two calls on one transcript must agree. An abstention is never wrong.
    """
    findings: list[Finding] = []
    for seed in seeds:
        start = dialogue.begin(seed)
        tried = {
            "gold": dialogue.play(start, dialogue.oracle),
            "empty": dialogue.reply(start, parse("")),
            "echo": dialogue.reply(start, parse(write(answer=start.task.prompt))),
            "hack": dialogue.play(start, dialogue.hacker),
        }
        for check, transcript in tried.items():
            outcome = verifier(transcript)
            if _wrong(verifier, check, outcome):
                findings.append(Finding(check, start.task.id, outcome))
            again = verifier(transcript)
            if again != outcome:
                findings.append(Finding("repeat", start.task.id, again))
    return findings


def _wrong(verifier: Verifier, check: str, outcome: Outcome) -> bool:
    if isinstance(outcome, Failed):
        return True
    if not isinstance(outcome, Scored):
        return False
    if check == "gold":
        return outcome.value < FULL and not verifier.prices_effort
    return verifier.judges_content and outcome.value >= FULL
