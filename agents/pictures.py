"""Pictures of environments, and files made of them: PNG, GIF, film strip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from PIL import Image

from rewardsmith.envs.errors import ConfigError

_GAP = 4
"""Pixels between the frames of a film strip."""


def picture_of(env: gym.Env[Any, Any]) -> np.ndarray | None:
    """Returns a picture of the present state, or None where the environment has none.

    MuJoCo tasks are drawn without OpenGL, whatever their `render_mode`; other environments
    must have been made with `render_mode="rgb_array"`.

    Returns:
        uint8 of shape (height, width, 3), or None.
    """
    task = env.unwrapped
    if type(getattr(task, "data", None)).__name__ == "MjData":
        from rewardsmith.envs.external.stick_figure import draw

        return draw(task.model, task.data)  # type: ignore[attr-defined]
    if env.render_mode != "rgb_array":
        return None
    try:
        frame = env.render()
    except gym.error.DependencyNotInstalled:
        return None
    return frame if isinstance(frame, np.ndarray) else None


def film_strip(frames: Sequence[np.ndarray], columns: int = 8) -> np.ndarray:
    """Lays frames out in reading order on a white page.

    Args:
        frames: Pictures, uint8 (height, width, 3), all of one size.
        columns: Frames per row.

    Returns:
        uint8 of shape (page height, page width, 3).

    Raises:
        ConfigError: If there is no frame, sizes differ, or `columns` is below 1.

    Example:
        >>> film_strip([np.zeros((10, 20, 3), np.uint8)] * 3, columns=2).shape
        (24, 44, 3)
    """
    height, width = _common_size(frames)
    if columns < 1:
        raise ConfigError(f"columns must be at least 1, got {columns}")
    columns = min(columns, len(frames))
    rows = -(-len(frames) // columns)
    page = np.full(
        (rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 3), 255, np.uint8
    )
    for i, frame in enumerate(frames):
        top, left = (i // columns) * (height + _GAP), (i % columns) * (width + _GAP)
        page[top : top + height, left : left + width] = frame
    return page


def save_png(frame: np.ndarray, path: str | Path) -> None:
    """Writes a picture, uint8 (height, width, 3), as a PNG file.

    Raises:
        ConfigError: If the array is not such a picture.
    """
    _common_size([frame])
    Image.fromarray(frame).save(path, format="PNG", optimize=True)


def save_gif(frames: Sequence[np.ndarray], path: str | Path, fps: float = 10.0) -> None:
    """Writes frames, uint8 (height, width, 3), as an endless animated GIF file.

    Args:
        frames: Pictures of one size.
        path: Where to write.
        fps: Frames per second; GIF keeps time in hundredths of a second, so at most 50.

    Raises:
        ConfigError: If there is no frame, sizes differ, or `fps` is outside (0, 50].
    """
    _common_size(frames)
    if not 0.0 < fps <= 50.0:
        raise ConfigError(f"fps must be above 0 and at most 50, got {fps}")
    first, *others = [Image.fromarray(frame).quantize(64) for frame in frames]
    first.save(
        path, format="GIF", save_all=True, append_images=others, loop=0,
        duration=10 * round(100.0 / fps),
    )  # fmt: skip


def _common_size(frames: Sequence[np.ndarray]) -> tuple[int, int]:
    if not len(frames):
        raise ConfigError("there are no frames; record at least one picture")
    for i, frame in enumerate(frames):
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ConfigError(
                f"frame {i} must be uint8 of shape (height, width, 3), got {frame.dtype} of shape "
                f"{frame.shape}"
            )
        if frame.shape != frames[0].shape:
            raise ConfigError(
                f"frames must have one size; frame 0 has shape {frames[0].shape}, frame {i} "
                f"{frame.shape}"
            )
    return frames[0].shape[0], frames[0].shape[1]
