"""`Brief`: what whoever writes a reward program is told, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rewardsmith.envs.card import EnvCard
from rewardsmith.llm_reward_design.program import RewardProgram


@dataclass(frozen=True)
class Reflection:
    """How training on one program went, as series over the same milestones.

    Attributes:
        steps: Environment steps at each milestone, ascending.
        parts: Mean pay per step of each part of the reward, by name, one value per milestone.
        score: The task's score, judged outside the jail, at each milestone.
        length: Mean episode length at each milestone.
    """

    steps: tuple[int, ...]
    parts: Mapping[str, tuple[float, ...]]
    score: tuple[float, ...]
    length: tuple[float, ...]


@dataclass(frozen=True)
class Shown:
    """A program that the writer is shown, and what became of it.

    Attributes:
        program: The program.
        score: Its fitness, None if it was never trained.
        reflection: How training on it went, if it was trained.
        error: Why it could not be trained, "" if it could.
        advice: What a person said of it, "" if nobody did.
    """

    program: RewardProgram
    score: float | None = None
    reflection: Reflection | None = None
    error: str = ""
    advice: str = ""


@dataclass(frozen=True)
class Brief:
    """What is asked for: a program for a task, new or after others.

    Attributes:
        card: The task.
        task: What is wanted, in the user's words.
        shown: Programs to start from, the first the one to improve or mend; empty asks for a
            new one.
        seed: Decides every draw of a writer that is no language model.
        widths: Columns of those inputs of which the card does not tell, by argument name.
    """

    card: EnvCard
    task: str
    shown: tuple[Shown, ...] = field(default=())
    seed: int = 0
    widths: Mapping[str, int] = field(default_factory=dict)
