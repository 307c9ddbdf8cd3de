"""Runs in several processes: one writes, all hold the same weights, all stop together."""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing as multiprocessing

from rewardsmith.agents import processes
from rewardsmith.agents.configs import compose
from rewardsmith.agents.llm.judge import Judge
from rewardsmith.agents.llm.trainer import Trainer
from rewardsmith.agents.progress import Interrupted, StopRequest
from rewardsmith.agents.run_folder import RunFolder
from rewardsmith.agents.train import train
from rewardsmith.envs.errors import ConfigError

PROCESSES = 2
SMALL = [
    "env=calculator",
    "agent=grpo",
    "reward=likelihood",
    "total_steps=32",
    "agent.n_envs=4",
    "+agent.settings.model.hidden=16",
    "agent.settings.warm_up.steps=5",
    "+agent.settings.warm_up.batch=4",
    "agent.settings.training.sampling.max_new_tokens=12",
    "agent.settings.training.prompts_per_batch=2",
    "agent.settings.training.group_size=4",
    "evaluation.points=2",
    "evaluation.episodes=2",
    "evaluation.final_episodes=2",
]


class StopAt(StopRequest):
    """Asks one process to stop, once the trainer has made some updates."""

    def __init__(self, seen: list[Any], updates: int) -> None:
        super().__init__()
        self.seen, self.updates = seen, updates

    def is_asked(self) -> bool:
        return processes.rank() == 1 and len(self.seen) >= self.updates


def run(folder: Path, name: str, **options: Any) -> tuple[Any, list[torch.Tensor]]:
    """Trains in this process; returns the result, or the error, and the weights after each step.

    Each process has a folder of its own; that of the second must stay away.
    """
    step, weights = Trainer.step, options.pop("seen", [])

    def stepping(self: Trainer) -> dict[str, float]:
        told = step(self)
        weights.append(torch.cat([p.detach().flatten() for p in self.policy.model.parameters()]))
        return told

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "step", stepping)
        own = RunFolder(folder / f"rank_{processes.rank()}" / name)
        try:
            return train(compose(SMALL), own, **options), weights
        except (Interrupted, ConfigError, OSError) as error:
            return error, weights


def fails_at_the_end(folder: Path) -> Any:
    """Dies in the first process, after the last checkpoint and before the final evaluation."""
    play = Judge.play

    def dying(self: Judge, episodes: int, seed: int) -> Any:
        if seed == 2_000_000:
            raise OSError("no memory left")
        return play(self, episodes, seed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Judge, "play", dying)
        return run(folder, "failed")


