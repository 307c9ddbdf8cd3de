"""Crashes: whatever kills a run, the same command ends with the same numbers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rewardsmith.agents import checkpoint
from rewardsmith.agents.configs import compose
from rewardsmith.agents.files import read_sealed, write_atomically, write_sealed
from rewardsmith.agents.llm.trainer import Trainer
from rewardsmith.agents.progress import Interrupted, StopRequest
from rewardsmith.agents.run_folder import RunFolder
from rewardsmith.agents.sb3.supervisor import Supervisor
from rewardsmith.agents.train import train
from rewardsmith.envs import RewardsmithError

DESIGN = """
_target_: rewardsmith.rewards.RewardDesign
terms:
  task: {_target_: rewardsmith.rewards.TaskReward}
  noisy:
    _target_: rewardsmith.rewards.RewardDesign
    terms: {time: {_target_: rewardsmith.rewards.FieldReward, field: has_key}}
    transforms: [{_target_: rewardsmith.rewards.FlipNoise, probability: 0.3}]
  shaping:
    _target_: rewardsmith.rewards.PotentialShaping
    potential: {_target_: rewardsmith.rewards.NegativeDistance, field: agent, target: key}
transforms:
  - {_target_: rewardsmith.rewards.Normalise}
  - {_target_: rewardsmith.rewards.Anneal, horizon: 3000, end: 0.5}
"""
"""A design with every kind of state: remembered potentials, random streams, statistics, time."""


class Crash(BaseException):
    """Stands for a death that no handler sees."""


def stateful_config(tmp_path: Path, *overrides: str) -> dict[str, Any]:
    path = tmp_path / "design.yaml"
    path.write_text(DESIGN)
    return compose(
        [
            f"reward={path}",
            "total_steps=4096",
            "evaluation.points=8",
            "evaluation.episodes=4",
            "evaluation.final_episodes=4",
            "agent.n_envs=8",
            *overrides,
        ]
    )


def crash_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Makes training die at the first rollout at or after `step`, before anything is saved."""
    rollout_start = Supervisor._on_rollout_start

    def dying(self: Supervisor) -> None:
        if self.num_timesteps >= step:
            raise Crash
        rollout_start(self)

    monkeypatch.setattr(Supervisor, "_on_rollout_start", dying)


AGENTS = {
    "ppo": ["agent.settings.n_steps=32"],
    "dqn": ["agent=dqn", "agent.settings.buffer_size=1000", "agent.settings.learning_starts=200"],
}


