"""The mkdocs hook: fills in the pages that are made from the code itself.

A page holds a marker, such as `<!-- environments -->`, where its generated part belongs.
"""

from __future__ import annotations

import ast
import dataclasses
import html
import importlib
import inspect
import re
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

import rewardsmith.rewards
from rewardsmith.agents.configs import PACKAGE, choices, compose
from rewardsmith.agents.tasks import PREFIX, make_task
from rewardsmith.envs import ConfigError, EnvCard
from rewardsmith.envs.text.batch import TextEnv
from rewardsmith.rewards import Combiner, Component, Term, Transform, build_design, components

sys.path.append(str(Path(__file__).parent))  # mkdocs loads a hook without its folder
from text_pages import PAID_SEEDS, conversation, pay_of_scripts

ROOT = Path(__file__).parents[2]
ARXIV = "https://arxiv.org/abs/"
GENERIC = {"gymnasium", "metaworld"}
"""Configurations that stand for many tasks."""


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replaces each marker by what it stands for."""
    for marker, make in GENERATED.items():
        if f"<!-- {marker} -->" in markdown:
            markdown = markdown.replace(f"<!-- {marker} -->", make())
    return markdown


# ---- Environments ---------------------------------------------------------------------


def environments() -> str:
    """Returns a section per task of `conf/env`: its picture, its card, the designs it knows.

    Tasks by others that share a Gymnasium id share a section.
    """
    families: dict[str, list[str]] = {}
    for name in choices("env").keys() - GENERIC:
        env_id = str(compose([f"env={name}", "reward=sparse"])["env"]["id"])
        families.setdefault(name if env_id.startswith(PREFIX) else env_id, []).append(name)
    sections = sorted(sorted(names) for names in families.values())
    return "\n\n".join(
        _environment(names[0]) if len(names) == 1 else _family(names) for names in sections
    )


def _family(names: list[str]) -> str:
    """Returns one section for tasks by others that differ in goal and success only."""
    configs = {name: compose([f"env={name}", "reward=sparse"])["env"] for name in names}
    cards = {name: _card(config) for name, config in configs.items()}
    title, first = names[0].partition("_")[0], cards[names[0]]
    lines = [
        f"## {title}",
        "",
        f"`{configs[names[0]]['id']}`, {len(names)} tasks. {first.source}.",
        "",
    ]
    if (ROOT / "docs" / f"images/envs/{title}.png").exists():
        lines += [f"![{title}](images/envs/{title}.png){{ width=240 }}", ""]
    written = {name: card.human_design or "none" for name, card in cards.items()}
    shared = len(set(written.values())) == 1
    if shared:
        lines += [f"**Human-written dense reward:** {plain(written[names[0]])}.", ""]
    head = ["task", "goal", "success", "episode limit", "steps"]
    rows = [
        [f"`{name}`", plain(card.goal), plain(card.success), str(card.time_limit),
         f"{configs[name]['budget']:,}", plain(written[name])]
        for name, card in cards.items()
    ]  # fmt: skip
    table = [[*head, "human-written dense reward"], ["---"] * (len(head) + 1), *rows]
    lines += [f"| {' | '.join(row[: len(head)] if shared else row)} |" for row in table]
    return "\n".join([*lines, "", _fields_of(cards)])


def _card(config: dict[str, Any]) -> EnvCard:
    task = make_task(config, 1)
    task.close()
    return EnvCard.of(task)


def _fields_of(cards: dict[str, EnvCard]) -> str:
    """Returns the field tables of the card with most facts, with all facts of the others."""
    shown = max(cards, key=lambda name: len(cards[name].facts))
    facts = {fact.name: fact for card in [*cards.values(), cards[shown]] for fact in card.facts}
    page = dataclasses.replace(cards[shown], facts=tuple(facts.values())).describe()
    tables = re.sub(r"^## (.*)$", r"**\1**", page[page.index("## Observation") :], flags=re.M)
    return f"Fields as in `{shown}`; not every task has every fact.\n\n{tables.strip()}"


def _environment(name: str) -> str:
    config = compose([f"env={name}", "reward=sparse"])
    task = make_task(config["env"], 1)
    card = EnvCard.of(task).describe().partition("\n")[2].strip()
    card = re.sub(r"^## (.*)$", r"**\1**", card, flags=re.M)
    rewards = [reward for reward in choices("reward") if _fits(name, reward, EnvCard.of(task))]
    spoken = _spoken(name, task.unwrapped, rewards)
    task.close()
    picture = f"images/envs/{name}.png"
    lines = [
        f"## {name}",
        "",
        f"`{config['env']['id']}`, {config['env']['budget']:,} steps by default.",
    ]
    if (ROOT / "docs" / picture).exists():
        lines += ["", f"![{name}]({picture}){{ width=240 }}"]
    designs = ", ".join(f"`{reward}`" for reward in rewards)
    return "\n".join([*lines, "", card, "", f"**Ready-made designs:** {designs}.", *spoken])


def _spoken(name: str, env: Any, rewards: list[str]) -> list[str]:
    """Returns what only a text task has: a conversation, and what its scripts are paid."""
    if not isinstance(env, TextEnv):
        return []
    return [
        "",
        "**A conversation**, by the scripted oracle:",
        "",
        conversation(env),
        "",
        f"**What scripts are paid**, mean over {len(PAID_SEEDS)} tasks. A design that pays the "
        "hacker well can be gamed.",
        "",
        pay_of_scripts(name, env, rewards),
    ]


def _fits(env: str, reward: str, card: EnvCard) -> bool:
    """Whether a design can be composed for a task, and finds there what it reads."""
    try:
        build_design(compose([f"env={env}", f"reward={reward}"])["reward"]).bind(card)
    except ConfigError:
        return False
    return True


# ---- Reward designs -------------------------------------------------------------------


def papers() -> str:
    """Returns the table of published designs."""
    text = resources.files("rewardsmith.rewards").joinpath("catalog.yaml").read_text()
    rows = ["| publication | part | code lines |", "|---|---|--:|"]
    for row in yaml.safe_load(text):
        package, _, name = row["component"].rpartition(".")
        component = getattr(importlib.import_module(package), name)
        source = re.sub(r"^arXiv (.*)", rf"[arXiv \1]({ARXIV}\1)", row["source"])
        rows.append(
            f"| {plain(row['title'])}, {source} | [{name}][{row['component']}] "
            f"({row['kind'].lower()}) | {code_lines(component)} |"
        )
    return "\n".join(rows)


def parts() -> str:
    """Returns a table of the parts of each kind, with their formulas."""
    kinds: dict[str, list[str]] = {"Terms": [], "Potentials": [], "Combiners": [], "Transforms": []}
    bases = {"Terms": Term, "Combiners": Combiner, "Transforms": Transform}
    for name in components():
        part: type[Component] = getattr(rewardsmith.rewards, name)
        kind = next((k for k, base in bases.items() if issubclass(part, base)), "Potentials")
        line = (inspect.getdoc(part) or "").partition("\n")[0]
        package = ".".join(part.__module__.split(".")[:3])
        kinds[kind].append(f"| [{name}][{package}.{name}] | {plain(line)} |")
    return "\n\n".join(
        f"### {kind}\n\n| part | what it does |\n|---|---|\n" + "\n".join(rows)
        for kind, rows in kinds.items()
    )


def ready_made() -> str:
    """Returns the designs of `conf/reward` with their YAML."""
    sections = []
    for name, line in choices("reward").items():
        if name != "file":
            file = resources.files(PACKAGE).joinpath("reward", f"{name}.yaml")
            body = file.read_text().partition("\n")[2].strip()
            sections.append(f"### {name}\n\n{plain(line)}\n\n```yaml\n{body}\n```")
    return "\n\n".join(sections)


def code_lines(part: type) -> int:
    """Returns the lines of code of a class, without docstrings, comments and blank lines."""
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(part)))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return len(ast.unparse(tree).replace("\n\n", "\n").splitlines())


def plain(text: str) -> str:
    """Returns text that Markdown leaves as it is, in a table too."""
    return re.sub(r"[|*_\[\]]", lambda found: f"&#{ord(found[0])};", html.escape(text))


GENERATED = {
    "environments": environments,
    "papers": papers,
    "parts": parts,
    "ready-made": ready_made,
}
