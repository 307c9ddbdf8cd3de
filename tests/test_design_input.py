"""What a user may get wrong in `rewardsmith design`, told before anything is asked or trained."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from design_runs import SMALL

from rewardsmith.agents.configs import compose
from rewardsmith.agents.tasks import make_task
from rewardsmith.envs.card import EnvCard
from rewardsmith.llm_reward_design.final import check_rivals, final_cells

WRONG = [
    ("n_jobs=0", "n_jobs must be a number of processes, or -1 for all, got 0"),
    ("seeds=0", "seeds must be how many (at least 1) or a list of different ones, got 0"),
    ("total_steps=0", "total_steps must be a whole number of at least 1, got 0"),
    ("search.points=0", "search.points must be a whole number of at least 1, got 0"),
    ("designer.samples=0", "designer.samples must be a whole number of at least 1, got 0"),
    ("llm.mode=foo", "unknown mode 'foo' in llm.mode"),
    ("start=nowhere.yaml", "cannot read the design 'nowhere.yaml'"),
    ("env.human=foo", "term 'human' must be a component, written with its _target_"),
    ("advice=shorter", "advice speaks of a program; name its file in start=..."),
]


def design(*overrides: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs the command in a process of its own, which finds what lies beside it."""
    return subprocess.run(
        [sys.executable, "-m", "rewardsmith.agents.cli", "design", *overrides],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(cwd)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("override", "said"), WRONG, ids=[override for override, _ in WRONG])
def test_a_wrong_setting_is_one_sentence_and_leaves_no_folder(
    override: str, said: str, tmp_path: Path
) -> None:
    done = design("env=key_door", override, cwd=tmp_path)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("config.yaml"))


def test_a_task_that_the_jail_cannot_import_is_told_before_anything_is_asked(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine.py").write_text(
        "import gymnasium\n"
        "gymnasium.register('Mine-v0', 'gymnasium.envs.classic_control:CartPoleEnv',"
        " max_episode_steps=50)\n"
    )
    small = ["name=mine", "search.steps=256", "total_steps=256", *SMALL]
    done = design("env=gymnasium", "env.id=mine:Mine-v0", *small, cwd=tmp_path)
    assert done.returncode == 2
    told = " ".join(done.stderr.split())
    assert "Mine-v0 does not run in the jail" in told
    assert "No module named 'mine'" in told
    assert "pip install -e ." in told
    assert "Traceback" not in told


def settings(*overrides: str) -> tuple[dict[str, Any], EnvCard]:
    """Returns what the final comparison is planned from, and the task's card."""
    config = compose(["env=gymnasium", *overrides])
    task = make_task(config["env"], 1)
    try:
        return config | {"name": "search", "seeds": 1, "n_jobs": 1}, EnvCard.of(task)
    finally:
        task.close()


@pytest.mark.parametrize(
    ("env", "designs"),
    [
        (["env.id=CartPole-v1"], ["best", "sparse"]),
        (
            ["env.id=Pendulum-v1", "env.success={field: observation_0, above: 0.95}"],
            ["best", "sparse", "human"],
        ),
    ],
    ids=["without a success predicate", "with one"],
)
def test_the_reward_a_task_came_with_is_a_humans_beside_a_success_predicate_only(
    env: list[str], designs: list[str], tmp_path: Path
) -> None:
    config, card = settings(*env)
    best = tmp_path / "best.yaml"
    best.write_text(
        "{_target_: rewardsmith.rewards.RewardDesign, "
        "terms: {t: {_target_: rewardsmith.rewards.TimeCost}}}"
    )
    overrides = ["env=gymnasium", *env]
    check_rivals(config, overrides, tmp_path, card)
    assert not (tmp_path / "final").exists()
    cells = final_cells(config, overrides, tmp_path, card, best)
    assert list(dict.fromkeys(cell.design for cell in cells)) == designs
