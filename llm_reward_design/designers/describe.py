"""A task in words: what a reward program may ask for, its rules, and how training went."""

from __future__ import annotations

import keyword
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import gymnasium as gym

from rewardsmith.envs.card import EnvCard, Field, fact
from rewardsmith.llm_reward_design.brief import Brief, Reflection
from rewardsmith.llm_reward_design.program import FUNCTION, PREVIOUS, Input, inputs
from rewardsmith.llm_reward_design.prompts import prompt
from rewardsmith.llm_reward_design.reflection import interval, statistics_table
from rewardsmith.rewards.transition import Batch

_SCORES = {
    "success": "the share of episodes that end with the task solved, between 0 and 1",
    "return": "the mean of what the environment itself pays in an episode",
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """One line of what a program may ask for.

    Attributes:
        name: The argument's name.
        group: Whether the agent observes it, only the task knows it, or it is what the agent did.
        shape: Its shape, in words.
        unit: Its unit, "" for a pure number.
        limits: Its range, in words.
        meaning: What it is.
    """

    name: str
    group: Literal["observation", "fact", "action"]
    shape: str
    unit: str
    limits: str
    meaning: str


def quantities(card: EnvCard, widths: Mapping[str, int] = MappingProxyType({})) -> list[Quantity]:
    """Returns what a program may ask for: observation, facts, action, without `previous_` twins.

    Names that cannot be arguments of a Python function are left out.

    Args:
        card: The task.
        widths: Columns of inputs whose field does not tell.
    """
    found = [
        _quantity(one, widths.get(name))
        for name, one in inputs(card).items()
        if one.place != "before" and name.isidentifier() and not keyword.iskeyword(name)
    ]
    order = ("observation", "fact", "action")
    return sorted(found, key=lambda quantity: order.index(quantity.group))


def _quantity(one: Input, width: int | None) -> Quantity:
    group: Literal["observation", "fact", "action"]
    group = "action" if one.place == "action" else "fact" if one.is_fact else "observation"
    field = one.field
    return Quantity(
        one.name, group, shape(one, width), field.unit, limits(field), field.description
    )


def shape(one: Input, width: int | None = None) -> str:
    """Returns the shape of an input in words; a fact of unknown width is taken for a number."""
    if one.field.columns is not None:
        width = one.field.columns[1] - one.field.columns[0]
    if width is None:
        return "(n,)" if one.is_fact else "(n,) or (n, k)"
    return "(n,)" if width == 1 else f"(n, {width})"


def widths(card: EnvCard, task: gym.vector.VectorEnv[Any, Any, Any]) -> dict[str, int]:
    """Returns the columns of fields whose card does not tell, by resetting a task and looking.

    Raises:
        EnvError: If `info` lacks a fact of the card.
    """
    observation, info = task.reset(seed=0)
    acted = _widths(card.action, task.action_space.sample())
    facts = {field.name: fact(info, field.name, task.num_envs).shape[1] for field in card.facts}
    return acted | facts | _widths(card.observation, observation)


def _widths(fields: Iterable[Field], batch: Batch) -> dict[str, int]:
    return {field.name: field.read(batch).shape[1] for field in fields if field.columns is None}


def limits(field: Field) -> str:
    """Returns the range of a field in words.

    Example:
        >>> limits(Field("x", "", low=0.0)), limits(Field("x", "", low=-1.0, high=1.0))
        ('>= 0', '-1 to 1')
    """
    low, high = field.low, field.high
    if math.isinf(low) and math.isinf(high):
        return "any"
    if math.isinf(high):
        return f">= {low:g}"
    return f"<= {high:g}" if math.isinf(low) else f"{low:g} to {high:g}"


def signature(card: EnvCard) -> str:
    """Returns the first line of a function over some of a task's inputs, as an example."""
    known = quantities(card)
    state = [q.name for q in known if q.group != "action"][:1]
    acted = [q.name for q in known if q.group == "action"][:1]
    return f"def {FUNCTION}({', '.join([*state, *(PREVIOUS + name for name in state), *acted])}):"


def table(lines: Iterable[Quantity]) -> str:
    """Returns quantities as a Markdown table."""
    head = ["| name | shape | unit | range | meaning |", "|---|---|---|---|---|"]
    rows = [
        f"| `{q.name}` | {q.shape} | {q.unit or '-'} | {q.limits} | {q.meaning} |" for q in lines
    ]
    return "\n".join([*head, *rows])


def circumstances(brief: Brief) -> str:
    """Returns what else is known of a task: what solves it, what judges it, when it ends."""
    card = brief.card
    told = [] if brief.task == card.goal else [f"It was made for this goal: {card.goal}"]
    if card.success:
        told.append(f"What counts as solved: {card.success}")
    told.append(f"The agent is judged by {_SCORES[card.score]}.")
    if card.time_limit is not None:
        told.append(f"An episode is cut off after {card.time_limit} steps.")
    return " ".join(told)


def environment(brief: Brief) -> str:
    """Returns the description of a task and of all inputs."""
    known = quantities(brief.card, brief.widths)
    return prompt(
        "environment",
        id=brief.card.id,
        facts=circumstances(brief),
        state=table(q for q in known if q.group != "action"),
        action=table(q for q in known if q.group == "action"),
    )


def contract(card: EnvCard) -> str:
    """Returns the rules that a reward program for a task has to keep to."""
    return prompt("contract", signature=signature(card))


def statistics(card: EnvCard, reflection: Reflection) -> str:
    """Returns how training on a reward went, with an explanation of the figures."""
    count = len(reflection.steps)
    return prompt(
        "statistics",
        milestones=str(count),
        every=str(interval(count)),
        steps=f"{reflection.steps[-1]:,}",
        score=_SCORES[card.score],
        table=statistics_table(reflection),
    )
