"""Judging a policy by the task: fixed seeds, one whole episode per row."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rewardsmith.agents.recorder import EpisodeRecorder
from rewardsmith.agents.tasks import make_single, make_task, pay_and_record
from rewardsmith.envs.card import EnvCard
from rewardsmith.rewards.design import RewardDesign
from rewardsmith.rewards.stream import RewardStream

Policy = Callable[[Any], np.ndarray]
"""Batched observations -> batched actions."""

EVALUATION_SEED = 1_000_000
FINAL_SEED = 2_000_000


class Evaluator:
    """Plays `episodes` episodes side by side and reports what each earned.

    Every row plays exactly one episode to its end, so short episodes are not favoured; the
    seeds are the same at every call and differ from those of training.

    Args:
        env: The `env` group of the configuration.
        design: The design whose pay is reported beside the task's.
        gamma: Discount of the designed return.
        episodes: How many episodes.
        seed: Seed of the first; row i starts from seed + i.
    """

    def __init__(
        self,
        env: Mapping[str, Any],
        design: RewardDesign,
        *,
        gamma: float,
        episodes: int,
        seed: int,
    ) -> None:
        self.seed = seed
        self.env: EpisodeRecorder = pay_and_record(make_task(env, episodes), design, gamma)

    def play(self, policy: Policy, trained: RewardStream | None = None) -> list[dict[str, float]]:
        """Returns one record per episode, in the order of the rows.

        Args:
            policy: What acts.
            trained: The stream the agent trained on, whose running statistics the design
                takes over for this evaluation.
        """
        if trained is not None:
            self.env.stream.design.load_state_dict(copy.deepcopy(trained.design.state_dict()))
        self.env.finished.clear()
        observation, _ = self.env.reset(seed=self.seed)
        first: dict[int, dict[str, float]] = {}
        while len(first) < self.env.num_envs:
            observation, *_ = self.env.step(policy(observation))
            for record in self.env.finished:
                first.setdefault(int(record["row"]), record)
            self.env.finished.clear()
        return [first[row] for row in range(self.env.num_envs)]

    def close(self) -> None:
        """Closes the environments."""
        self.env.close()


def filmed_episode(
    env: Mapping[str, Any], policy: Policy, *, seed: int, frames: int = 200
) -> list[np.ndarray]:
    """Plays one episode and returns its pictures, uint8 (height, width, 3); [] if it has none."""
    from rewardsmith.agents.pictures import picture_of

    single = make_single(env)
    observation, _ = single.reset(seed=seed)
    pictures = [picture_of(single)]
    done = False
    while not done and len(pictures) < frames and pictures[0] is not None:
        action = policy(np.asarray(observation)[None])[0]
        observation, _, terminated, truncated, _ = single.step(action)
        done = bool(terminated or truncated)
        pictures.append(picture_of(single))
    single.close()
    return [picture for picture in pictures if picture is not None]


def oracle_earnings(
    env: Mapping[str, Any], design: RewardDesign, card: EnvCard, *, gamma: float, episodes: int
) -> list[dict[str, float]] | None:
    """Returns what the task's scripted solver earns by the task and the design, if it has one."""
    if card.oracle is None:
        return None
    evaluator = Evaluator(env, design, gamma=gamma, episodes=episodes, seed=FINAL_SEED)
    try:
        return evaluator.play(card.oracle)
    finally:
        evaluator.close()
