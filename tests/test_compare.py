"""Comparisons: the plan, the console command, and what a user's mistakes get."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from rewardsmith.agents.cli import main
from rewardsmith.agents.compare import plan, run_cells
from rewardsmith.agents.configs import choices, compose, preflight
from rewardsmith.agents.progress import StopRequest
from rewardsmith.envs import ConfigError

SETTINGS: dict[str, Any] = {
    "name": "c",
    "designs": ["sparse", "potential"],
    "baseline": "sparse",
    "seeds": 3,
    "tasks": {},
    "env": {"name": "key_door"},
    "n_jobs": 1,
}


def rewardsmith(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rewardsmith.agents.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )


def test_plan_lists_every_run_in_balanced_order(tmp_path: Path) -> None:
    tasks = {"door": ["env=key_door"], "sea": ["env=deep_sea", "total_steps=99"]}
    cells = plan(SETTINGS | {"tasks": tasks}, ["+agent.settings.clip_range=0.1"], tmp_path)
    assert len(cells) == 2 * 2 * 3
    assert [c.seed for c in cells] == [0] * 4 + [1] * 4 + [2] * 4
    assert {c.task: c.config["total_steps"] for c in cells} == {"door": 100_000, "sea": 99}
    assert all(c.config["agent"]["settings"]["clip_range"] == 0.1 for c in cells)
    assert len({c.folder.path for c in cells}) == 12
    assert list(cells[1].config["reward"]["terms"]) == ["task", "shaping"]


def test_a_design_may_be_a_file(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "{_target_: rewardsmith.rewards.RewardDesign, "
        "terms: {t: {_target_: rewardsmith.rewards.TimeCost}}}"
    )
    cells = plan(SETTINGS | {"designs": ["sparse", str(mine)], "seeds": [4]}, [], tmp_path)
    assert [(c.design, c.seed) for c in cells] == [("sparse", 4), ("mine", 4)]
    assert list(cells[1].config["reward"]["terms"]) == ["t"]


def test_variants_are_overrides_by_name(tmp_path: Path) -> None:
    variants = {
        "slow": ["agent.settings.learning_rate=1e-5"],
        "fast": ["agent=a2c", "agent.gamma=0.9"],
    }
    settings = SETTINGS | {"variants": variants, "baseline": "slow", "seeds": 1}
    cells = plan(settings, ["reward=sparse"], tmp_path)
    assert [c.design for c in cells] == ["slow", "fast"]
    assert cells[0].config["agent"]["settings"]["learning_rate"] == 1e-5
    assert cells[1].config["agent"]["name"] == "a2c"


@pytest.mark.parametrize(
    ("changed", "overrides", "message"),
    [
        ({"designs": "sparse"}, [], "designs must be a list"),
        ({"designs": []}, [], "designs must be a list"),
        ({"designs": ["a.yaml", "b/a.yaml"]}, [], "different names"),
        ({"designs": ["sparse", "potental"]}, [], "unknown reward 'potental'.*'potential'"),
        ({"baseline": "none"}, [], "unknown design 'none'"),
        ({"seeds": 0}, [], "seeds must be"),
        ({"seeds": [0, 0]}, [], "seeds must"),
        ({"seeds": [-1]}, [], "seeds must be"),
        ({"seeds": 2.5}, [], "seeds must be"),
        ({"n_jobs": "all"}, [], "n_jobs must be a number of processes"),
        ({"n_jobs": 0}, [], "n_jobs must be"),
        ({"tasks": ["a"]}, [], "tasks must map names to lists"),
        ({"variants": {"a": "agent=ppo"}}, [], "variants must map names to lists"),
        ({}, ["seed=3"], "not reward= or seed="),
        ({"tasks": {"sea": ["env=deepsea"]}}, [], "unknown env 'deepsea'.*'deep_sea'"),
        ({"tasks": {"sea": ["env=deep_sea", "agent=td3"]}}, [], "sea with sparse: .*'td3'"),
    ],
)
def test_mistakes_are_found_before_anything_runs(
    changed: dict[str, Any], overrides: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(SETTINGS | changed, overrides, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_agents_that_are_judged_by_different_things_are_not_compared(tmp_path: Path) -> None:
    variants = {"ucb1": ["agent=ucb1"], "ppo": ["agent=ppo"]}
    settings = SETTINGS | {"variants": variants, "baseline": "ucb1"}
    settings |= {"env": {"name": "bernoulli_bandit"}}
    with pytest.raises(ConfigError, match="ucb1 is judged while it learns"):
        plan(settings, ["env=bernoulli_bandit", "reward=sparse"], tmp_path)


def test_one_failing_run_does_not_stop_the_others(tmp_path: Path, small_run: list[str]) -> None:
    cells = plan(SETTINGS | {"seeds": 1}, small_run[2:], tmp_path)
    cells[0].folder.path.mkdir(parents=True)
    (cells[0].folder.path / "config.yaml").write_text("{seed: 77}")
    errors = run_cells(cells, 1)
    assert list(errors) == ["key_door/sparse/seed_0"]
    assert "another configuration" in errors["key_door/sparse/seed_0"]
    assert cells[1].folder.is_finished()


def test_stopping_one_run_stops_the_comparison(
    tmp_path: Path, small_run: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = plan(SETTINGS | {"seeds": 1}, small_run[2:], tmp_path)
    monkeypatch.setattr(StopRequest, "is_asked", lambda self: True)
    with pytest.raises(KeyboardInterrupt):
        run_cells(cells, 1)
    assert cells[0].folder.status()["state"] == "interrupted"
    assert cells[1].folder.status() == {}


def test_the_command_compares_reports_and_resumes(tmp_path: Path) -> None:
    arguments = (
        "compare",
        "name=c",
        "env=deep_sea",
        "+env.options.size=4",
        "seeds=2",
        "designs=[sparse,human]",
        "total_steps=2048",
        "evaluation.points=2",
        "evaluation.final_episodes=4",
    )
    done = rewardsmith(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Report: runs/c/report.html" in done.stdout
    assert "human" in done.stdout
    assert (tmp_path / "runs/c/report.html").stat().st_size > 10_000
    assert yaml.safe_load((tmp_path / "runs/c/compare.yaml").read_text())["seeds"] == [0, 1]
    again = rewardsmith(*arguments, cwd=tmp_path)
    assert "4 of them finished already" in again.stdout
    other = rewardsmith(*arguments, "agent.gamma=0.5", cwd=tmp_path)
    assert other.returncode == 2
    assert "agent.gamma: 0.99 there, 0.5 now" in other.stdout + other.stderr


def test_train_evaluate_and_report_commands(tmp_path: Path, small_run: list[str]) -> None:
    done = rewardsmith("train", *small_run, cwd=tmp_path)
    run = "runs/train/key_door/sparse/ppo/seed_0"
    assert done.returncode == 0, done.stderr
    assert f"{run}/report.html" in done.stdout
    done = rewardsmith("evaluate", f"run={run}", "episodes=3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / run / "evaluation.gif").exists()
    assert rewardsmith("report", run, cwd=tmp_path).returncode == 0


def test_a_sweep_runs_every_value(tmp_path: Path, small_run: list[str]) -> None:
    done = rewardsmith("train", "-m", *small_run, "seed=0,1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for seed in (0, 1):
        assert (tmp_path / f"runs/train/key_door/sparse/ppo/seed_{seed}/result.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tran"], "unknown job 'tran'; did you mean 'train'"),
        (["train", "env=keydoor"], "did you mean 'key_door'"),
        (["train", "foo=1"], "unknown key 'foo' in train"),
        (["train", "agent.settings.n_stps=3"], "did you mean 'n_steps'"),
        (["train", "foo=1", "bar=2"], "unknown key"),
        (
            ["train", "env=calculator", "reward=nover", "reward.group.0.format=form"],
            "unknown key 'format' in reward.group.0; Known: _target_.",
        ),
        (["train", "agent=sac", "agent.settings.bufer_size=3"], "did you mean 'buffer_size'"),
        (["train", "env=gymnasium"], "env.id is missing"),
        (["train", "env=bernoulli_bandit", "reward=distance"], "needs 'env.position'"),
        (["train", "reward=nowhere.yaml"], "nowhere.yaml cannot be read"),
        (["train", "env=[key_door"], "train: "),
        (["evaluate", "run=nowhere"], "nowhere holds no run"),
        (["evaluate"], "run is missing"),
        (["list", "reward"], "unknown kind 'reward'"),
        (["show", "keydoor"], "did you mean 'key_door'"),
        (["show"], "show takes one name"),
        (["report"], "report takes one folder"),
    ],
)
def test_a_mistake_gets_one_sentence(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["rewardsmith", *arguments])
    assert main() == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert "Traceback" not in printed.err + printed.out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["tool_use_credit", "without_verifier"])
def test_the_settings_of_an_experiments_agents_can_be_given(name: str) -> None:
    preflight("compare", [f"experiment={name}", "agent.settings.warm_up.steps=60"])
    with pytest.raises(ConfigError, match=r"unknown key 'step'.*did you mean 'steps'"):
        preflight("compare", [f"experiment={name}", "agent.settings.warm_up.step=60"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["list"],
        ["show", "reacher"],
        ["show", "PotentialShaping"],
        ["show", "human"],
    ],
)
def test_what_only_tells(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["rewardsmith", *arguments])
    assert main() == 0
    assert len(capsys.readouterr().out) > 4


def test_a_name_of_several_things_shows_them_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["rewardsmith", "show", "matchtir"])
    assert main() == 0
    told = capsys.readouterr().out
    assert "reward=matchtir" in told
    assert "agent=matchtir" in told


def test_a_job_leaves_the_logging_of_its_process_alone(
    small_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, root = logging.getLogger("a.library"), logging.getLogger()
    before = (library.disabled, root.level, list(root.handlers))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["rewardsmith", "train", *small_run])
    assert main() == 0
    assert (library.disabled, root.level, list(root.handlers)) == before


UNWRITTEN = {"hopper_jump", "ant_jump", "ant_flip"}
"""Tasks for which no published dense reward is known."""


@pytest.mark.parametrize("env", [e for e in choices("env") if e != "gymnasium"])
def test_every_task_offers_its_human_and_sparse_reward(env: str) -> None:
    from rewardsmith.agents.train import check

    config = compose([f"env={env}", "reward=sparse"])
    if env.startswith(("fetch_", "metaworld")):
        pytest.importorskip("gymnasium_robotics")
        pytest.importorskip("metaworld")
    check(config)
    if env in UNWRITTEN:
        assert "human" not in config["env"]
    else:
        check(compose([f"env={env}", "reward=human"]))
