"""A finished run of a language model is judged again as it was at its end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rewardsmith.agents.configs import compose
from rewardsmith.agents.evaluate import evaluate_run
from rewardsmith.agents.evaluation import FINAL_SEED
from rewardsmith.agents.run_folder import RunFolder
from rewardsmith.agents.train import train
from rewardsmith.envs import ConfigError

COLUMNS = ("success", "task_return", "designed_return", "length")
SMALL = [
    "env=calculator",
    "agent=grpo",
    "total_steps=16",
    "agent.n_envs=8",
    "+env.options.turns=3",
    "agent.settings.training.sampling.max_new_tokens=48",
    "+agent.settings.model.hidden=32",
    "agent.settings.training.prompts_per_batch=2",
    "agent.settings.training.group_size=4",
    "evaluation.points=1",
    "evaluation.episodes=2",
    "evaluation.final_episodes=24",
]

WARM = ["agent.settings.warm_up.steps=40", "+agent.settings.warm_up.batch=8"]


def trained(folder: Path, *overrides: str) -> dict[str, Any]:
    return train(compose([*SMALL, *overrides]), RunFolder(folder))


def again(folder: Path, **changes: Any) -> dict[str, list[float]]:
    """Judges the run again, by default as it was judged at the end of training."""
    asked: dict[str, Any] = {"episodes": 24, "seed": FINAL_SEED, "deterministic": True}
    result, video = evaluate_run(RunFolder(folder), **asked | {"video": True} | changes)
    assert video is None
    return result


@pytest.mark.parametrize("reward", ["toolrl", "likelihood", "rlpr"])
def test_the_saved_model_does_as_the_trained_one_did(
    reward: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REWARDSMITH_CACHE", str(tmp_path / "cache"))
    run = tmp_path / "run"
    result = trained(run, f"reward={reward}", *WARM)
    judged = again(run)
    assert reward == "toolrl" or len(set(judged["designed_return"])) > 10
    for column in COLUMNS:
        assert judged[column] == pytest.approx(result[column], rel=1e-5, abs=1e-6)
    for term, paid in result["terms"].items():
        assert judged[f"term/{term}"] == pytest.approx(paid, rel=1e-5, abs=1e-6)
    assert json.loads((run / "evaluation.json").read_text()) == judged
    assert len(again(run, episodes=3, seed=1)["success"]) == 3


def test_sampled_play_is_repeated_by_its_seed_and_differs_from_the_likeliest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REWARDSMITH_CACHE", str(tmp_path / "cache"))
    run = tmp_path / "run"
    trained(run, "reward=crf", *WARM)
    sampled = again(run, deterministic=False)
    assert again(run, deterministic=False) == sampled
    assert again(run) != sampled


@pytest.mark.parametrize("reward", ["toolrl", "rlpr"])
def test_adapters_are_judged_with_the_model_they_were_trained_on(
    reward: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("peft")
    monkeypatch.setenv("REWARDSMITH_CACHE", str(tmp_path / "cache"))
    run, high = tmp_path / "run", "agent.settings.training.learning_rate=0.05"
    rank = "+agent.settings.model.lora_rank=2"
    result = trained(run, f"reward={reward}", rank, high, "agent.settings.warm_up.steps=0")
    assert again(run)["designed_return"] == pytest.approx(result["designed_return"], rel=1e-5)


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with folder.claim(compose([*SMALL, "reward=toolrl"])):
        folder.language_model.mkdir()
    with pytest.raises(ConfigError, match="has no trained agent yet; finish the run"):
        again(tmp_path)
