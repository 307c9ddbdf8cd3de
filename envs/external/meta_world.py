"""MetaWorld's tasks for a robot arm, from one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.external.meta_world_episodes import SeededEpisodes
from rewardsmith.envs.external.meta_world_oracle import scripted
from rewardsmith.envs.external.preset import MUJOCO, Preset, columns
from rewardsmith.envs.external.success import Threshold

ID = "Meta-World/goal_observable"
"""Id of the variant that shows the target; the others put zeros in its place."""

TIME_LIMIT = 200
"""Steps of an episode: about twice what the scripted policies need, where MetaWorld allows 500.

Random actions then succeed in none of 40 episodes of any task but one: a chance push shuts
the drawer in 23 of 100, and in half of all episodes of 500 steps."""

_KEYS = {"hand_to_target": "obj_to_target", "object_to_target": "obj_to_target"}
"""What `info` calls a fact where that is another name."""

_XYZW, _WXYZ = "quaternion x, y, z, w", "quaternion w, x, y, z"
_NONE = "not told: zeros"


@dataclass(frozen=True, slots=True)
class _Task:
    """What tells a task from the others.

    Attributes:
        goal: The task in one sentence.
        thing: What has to be brought to the target.
        radius: Largest distance to the target (m) that MetaWorld counts as success.
        distance: What that distance is.
        rotation: How the observation tells the rotation of the thing.
        near: Distance (m) of `near_object`; None where MetaWorld has no such fact.
        graspable: Whether `grasp_success` tells of a grasp; else it is a constant or of no use.
        hold: The axes along which the scripted policy is to stop at the target; "" where it
            stays of itself.
    """

    goal: str
    thing: str
    radius: float
    distance: str
    rotation: str = _XYZW
    near: float | None = None
    graspable: bool = False
    hold: str = ""


_TABLE: Mapping[str, _Task] = {
    "reach": _Task(
        "Bring the gripper to a point in the air and keep it there.",
        "puck, which has no part in this",
        0.05,
        "from gripper to target",
    ),
    "push": _Task(
        "Push the puck across the table to the target.",
        "puck",
        0.05,
        "from puck to target",
        near=0.03,
        graspable=True,
        hold="xyz",
    ),
    "pick_place": _Task(
        "Grasp the puck and hold it at the target in the air.",
        "puck",
        0.07,
        "from puck to target",
        near=0.03,
        graspable=True,
    ),
    "door_open": _Task(
        "Pull the door open by its handle.",
        "door handle",
        0.08,
        "from handle to its place when open, along x",
        hold="x",
    ),
    "drawer_open": _Task(
        "Pull the drawer open by its handle.",
        "drawer handle",
        0.03,
        "from handle to its place when open",
        _WXYZ,
        near=0.03,
    ),
    "drawer_close": _Task(
        "Push the drawer shut.",
        "drawer handle",
        0.065,
        "from handle to its place when shut",
        _NONE,
        near=0.01,
    ),
    "button_press_topdown": _Task(
        "Press the button down from above.",
        "button",
        0.024,
        "from button to its place when pressed, along z",
        _WXYZ,
        near=0.05,
    ),
    "peg_insert_side": _Task(
        "Grasp the peg and put it into the hole from the side.",
        "grip of the peg",
        0.07,
        "from head of the peg to hole, y and z counting twice",
        near=0.03,
        graspable=True,
    ),
    "window_open": _Task(
        "Slide the window open by its handle.",
        "window handle",
        0.05,
        "from handle to its place when open, along x",
        _NONE,
        near=0.05,
    ),
    "window_close": _Task(
        "Slide the window shut by its handle.",
        "window handle",
        0.05,
        "from handle to its place when shut, along x",
        _NONE,
        near=0.05,
    ),
    "faucet_open": _Task(
        "Turn the faucet open by its handle.",
        "faucet handle",
        0.07,
        "from handle to its place when open",
        _WXYZ,
        near=0.01,
        hold="xyz",
    ),
    "plate_slide": _Task(
        "Slide the plate into the cabinet.",
        "plate",
        0.07,
        "from plate to target",
        near=0.03,
    ),
    "coffee_button": _Task(
        "Press the button of the coffee machine.",
        "button",
        0.02,
        "from button to its place when pressed, along y",
        "not told: 1, 0, 0, 0",
        near=0.05,
        hold="y",
    ),
    "door_close": _Task(
        "Push the door shut.",
        "door handle",
        0.08,
        "from handle to its place when shut",
    ),
}


def _frame(task: _Task, start: int, prefix: str = "", when: str = "") -> tuple[Field, ...]:
    """Returns the fields of one moment, 18 columns from `start` on."""
    hand, thing = start, start + 4
    return (
        Field(f"{prefix}hand_position", f"x, y, z of the hand{when}", (hand, hand + 3), unit="m",
              low=-0.525, high=1.025),
        Field(f"{prefix}gripper_opening", f"1 open, 0 closed{when}", (hand + 3, hand + 4),
              low=0.0, high=1.0),
        Field(f"{prefix}object_position", f"x, y, z of the {task.thing}{when}", (thing, thing + 3),
              unit="m"),
        Field(f"{prefix}object_rotation", f"{task.rotation}{when}", (thing + 3, thing + 7),
              low=-1.0, high=1.0),
        Field(f"{prefix}second_object", "no second object: zeros", (thing + 7, thing + 14),
              low=0.0, high=0.0),
    )  # fmt: skip


def _to_target(name: str) -> str:
    """Returns what the distance to the target is called: what is to be brought there differs."""
    return "hand_to_target" if name == "reach" else "object_to_target"


def _facts(name: str, task: _Task) -> tuple[Field, ...]:
    facts = [Field(_to_target(name), f"distance {task.distance}", unit="m", low=0.0)]
    if task.near is not None:
        near = f"1 while the gripper is within {task.near:g} m of the {task.thing}"
        facts.append(Field("near_object", near, low=0.0, high=1.0))
    if task.graspable:
        grasp = f"1 while the {task.thing} is held above where it lay"
        facts.append(Field("grasp_success", grasp, low=0.0, high=1.0))
    return tuple(facts)


_ACTION = columns(
    ("move_x", "shift of the hand along x, share of 1 cm", "", -1.0, 1.0),
    ("move_y", "shift of the hand along y, share of 1 cm", "", -1.0, 1.0),
    ("move_z", "shift of the hand along z, share of 1 cm", "", -1.0, 1.0),
    ("grip", "force of the fingers: 1 closes, -1 opens", "", -1.0, 1.0),
)


def _opening_left(env: Any) -> float:
    """MetaWorld's info holds a 0 in its place."""
    return float(abs(env.data.geom("handle").xpos[0] - np.asarray(env._target_pos)[0]))


