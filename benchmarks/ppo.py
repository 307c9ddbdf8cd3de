"""R5: PPO on our vector adapter and rewards, against SB3's `DummyVecEnv` and `imitation`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from protocol import Contest, Outcome, Race, Side, Skipped, Target
from stable_baselines3 import PPO
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv
from vector_env import PlainKeyDoor

import rewardsmith.rewards as rw
from rewardsmith.agents.recorder import EpisodeRecorder
from rewardsmith.agents.sb3.adapter import VectorAdapter
from rewardsmith.agents.tasks import pay_and_record
from rewardsmith.envs.batch import BatchEnv
from rewardsmith.envs.control import key_door, point_maze

N_ENVS = 64
SETTINGS: dict[str, Any] = {  # The PPO paper's for Atari, arXiv 1707.06347
    "n_steps": 128,
    "batch_size": 2048,  # A quarter of a rollout
    "n_epochs": 4,
    "learning_rate": 2.5e-4,
    "ent_coef": 0.01,
    "device": "cpu",
    "seed": 0,
}
SKIPPED = Skipped("against `imitation`: `make benchmarks` installs it")

Returns = Callable[[], list[float]]
"""Hands over the returns of the episodes that ended since it was last called."""


def contests(quick: bool) -> Iterator[Contest | Skipped]:
    torch.set_num_threads(1)
    n = 16 if quick else N_ENVS
    yield _against_imitation(n)
    for name, batch, single, bound in (
        ("`KeyDoor` against `DummyVecEnv`", key_door.KeyDoor, key_door.single, 2.0),
        ("`PointMaze` against `DummyVecEnv`", point_maze.PointMaze, point_maze.single, 2.0),
        ("`KeyDoor`, theirs in plain Python", key_door.KeyDoor, PlainKeyDoor, 1.0),
    ):
        yield Contest(
            f"{name}, {n} envs",
            _learner(VectorAdapter(_task(batch, n))),
            _learner(DummyVecEnv([single] * n)),
            Target("faster", bound),
        )
    paid = pay_and_record(_task(key_door.KeyDoor, n), with_guides(), gamma=0.99)
    yield Contest(
        f"`KeyDoor`, a design of three terms against none, {n} envs",
        _learner(VectorAdapter(paid), lambda: _returns(paid)[:0]),
        _learner(VectorAdapter(_task(key_door.KeyDoor, n))),
        Target("cost", 1.05),
    )


def with_guides() -> rw.RewardDesign:
    """The task's reward and two guides of weight 0: computed and recorded, but not paid."""
    terms = {
        "task": rw.TaskReward(),
        "progress": rw.Progress("agent", "goal"),
        "key": rw.FieldReward("has_key", 0.1),
    }
    return rw.RewardDesign(terms, rw.WeightedSum({"progress": 0.0, "key": 0.0}))


def dense() -> rw.RewardDesign:
    """A design of observations alone, all that `imitation` shows a reward."""
    return rw.RewardDesign(
        {
            "progress": rw.Progress("agent", "goal"),
            "key": rw.FieldReward("has_key", 0.1),
            "door": rw.FieldReward("door_open", 0.2),
        }
    )


def dense_by_hand(
    state: np.ndarray, action: np.ndarray, next_state: np.ndarray, done: np.ndarray
) -> np.ndarray:
    """The pay of `dense` as a function for `imitation`, float32 (n,) as SB3 stores it."""
    before, after = state.astype(np.float64), next_state.astype(np.float64)
    progress = _gap(before) - _gap(after)
    return np.asarray(progress + 0.1 * after[:, 8] + 0.2 * after[:, 9], dtype=np.float32)


def _gap(observation: np.ndarray) -> np.ndarray:
    apart = observation[:, 0:2] - observation[:, 6:8]
    return np.asarray(np.sqrt(np.vecdot(apart, apart)))


def _task(batch: type[BatchEnv], n: int) -> BatchEnv:
    return batch(n, autoreset_mode=AutoresetMode.SAME_STEP)


def _returns(recorder: EpisodeRecorder) -> list[float]:
    returns = [episode["designed_return"] for episode in recorder.finished]
    recorder.finished.clear()
    return returns


def _against_imitation(n: int) -> Contest | Skipped:
    try:
        from imitation.rewards.reward_wrapper import RewardVecEnvWrapper
    except ImportError:
        return SKIPPED
    # `imitation` adds rewards up undiscounted, hence gamma=1 for the record of returns.
    ours = pay_and_record(_task(key_door.KeyDoor, n), dense(), gamma=1.0)
    theirs = RewardVecEnvWrapper(
        DummyVecEnv([key_door.single] * n), dense_by_hand, ep_history=100_000
    )

    def their_returns() -> list[float]:
        returns = list(theirs.episode_rewards)
        theirs.episode_rewards.clear()
        return returns

    return Contest(
        f"`KeyDoor` against `imitation`, {n} envs",
        _learner(VectorAdapter(ours), lambda: _returns(ours)),
        _learner(theirs, their_returns),
        Target("faster", 1.1),
        rtol=1e-5,
    )


def _learner(env: VecEnv, returns: Returns = list) -> Side:
    """Goes on learning, a rollout and its updates per run.

    Hands back the new episodes' returns and the weights.
    """
    model = PPO("MlpPolicy", env, **SETTINGS)
    steps, runs = model.n_steps * env.num_envs, count()

    def run() -> Outcome:
        set_random_seed(next(runs))  # the two sides take turns at one global generator
        model.learn(steps, reset_num_timesteps=False)
        weights = torch.nn.utils.parameters_to_vector(model.policy.parameters())
        return {
            "weights": weights.detach().numpy(),
            "returns": returns(),
            "steps": model.num_timesteps,
        }

    return Side(run)


RACE = Race(
    "R5",
    "PPO",
    f"""\
Frames per second of Stable-Baselines3's PPO, rollouts and updates together, with {N_ENVS}
environments and the PPO paper's settings for Atari: {SETTINGS["n_steps"]} steps per rollout,
four minibatches, {SETTINGS["n_epochs"]} epochs. Our side runs the task through `VectorAdapter`.
Peers: `imitation`'s `RewardVecEnvWrapper` over SB3's `DummyVecEnv`, paying the same three terms;
`DummyVecEnv` alone, with the task's own reward; the same with `KeyDoor` in plain Python (see
R1), where the target is not to be slower. Last, our time with a design of three terms and its
records over our time without: the two guides have weight 0, so that both learn from the same
pay. Both sides of a contest play the same episodes and end every round with the same
weights.""",
    contests,
)
