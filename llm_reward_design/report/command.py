"""`rewardsmith report FOLDER`: the report of finished runs, or of a search, written again."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from rewardsmith.envs.errors import ConfigError


def write_again(arguments: list[str]) -> int:
    """Writes the report of a search's folder, of a comparison's, or of one run's, again."""
    if len(arguments) != 1:
        raise ConfigError("report takes one folder, such as `rewardsmith report runs/quickstart`")
    folder = Path(arguments[0])
    from rewardsmith.llm_reward_design.record import is_search

    if is_search(folder):
        from rewardsmith.llm_reward_design.report import write_design_report as write
    else:
        from rewardsmith.agents.report import write_report as write
    Console().print(f"Report: {write(folder)}")
    return 0
