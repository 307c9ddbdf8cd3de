"""`rewardsmith list` and `show`: what there is, and what it says of itself."""

from __future__ import annotations

import inspect
from importlib import resources

import yaml
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from rewardsmith.agents.configs import PACKAGE, choices, compose
from rewardsmith.envs.errors import ConfigError, unknown

console = Console()
KINDS = ("envs", "rewards", "agents", "designers", "llms", "experiments", "components", "papers")
_SHOWN = ("env", "reward", "agent", "designer", "llm", "experiment")
"""Groups of the configuration whose options can be shown."""


def list_names(arguments: list[str]) -> int:
    """Prints the names of one kind, or of all, each with one line of what it is."""
    for kind in arguments or KINDS:
        if kind not in KINDS:
            raise unknown("kind", kind, KINDS, where="rewardsmith list")
        table = Table(
            "name",
            "what it is",
            title=kind,
            title_justify="left",
            show_header=False,
            box=None,
            padding=(0, 2),
        )
        for name, line in entries(kind).items():
            table.add_row(f"[bold]{name}[/bold]", line)
        console.print(table)
    return 0


def show_name(arguments: list[str]) -> int:
    """Prints a task's card, a design's YAML, an agent's settings or a component's docstring."""
    if len(arguments) != 1:
        raise ConfigError(
            "show takes one name, such as `rewardsmith show key_door`; "
            "`rewardsmith list` tells the names"
        )
    name = arguments[0]
    if name in choices("env"):
        from rewardsmith.agents.tasks import make_task
        from rewardsmith.envs.card import EnvCard

        task = make_task(compose([f"env={name}"])["env"], 1)
        console.print(Markdown(EnvCard.of(task).describe()))
    groups = [group for group in _SHOWN if name in choices(group)]
    for group in groups:
        file = resources.files(PACKAGE).joinpath(group, f"{name}.yaml")
        console.print(Markdown(f"`{group}={name}`\n```yaml\n{file.read_text()}\n```"))
    if groups:
        return 0
    if name in entries("components"):
        import rewardsmith.rewards

        component = getattr(rewardsmith.rewards, name)
        console.print(Markdown(f"```python\n{name}{inspect.signature(component)}\n```"))
        console.print(inspect.getdoc(component), markup=False)
        return 0
    every = [entry for kind in KINDS for entry in entries(kind)]
    raise unknown("name", name, every, where="rewardsmith show")


def entries(kind: str) -> dict[str, str]:
    """Returns the names of a kind, each with one line of description."""
    if kind == "components":
        import rewardsmith.rewards

        return {
            name: (inspect.getdoc(getattr(rewardsmith.rewards, name)) or "").partition("\n")[0]
            for name in rewardsmith.rewards.components()
        }
    if kind == "papers":
        rows = yaml.safe_load(
            resources.files("rewardsmith.rewards").joinpath("catalog.yaml").read_text()
        )
        return {row["slug"]: f"{row['title']} ({row['source']})" for row in rows}
    return {
        name: line
        for name, line in choices(kind.removesuffix("s")).items()
        if name not in ("file", "tuned")
    }
