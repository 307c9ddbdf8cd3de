"""R4: what a running reward normaliser adds to a step, ours against Gymnasium's and SB3's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import NormalizeReward
from protocol import Contest, Outcome, Race, Side, Skipped, Target
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from tape import ACTION, OBSERVATION, Tape, VectorTape

import rewardsmith.rewards as rw

WIDTHS = (64, 1024)
TARGET = Target("faster", 2.0)


class SB3Tape(VecEnv):
    """The tape as a Stable-Baselines3 vector environment."""

    render_mode = None

    def __init__(self, tape: Tape) -> None:
        super().__init__(tape.n, OBSERVATION, ACTION)
        self.tape, self.now = tape, 0
        self.reward, self.done = tape.reward.astype(np.float32), tape.truncated
        self.infos: list[list[dict[str, Any]]] = [
            [
                {
                    "terminal_observation": tape.observation[now - 1, row],
                    "TimeLimit.truncated": True,
                }
                if ended
                else {}
                for row, ended in enumerate(done)
            ]
            for now, done in enumerate(tape.truncated)
        ]

    def reset(self) -> np.ndarray:
        self.now = 0
        return np.asarray(self.tape.observation[0])

    def step_async(self, actions: np.ndarray) -> None:
        pass

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        now = self.now = (self.now + 1) % self.tape.steps
        return self.tape.observation[now], self.reward[now], self.done[now], self.infos[now]

    def close(self) -> None:
        pass

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [getattr(self, attr_name)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        setattr(self, attr_name, value)

    def env_method(self, *_: Any, **__: Any) -> list[Any]:
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs


def contests(quick: bool) -> Iterator[Contest | Skipped]:
    for n in (3,) if quick else WIDTHS:
        tape = Tape(n, 40 if quick else max(400, 64_000 // n), terminates=False)
        for ours in (_in_a_design, _alone):
            for theirs in (_gymnasium, _sb3):
                name = f"{ours.__doc__} against {theirs.__doc__}, {n:,} envs"
                yield Contest(name, ours(tape), theirs(tape), TARGET, rtol=1e-4)


def _in_a_design(tape: Tape) -> Side:
    """`Normalise` in a design"""
    bare = rw.VectorRewardWrapper(_vector(tape), rw.RewardDesign({"task": rw.TaskReward()}))
    return _player(_normalised(tape), bare, tape)


def _alone(tape: Tape) -> Side:
    """`Normalise` alone, design and wrapper included,"""
    return _player(_normalised(tape), _vector(tape), tape)


def _gymnasium(tape: Tape) -> Side:
    """`NormalizeReward`"""
    return _player(NormalizeReward(_vector(tape)), _vector(tape), tape)


def _sb3(tape: Tape) -> Side:
    """`VecNormalize`"""
    wrapped = VecNormalize(SB3Tape(tape), norm_obs=False, clip_reward=np.inf)
    return _player(wrapped, SB3Tape(tape), tape)


def _vector(tape: Tape) -> VectorTape:
    return VectorTape(tape, AutoresetMode.SAME_STEP)


def _normalised(tape: Tape) -> rw.VectorRewardWrapper:
    design = rw.RewardDesign({"task": rw.TaskReward()}, transforms=[rw.Normalise(clip=np.inf)])
    return rw.VectorRewardWrapper(_vector(tape), design)


def _player(env: Any, bare: Any, tape: Tape) -> Side:
    """Plays the tape once with the normaliser; without it is taken off."""
    env.reset()
    bare.reset()

    def run() -> Outcome:
        return {"reward": [env.step(action)[1] for action in tape.action]}

    def without() -> None:
        for action in tape.action:
            bare.step(action)

    return Side(run, without)


RACE = Race(
    "R4",
    "Running normaliser",
    """\
What normalising the reward by the running deviation of its returns adds to a step, on a task
that only replays recorded steps: Gymnasium's vector `NormalizeReward` and Stable-Baselines3's
`VecNormalize(norm_obs=False)`, against `Normalise` added to a design that is there anyway, and
against a design and its wrapper made for `Normalise` alone. The normalised rewards agree to
single precision.""",
    contests,
)
