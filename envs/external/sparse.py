"""`SparseTask`: any Gymnasium environment as a sparse task with a card."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.external.success import Success, thresholds
from rewardsmith.envs.stateful import FloatArray

FactReader = Callable[[Any], Any]
"""Reads a fact, a number or an array, off the unwrapped environment."""

SUCCESS = Field("success", "whether the task is solved in this state", low=0.0, high=1.0)
ORIGINAL_REWARD = Field("original_reward", "the reward the environment came with; 0 at reset")


class SparseTask(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Pays 1 for every step into a state where the success predicate holds, else 0.

    `info["success"]` says whether the predicate holds in the state just reached, nothing
    about earlier ones; an episode is judged by its last step. With `terminate_on_success`
    the first success is that last step ("get there"), without it the agent has to stay
    ("be there at the end"). A success on the last step that a time limit allows still
    counts, and an episode that terminates is never also reported as truncated.

    At reset and at every step `info` holds every fact the card names, numbers as floats:
    taken from the environment's own `info`, or where that lacks it from `facts`. The reward
    the environment came with is the fact `original_reward`, so that a reward design can
    train on it while the task stays the judge.

    Args:
        env: The environment, time limit included.
        card: What is known of the task. `success`, `score`, `time_limit` and the facts
            `success` and `original_reward` are filled in here.
        success: When the task counts as solved; see `Threshold`.
        terminate_on_success: Whether the first success ends the episode.
        facts: Readers of facts by name, for those that `info` does not always hold.

    Raises:
        ConfigError: If the predicate reads a field that the card does not have.
        EnvError: On reset or step, if a fact of the card is found in neither place.

    Example:
        >>> env = gym.make("MountainCarContinuous-v0")
        >>> card = EnvCard("MountainCarContinuous-v0", "Reach the flag.",
        ...                observation=(Field("position", "place on the hill", (0, 1)),))
        >>> env = SparseTask(env, card, {"field": "position", "above": 0.45})
        >>> _, info = env.reset(seed=0)
        >>> info
        {'original_reward': 0.0, 'success': False}
        >>> env.step(np.array([1.0], dtype=np.float32))[1:]
        (0.0, False, False, {'original_reward': -0.1, 'success': False})
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        card: EnvCard,
        success: Success,
        *,
        terminate_on_success: bool = False,
        facts: Mapping[str, FactReader] | None = None,
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(
            self, card=card, success=success, terminate_on_success=terminate_on_success, facts=facts
        )
        super().__init__(env)
        self.thresholds = thresholds(success)
        self.terminate_on_success = terminate_on_success
        self.facts = dict(facts or {})
        own = (SUCCESS.name, ORIGINAL_REWARD.name)
        given = tuple(field for field in card.facts if field.name not in own)
        self._named = tuple(field.name for field in given)
        readable = dataclasses.replace(card, facts=(*given, ORIGINAL_REWARD))
        conditions = " and ".join(threshold.describe(readable) for threshold in self.thresholds)
        judged = "the episode ends there" if terminate_on_success else "judged at the last step"
        self.card = dataclasses.replace(
            card,
            facts=(*readable.facts, SUCCESS),
            success=f"{conditions}; {judged}",
            score="success",
            time_limit=env.spec.max_episode_steps if env.spec is not None else card.time_limit,
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode; a start state may already be a success, which pays nothing."""
        observation, info = self.env.reset(seed=seed, options=options)
        return observation, self._with_facts(observation, info, 0.0)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Plays one step; the reward is 1.0 where the predicate holds afterwards, else 0.0."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        info = self._with_facts(observation, info, float(reward))
        ended = bool(terminated) or (self.terminate_on_success and info["success"])
        return observation, float(info["success"]), ended, bool(truncated) and not ended, info

    def _with_facts(self, observation: Any, info: dict[str, Any], reward: float) -> dict[str, Any]:
        facts = {name: self._fact(name, info) for name in self._named}
        facts[ORIGINAL_REWARD.name] = reward
        solved = all(
            bool(threshold.holds(self._quantity(threshold.field, observation, facts))[0])
            for threshold in self.thresholds
        )
        return info | facts | {SUCCESS.name: solved}

    def _fact(self, name: str, info: Mapping[str, Any]) -> Any:
        if name in info:
            value = info[name]
        elif name in self.facts:
            value = self.facts[name](self.env.unwrapped)
        else:
            raise EnvError(
                f"info of {self.card.id} lacks the fact {name!r} that its card names; give "
                f"SparseTask a reader for it: facts={{{name!r}: lambda env: ...}}"
            )
        array = np.array(value, dtype=np.float64)
        return array if array.ndim else float(array)

    def _quantity(self, name: str, observation: Any, facts: Mapping[str, Any]) -> FloatArray:
        if name in facts:
            return np.asarray(facts[name], dtype=np.float64).reshape(1, -1)
        return self.card.field(name).read(_batch_of_one(observation))


def _batch_of_one(observation: Any) -> Any:
    if isinstance(observation, Mapping):
        return {key: np.asarray(value)[None] for key, value in observation.items()}
    return np.asarray(observation)[None]
