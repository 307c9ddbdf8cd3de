"""What a text task's page shows: a conversation, and what its scripts are paid by each design."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rewardsmith.agents.configs import compose
from rewardsmith.agents.llm.pay import pay
from rewardsmith.agents.llm.replay import episode_of
from rewardsmith.envs.errors import RewardError
from rewardsmith.envs.text.batch import TextEnv, show
from rewardsmith.envs.text.dialogue import SCRIPTS
from rewardsmith.rewards import build_design
from rewardsmith.rewards.episode import Group

SHOWN_SEED = 7
PAID_SEEDS = range(40)
_LONGEST_LINE = 400


def conversation(env: TextEnv) -> str:
    """Returns the oracle's transcript of one task as a block of code."""
    dialogue = env.dialogue
    transcript = dialogue.play(dialogue.begin(SHOWN_SEED), dialogue.oracle)
    lines = [
        line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + " ..."
        for line in show(transcript).splitlines()
    ]
    return "\n".join(["```text", *lines, "```"])


def pay_of_scripts(env_name: str, env: TextEnv, designs: Sequence[str]) -> str:
    """Returns a table of what each script succeeds at and earns under each design."""
    dialogue = env.dialogue
    groups = []
    for seed in PAID_SEEDS:
        start = dialogue.begin(seed)
        played = [
            episode_of(dialogue.play(start, dialogue.script(name)), dialogue.budget)
            for name in SCRIPTS
        ]
        groups.append(Group(tuple(played), start.task.id))
    success = np.array([[episode.success for episode in group] for group in groups]).mean(axis=0)
    rows = [
        f"| design | {' | '.join(SCRIPTS)} |",
        "|---|" + "--:|" * len(SCRIPTS),
        "| *task: success* | " + " | ".join(f"{share:.2f}" for share in success) + " |",
    ]
    for name in designs:
        design = build_design(compose([f"env={env_name}", f"reward={name}"])["reward"])
        design.bind(env.card)
        try:
            rollouts = pay(design, groups).rollouts
        except RewardError:  # it reads the probabilities of a language model
            continue
        earned = np.where(rollouts.scored, rollouts.returns, np.nan).reshape(len(groups), -1)
        means = [float(np.nanmean(column)) for column in earned.T if not np.isnan(column).all()]
        if len(means) == len(SCRIPTS):
            rows.append(f"| `{name}` | " + " | ".join(f"{mean:.2f}" for mean in means) + " |")
    return "\n".join(rows)