def _preset(name: str, task: _Task) -> Preset:
    facts, to_target = _facts(name, task), _to_target(name)
    readers = {to_target: _opening_left} if name == "door_open" else {}
    told = {f.name: _KEYS.get(f.name, f.name) for f in facts if f.name not in readers}
    env_name = f"{name.replace('_', '-')}-v3"
    card = EnvCard(
        id=f"{ID} {name}",
        goal=task.goal,
        observation=(
            *_frame(task, 0),
            *_frame(task, 18, "previous_", ", a step ago"),
            Field("target_position", f"x, y, z of the target of the {task.thing}"
                  if name != "reach" else "x, y, z of the target", (36, 39), unit="m"),
        ),
        action=_ACTION,
        facts=facts,
        oracle=partial(scripted, env_name=env_name, hold=task.hold, radius=task.radius),
        human_design="MetaWorld's staged reward for the task, from 0 to 10 at every step",
        source=f"MetaWorld (Yu et al. 2019, arXiv:1910.10897), version 3; {MUJOCO}",
    )  # fmt: skip
    # The dense reward goes on being paid while the task stays solved, so an episode that ended
    # there would teach its learner to keep away: success is to be held at the last step.
    return Preset(
        card,
        success=(Threshold(to_target, below=task.radius),),
        terminate_on_success=False,
        facts=readers,
        # The seed only keeps the construction off numpy's global generator; the spaces that
        # Gymnasium's checker sees at this point are not yet those of the variant.
        options={"env_name": env_name, "seed": 0, "disable_env_checker": True},
        time_limit=TIME_LIMIT,
        wrap=partial(SeededEpisodes, facts=told),
    )


TASKS: Mapping[str, Preset] = {name: _preset(name, task) for name, task in _TABLE.items()}
"""Presets by MetaWorld's own name, with underscores and without the version."""
