"""Draws docs/images/envs/*.png: every task of `conf/env`, drawn by itself.

python docs/scripts/draw_envs.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rewardsmith.agents.configs import choices, compose
from rewardsmith.agents.pictures import picture_of, save_png
from rewardsmith.agents.tasks import make_single
from rewardsmith.envs.card import EnvCard

SOLVER_STEPS = 5
SEED = 3


def draw(name: str) -> np.ndarray | None:
    """Returns a picture of a task a few steps after its start, None where it has none."""
    env = make_single(compose([f"env={name}", "reward=sparse"])["env"])
    oracle = EnvCard.of(env).oracle
    observation, _ = env.reset(seed=SEED)
    env.action_space.seed(SEED)
    for _ in range(SOLVER_STEPS):
        action = oracle(observation[None])[0] if oracle else env.action_space.sample()
        observation, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            break
    return picture_of(env)


if __name__ == "__main__":
    folder = Path(__file__).parents[1] / "images" / "envs"
    for task in choices("env").keys() - {"gymnasium", "metaworld"}:
        picture = draw(task)
        if picture is not None:
            save_png(picture, folder / f"{task}.png")
