"""Bandit agents in the same jobs as any other: train, resume, compare, report."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rewardsmith.agents.bandits import AGENTS
from rewardsmith.agents.bandits.match import Match, Round
from rewardsmith.agents.compare import plan, run_cells, save_settings
from rewardsmith.agents.configs import choices, compose
from rewardsmith.agents.evaluate import evaluate_run
from rewardsmith.agents.records import load_comparison
from rewardsmith.agents.report import write_report
from rewardsmith.agents.run_folder import RunFolder
from rewardsmith.agents.train import train
from rewardsmith.envs import ConfigError
from rewardsmith.envs.bandits.cascading_mdp import CascadingMDP
from rewardsmith.envs.bandits.knapsack import KnapsackBandit

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


CASES = {
    "ucb1": SMALL,
    "thompson": SMALL,
    "exp3": SMALL,
    "cascading_vi": ["env=cascading_mdp", "reward=sparse", "total_steps=303", "agent.n_envs=5"],
    "cascading_bpi": ["env=cascading_mdp", "reward=sparse", "total_steps=303", "agent.n_envs=5"],
    "list_as_action_vi": ["env=cascading_mdp", "reward=sparse", "total_steps=303"],
    "lagrange_bwk": ["env=knapsack_bandit", "reward=sparse", "env.options.horizon=300"],
    "ucb_bwk": ["env=knapsack_bandit", "reward=sparse", "env.options.horizon=300"],
}


@pytest.mark.parametrize("name", CASES)
def test_a_resumed_run_equals_an_uninterrupted_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = ["env.options.budget=150"] if "bwk" in name else []
    config = compose([*CASES[name], *budget, f"agent={name}"])
    whole = train(config, RunFolder(tmp_path / "whole"))
    play_round = Match.play_round

    def dying(self: Match, env: Any) -> Round:
        if self.rounds == 200:
            raise KeyboardInterrupt
        return play_round(self, env)

    with monkeypatch.context() as patch:
        patch.setattr(Match, "play_round", dying)
        with pytest.raises(KeyboardInterrupt):
            train(config, RunFolder(tmp_path / "broken"))
    assert train(config, RunFolder(tmp_path / "broken")) == whole


def test_a_run_with_budgets_is_one_episode(tmp_path: Path) -> None:
    result = train(
        compose(["env=knapsack_bandit", "reward=sparse", "agent=ucb_bwk", "agent.n_envs=30"]),
        RunFolder(tmp_path),
    )
    length = np.array(result["length"])
    assert 20 <= length.min() < length.max() <= 100
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert float(rows[-1]["step"]) == length.max()
    assert float(rows[-1]["task_return"]) == pytest.approx(np.mean(result["task_return"]))
    # 100 rounds of the program's value are the sum of what was earned and what was regretted.
    total = np.array(result["regret"]) + np.array(result["task_return"])
    value = KnapsackBandit().value[0]
    assert abs(total.mean() - 100 * value) < 4.5 * total.std() / np.sqrt(30)


def test_episodes_that_follow_each_other_are_told_by_the_episode(tmp_path: Path) -> None:
    config = compose(
        ["env=cascading_mdp", "reward=sparse", "agent=cascading_vi", "total_steps=4000"]
    )
    result = train(config, RunFolder(tmp_path))
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert set(result["length"]) == {5.0}
    best = CascadingMDP().model.optimal()[1][0, 0]
    earned = np.array([float(row["task_return"]) for row in rows])
    regret = np.array([float(row["regret"]) for row in rows])
    # Over each stretch of 40 episodes the best policy's value is what was earned and regretted.
    lost = np.diff(regret, prepend=0.0) / 40
    assert np.abs(earned + lost - best).max() < 0.25
    assert abs((earned + lost).mean() - best) < 0.06
    assert lost[-1] < 0.3 * lost[0]


def test_planners_and_learners_of_policies_are_compared(tmp_path: Path) -> None:
    settings = {
        "name": "c",
        "variants": {"ppo": ["agent=ppo"], "cascading_vi": ["agent=cascading_vi"]},
        "baseline": "ppo",
        "seeds": 1,
        "tasks": {},
        "env": {"name": "cascading_mdp"},
        "n_jobs": 1,
    }
    overrides = [
        "env=cascading_mdp", "reward=sparse", "total_steps=4096",
        "evaluation.points=4", "evaluation.episodes=20", "evaluation.final_episodes=50",
    ]  # fmt: skip
    cells = plan(settings, overrides, tmp_path)
    save_settings(settings, tmp_path)
    assert run_cells(cells, 1) == {}
    comparison = load_comparison(tmp_path)
    ppo, planner = (comparison.scores("cascading_mdp", d)[0] for d in ("ppo", "cascading_vi"))
    assert 1.0 < ppo < planner < 5.0
    assert "cascading_vi" in write_report(tmp_path).read_text()


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
        (["agent=ucb_bwk", "env=bernoulli_bandit"], "has no budgets to keep to"),
        (["agent=cascading_vi", "env=cascading_bandit"], "use rewardsmith/CascadingMDP-v0"),
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
    with pytest.raises(ConfigError, match="ended after 10 of 50 rounds"):
        train(config, RunFolder(tmp_path))


def test_a_bandit_run_is_not_evaluated_again(tmp_path: Path) -> None:
    train(compose([*SMALL, "agent=ucb1"]), RunFolder(tmp_path))
    with pytest.raises(ConfigError, match="judged while it learns"):
        evaluate_run(RunFolder(tmp_path), episodes=1, seed=0, deterministic=True, video=False)
