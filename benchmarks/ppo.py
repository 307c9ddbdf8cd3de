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
from rewardsmith.agents.sb3.adapter import VectorAdapter
from rewardsmith.agents.tasks import pay_and_record
from rewardsmith.envs.control import key_door

N_ENVS, ITERATIONS = 64, 4
SETTINGS: dict[str, Any] = {"n_steps": 32, "batch_size": 1024, "n_epochs": 4,
                            "learning_rate": 5e-4, "ent_coef": 0.01}
QUICK_SETTINGS: dict[str, Any] = {"n_steps": 64, "batch_size": 64, "n_epochs": 1}
INSTALL = "`pip install --no-deps imitation==1.0.1` (it pins old versions of what it needs)"


def contests(quick: bool) -> Iterator[Contest | Skipped]:
    torch.set_num_threads(1)
    n, settings = (2, QUICK_SETTINGS) if quick else (N_ENVS, SETTINGS)
    iterations = 1 if quick else ITERATIONS

    def learner(env: VecEnv, returns: Callable[[], list[float]] = list) -> Side:
        return _learner(env, returns, settings, iterations)

    yield _against_imitation(n, learner, Target("faster", 0.0 if quick else 1.1))
    for name, peer in (("`DummyVecEnv`", key_door.single),
                       ("`DummyVecEnv` and a task in plain Python", PlainKeyDoor)):
        yield Contest(f"against {name}, {n} envs", learner(VectorAdapter(_task(n))),
                      learner(DummyVecEnv([peer] * n)), Target("faster", 0.0 if quick else 2.0))
    paid = pay_and_record(_task(n), guided(weight=0.0), gamma=0.99)
    yield Contest(f"cost of a design of three terms, {n} envs", learner(VectorAdapter(paid)),
                  learner(VectorAdapter(_task(n))), Target("cost", np.inf if quick else 1.05))


def guided(weight: float) -> rw.RewardDesign:
    """The task's reward plus two guides; with weight 0 they are computed, but not paid."""
    terms = {"task": rw.TaskReward(), "progress": rw.Progress("agent", "goal"),
             "key": rw.FieldReward("has_key", 0.1)}
    return rw.RewardDesign(terms, rw.WeightedSum({"progress": weight, "key": weight}))


def dense() -> rw.RewardDesign:
    """A design of the observations alone, for `imitation` shows a reward nothing else."""
    return rw.RewardDesign({"progress": rw.Progress("agent", "goal"),
                            "key": rw.FieldReward("has_key", 0.1),
                            "door": rw.FieldReward("door_open", 0.2)})


def dense_by_hand(
    state: np.ndarray, action: np.ndarray, next_state: np.ndarray, done: np.ndarray
) -> np.ndarray:
    """The reward of `dense` as a function for `imitation`, float32 (n,) as SB3 stores it."""
    before, after = state.astype(np.float64), next_state.astype(np.float64)
    progress = _gap(before) - _gap(after)
    return (progress + 0.1 * after[:, 8] + 0.2 * after[:, 9]).astype(np.float32)


def _gap(observation: np.ndarray) -> np.ndarray:
    apart = observation[:, 0:2] - observation[:, 6:8]
    return np.asarray(np.sqrt(np.vecdot(apart, apart)))


def _task(n: int) -> key_door.KeyDoor:
    return key_door.KeyDoor(n, autoreset_mode=AutoresetMode.SAME_STEP)


def _against_imitation(
    n: int, learner: Callable[[VecEnv, Callable[[], list[float]]], Side], target: Target
) -> Contest | Skipped:
    try:
        from imitation.rewards.reward_wrapper import RewardVecEnvWrapper
    except ImportError:
        return Skipped(f"against `imitation`: needs {INSTALL}")
    recorder = pay_and_record(_task(n), dense(), gamma=1.0)  # `imitation` adds up undiscounted
    theirs = RewardVecEnvWrapper(DummyVecEnv([key_door.single] * n), dense_by_hand,
                                 ep_history=100_000)

    def our_returns() -> list[float]:
        returns = [episode["designed_return"] for episode in recorder.finished]
        recorder.finished.clear()
        return returns

    def their_returns() -> list[float]:
        returns = list(theirs.episode_rewards)
        theirs.episode_rewards.clear()
        return returns

    return Contest(f"against `imitation`, {n} envs", learner(VectorAdapter(recorder), our_returns),
                   learner(theirs, their_returns), target, rtol=1e-5)


def _learner(
    env: VecEnv, returns: Callable[[], list[float]], settings: dict[str, Any], iterations: int
) -> Side:
    """Goes on learning from run to run; hands back the new episodes' returns and the weights."""
    model = PPO("MlpPolicy", env, seed=0, device="cpu", **settings)
    steps = iterations * settings["n_steps"] * env.num_envs
    runs = count()

    def run() -> Outcome:
        set_random_seed(next(runs))  # both sides draw from one global generator in turn
        model.learn(steps, reset_num_timesteps=False, log_interval=None)
        weights = torch.nn.utils.parameters_to_vector(model.policy.parameters())
        return {"weights": weights.detach().numpy(), "returns": returns(),
                "steps": model.num_timesteps}

    return Side(run)


RACE = Race("R5", "PPO", f"""\
Frames per second of Stable-Baselines3's PPO on `KeyDoor`, rollouts and updates together, with
{N_ENVS} environments, {SETTINGS["n_steps"]} steps per rollout, minibatches of
{SETTINGS["batch_size"]}, {SETTINGS["n_epochs"]} epochs and one thread. Our side runs the
vectorised task through `VectorAdapter`. Peers: `imitation`'s `RewardVecEnvWrapper` paying the
same reward of three terms over SB3's `DummyVecEnv`; `DummyVecEnv` with the task's own reward,
over the single `KeyDoor` and over one written in plain Python. Last, what a design of three
terms with its records costs against none: its two guides have weight 0, so that both learn from
the same pay. Both sides of a contest start from the same weights, play the same episodes and
end every round with the same weights.""", contests)
