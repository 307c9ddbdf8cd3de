"""Writing files so that a crash at any byte leaves either the old file or the new one."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from rewardsmith.envs.errors import RewardsmithError


def write_atomically(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Writes a temporary file beside `path` and renames it over `path`.

    Args:
        path: Where to.
        data: What.
        durable: Also force file and folder to disk, so that it outlives a power cut.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(data)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    os.replace(temporary, path)
    if durable:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_json(path: Path, value: Any, *, durable: bool = True) -> None:
    """Writes `value` as indented JSON, atomically."""
    write_atomically(path, (json.dumps(value, indent=1) + "\n").encode(), durable=durable)


def write_sealed(path: Path, data: bytes) -> None:
    """Writes `data` behind its SHA-256, keeping the file it replaces as `<name>.previous`."""
    if path.exists():
        os.replace(path, path.with_name(path.name + ".previous"))
    write_atomically(path, hashlib.sha256(data).hexdigest().encode() + b"\n" + data)


def read_sealed(path: Path) -> bytes | None:
    """Returns the newest intact content written by `write_sealed`, or None if there is none.

    Raises:
        RewardsmithError: If files are there, but every one is damaged.
    """
    candidates = [p for p in (path, path.with_name(path.name + ".previous")) if p.exists()]
    for candidate in candidates:
        seal, _, data = candidate.read_bytes().partition(b"\n")
        if hashlib.sha256(data).hexdigest().encode() == seal:
            return data
    if candidates:
        raise RewardsmithError(
            f"the checkpoint {path} is damaged (its content does not match its "
            "hash); delete the run's folder to train it anew"
        )
    return None
