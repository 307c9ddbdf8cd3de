"""`RunFolder`: what one training run keeps on disk, and who may write there."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from rewardsmith.agents.files import write_atomically, write_json
from rewardsmith.envs.errors import ConfigError


class RunFolder:
    """The files of one run.

    `config.yaml` the resolved configuration, `status.json` how far it is, `metrics.csv` a
    row per evaluation, `result.json` the final evaluation, `model.zip` the trained agent or
    `model` the trained language model, `reference_model` the one its reward reads, `checkpoint`
    what resuming needs, `rollout.png` and `.gif` a picture of the final policy.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def checkpoint(self) -> Path:
        """Where the checkpoint lies."""
        return self.path / "checkpoint"

    @property
    def model(self) -> Path:
        """Where the trained agent lies."""
        return self.path / "model.zip"

    @property
    def language_model(self) -> Path:
        """Where a trained language model lies, a folder as Hugging Face writes it."""
        return self.path / "model"

    @property
    def reference_model(self) -> Path:
        """Where the reference policy of a design that reads one lies, a folder of that kind."""
        return self.path / "reference_model"

    @property
    def _config_file(self) -> Path:
        return self.path / "config.yaml"

    @contextmanager
    def claim(self, config: Mapping[str, Any]) -> Iterator[None]:
        """Holds the folder for this process, and the run to its configuration.

        A second process waits; the kernel frees the folder when its holder dies.

        Raises:
            ConfigError: If the folder belongs to a run with another configuration; the
                message shows the difference.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.check_config(config)
            if not self._config_file.exists():
                write_atomically(
                    self._config_file, yaml.safe_dump(dict(config), sort_keys=False).encode()
                )
            yield

    def check_config(self, config: Mapping[str, Any]) -> None:
        """Raises ConfigError if the folder belongs to a run with another configuration."""
        file = self._config_file
        if not file.exists():
            return
        differing = differences(yaml.safe_load(file.read_text()), config)
        if differing:
            shown = "; ".join(
                f"{key}: {old!r} there, {new!r} now" for key, old, new in differing[:5]
            )
            raise ConfigError(
                f"{self.path} holds a run with another configuration ({shown}); "
                "choose another folder or name, or delete that one"
            )

    def config(self) -> dict[str, Any]:
        """Returns the configuration of the run.

        Raises:
            ConfigError: If there is no run here.
        """
        file = self._config_file
        if not file.exists():
            raise ConfigError(
                f"{self.path} holds no run (config.yaml is missing); give the folder "
                "that `rewardsmith train` or `compare` made, down to seed_N"
            )
        loaded: dict[str, Any] = yaml.safe_load(file.read_text())
        return loaded

    def status(self) -> dict[str, Any]:
        """Returns the last written status, {} before the run starts."""
        try:
            status: dict[str, Any] = json.loads((self.path / "status.json").read_text())
        except (OSError, json.JSONDecodeError):
            return {}
        return status

    def is_finished(self) -> bool:
        """Tells whether the run ended and left its result."""
        return self.status().get("state") == "finished" and (self.path / "result.json").exists()

    def write_status(self, state: str, step: int, total_steps: int, **more: Any) -> None:
        """Writes how far the run is."""
        status = {
            "state": state,
            "step": step,
            "total_steps": total_steps,
            "pid": os.getpid(),
            "updated": time.time(),
            **more,
        }
        write_json(self.path / "status.json", status, durable=state != "running")

    def write_metrics(self, rows: list[dict[str, float]]) -> None:
        """Writes one line per evaluation."""
        columns = list(dict.fromkeys(key for row in rows for key in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(self.path / "metrics.csv", text.getvalue().encode())

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Writes the final evaluation."""
        write_json(self.path / "result.json", result)

    def result(self) -> dict[str, Any]:
        """Returns the final evaluation."""
        result: dict[str, Any] = json.loads((self.path / "result.json").read_text())
        return result


def differences(old: Any, new: Any, prefix: str = "") -> list[tuple[str, Any, Any]]:
    """Lists (dotted key, old value, new value) where two configurations differ.

    Example:
        >>> differences({"a": {"b": 1}, "c": 2}, {"a": {"b": 3}, "c": 2})
        [('a.b', 1, 3)]
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        found = []
        for key in dict.fromkeys([*old, *new]):
            found += differences(old.get(key), new.get(key), f"{prefix}{key}.")
        return found
    return [] if old == new else [(prefix.rstrip("."), old, new)]
