"""Jail: a whole training run behind the lock, against the same run in a plain process."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from protocol import Contest, Outcome, Race, Side, Skipped, Target

from rewardsmith.agents.configs import compose
from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design import jail
from rewardsmith.llm_reward_design.jail.places import environment
from rewardsmith.llm_reward_design.trials.trial import TRAIN, emptied

STEPS = {"key_door": 40_960, "reacher": 20_480}
QUICK_STEPS = 2_048
PROGRAMS = {
    "key_door": """
def compute_reward(agent, previous_agent, goal, success):
    near = np.linalg.norm(previous_agent - goal, axis=1) - np.linalg.norm(agent - goal, axis=1)
    return near + success, {"near": near, "success": 1.0 * success}
""",
    "reacher": """
def compute_reward(fingertip_to_target):
    near = -np.linalg.norm(fingertip_to_target, axis=1)
    return near, {"near": near}
""",
}
PLAIN = """
import functools, json, os, sys
from rewardsmith.llm_reward_design.trials import training
training.ProgramReward = functools.partial(training.ProgramReward, tier="inline")
print(json.dumps(training.train(json.load(sys.stdin))()), flush=True)
os._exit(0)  # as the jailed one ends
"""


def contests(quick: bool) -> Iterator[Contest | Skipped]:
    try:
        tier = jail.granted()
    except ConfigError as error:
        yield Skipped(str(error))
        return
    for task, steps in STEPS.items():
        folder = Path(tempfile.mkdtemp(prefix=f"jailed_training_{task}_"))
        payload = {
            "config": compose([f"env={task}", f"total_steps={QUICK_STEPS if quick else steps}"]),
            "source": PROGRAMS[task],
            "folder": str(folder),
            "points": 2,
        }
        yield Contest(
            f"{task}, tier {tier.name.lower()}",
            Side(partial(jailed, payload, folder, tier)),
            Side(partial(plain, payload, folder)),
            Target("cost", 1.05),
            clock=children_s,
        )


def jailed(payload: dict[str, Any], folder: Path, tier: jail.Tier) -> Outcome:
    with emptied(folder):
        ended = jail.run(TRAIN, payload, folder=folder, tier=tier)
    assert ended.how == "finished", ended.error
    return outcome(ended.value)


def plain(payload: dict[str, Any], folder: Path) -> Outcome:
    with emptied(folder):
        (folder / "tmp").mkdir()
        done = subprocess.run(
            [sys.executable, "-I", "-c", PLAIN],
            input=json.dumps(payload),
            env=environment(folder),
            capture_output=True,
            text=True,
            check=True,
        )
    return outcome(json.loads(done.stdout.splitlines()[-1]))


def outcome(value: dict[str, Any]) -> Outcome:
    return {"pay": [list(row["parts"].values()) for row in value["rows"]]}


def children_s() -> float:
    """CPU seconds of all ended child processes and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


RACE = Race(
    "Jail",
    "A training run in the jail",
    "PPO on a reward program, from the start of the interpreter to the last weights, behind the "
    "lock against the same in a plain process with the same environment variables. Timed is the "
    "CPU time of all processes that either side starts; what the parts of the reward paid at each "
    "milestone is equal to the last bit.",
    contests,
)
