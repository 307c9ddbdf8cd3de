"""How training went, in words: the table of statistics, and the end of an error's trace."""

from __future__ import annotations

from collections.abc import Sequence

from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.brief import Reflection

TASK_SCORE = "task_score"
"""What the task's own score is called."""

LENGTH = "episode_length"
"""What the mean length of episodes is called."""

ERROR_CHARACTERS = 4000
"""How much of an error is shown, counted from its end."""


def interval(milestones: int) -> int:
    """Returns the distance between shown milestones, max(T // 10, 1) for T of them.

    Example:
        >>> [interval(t) for t in (7, 10, 25)]
        [1, 1, 2]
    """
    return max(milestones // 10, 1)


def statistics_table(reflection: Reflection, *, score: bool = True) -> str:
    """Returns the table from which a writer learns how training on its program went.

    A row per part of the reward, then the length of episodes and the task's score; its values
    at milestones 0, s, 2s, ... for s = max(T // 10, 1), and the largest, mean and smallest of
    all T. The total is left out: what the agent was paid says nothing of the task. After the
    reward reflection of Eureka (arXiv 2310.12931).

    Args:
        reflection: The series, T >= 1 values each.
        score: Whether the task's score may be seen.

    Raises:
        ConfigError: If a series is empty or shorter than another.

    Example:
        >>> series = Reflection((10, 20), {"near": (0.126, 0.5)}, (0.0, 1.0), (50.0, 30.0))
        >>> print(statistics_table(series))
        near: [0.13, 0.50], Max: 0.50, Mean: 0.31, Min: 0.13
        episode_length: [50.00, 30.00], Max: 50.00, Mean: 40.00, Min: 30.00
        task_score: [0.00, 1.00], Max: 1.00, Mean: 0.50, Min: 0.00
    """
    count = len(reflection.steps)
    series = {_apart(name): values for name, values in reflection.parts.items()}
    series[LENGTH] = reflection.length
    if score:
        series[TASK_SCORE] = reflection.score
    for name, values in series.items():
        if len(values) != count or not count:
            raise ConfigError(f"{name!r} has {len(values)} values at {count} milestones")
    return "\n".join(_row(name, values) for name, values in series.items())


def _apart(name: str) -> str:
    """Returns a part's name, set apart from the rows that are no parts."""
    return f"{name} (a part)" if name in (LENGTH, TASK_SCORE) else name


def _row(name: str, values: Sequence[float]) -> str:
    shown = ", ".join(f"{value:.2f}" for value in values[:: interval(len(values))])
    mean = sum(values) / len(values)
    return f"{name}: [{shown}], Max: {max(values):.2f}, Mean: {mean:.2f}, Min: {min(values):.2f}"


def last_of(error: str) -> str:
    """Returns an error, or the last `ERROR_CHARACTERS` of a longer one, where the cause is."""
    error = error.strip()
    if len(error) <= ERROR_CHARACTERS:
        return error
    return f"[...]\n{error[-ERROR_CHARACTERS:]}"
