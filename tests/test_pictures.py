"""Pictures of environments, film strips and animations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from PIL import Image

from rewardsmith.agents.pictures import film_strip, picture_of, save_gif, save_png
from rewardsmith.envs import ConfigError
from rewardsmith.envs.external import make_external
from rewardsmith.envs.external.stick_figure import draw

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")

BALL = """<mujoco><worldbody>
  <geom type="plane" size="9 9 1"/>
  <body name="ball" pos="0 0 0.5">
    <joint type="slide" axis="{axis}" limited="{limited}" range="-1 1"/>
    <joint type="hinge" axis="{turn}"/>
    <geom type="{shape}" size="0.2 0.2 0.2" rgba="0 0 1 1"/>
  </body>
  <body pos="1 0 0.5"><geom type="sphere" size="0.05" rgba="0 1 0 1"/></body>
</worldbody></mujoco>"""


def ball(
    shape: str = "sphere", axis: str = "1 0 0", limited: str = "true", turn: str = "0 1 0"
) -> tuple[Any, Any]:
    model = mujoco.MjModel.from_xml_string(
        BALL.format(shape=shape, axis=axis, limited=limited, turn=turn)
    )
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return model, data


def centre_of(picture: np.ndarray, channel: int) -> tuple[float, float]:
    """Returns the mean (row, column) of the pixels in which one channel stands out."""
    others = np.delete(picture.astype(int), channel, axis=2).max(axis=2)
    rows, columns = np.nonzero(picture[:, :, channel].astype(int) - others > 100)
    return float(rows.mean()), float(columns.mean())


@pytest.mark.parametrize(
    "env_id", ["Reacher-v5", "Hopper-v5", "Pusher-v5", "Ant-v5", "InvertedPendulum-v5"]
)
def test_mujoco_tasks_are_drawn_without_a_render_mode(env_id: str) -> None:
    env = make_external(env_id)
    env.reset(seed=0)
    start = picture_of(env)
    assert start is not None
    assert start.shape == (256, 256, 3)
    assert start.dtype == np.uint8
    assert len(np.unique(start.reshape(-1, 3), axis=0)) > 10
    env.action_space.seed(0)
    for _ in range(10):
        env.step(env.action_space.sample())
    after = picture_of(env)
    assert after is not None
    assert (after != start).any()


def test_the_picture_depends_on_the_state_alone() -> None:
    pictures = []
    for _ in range(2):
        env = make_external("Reacher-v5")
        env.reset(seed=4)
        pictures.append(picture_of(env))
    np.testing.assert_array_equal(pictures[0], pictures[1])


def test_a_motion_in_the_world_is_a_motion_in_the_picture() -> None:
    model, data = ball()
    row, column = centre_of(draw(model, data), 2)
    data.qpos[0] = 0.5
    mujoco.mj_forward(model, data)
    moved_row, moved_column = centre_of(draw(model, data), 2)
    assert moved_row == pytest.approx(row, abs=0.6)
    width = 1.25 * 1.2  # from -0.2 to 1.05, and a tenth on either side
    assert moved_column - column == pytest.approx(0.5 / width * 256, abs=1.0)


def test_what_is_higher_is_drawn_higher() -> None:
    model, data = ball(axis="0 0 1")
    row, column = centre_of(draw(model, data), 2)
    data.qpos[0] = 0.2
    mujoco.mj_forward(model, data)
    higher_row, same_column = centre_of(draw(model, data), 2)
    assert higher_row < row - 10
    assert same_column == pytest.approx(column, abs=0.6)


def test_turning_about_the_vertical_is_seen_from_above() -> None:
    model, data = ball(axis="0 1 0", turn="0 0 1")
    row, _ = centre_of(draw(model, data), 2)
    data.qpos[0] = 0.2
    mujoco.mj_forward(model, data)
    assert centre_of(draw(model, data), 2)[0] < row - 10


def test_a_traveller_stays_in_the_middle() -> None:
    model, data = ball(limited="false")
    before = centre_of(draw(model, data), 2)
    data.qpos[0] = 7.0
    mujoco.mj_forward(model, data)
    assert centre_of(draw(model, data), 2) == pytest.approx(before, abs=0.6)


@pytest.mark.parametrize("shape", ["sphere", "capsule", "cylinder", "box", "ellipsoid"])
def test_every_simple_shape_is_drawn(shape: str) -> None:
    picture = draw(*ball(shape)).astype(int)
    assert (picture[:, :, 2] - picture[:, :, 0] > 100).sum() > 200


def test_environments_of_the_suite_render_themselves() -> None:
    env = gym.make("rewardsmith/KeyDoor-v0", render_mode="rgb_array")
    env.reset(seed=0)
    picture = picture_of(env)
    assert picture is not None
    np.testing.assert_array_equal(picture, env.render())


def test_no_picture_is_none() -> None:
    env = gym.make("CartPole-v1")
    env.reset(seed=0)
    assert picture_of(env) is None


def frame(value: int, height: int = 6, width: int = 10) -> np.ndarray:
    return np.full((height, width, 3), value, dtype=np.uint8)


def test_a_film_strip_reads_row_by_row() -> None:
    page = film_strip([frame(i) for i in (10, 20, 30)], columns=2)
    assert page.shape == (16, 24, 3)
    assert page[0, 0, 0] == 10
    assert page[0, 14, 0] == 20
    assert page[10, 0, 0] == 30
    assert (page[10:, 14:] == 255).all()
    assert (page[6:10] == 255).all()
    assert (page[:, 10:14] == 255).all()


def test_a_short_film_strip_is_no_wider_than_its_frames() -> None:
    assert film_strip([frame(0)], columns=8).shape == (6, 10, 3)


def test_files_hold_the_frames(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (6, 10, 3)).astype(np.uint8)
    save_png(picture, tmp_path / "one.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "one.png")), picture)

    save_gif([frame(0), frame(128), frame(255)], tmp_path / "all.gif", fps=20)
    with Image.open(tmp_path / "all.gif") as gif:
        assert gif.n_frames == 3  # type: ignore[attr-defined]
        assert gif.info["duration"] == 50
        assert gif.info["loop"] == 0
        values = []
        for i in range(3):
            gif.seek(i)
            values.append(int(np.asarray(gif.convert("RGB")).mean()))
    assert values == [0, 128, 255]


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "there are no frames"),
        ([frame(0), frame(0, height=7)], "frame 0 has shape (6, 10, 3), frame 1 (7, 10, 3)"),
        ([np.zeros((6, 10, 3))], "frame 0 must be uint8"),
        ([np.zeros((6, 10), np.uint8)], "frame 0 must be uint8"),
    ],
)
def test_frames_that_do_not_fit_are_named(
    frames: list[np.ndarray], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        film_strip(frames)
    assert message in str(caught.value)
    with pytest.raises(ConfigError):
        save_gif(frames, tmp_path / "none.gif")


def test_impossible_numbers_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="columns must be at least 1, got 0"):
        film_strip([frame(0)], columns=0)
    for fps in (0.0, 51.0):
        with pytest.raises(ConfigError, match="fps must be above 0 and at most 50"):
            save_gif([frame(0)], tmp_path / "none.gif", fps=fps)
