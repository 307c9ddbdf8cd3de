"""`SB3RewardWrapper`: pay by a design inside any Stable-Baselines3 `VecEnv`."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from rewardsmith.envs.card import EnvCard, inspect_spaces
from rewardsmith.rewards.design import RewardDesign
from rewardsmith.rewards.stream import RewardStream, merge_info, vectorise_infos
from rewardsmith.rewards.transition import put, stack


class SB3RewardWrapper(VecEnvWrapper):
    """Pays an SB3 `VecEnv` by a design.

    SB3 resets a finished environment in the same step: the true successor is in
    `info["terminal_observation"]`, and `info["TimeLimit.truncated"]` tells a cut-off from an
    end. The agent's reward is float32, as everywhere in SB3; `info["reward_terms"]` and
    `info["task_reward"]` are kept per environment.

    Args:
        venv: The environment.
        design: The design; a copy is used.
        card: The task's card, for designs that read fields by name. By default that of the
            first environment, or an empty card where the `VecEnv` holds none.
    """

    def __init__(self, venv: VecEnv, design: RewardDesign, card: EnvCard | None = None) -> None:
        super().__init__(venv)
        self.stream = RewardStream(copy.deepcopy(design), card or _card_of(venv), venv.num_envs)
        self._actions: np.ndarray | None = None

    def reset(self) -> VecEnvObs:
        """Starts an episode in every environment."""
        observation = self.venv.reset()
        self.stream.begin(observation, vectorise_infos(list(self.venv.reset_infos)))
        return observation

    def step_async(self, actions: np.ndarray) -> None:
        """Sends the actions."""
        self._actions = actions
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """Receives the step and pays it."""
        observation, reward, done, infos = self.venv.step_wait()
        truncated = np.array([bool(i.get("TimeLimit.truncated", False)) for i in infos]) & done
        info = vectorise_infos([_facts(i) for i in infos])
        successor, current = None, info
        if done.any():
            rows = np.flatnonzero(done)
            final = stack([infos[row]["terminal_observation"] for row in rows])
            successor = (put(observation, rows, final), info)
            current = merge_info(info, vectorise_infos(list(self.venv.reset_infos)), done)
        payment = self.stream.step(
            self._actions,
            observation,
            reward,
            done & ~truncated,
            truncated,
            current,
            successor=successor,
            restarted=done if done.any() else None,
        )
        names = payment.parts.keys()
        for row, terms in enumerate(zip(*payment.parts.values(), strict=True)):
            infos[row]["task_reward"] = float(reward[row])
            infos[row]["reward_terms"] = dict(zip(names, map(float, terms), strict=True))
        return observation, payment.total.astype(np.float32), done, infos


_BOOKKEEPING = frozenset({"terminal_observation", "TimeLimit.truncated", "episode"})


def _facts(info: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in info.items() if key not in _BOOKKEEPING}


def _card_of(venv: VecEnv) -> EnvCard:
    if venv.has_attr("card"):
        card: Any = venv.get_attr("card")[0]
        if isinstance(card, EnvCard):
            return card
    return inspect_spaces(venv, venv.observation_space, venv.action_space)
