"""Reward programs that attack whoever runs them.

Each is the body of `compute_reward(x)`, or a whole program where it says so itself; what it
steals it puts into `stolen`, whose text comes back as the name of a part. Capital words are
replaced by what the attack aims at: SECRET, a file; OUTSIDE, a folder; PARENT, a process id;
ADDRESS, where a word lies in that process; TCP4, TCP6 and UDP, ports of this machine; UNIX, a
socket's path; ABSTRACT, a socket's name; KEY, the name of an environment variable.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass

from attacks import answers, bombs, exhaustion, files, imports, kernel, native, network, processes

BOMBS = ("out_of_time", "out_of_memory", "killed", "flooded", "error")


@dataclass(frozen=True)
class Attack:
    """One attack.

    Attributes:
        name: What it does.
        kind: Which family it is of.
        body: Its text.
        ends: How it may end in a jail; anything if empty.
    """

    name: str
    kind: str
    body: str
    ends: tuple[str, ...] = ()

    def source(self, aims: dict[str, object]) -> str:
        """Returns the program, aimed."""
        body = textwrap.dedent(self.body).strip("\n")
        words = re.compile(rf"(?<![\w.])({'|'.join(aims)})\b")
        body = words.sub(lambda match: f"({aims[match[1]]!r})", body)
        if "def compute_reward" in body:
            return body + "\n"
        return (
            'def compute_reward(x):\n    stolen = ""\n'
            + textwrap.indent(body, "    ")
            + "\n    return -x, {str(stolen): -x}\n"
        )


def _family(kind: str, texts: dict[str, str], ends: tuple[str, ...] = ()) -> list[Attack]:
    return [Attack(name, kind, body, ends) for name, body in texts.items()]


ATTACKS = [
    *_family("imports", imports.TEXTS),
    *_family("files", files.TEXTS),
    *_family("native", native.TEXTS),
    *_family("processes", processes.TEXTS),
    *_family("network", network.TEXTS),
    *_family("kernel", kernel.TEXTS),
    *_family("exhaustion", exhaustion.TEXTS, BOMBS),
    *_family("bombs", bombs.TEXTS),
    *_family("answers", answers.TEXTS),
]
"""All attacks. Those of "bombs" that change modules are of use against verdicts too."""

VERDICT = [attack for attack in ATTACKS if attack.name.startswith("forge ")]
"""Attacks on what a run reports of itself: none may change a verdict taken elsewhere."""
