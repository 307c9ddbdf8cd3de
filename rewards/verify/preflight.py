"""`preflight`: what a verifier must get right on a task before anything is trained on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.text.dialogue import Dialogue
from rewardsmith.envs.text.message import parse, write
from rewardsmith.rewards.design import RewardDesign
from rewardsmith.rewards.verify.outcome import Abstained, Failed, Outcome, Scored
from rewardsmith.rewards.verify.verifier import Verified, Verifier

FULL = 1.0 - 1e-9

TASKS = 8
"""Tasks that a design's verifiers are tried on."""

_TRIED = {
    "gold": "the oracle's transcript",
    "empty": "an empty message",
    "echo": "the question as its own answer",
    "hack": "the hacker's transcript",
    "repeat": "a transcript that it judged otherwise a moment ago",
}
_LESS = (
    "what is wrong must get less; mend it, or set judges_content=False if it judges form or cost"
)
_MENDS = {
    "gold": "what is right must get 1; mend it, or set prices_effort=True if effort has its price",
    "empty": _LESS,
    "echo": _LESS,
    "hack": _LESS,
    "repeat": "equal transcripts must get equal scores; leave chance and memory out of it",
}


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


def check_verifiers(design: RewardDesign, dialogue: Dialogue) -> None:
    """Sends every verifier of a design, nested ones included, through `preflight`.

    Raises:
        ConfigError: Telling the first finding and its mend; or that a verifier abstains from
            all tasks tried, so that it would teach nothing.
    """
    golds = [dialogue.play(dialogue.begin(seed), dialogue.oracle) for seed in range(TASKS)]
    for name, verifier in _verifiers(design):
        who = f"{type(verifier).__name__}, the verifier of the reward's term {name!r},"
        for finding in preflight(verifier, dialogue, range(TASKS)):
            mend = (
                "mend its error" if isinstance(finding.outcome, Failed) else _MENDS[finding.check]
            )
            raise ConfigError(
                f"{who} {_verdict(finding.outcome)} {_TRIED[finding.check]}, on the task "
                f"{finding.task[:60]!r}; {mend}"
            )
        outcomes = [verifier(gold) for gold in golds]
        if all(isinstance(outcome, Abstained) for outcome in outcomes):
            raise ConfigError(
                f"{who} {_verdict(outcomes[0])} all of {TASKS} tasks, the first one "
                f"{golds[0].task.id[:60]!r}; take a verifier that can judge this environment"
            )


def _verifiers(design: RewardDesign) -> Iterator[tuple[str, Verifier]]:
    """Yields the verifiers that a design pays by, nested ones included, by their terms' names."""
    for name, term in design.terms.items():
        if isinstance(term, Verified):
            yield name, term.verifier
        elif isinstance(term, RewardDesign):
            yield from ((f"{name}/{inner}", verifier) for inner, verifier in _verifiers(term))


def _verdict(outcome: Outcome) -> str:
    match outcome:
        case Scored(value):
            return f"gives {value:g} to"
        case Abstained(reason):
            return f"abstains ({reason}) from judging"
        case Failed(error):
            return f"fails ({error}) on"


def _wrong(verifier: Verifier, check: str, outcome: Outcome) -> bool:
    if isinstance(outcome, Failed):
        return True
    if not isinstance(outcome, Scored):
        return False
    if check == "gold":
        return outcome.value < FULL and not verifier.prices_effort
    return verifier.judges_content and outcome.value >= FULL
