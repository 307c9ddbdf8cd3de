"""Gymnasium's one-legged hopper: forward, jump, flip."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import gymnasium as gym
import numpy as np

from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.external.locomotion import (
    AIRBORNE,
    X_VELOCITY,
    airborne,
    healthy,
    turned_field,
    x_position,
    x_velocity,
)
from rewardsmith.envs.external.preset import MUJOCO, Preset, columns
from rewardsmith.envs.external.success import Threshold
from rewardsmith.envs.external.turning import TURNED, Turning

_FORWARD = EnvCard(
    id="Hopper-v5",
    goal="Hop two metres forwards on one leg without falling.",
    observation=columns(
        ("height", "height of the torso; below 0.7 it has fallen", "m", 0.0, np.inf),
        ("torso_angle", "lean of the torso; beyond 0.2 it has fallen", "rad", -np.inf, np.inf),
        ("thigh_angle", "angle of the thigh joint", "rad", -np.inf, np.inf),
        ("leg_angle", "angle of the leg joint", "rad", -np.inf, np.inf),
        ("foot_angle", "angle of the foot joint", "rad", -np.inf, np.inf),
        ("forward_velocity", "velocity of the torso along x", "m/s", -10.0, 10.0),
        ("vertical_velocity", "velocity of the torso along z", "m/s", -10.0, 10.0),
        ("torso_angular_velocity", "turning of the torso", "rad/s", -10.0, 10.0),
        ("thigh_angular_velocity", "turning of the thigh joint", "rad/s", -10.0, 10.0),
        ("leg_angular_velocity", "turning of the leg joint", "rad/s", -10.0, 10.0),
        ("foot_angular_velocity", "turning of the foot joint", "rad/s", -10.0, 10.0),
    ),
    action=columns(
        ("thigh_torque", "share of 200 N m at the thigh", "", -1.0, 1.0),
        ("leg_torque", "share of 200 N m at the knee", "", -1.0, 1.0),
        ("foot_torque", "share of 200 N m at the ankle", "", -1.0, 1.0),
    ),
    facts=(
        Field("x_position", "place of the torso along x; starts at 0", unit="m"),
        X_VELOCITY,
        Field("upright", "1 while neither height nor lean counts as fallen", low=0, high=1),
    ),
    human_design="1 while upright + velocity along x - 0.001 |action|^2 at every step",
    source=f"Erez, Tassa and Todorov 2011; {MUJOCO}",
)  # fmt: skip

_READERS = {"x_position": x_position, "x_velocity": x_velocity, "upright": healthy}

# Two metres are out of reach of falling: the hopper is 1.25 m tall, and random torques tip
# it over within 0.6 m.
FORWARD = Preset(
    _FORWARD,
    success=(Threshold("x_position", above=2.0), Threshold("upright", above=1.0)),
    terminate_on_success=True,
    facts=_READERS,
)

# Random torques bounce the torso no higher than 1.29 m in 200 episodes; an open-loop plan
# found by cross-entropy search reaches 1.51 m.
JUMP = Preset(
    dataclasses.replace(
        _FORWARD,
        id="Hopper-v5 jump",
        goal="Jump so high on one leg that the torso rises to 1.4 metres, without falling.",
        facts=(*_FORWARD.facts, AIRBORNE),
        human_design="",  # what Gymnasium pays is for hopping forwards
    ),
    success=(Threshold("height", above=1.4), Threshold("airborne", above=1.0)),
    terminate_on_success=True,
    facts=_READERS | {"airborne": airborne},
    time_limit=200,
)


class BackflipReward(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Pays the hand-written reward that Christiano et al. published for the hopper's backflip.

    r = roll (1 + 0.3 height + 0.1 power + 0.05 slide), with roll = -(torso's angular
    velocity), power = torques times joint velocities, slide = -(velocity along x).

    Args:
        env: `Hopper-v5`.

    Source: the authors' announcement of arXiv:1706.03741, "Learning from human preferences",
    openai.com, June 2017.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Plays one step and pays it."""
        observation, _, terminated, truncated, info = self.env.step(action)
        height, forward, roll = observation[0], observation[5], -observation[7]
        power = float(np.dot(action, observation[8:11]))
        reward = roll * (1.0 + 0.3 * height + 0.1 * power - 0.05 * forward)
        return observation, float(reward), terminated, truncated, info


def _with_backflip(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    return BackflipReward(Turning(env, ("foot_geom",)))


# Random torques turn the torso by no more than 4.9 rad, in 200 episodes, before it touches the
# floor; an open-loop plan found by cross-entropy search turns it by more than 6.5 rad.
FLIP = Preset(
    dataclasses.replace(
        _FORWARD,
        id="Hopper-v5 flip",
        goal="Turn a somersault: turn the torso once right round, forwards or backwards, while "
        "nothing but the foot touches the floor.",
        facts=(*_FORWARD.facts, turned_field("anything but the foot")),
        human_design="roll * (1 + 0.3 height + 0.1 power - 0.05 velocity along x) at every step, "
        "with roll the angular velocity of the torso backwards and power the torques times the "
        "joint velocities",
        source=f"Christiano et al. 2017 (arXiv:1706.03741); {MUJOCO}",
    ),
    success=(Threshold(TURNED, above=2.0 * math.pi),),
    terminate_on_success=True,
    facts=_READERS,
    options={"terminate_when_unhealthy": False},
    time_limit=200,
    wrap=_with_backflip,
)
