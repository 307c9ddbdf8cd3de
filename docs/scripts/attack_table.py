"""Tries every attack of tests/attacks in the jail and prints what stops it, as a page.

    python docs/scripts/attack_table.py > docs/concepts/attacks.md

Each attack is shown to the lint, and run in the tier `locked` as if there were no lint. Landlock
refuses with EACCES, the filter of system calls with EPERM or ENOSYS, so a program's error tells
which of the two it met first.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from attacks import ATTACKS, Attack
from jail_range import shooting_range

from rewardsmith.llm_reward_design.jail import Ended, Tier
from rewardsmith.llm_reward_design.lint import lint

HEAD = """\
# Attacks on the jail

Every line is a test: a reward program that tries to get out, to be heard outside, to outlive its
run, to use the machine up or to forge what is handed back. It is shown to the lint, and run in
the tier `locked` as if there were no lint, beside listeners, a secret file and a secret in memory;
afterwards nothing may have leaked, changed, been reached or survived. The layer named is the one
the program met first. [Reward programs](reward-programs.md) tells what the layers are.
"""

_BY_ERROR = {
    r"\[Errno 13\]|unable to open": "Landlock",
    r"\[Errno (1|38)\]|refused|SIGSYS|pty devices|name resolution|sendto|http": "seccomp",
    r"raise maximum limit|\[Errno (24|27)\]|start new thread|recursion depth": "limits",
    r"the answer|an answer": "the form of answers",
}
_BY_END = {
    "out_of_time": "limits",
    "out_of_memory": "limits",
    "flooded": "limits",
    "killed": "its process ends",
}


def stopped_by(attack: Attack, ended: Ended) -> str:
    """Returns what an attack that did no harm was stopped by."""
    if "processes and threads" in ended.error:
        return "limits"
    for pattern, layer in _BY_ERROR.items():
        if re.search(pattern, ended.error):
            return layer
    if ended.how in _BY_END:
        return _BY_END[ended.how]
    if attack.kind == "answers" or ended.how == "error":
        return "told as an error" if ended.how == "error" else "an answer like any other"
    return "nothing to take, and its process ends with the answer"


def main() -> None:
    """Prints the table and, below it, how often each layer was the one."""
    rows, layers, flagged, harmful = [], Counter[str](), 0, 0
    for attack in ATTACKS:
        with tempfile.TemporaryDirectory() as place, shooting_range(Path(place)) as there:
            found = lint(attack.source(there.aims))
            ended = there.attack(attack, Tier.LOCKED)
            harm = there.harm(ended)
        layer = f"**{'; '.join(harm)}**" if harm else stopped_by(attack, ended)
        flagged, harmful = flagged + bool(found), harmful + bool(harm)
        layers[layer] += 1
        rows.append(f"| {attack.kind} | {attack.name} | {'lint' if found else '-'} | {layer} |")
    print(HEAD)
    print(f"{len(ATTACKS)} attacks: the lint flags {flagged}; {harmful} did harm with no lint.\n")
    print("| stopped by, with no lint | attacks |\n|---|--:|")
    for layer, count in layers.most_common():
        print(f"| {layer} | {count} |")
    print("\n| family | attack | lint | stopped by, with no lint |\n|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
