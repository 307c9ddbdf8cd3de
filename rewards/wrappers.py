"""Pay by a `RewardDesign` in a single env, a Gymnasium vector env, or an SB3 `VecEnv`.

All three keep the environment's own reward in `info["task_reward"]` and the value of every
term in `info["reward_terms"]`, and give equal pay for equal steps.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.stateful import BoolArray, FloatArray, Stateful
from rewardsmith.rewards.design import Payment, RewardDesign
from rewardsmith.rewards.stream import RewardStream, merge_info, vectorise_infos
from rewardsmith.rewards.transition import put, stack


class RewardWrapper(gym.Wrapper[Any, Any, Any, Any]):
    """Pays a single environment by a design.

    Args:
        env: The environment.
        design: The design; a copy is used, so one design may serve many environments.
        card: The task's card; by default `EnvCard.of(env)`.

    Example:
        >>> import rewardsmith.rewards as rw
        >>> env = RewardWrapper(gym.make("rewardsmith/KeyDoor-v0"),
        ...                     RewardDesign({"time": rw.TimeCost(0.1)}))
        >>> _ = env.reset(seed=0)
        >>> *_, info = env.step(0)
        >>> info["task_reward"], info["reward_terms"]
        (0.0, {'time': -0.1})
    """

    def __init__(
        self, env: gym.Env[Any, Any], design: RewardDesign, card: EnvCard | None = None
    ) -> None:
        super().__init__(env)
        self.stream = RewardStream(copy.deepcopy(design), card or EnvCard.of(env), 1)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode; the design's state is cleared."""
        observation, info = self.env.reset(seed=seed, options=options)
        self.stream.begin(stack([observation]), vectorise_infos([info]))
        return observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Steps the environment and pays by the design."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        payment = self.stream.step(
            stack([action]),
            stack([observation]),
            np.array([float(reward)]),
            np.array([bool(terminated)]),
            np.array([bool(truncated)]),
            vectorise_infos([info]),
        )
        info = info | {"task_reward": float(reward), "reward_terms": _row(payment.parts, 0)}
        return observation, float(payment.total[0]), terminated, truncated, info


class VectorRewardWrapper(gym.vector.VectorWrapper, Stateful):
    """Pays a Gymnasium vector environment by a design, under every `AutoresetMode`.

    Args:
        env: The vector environment; `metadata["autoreset_mode"]` tells its mode.
        design: The design; a copy is used.
        card: The task's card; by default `EnvCard.of(env)`.

    Raises:
        EnvError: If the environment does not say how it autoresets.
    """

    state_names = ("stream", "_done")

    def __init__(
        self,
        env: gym.vector.VectorEnv[Any, Any, Any],
        design: RewardDesign,
        card: EnvCard | None = None,
    ) -> None:
        super().__init__(env)
        mode = env.metadata.get("autoreset_mode")
        if not isinstance(mode, AutoresetMode):
            raise EnvError(
                f"metadata['autoreset_mode'] of {env} is {mode!r}; the pay depends on "
                "it, so set it to a gymnasium.vector.AutoresetMode"
            )
        self.mode = mode
        self.stream = RewardStream(copy.deepcopy(design), card or EnvCard.of(env), env.num_envs)
        self._done = np.zeros(env.num_envs, dtype=np.bool_)
        # A wrapper in between may change the final observation of finished rows alone.
        direct = not isinstance(env, gym.vector.VectorWrapper)
        self._whole_final = direct and bool(env.metadata.get("whole_final_obs", False))
        self._every = np.ones(env.num_envs, dtype=np.bool_)
        self._term_masks: dict[str, BoolArray] = {}

    def reset(
        self,
        *,
        seed: int | list[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Starts episodes in all rows, or where `options["reset_mask"]` is true."""
        mask = None if options is None else options.get("reset_mask")
        observation, info = self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]
        self.stream.begin(observation, info, mask)
        self._done = np.zeros(self.num_envs, dtype=np.bool_) if mask is None else self._done & ~mask
        return observation, info

    def step(self, actions: Any) -> tuple[Any, FloatArray, BoolArray, BoolArray, dict[str, Any]]:
        """Steps all rows and pays them; the autoreset step of a row pays 0."""
        observation, reward, terminated, truncated, info = self.env.step(actions)
        done = terminated | truncated
        active, restarted, successor = None, None, None
        if self.mode is AutoresetMode.NEXT_STEP:
            if np.count_nonzero(self._done):
                active, restarted = ~self._done, self._done
            self._done = done
        elif self.mode is AutoresetMode.SAME_STEP and np.count_nonzero(done):
            restarted = done
            successor = _true_successor(observation, info, done, whole=self._whole_final)
        payment = self.stream.step(
            actions,
            observation,
            reward,
            terminated,
            truncated,
            info,
            successor=successor,
            active=active,
            restarted=restarted,
        )
        info = self._with_pay(info, reward, payment)
        return observation, payment.total, terminated, truncated, info

    def _with_pay(
        self, info: Mapping[str, Any], reward: FloatArray, payment: Payment
    ) -> dict[str, Any]:
        if len(self._term_masks) != len(payment.parts):
            self._term_masks = {f"_{name}": self._every for name in payment.parts}
        return {
            **info,
            "task_reward": reward,
            "_task_reward": self._every,
            "reward_terms": payment.parts | self._term_masks,
            "_reward_terms": self._every,
        }


def _true_successor(
    observation: Any, info: Mapping[str, Any], done: BoolArray, *, whole: bool
) -> tuple[Any, dict[str, Any]]:
    """Puts the final observation and info back in the rows that a same-step reset replaced.

    Args:
        observation: After the reset.
        info: After the reset, with `final_obs` and `final_info`.
        done: Which rows were reset, (n,).
        whole: The final observation and info hold the other rows' successors too.
    """
    if whole:
        facts = {key: value for key, value in info["final_info"].items() if key[0] != "_"}
        return info["final_obs"], {**info, **facts}
    rows = np.flatnonzero(done)
    final = info["final_obs"]
    final_rows = stack([final[row] for row in rows]) if final.dtype == object else final[rows]
    return put(observation, rows, final_rows), merge_info(info, info["final_info"], done)


def _row(parts: Mapping[str, FloatArray], row: int) -> dict[str, float]:
    return {name: float(value[row]) for name, value in parts.items()}