def work(rank: int, port: int, folder: Path) -> None:
    """What each of the processes does."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(PROCESSES),
                   "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}  # fmt: skip
    os.environ["REWARDSMITH_CACHE"] = str(folder / "cache")
    torch.set_num_threads(1)
    processes.join()
    seen: list[torch.Tensor] = []
    made = {
        "whole": run(folder, "whole"),
        "stopped": run(folder, "stopped", seen=seen, stop=StopAt(seen, 2)),
    }
    if rank == 0:
        made["status"] = RunFolder(folder / "rank_0" / "stopped").status(), []
        checkpoint = (folder / "rank_0" / "stopped" / "checkpoint").read_bytes()
    made |= {"resumed": run(folder, "stopped"), "failed": fails_at_the_end(folder)}
    made |= {"mended": run(folder, "failed"), "again": run(folder, "whole")}
    if rank == 0:
        (folder / "rank_0" / "stopped" / "checkpoint").write_bytes(checkpoint)
        (folder / "rank_0" / "stopped" / "status.json").unlink()
    (folder / f"{rank}.pickle").write_bytes(pickle.dumps(made))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    multiprocessing.spawn(work, (port, folder), PROCESSES)
    return folder


@pytest.fixture(scope="module")
def made(folder: Path) -> list[dict[str, Any]]:
    """Returns what every process made, by name: the result or error, and the weights."""
    return [pickle.loads((folder / f"{rank}.pickle").read_bytes()) for rank in range(PROCESSES)]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_processes_hold_the_same_weights_and_get_the_same_result(made: list[Any]) -> None:
    (result, weights), (also, also_weights) = (each["whole"] for each in made)
    assert len(weights) == 4
    assert not torch.equal(weights[0], weights[-1])
    for mine, other in zip(weights, also_weights, strict=True):
        assert torch.equal(mine, other)
    assert result == also


def test_the_first_process_alone_writes_and_what_it_writes_is_all(
    folder: Path, made: list[Any]
) -> None:
    assert not (folder / "rank_1").exists()
    whole = RunFolder(folder / "rank_0" / "whole")
    assert whole.is_finished()
    assert whole.result() == made[0]["whole"][0]
    expected = {"config.yaml", "status.json", "metrics.csv", "result.json", "transcripts.json"}
    assert files(whole.path) >= expected | {"model/model.safetensors"}
    assert len((whole.path / "metrics.csv").read_text().splitlines()) == 1 + 3


def test_a_stop_in_one_process_stops_all_at_a_checkpoint_and_resumes_bit_for_bit(
    folder: Path, made: list[Any]
) -> None:
    assert made[0]["status"][0] == {**made[0]["status"][0], "state": "interrupted", "step": 16}
    for each in made:
        assert isinstance(each["stopped"][0], Interrupted)
        (_, whole), (_, begun), (_, rest) = each["whole"], each["stopped"], each["resumed"]
        assert (len(begun), len(rest)) == (2, 2)
        for expected, weights in zip(whole, [*begun, *rest], strict=True):
            assert torch.equal(expected, weights)
        assert each["resumed"][0] == each["whole"][0]
    texts = [(folder / "rank_0" / run / "metrics.csv").read_text() for run in ("whole", "stopped")]
    assert without_speed(texts[0]) == without_speed(texts[1])


def without_speed(text: str) -> list[list[str]]:
    header, *rows = (line.split(",") for line in text.splitlines())
    return [[c for c, name in zip(row, header, strict=True) if "per_s" not in name] for row in rows]


def test_an_error_of_the_first_process_is_that_of_all(folder: Path, made: list[Any]) -> None:
    for each in made:
        assert str(each["failed"][0]) == "no memory left"
    assert all(each["mended"] == (made[0]["whole"][0], []) for each in made)  # no step was left
    assert all(each["again"] == (made[0]["whole"][0], []) for each in made)  # it was finished
    credit = json.loads((folder / "rank_0/failed/transcripts.json").read_text())["credit"]
    assert len(credit["returns"]) == 4


def test_another_number_of_processes_is_refused(
    folder: Path, made: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REWARDSMITH_CACHE", str(folder / "cache"))
    error, _ = run(folder, "stopped")
    assert isinstance(error, ConfigError)
    assert "was written by 2 processes, and there are 1 now; start as many" in str(error)


def launch(cwd: Path, *arguments: str) -> subprocess.Popen[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*launcher, f"--nproc-per-node={PROCESSES}", "-m", "rewardsmith.agents.cli"]
    return subprocess.Popen(
        [*command, *arguments],
        cwd=cwd,
        env={**os.environ, "REWARDSMITH_CACHE": str(cwd / "cache"), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(condition: Callable[[], bool], timeout_s: float = 100.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the run never got that far"
        time.sleep(0.05)


def test_torchrun_trains_and_stops_at_a_sigterm(tmp_path: Path) -> None:
    command = ["train", *SMALL, "folder=run", "total_steps=20000"]
    started = launch(tmp_path, *command)
    folder = RunFolder(tmp_path / "run")
    try:
        wait_until(lambda: started.poll() is not None or bool(folder.status()))
        started.send_signal(signal.SIGTERM)
        _, errors = started.communicate(timeout=60)
    finally:
        started.kill()
    assert folder.status()["state"] == "interrupted", errors
    assert 0 <= folder.status()["step"] < 20000
    assert "stopped at step" in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "env=bernoulli_bandit", "agent=ucb1"], "agent=ucb1 runs in one process"),
        (["compare", "name=c"], "rewardsmith compare runs in one process, and the launcher st"),
    ],
)
def test_what_runs_in_one_process_is_refused(
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    from rewardsmith.agents.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(sys, "argv", ["rewardsmith", *arguments])
    assert main() == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.json"))
