"""`EnvCard`: what a task is, for people, for prompts and for reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import gymnasium as gym
import numpy as np

from rewardsmith.envs.errors import EnvError, unknown
from rewardsmith.envs.stateful import FloatArray

Oracle = Callable[[Any], np.ndarray]
"""A scripted policy: batched observations (n, ...) -> actions (n, ...)."""


@dataclass(frozen=True, slots=True)
class Field:
    """A named quantity inside an observation, an action or `info`.

    Attributes:
        name: How rewards and prompts refer to it.
        description: What it means, in one phrase.
        columns: Columns `[start, stop)` of the batched array; None takes all of it.
        key: The key of a dictionary observation that holds it.
        unit: Physical unit, "" for a pure number.
        low: Least value.
        high: Largest value.
    """

    name: str
    description: str
    columns: tuple[int, int] | None = None
    key: str | None = None
    unit: str = ""
    low: float = -np.inf
    high: float = np.inf

    def read(self, batch: Any) -> FloatArray:
        """Returns the quantity as float64 of shape (n, k) from a batch of n observations."""
        array = np.asarray(batch[self.key] if self.key is not None else batch)
        if array.ndim != 2:
            array = array.reshape(len(array), -1)
        if self.columns is not None:
            array = array[:, self.columns[0] : self.columns[1]]
        # Column by column: numpy is several times faster where the long axis comes last.
        return array.astype(np.float64, order="F", copy=False)


@dataclass(frozen=True, slots=True)
class EnvCard:
    """What a task is: its goal, its fields with units and ranges, and how success is told.

    Attributes:
        id: Gymnasium id.
        goal: The task in one sentence.
        observation: Fields of the observation.
        action: Fields of the action.
        facts: Fields of `info`, present at reset and at every step.
        success: What `info["success"]` means.
        score: What a policy is judged by: "success" (share of episodes that end having
            succeeded) or "return" (the environment's own undiscounted return).
        time_limit: Steps after which an episode is truncated; None if never.
        oracle: A scripted policy that solves the task, if there is one.
        human_design: The dense reward a person wrote for it, in one sentence, if any.
        source: Where the task comes from.

    Example:
        >>> card = EnvCard(
        ...     id="Line-v0", goal="Reach the right end.",
        ...     observation=(Field("position", "place on the line", (0, 1), low=0, high=1),))
        >>> card.field("position").read(np.array([[0.25, 7.0]]))
        array([[0.25]])
        >>> card.field("positon")
        Traceback (most recent call last):
        rewardsmith.envs.errors.ConfigError: unknown field 'positon' in Line-v0; \
did you mean 'position'? Known: position.
    """

    id: str
    goal: str
    observation: tuple[Field, ...] = ()
    action: tuple[Field, ...] = ()
    facts: tuple[Field, ...] = ()
    success: str = ""
    score: Literal["success", "return"] = "success"
    time_limit: int | None = None
    oracle: Oracle | None = None
    human_design: str = ""
    source: str = ""

    def is_fact(self, name: str) -> bool:
        """Tells whether `name` is read from `info` rather than from the observation."""
        return any(fact.name == name for fact in self.facts)

    def field(self, name: str) -> Field:
        """Returns the observation field or fact called `name`.

        Raises:
            ConfigError: If the card has none; the message lists the nearest names.
        """
        for field in (*self.observation, *self.facts):
            if field.name == name:
                return field
        raise unknown(
            "field", name, (f.name for f in (*self.observation, *self.facts)), where=self.id
        )

    @classmethod
    def of(cls, env: gym.Env[Any, Any] | gym.vector.VectorEnv[Any, Any, Any]) -> EnvCard:
        """Returns the card of `env`: its own if it has one, else one made by inspection."""
        if isinstance(env, gym.vector.VectorEnv):
            owner = env.unwrapped
            inner = getattr(owner, "envs", None)
            if inner:
                return cls.of(inner[0])
            card = getattr(owner, "card", None)
            return (
                card
                if isinstance(card, EnvCard)
                else inspect_spaces(
                    owner, owner.single_observation_space, owner.single_action_space
                )
            )
        if env.has_wrapper_attr("card"):
            card = env.get_wrapper_attr("card")
            if isinstance(card, EnvCard):
                return card
        return inspect_spaces(env, env.observation_space, env.action_space)

    def summary(self) -> dict[str, Any]:
        """Returns what a report says of the task, as plain data."""
        return {
            "id": self.id,
            "goal": self.goal,
            "success": self.success,
            "time_limit": self.time_limit,
            "human_design": self.human_design,
        }

    def describe(self) -> str:
        """Returns the card as a page of Markdown."""
        told = {
            "Success": self.success or "not told",
            "Judged by": self.score,
            "Episode limit": str(self.time_limit or "none"),
            "Human-written dense reward": self.human_design,
            "Source": self.source,
        }
        lines = [f"# {self.id}", "", self.goal, ""]
        lines += [f"- **{title}:** {text}" for title, text in told.items() if text]
        for title, fields in (
            ("Observation", self.observation),
            ("Action", self.action),
            ("Facts in `info`", self.facts),
        ):
            if fields:
                lines += [
                    "",
                    f"## {title}",
                    "",
                    "| name | meaning | unit | range |",
                    "|---|---|---|---|",
                ]
                lines += [
                    f"| `{f.name}` | {f.description} | {f.unit or '-'} | [{f.low:g}, {f.high:g}] |"
                    for f in fields
                ]
        return "\n".join(lines) + "\n"


def inspect_spaces(env: Any, observation: gym.Space[Any], action: gym.Space[Any]) -> EnvCard:
    """Builds a card from the spaces alone: one field per flat component or dictionary key."""
    spec = getattr(env, "spec", None)
    name = spec.id if spec is not None else type(getattr(env, "unwrapped", env)).__name__
    return EnvCard(
        id=name,
        goal="(no card: fields were read off the spaces)",
        observation=fields_of(observation, "observation"),
        action=fields_of(action, "action"),
        score="return",
        time_limit=spec.max_episode_steps if spec is not None else None,
    )


def fields_of(space: gym.Space[Any], prefix: str) -> tuple[Field, ...]:
    """Names the components of a space: `observation_0`, `observation_1`, or its keys."""
    if isinstance(space, gym.spaces.Dict):
        return tuple(Field(key, f"key {key!r} of the {prefix}", key=key) for key in space.spaces)
    if isinstance(space, gym.spaces.Box) and space.shape != ():
        low, high = space.low.ravel(), space.high.ravel()
        return tuple(
            Field(
                f"{prefix}_{i}",
                f"component {i} of the {prefix}",
                (i, i + 1),
                low=float(low[i]),
                high=float(high[i]),
            )
            for i in range(low.size)
        )
    if isinstance(space, gym.spaces.Discrete):
        low_, high_ = int(space.start), int(space.start + space.n - 1)
        return (Field(prefix, f"which of {space.n}", low=low_, high=high_),)
    return (Field(prefix, str(space)),)


def fact(info: Mapping[str, Any], name: str, n: int) -> FloatArray:
    """Reads fact `name` from vector-form `info` as float64 of shape (n, k).

    Rows without the fact (mask `_name` false) come out as NaN.

    Raises:
        EnvError: If `info` does not hold the fact at all.
    """
    if name not in info:
        held = ", ".join(sorted(k for k in info if not k.startswith("_"))) or "nothing"
        raise EnvError(f"info does not hold the fact {name!r} at this step; it holds {held}")
    array = np.asarray(info[name], dtype=np.float64).reshape(n, -1)
    mask = info.get(f"_{name}")
    if mask is None or np.count_nonzero(mask) == n:
        return array
    return np.where(np.asarray(mask)[:, None], array, np.nan)
