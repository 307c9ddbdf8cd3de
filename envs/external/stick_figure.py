"""Pictures of MuJoCo tasks without OpenGL: bodies as flat shapes, seen along one axis.

MuJoCo's own renderer needs a graphics context, which servers and containers often lack. An
orthographic drawing of the model's simple shapes needs none and shows what matters: where
the limbs are, and where they should be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from PIL import Image, ImageDraw

from rewardsmith.envs.stateful import FloatArray

_SUPERSAMPLING = 2
_SKY, _GROUND, _MARK = (247, 248, 251), (226, 231, 239), (164, 174, 190)
_LEAST_RADIUS = 0.016
"""Least drawn radius of a shape, as a share of the picture, so that small targets show."""

_MARGIN = 0.1
"""Free room around the model in its home pose, as a share of its size."""


@dataclass(frozen=True, slots=True)
class _View:
    """An orthographic camera.

    Attributes:
        right: World axis that points right.
        up: World axis that points up.
        toward: World axis of the line of sight, times its sign: larger is nearer.
        centre: World coordinates (2,) of the middle of the picture.
        half: Half the width of the picture (m).
        pixels: Width of the picture.
    """

    right: int
    up: int
    toward: tuple[int, int]
    centre: FloatArray
    half: float
    pixels: int

    @property
    def scale(self) -> float:
        """Pixels per metre."""
        return self.pixels / (2.0 * self.half)

    def project(self, points: FloatArray) -> FloatArray:
        """Returns pixel coordinates (k, 2) of world points (k, 3)."""
        plane = (points[:, [self.right, self.up]] - self.centre) * self.scale
        return np.asarray(self.pixels / 2.0 + plane * np.array([1.0, -1.0]))


def draw(model: Any, data: Any, size: int = 256) -> np.ndarray:
    """Draws the present pose.

    Mechanisms that turn about the vertical, and those without gravity, are seen from above,
    the others from the side. A model that can travel without limit stays in the middle.

    Args:
        model: `mujoco.MjModel`.
        data: `mujoco.MjData` with up-to-date geometry positions.
        size: Width and height in pixels.

    Returns:
        The picture, uint8 (size, size, 3).
    """
    pixels = size * _SUPERSAMPLING
    view = _view_of(model, data, pixels)
    image = Image.new("RGB", (pixels, pixels), _SKY)
    canvas = ImageDraw.Draw(image)
    _draw_ground(canvas, model, view)
    axis, sign = view.toward
    for geom in np.argsort(sign * data.geom_xpos[:, axis], kind="stable"):
        if model.geom_type[geom] != mujoco.mjtGeom.mjGEOM_PLANE and model.geom_rgba[geom, 3] > 0:
            _draw_geom(canvas, model, data, int(geom), view)
    return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS))


def _view_of(model: Any, data: Any, pixels: int) -> _View:
    from_above = _from_above(model)
    right, up, toward = (0, 1, (2, 1)) if from_above else (0, 2, (1, -1))
    home = mujoco.MjData(model)
    mujoco.mj_kinematics(model, home)
    shapes = [_shape(model, home, geom) for geom in range(model.ngeom)]
    low = np.min([points.min(axis=0) - radius for points, radius in shapes], axis=0)[[right, up]]
    high = np.max([points.max(axis=0) + radius for points, radius in shapes], axis=0)[[right, up]]
    centre = (low + high) / 2.0
    travelled = _travelled(model, data, home)
    centre[0] += travelled[right]
    if from_above:
        centre[1] += travelled[up]
    half = float((high - low).max()) / 2.0 * (1.0 + 2.0 * _MARGIN)
    return _View(right, up, toward, centre, half, pixels)


def _from_above(model: Any) -> bool:
    turning = np.abs(model.jnt_axis[model.jnt_type == mujoco.mjtJoint.mjJNT_HINGE]).sum(axis=0)
    return bool(turning[2] > turning[1]) or not model.opt.gravity.any()


def _travelled(model: Any, data: Any, home: Any) -> FloatArray:
    """Returns how far (3,) the body with the first unlimited root joint has moved from home."""
    for joint in range(model.njnt):
        kind, body = model.jnt_type[joint], model.jnt_bodyid[joint]
        free = kind == mujoco.mjtJoint.mjJNT_FREE
        sliding = kind == mujoco.mjtJoint.mjJNT_SLIDE and not model.jnt_limited[joint]
        if (free or sliding) and model.body_parentid[body] == 0:
            return np.asarray(data.xpos[body] - home.xpos[body])
    return np.zeros(3)


def _shape(model: Any, data: Any, geom: int) -> tuple[FloatArray, float]:
    """Returns a geometry as points (k, 3) and a radius (m) around them; a plane is a point."""
    kind, size = model.geom_type[geom], model.geom_size[geom]
    if kind == mujoco.mjtGeom.mjGEOM_PLANE:
        local, radius = np.zeros((1, 3)), 0.0
    elif kind == mujoco.mjtGeom.mjGEOM_SPHERE:
        local, radius = np.zeros((1, 3)), size[0]
    elif kind in (mujoco.mjtGeom.mjGEOM_CAPSULE, mujoco.mjtGeom.mjGEOM_CYLINDER):
        local, radius = np.array([[0.0, 0.0, -size[1]], [0.0, 0.0, size[1]]]), size[0]
    else:
        corners = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, 8).T
        local, radius = corners * size, 0.0
    return data.geom_xpos[geom] + local @ data.geom_xmat[geom].reshape(3, 3).T, float(radius)


def _draw_geom(canvas: ImageDraw.ImageDraw, model: Any, data: Any, geom: int, view: _View) -> None:
    points, radius = _shape(model, data, geom)
    spots = view.project(points)
    colour = 255.0 * model.geom_rgba[geom, :3]
    if model.geom_bodyid[geom] == 0:  # fixed to the world: part of the scenery
        colour = _blend(colour, _GROUND, 0.55)
    width = max(radius * view.scale, _LEAST_RADIUS * view.pixels)
    if _is_target(model, geom):
        _stroke(canvas, spots, width + 0.025 * view.pixels, _blend(colour, _GROUND, 0.7))
    edge, line = _blend(colour, (0, 0, 0), 0.4), view.pixels / 256
    if radius == 0.0:
        canvas.polygon(_hull(spots), fill=_rgb(colour), outline=_rgb(edge), width=round(line))
        return
    _stroke(canvas, spots, width, edge)
    _stroke(canvas, spots, width - line, colour)


def _is_target(model: Any, geom: int) -> bool:
    name = mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_BODY, model.geom_bodyid[geom]) or ""
    return "target" in name or "goal" in name


def _stroke(
    canvas: ImageDraw.ImageDraw, spots: FloatArray, radius: float, colour: FloatArray
) -> None:
    """Draws a line through pixel positions (k, 2) with round ends; one position is a disc."""
    if len(spots) > 1:
        canvas.line([(x, y) for x, y in spots], fill=_rgb(colour), width=round(2.0 * radius))
    for x, y in spots:
        canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_rgb(colour))


def _blend(colour: FloatArray, other: tuple[int, int, int], share: float) -> FloatArray:
    return (1.0 - share) * colour + share * np.array(other)


def _rgb(colour: FloatArray) -> tuple[int, int, int]:
    red, green, blue = (int(channel) for channel in colour)
    return red, green, blue


def _hull(spots: FloatArray) -> list[tuple[float, float]]:
    from scipy.spatial import ConvexHull

    return [(float(x), float(y)) for x, y in spots[ConvexHull(spots, qhull_options="QJ").vertices]]


def _draw_ground(canvas: ImageDraw.ImageDraw, model: Any, view: _View) -> None:
    """Draws the floor, with marks at equal distances that show the model travelling."""
    step = 2.0 ** round(np.log2(view.half / 2.0))
    first = np.ceil((view.centre - view.half) / step)
    marks = (first + np.arange(10)[:, None]) * step
    lines = view.pixels / 2.0 + (marks - view.centre) * view.scale * np.array([1.0, -1.0])
    if view.up == 1:
        canvas.rectangle((0, 0, view.pixels, view.pixels), fill=_GROUND)
        for x, y in lines:
            canvas.line((x, 0, x, view.pixels), fill=_SKY, width=2)
            canvas.line((0, y, view.pixels, y), fill=_SKY, width=2)
        return
    for plane in np.flatnonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE):
        level = view.pixels / 2.0 - (model.geom_pos[plane, 2] - view.centre[1]) * view.scale
        canvas.rectangle((0, level, view.pixels, view.pixels), fill=_GROUND)
        canvas.line((0, level, view.pixels, level), fill=_MARK, width=3)
        for x in lines[:, 0]:
            canvas.line((x, level, x, level + 0.03 * view.pixels), fill=_MARK, width=3)
