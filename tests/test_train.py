"""Training: what a run leaves behind, what it refuses, and that the algorithms learn."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rewardsmith.agents.configs import compose
from rewardsmith.agents.evaluate import evaluate_run
from rewardsmith.agents.run_folder import RunFolder
from rewardsmith.agents.train import train
from rewardsmith.envs import ConfigError

ALGORITHMS = {
    "ppo": ["agent.settings.n_steps=32", "agent.settings.batch_size=64"],
    "a2c": ["agent.settings.n_steps=8"],
    "dqn": ["agent.settings.learning_starts=50", "agent.settings.buffer_size=500"],
}
CONTINUOUS = {
    name: [
        "env=point_maze",
        "agent.settings.learning_starts=50",
        "agent.settings.buffer_size=500",
        "agent.settings.batch_size=16",
    ]
    for name in ("sac", "td3")
}
TINY = [
    "total_steps=512",
    "evaluation.points=2",
    "evaluation.episodes=2",
    "evaluation.final_episodes=3",
]


@pytest.mark.parametrize(("name", "settings"), [*ALGORITHMS.items(), *CONTINUOUS.items()])
def test_every_algorithm_trains_and_is_judged(
    name: str, settings: list[str], tmp_path: Path
) -> None:
    config = compose([f"agent={name}", "reward=potential", *settings, *TINY])
    result = train(config, RunFolder(tmp_path))
    assert len(result["success"]) == 3
    assert result["terms"].keys() == {"task", "shaping"}
    assert result["oracle"]["success"] == 1.0
    assert RunFolder(tmp_path).is_finished()


def test_a_run_leaves_its_files(small_config: dict[str, Any], tmp_path: Path) -> None:
    result = train(small_config, RunFolder(tmp_path))
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert [float(row["step"]) for row in rows] == [0, 1024, 2048, 3072, 4096]
    assert set(rows[0]) == {
        "step",
        "task_return",
        "designed_return",
        "term/task",
        "length",
        "success",
    }
    assert result["score"] == "success"
    assert not list(tmp_path.glob("checkpoint*"))
    for name in (
        "config.yaml",
        "status.json",
        "result.json",
        "model.zip",
        "rollout.png",
        "rollout.gif",
    ):
        assert (tmp_path / name).stat().st_size > 0, name


def test_the_designed_return_is_discounted_and_the_task_return_is_not(tmp_path: Path) -> None:
    config = compose(
        [
            "env=bernoulli_bandit",
            "env.options.probabilities=[1.0,1.0]",
            *TINY,
            "reward=sparse",
            "agent.gamma=0.9",
            "agent.settings.n_steps=16",
        ]
    )
    result = train(config, RunFolder(tmp_path))
    assert result["task_return"] == [100.0] * 3
    np.testing.assert_allclose(result["designed_return"], (1 - 0.9**100) / (1 - 0.9))


def test_ppo_learns_a_small_task(tmp_path: Path) -> None:
    config = compose(
        [
            "env=deep_sea",
            "+env.options.size=5",
            "reward=potential",
            "total_steps=12000",
            "evaluation.points=2",
        ]
    )
    assert np.mean(train(config, RunFolder(tmp_path))["success"]) == 1.0


def test_equal_seeds_give_equal_runs(small_config: dict[str, Any], tmp_path: Path) -> None:
    first = train(small_config, RunFolder(tmp_path / "a"))
    second = train(small_config, RunFolder(tmp_path / "b"))
    other = train({**small_config, "seed": 1}, RunFolder(tmp_path / "c"))
    assert first == second
    assert first != other
    texts = [(tmp_path / run / "metrics.csv").read_text() for run in "abc"]
    assert texts[0] == texts[1] != texts[2]


def test_a_finished_run_is_not_repeated(small_config: dict[str, Any], tmp_path: Path) -> None:
    first = train(small_config, RunFolder(tmp_path))
    written = (tmp_path / "model.zip").stat().st_mtime_ns
    assert train(small_config, RunFolder(tmp_path)) == first
    assert (tmp_path / "model.zip").stat().st_mtime_ns == written


def test_another_configuration_is_refused(small_config: dict[str, Any], tmp_path: Path) -> None:
    train(small_config, RunFolder(tmp_path))
    with pytest.raises(ConfigError, match=r"total_steps: 4096 there, 8192 now"):
        train({**small_config, "total_steps": 8192}, RunFolder(tmp_path))


def test_evaluating_a_saved_run(small_config: dict[str, Any], tmp_path: Path) -> None:
    train(small_config, RunFolder(tmp_path))
    result, video = evaluate_run(
        RunFolder(tmp_path), episodes=5, seed=9, deterministic=True, video=True
    )
    again, _ = evaluate_run(
        RunFolder(tmp_path), episodes=5, seed=9, deterministic=True, video=False
    )
    assert result == again
    assert len(result["length"]) == 5
    assert video is not None
    assert video.stat().st_size > 0


def test_tensorboard_and_offline_wandb_write_into_the_run(
    small_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    for tracker, pattern in (("tensorboard", "tensorboard/events*"), ("wandb", "wandb/offline*")):
        folder = tmp_path / tracker
        train(compose([*small_run, f"tracker={tracker}"]), RunFolder(folder))
        assert list(folder.glob(pattern)), tracker


@pytest.mark.parametrize("setting", ["learning_rate=fast", "n_steps=many"])
def test_a_setting_the_algorithm_refuses_is_named(setting: str, tmp_path: Path) -> None:
    config = compose(["reward=sparse", f"agent.settings.{setting}"])
    with pytest.raises(ConfigError, match=setting.partition("=")[2]):
        train(config, RunFolder(tmp_path))


@pytest.mark.parametrize("wrong", [{"episodes": "x"}, {"episodes": 0}, {"seed": -1}])
def test_evaluating_with_a_wrong_number_is_refused(
    wrong: dict[str, Any], small_config: dict[str, Any], tmp_path: Path
) -> None:
    train(small_config, RunFolder(tmp_path))
    settings: dict[str, Any] = {"episodes": 1, "seed": 0, "deterministic": True, "video": False}
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))} must be a whole number"):
        evaluate_run(RunFolder(tmp_path), **settings | wrong)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["total_steps=0"], "total_steps must be a whole number of at least 1, got 0"),
        (["total_steps=many"], "total_steps must be a whole number of at least 1, got 'many'"),
        (["evaluation.episodes=0"], "evaluation.episodes must be"),
        (["agent.n_envs=0"], "agent.n_envs must be"),
        (["seed=-1"], "seed must be a whole number"),
        (["agent.gamma=1.5"], r"agent.gamma must be in \[0, 1\], got 1.5"),
        (["agent=sac"], "'sac' needs continuous actions, this task has Discrete"),
        (["env=point_maze", "agent=dqn"], "'dqn' needs discrete actions"),
        (["+agent.settings.n_stps=3"], "unknown setting 'n_stps'.*'n_steps'"),
        (["agent.algorithm=pppo"], "unknown algorithm 'pppo'.*'ppo'"),
        (["+env.options.sise=9"], "unknown option 'sise'.*'size'"),
        (["env.id=rewardsmith/KeyDor-v0"], "unknown environment.*'rewardsmith/KeyDoor-v0'"),
        (["env=gymnasium", "env.id=Raecher-v5"], "unknown environment.*'Reacher-v5'"),
        (["env.position=agnt", "reward=distance"], "unknown field 'agnt'.*'agent'"),
        (["tracker.name=mlflow"], "unknown tracker 'mlflow'"),
        (["device=gpu"], "device must be"),
    ],
)
def test_bad_input_is_named_before_anything_is_written(
    overrides: list[str], message: str, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with pytest.raises(ConfigError, match=message):
        train(compose(["reward=sparse", *overrides]), RunFolder(folder))
    assert not folder.exists()
