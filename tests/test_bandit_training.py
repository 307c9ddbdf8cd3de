"""Bandit agents in the same jobs as any other: train, resume, compare, report."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rewardsmith.agents.bandits import AGENTS
from rewardsmith.agents.bandits.learner import Ledger
from rewardsmith.agents.compare import plan, run_cells, save_settings
from rewardsmith.agents.configs import choices, compose
from rewardsmith.agents.evaluate import evaluate_run
from rewardsmith.agents.report import write_report
from rewardsmith.agents.run_folder import RunFolder
from rewardsmith.agents.train import train
from rewardsmith.envs import ConfigError

SMALL = ["env=bernoulli_bandit", "reward=sparse", "total_steps=300", "agent.n_envs=20"]


def test_regret_adds_up(tmp_path: Path) -> None:
    result = train(compose([*SMALL, "agent=ucb1"]), RunFolder(tmp_path))
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert float(rows[-1]["step"]) == 300
    assert result["score"] == "return"
    assert len(result["task_return"]) == 20
    np.testing.assert_allclose(float(rows[-1]["regret"]), np.mean(result["regret"]))
    # What was lost in expectation and what was earned make the best arm's 0.8 per round.
    total = np.mean(result["regret"]) + np.mean(result["task_return"])
    assert abs(total - 0.8 * 300) < 10


@pytest.mark.parametrize("name", ["ucb1", "thompson", "exp3"])
def test_a_resumed_run_equals_an_uninterrupted_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = compose([*SMALL, f"agent={name}"])
    whole = train(config, RunFolder(tmp_path / "whole"))
    add = Ledger.add

    def dying(self: Ledger, *arguments: Any) -> None:
        if self.round == 200:
            raise KeyboardInterrupt
        add(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "add", dying)
        with pytest.raises(KeyboardInterrupt):
            train(config, RunFolder(tmp_path / "broken"))
    assert train(config, RunFolder(tmp_path / "broken")) == whole


def test_agents_are_compared_by_regret(tmp_path: Path) -> None:
    settings = {
        "name": "b",
        "variants": {"ucb1": ["agent=ucb1"], "thompson": ["agent=thompson"]},
        "baseline": "ucb1",
        "seeds": 5,
        "tasks": {},
        "env": {"name": "bernoulli_bandit"},
        "n_jobs": 1,
    }
    cells = plan(settings, SMALL, tmp_path)
    save_settings(settings, tmp_path)
    assert run_cells(cells, 1) == {}
    page = write_report(tmp_path).read_text()
    assert "Regret" in page
    assert "thompson beats ucb1" in page


@pytest.mark.parametrize("name", AGENTS)
def test_every_agent_has_a_configuration(name: str) -> None:
    assert name in choices("agent")
    assert compose([f"agent={name}", "reward=sparse"])["agent"]["algorithm"] == name


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["agent=ucb1", "env=point_maze"], "plays one of K arms"),
        (["agent=hedge", "env=bernoulli_bandit"], "rewards"),
        (["agent=ucb1", "+agent.settings.scael=2"], "unknown setting 'scael'.*'scale'"),
        (["agent=ucb1", "agent.algorithm=ucb2"], "unknown algorithm 'ucb2'.*'ucb1'"),
    ],
)
def test_what_cannot_be_played_is_refused(
    overrides: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        train(compose(["reward=sparse", *overrides]), RunFolder(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_task_whose_episodes_end_is_refused(tmp_path: Path) -> None:
    config = compose(["env=deep_sea", "reward=sparse", "agent=ucb1", "total_steps=50"])
    with pytest.raises(ConfigError, match="ended after 10 rounds"):
        train(config, RunFolder(tmp_path))


def test_a_bandit_run_is_not_evaluated_again(tmp_path: Path) -> None:
    train(compose([*SMALL, "agent=ucb1"]), RunFolder(tmp_path))
    with pytest.raises(ConfigError, match="judged while it learns"):
        evaluate_run(RunFolder(tmp_path), episodes=1, seed=0, deterministic=True, video=False)
