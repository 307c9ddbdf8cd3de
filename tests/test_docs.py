"""What the documentation says is so: its code runs, its commands compose, its links lead."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import hydra
import pytest
import yaml

from rewardsmith.agents.catalogue import list_names, show_name
from rewardsmith.agents.cli import JOBS
from rewardsmith.agents.compare import plan
from rewardsmith.agents.configs import PACKAGE, compose, plain, preflight, with_reward_files
from rewardsmith.agents.train import check
from rewardsmith.rewards import build_design, load_design, to_config

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md",
         *sorted(DOCS.rglob("*.md"))]  # fmt: skip
FENCE = re.compile(r'^```(\w+)(?: title="(\S+)")?\n(.*?)^```$', re.M | re.S)
TARGETS = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M)


def blocks(page: Path, language: str) -> list[str]:
    """Returns the fenced blocks of a page in one language."""
    return [text for found, _, text in FENCE.findall(page.read_text()) if found == language]


def files(page: Path) -> dict[str, str]:
    """Returns the blocks that a page tells its reader to save, by file name."""
    return {name: text for _, name, text in FENCE.findall(page.read_text()) if name}


def commands(page: Path) -> Iterator[list[str]]:
    """Yields every command line shown on a page, split into words."""
    for block in blocks(page, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                del words[0]
            if words:
                yield words


def name_of(page: Path) -> str:
    """Returns a page's path below the repository, as a test id."""
    return str(page.relative_to(ROOT))


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder; what is registered with Gymnasium meanwhile is forgotten."""
    monkeypatch.chdir(tmp_path)
    before = dict(gym.registry)
    yield tmp_path
    gym.registry.clear()
    gym.registry.update(before)


def run_python(page: Path) -> None:
    """Runs a page's blocks one after another in one namespace."""
    namespace: dict[str, Any] = {"__name__": "page"}
    for i, block in enumerate(blocks(page, "python")):
        exec(compile(block, f"{page.name}, block {i}", "exec", dont_inherit=True), namespace)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "python")], ids=name_of
)  # fmt: skip
@pytest.mark.usefixtures("workplace")
def test_code_runs(page: Path) -> None:
    run_python(page)


def test_the_yaml_of_the_readme_is_what_its_python_writes(workplace: Path) -> None:
    run_python(ROOT / "README.md")
    (shown,) = blocks(ROOT / "README.md", "yaml")
    written = to_config(load_design(workplace / "my_design.yaml"))
    assert to_config(build_design(yaml.safe_load(shown))) == written


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_designs_in_yaml_can_be_built(page: Path) -> None:
    for block in blocks(page, "yaml"):
        design = yaml.safe_load(block)
        if "_target_" in design:
            build_design(design)


COMMANDS = [
    pytest.param(page, words[1:], id=f"{page.name}: {' '.join(words)}")
    for page in PAGES
    for words in commands(page)
    if words[0] == "rewardsmith"
]


def test_commands_are_found() -> None:
    assert len(COMMANDS) > 20
    assert {param.values[1][0] for param in COMMANDS} == JOBS.keys()  # type: ignore[index]


@pytest.mark.parametrize(("page", "words"), COMMANDS)
def test_a_command_would_start(
    page: Path, words: list[str], workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(workplace)
    for name, text in files(page).items():
        (workplace / name).write_text(text)
    job, arguments = words[0], with_reward_files(words[1:])
    if job in ("train", "compare", "evaluate", "design"):
        preflight(job, arguments)
    if job == "train" and "-m" not in arguments:
        check(compose(arguments))
    elif job == "compare":
        one_seed = [word for word in arguments if not word.startswith("seeds=")] + ["seeds=1"]
        with hydra.initialize_config_module(PACKAGE, version_base="1.3"):
            assert plan(plain(hydra.compose(job, one_seed)), one_seed, workplace)
    elif job == "report":
        assert len(arguments) == 1
    elif job in ("list", "show"):
        assert {"list": list_names, "show": show_name}[job](arguments) == 0


def test_other_commands_exist() -> None:
    for page in PAGES:
        for words in commands(page):
            if words[0] == "make":
                assert words[1] in TARGETS, page
            elif words[0] != "rewardsmith":
                assert words == ["pip", "install", "-e", "."], page


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"`[^`\n]+`", "", FENCE.sub("", page.read_text()))
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if not re.match(r"https?://", target):
            path = page.parent / target.partition("#")[0]
            assert path.exists(), f"{name_of(page)} links to {target}"


def test_the_navigation_lists_every_page() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    assert sorted(leaves(nav)) == sorted(str(p.relative_to(DOCS)) for p in DOCS.rglob("*.md"))


def leaves(node: Any) -> Iterator[str]:
    """Yields the pages of a navigation."""
    if isinstance(node, str):
        yield node
    else:
        for child in node.values() if isinstance(node, dict) else node:
            yield from leaves(child)


def test_every_marker_is_filled_in() -> None:
    for package in ("mkdocs", "metaworld", "gymnasium_robotics"):
        pytest.importorskip(package)
    spec = importlib.util.spec_from_file_location("pages", DOCS / "scripts" / "pages.py")
    assert spec is not None
    assert spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    markers = re.findall(r"<!-- (\S+) -->", "".join(p.read_text() for p in DOCS.rglob("*.md")))
    assert sorted(markers) == sorted(hook.GENERATED)
    assert "has_key" in hook.environments()
    assert "Stabilizing Long-term" in hook.papers()
    assert "PotentialShaping" in hook.parts()


def test_the_version_is_the_same_everywhere() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()
