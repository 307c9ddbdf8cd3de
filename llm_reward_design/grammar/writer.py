"""`OfflineWriter`: reward programs by search over a grammar, with no language model."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace

import numpy as np

from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.brief import Brief, Shown
from rewardsmith.llm_reward_design.client import Completion, Request
from rewardsmith.llm_reward_design.grammar.parts import Design
from rewardsmith.llm_reward_design.grammar.reading import Reading
from rewardsmith.llm_reward_design.grammar.revision import revised
from rewardsmith.llm_reward_design.grammar.sampling import fresh
from rewardsmith.llm_reward_design.grammar.source import read, write
from rewardsmith.llm_reward_design.program import PREVIOUS

_BLAMED = 2
"""More names than this in an error are a listing rather than the culprits."""


class OfflineWriter:
    """Writes reward programs by search over a typed grammar of the card's fields.

    It stands where a language model would, reads the brief in place of the messages, and is
    an honest baseline: it knows no task, only what a card says of its fields and what became
    of the programs it is shown. A first round samples designs around the most expected one;
    later rounds mutate, cross and revise. The answer depends on the brief's seed, the
    programs shown and the sample's index alone.

    Example:
        >>> from rewardsmith.envs import EnvCard, Field
        >>> card = EnvCard("Line-v0", "Reach the goal.", observation=(
        ...     Field("agent", "place of the agent", (0, 1), low=0, high=9),
        ...     Field("goal", "place of the goal", (1, 2), low=0, high=9)))
        >>> text = OfflineWriter().complete(Request((), Brief(card, ""))).text
        >>> print(next(line for line in text.splitlines() if "progress = " in line))
            agent_to_goal_progress = 1.0 * (previous_agent_to_goal_distance - \
agent_to_goal_distance) / 9.0
    """

    name = "offline"
    is_language_model = False

    def complete(self, request: Request) -> Completion:
        """Answers with one program in a fence.

        Raises:
            ConfigError: If the task has no numeric field that a program can read.
        """
        brief = request.brief
        reading = read_brief(brief)
        design = _design(brief, reading, request.sample)
        said = "No language model wrote this: it was searched over the fields of the task's card."
        return Completion(f"{said}\n\n```python\n{write(design, reading)}```\n")

    def close(self) -> None:
        """Holds nothing."""


def read_brief(brief: Brief) -> Reading:
    """Returns the task as read in the light of the programs shown.

    Fields that foreign programs use are favoured; fields that an error speaks of are left
    alone while others remain.

    Raises:
        ConfigError: If the task has no numeric field that a program can read.
    """
    told = " ".join((brief.task, *(shown.advice for shown in brief.shown)))
    card = _with_widths(brief)
    plain = Reading(card, told)
    foreign = [shown for shown in brief.shown if read(shown.program.source, plain) is None]
    favoured = frozenset().union(*(_fields(shown) for shown in foreign if not shown.error))
    banned = frozenset().union(*(_blamed(shown, plain) for shown in brief.shown if shown.error))
    try:
        return Reading(card, told, favoured & set(plain.states), banned)
    except ConfigError:
        return Reading(card, told, favoured & set(plain.states))


def _with_widths(brief: Brief) -> EnvCard:
    """Returns the card with the columns of those fields whose width is known from looking."""

    def told(fields: tuple[Field, ...]) -> tuple[Field, ...]:
        return tuple(
            replace(f, columns=(0, brief.widths[f.name]))
            if f.columns is None and f.name in brief.widths
            else f
            for f in fields
        )

    card = brief.card
    return replace(
        card,
        observation=told(card.observation),
        action=told(card.action),
        facts=told(card.facts),
    )


def _design(brief: Brief, reading: Reading, sample: int) -> Design:
    seed = [brief.seed, [shown.program.id for shown in brief.shown], sample, brief.card.id]
    digest = hashlib.sha256(json.dumps(seed).encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    tried = [
        (design, shown.reflection)
        for shown in brief.shown
        if not shown.error and (design := read(shown.program.source, reading)) is not None
    ]
    if not tried:
        return fresh(reading, sample if not brief.shown else sample + 1, rng)
    return revised([design for design, _ in tried], tried[0][1], reading, sample, rng)


def _fields(shown: Shown) -> frozenset[str]:
    """Returns the fields that a program asks for."""
    try:
        asked = shown.program.arguments()
    except ConfigError:
        return frozenset()
    return frozenset(name.removeprefix(PREVIOUS) for name in asked)


def _blamed(shown: Shown, reading: Reading) -> frozenset[str]:
    """Returns the fields that an error speaks of, if they are few."""
    said = set(re.findall(r"\w+", shown.error))
    named = frozenset(name for name in (*reading.states, *reading.forces) if name in said)
    return named if len(named) <= _BLAMED else frozenset()