@pytest.mark.parametrize("name", AGENTS)
def test_resumed_equals_uninterrupted(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = stateful_config(tmp_path, *AGENTS[name])
    whole = train(config, RunFolder(tmp_path / "whole"))
    for step in (700, 2100, 3300):
        with monkeypatch.context() as patch:
            crash_at(patch, step)
            with pytest.raises(Crash):
                train(config, RunFolder(tmp_path / "broken"))
    assert train(config, RunFolder(tmp_path / "broken")) == whole
    texts = [(tmp_path / run / "metrics.csv").read_text() for run in ("whole", "broken")]
    assert texts[0] == texts[1]


def test_mujoco_task_resumes_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = compose(
        [
            "env=reacher",
            "reward=potential",
            "agent.n_envs=2",
            "total_steps=1024",
            "agent.settings.n_steps=64",
            "agent.settings.batch_size=64",
            "evaluation.points=4",
            "evaluation.episodes=2",
            "evaluation.final_episodes=2",
        ]
    )
    whole = train(config, RunFolder(tmp_path / "whole"))
    with monkeypatch.context() as patch:
        crash_at(patch, 700)
        with pytest.raises(Crash):
            train(config, RunFolder(tmp_path / "broken"))
    assert train(config, RunFolder(tmp_path / "broken")) == whole


def test_language_model_resumes_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REWARDSMITH_CACHE", str(tmp_path / "cache"))
    config = compose(
        [
            "env=calculator",
            "agent=grpo",
            "reward=toolrl",
            "total_steps=48",
            "agent.n_envs=8",
            "+agent.settings.model.hidden=16",
            "agent.settings.warm_up.steps=20",
            "agent.settings.training.prompts_per_batch=2",
            "agent.settings.training.group_size=4",
            "+agent.settings.training.objective.kl=0.01",
            "evaluation.points=3",
            "evaluation.episodes=2",
            "evaluation.final_episodes=2",
        ]
    )
    whole = train(config, RunFolder(tmp_path / "whole"))
    step = Trainer.step
    for update in (1, 3, 5):  # before the first checkpoint after training began, and after it

        def dying(self: Trainer, update: int = update) -> dict[str, float]:
            if self.updates >= update:
                raise Crash
            return step(self)

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "step", dying)
            with pytest.raises(Crash):
                train(config, RunFolder(tmp_path / "broken"))
    assert train(config, RunFolder(tmp_path / "broken")) == whole
    files = [tmp_path / run / "model" / "model.safetensors" for run in ("whole", "broken")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_sigterm_leaves_a_checkpoint(tmp_path: Path) -> None:
    config, stop = stateful_config(tmp_path), StopRequest()
    whole = train(config, RunFolder(tmp_path / "whole"))
    with stop.catching_signals(), pytest.raises(Interrupted, match="continues from there"):
        train(
            config,
            RunFolder(tmp_path / "stopped"),
            stop=stop,
            progress=lambda step, metrics: os.kill(os.getpid(), signal.SIGTERM),
        )
    assert RunFolder(tmp_path / "stopped").status()["state"] == "interrupted"
    assert train(config, RunFolder(tmp_path / "stopped")) == whole


def test_a_worker_stops_when_its_master_is_gone_and_others_do_not() -> None:
    assert not StopRequest().is_asked()
    assert not StopRequest(os.getpid()).is_asked()
    assert not StopRequest(os.getppid()).is_asked()
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert StopRequest(gone.pid).is_asked()


def test_kill_9_of_a_comparison(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "rewardsmith.agents.cli",
        "compare",
        "name=c",
        "seeds=2",
        "designs=[sparse,potential]",
        "total_steps=8192",
        "evaluation.points=8",
        "evaluation.episodes=4",
        "evaluation.final_episodes=4",
        "n_jobs=2",
    ]
    for folder in ("whole", "killed"):
        (tmp_path / folder).mkdir()
    subprocess.run(command, cwd=tmp_path / "whole", check=True, capture_output=True)
    killed = subprocess.Popen(
        command,
        cwd=tmp_path / "killed",
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    runs = tmp_path / "killed/runs/c"
    wait_until(lambda: finished(runs) >= 1)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    kept = {
        path: path.stat().st_mtime_ns
        for path in runs.glob("*/*/*/model.zip")
        if RunFolder(path.parent).is_finished()
    }
    assert 1 <= len(kept) < 4
    subprocess.run(command, cwd=tmp_path / "killed", check=True, capture_output=True)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    for whole in (tmp_path / "whole/runs/c").glob("*/*/*"):
        if whole.is_dir():
            again = runs / whole.relative_to(tmp_path / "whole/runs/c")
            for file in ("metrics.csv", "result.json"):
                assert (whole / file).read_text() == (again / file).read_text(), again


def finished(runs: Path) -> int:
    return sum(RunFolder(status.parent).is_finished() for status in runs.glob("*/*/*/status.json"))


def wait_until(condition: Any, timeout_s: float = 120.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the comparison never got that far"
        time.sleep(0.02)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    write_sealed(path, b"first")
    write_sealed(path, b"second")
    assert read_sealed(path) == b"second"
    for cut in range(len(path.read_bytes())):
        torn = path.read_bytes()[:cut]
        (tmp_path / "torn").write_bytes(torn)
        (tmp_path / "torn.previous").write_bytes((tmp_path / "checkpoint.previous").read_bytes())
        assert read_sealed(tmp_path / "torn") == b"first"
    (tmp_path / "torn.previous").write_bytes(b"nonsense")
    with pytest.raises(RewardsmithError, match="delete the run's folder"):
        read_sealed(tmp_path / "torn")


def test_a_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "status.json"
    write_atomically(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"


def test_a_failure_is_written_down(
    small_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any) -> None:
        raise OSError("disk is gone")

    monkeypatch.setattr(checkpoint, "save", broken)
    with pytest.raises(OSError, match="disk is gone"):
        train(small_config, RunFolder(tmp_path))
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["state"] == "failed"
    assert status["error"] == "OSError: disk is gone"
