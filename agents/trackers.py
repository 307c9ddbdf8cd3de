"""Where metrics go while training, beside the CSV that every run writes anyway."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from rewardsmith.envs.errors import unknown


class Tracker(Protocol):
    """Receives metrics by training step."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Takes the metrics of one step."""

    def close(self) -> None:
        """Flushes and lets go."""


class CsvTracker:
    """Keeps nothing more: `metrics.csv` in the run folder is always written."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


class TensorBoardTracker:
    """Writes TensorBoard event files into `<run>/tensorboard`."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder / "tensorboard"))

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Writes one scalar per metric."""
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Closes the event file."""
        self._writer.close()


class WandbTracker:
    """Logs to Weights & Biases: online where `WANDB_API_KEY` is set, else offline on disk.

    Args:
        folder: The run's folder; offline data goes below it.
        config: The resolved configuration, shown with the run.
        project: The W&B project.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any], project: str) -> None:
        import wandb

        mode: Literal["online", "offline"] = (
            "online" if os.environ.get("WANDB_API_KEY") else "offline"
        )
        self._run: Any = wandb.init(
            project=project,
            name="/".join(folder.parts[-3:]),
            dir=str(folder),
            config=dict(config),
            mode=mode,
            settings=wandb.Settings(silent=True),
        )

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Logs the metrics at that step."""
        self._run.log(dict(metrics), step=step)

    def close(self) -> None:
        """Finishes the W&B run."""
        self._run.finish()


TRACKERS = ("csv", "tensorboard", "wandb")


def make_tracker(tracker: Mapping[str, Any], folder: Path, config: Mapping[str, Any]) -> Tracker:
    """Makes the tracker that the `tracker` group of the configuration names.

    Raises:
        ConfigError: If there is no such tracker.
    """
    kind = str(tracker["name"])
    if kind == "csv":
        return CsvTracker()
    if kind == "tensorboard":
        return TensorBoardTracker(folder)
    if kind == "wandb":
        return WandbTracker(folder, config, str(tracker.get("project", "rewardsmith")))
    raise unknown("tracker", kind, TRACKERS, where="tracker.name")
