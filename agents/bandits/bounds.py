"""The bound on the regret that holds for an agent on a task, if one does."""

from __future__ import annotations

from typing import Any, cast

import gymnasium as gym
import numpy as np

from rewardsmith.agents.bandits.agent import BanditAgent
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray


def regret_bound(agent: BanditAgent, env: gym.vector.VectorEnv[Any, Any, Any]) -> FloatArray | None:
    """Returns the bound on the expected regret of every run at the agent's horizon, (n,).

    The environment tells in `regret_kinds` what may be assumed of its regret, and in
    `reward_width` how far its rewards spread. The agent's `bound` counts where it covers one
    of those kinds and the agent is set for rewards that wide. Of "stationary" arms the gaps
    are read from `arm_values`. It is the task's own regret that is bounded, so the agent must
    have been paid by the task alone.

    Args:
        agent: One that has begun.
        env: What it plays, in the episode that it played.

    Returns:
        The bounds, or None where the agent states none or its assumptions do not hold.

    Example:
        >>> from rewardsmith.agents.bandits import make_agent
        >>> from rewardsmith.agents.bandits.play import play
        >>> from rewardsmith.envs.bandits.bernoulli import BernoulliBandit
        >>> env = BernoulliBandit(2, probabilities=[0.1, 0.9], time_limit=None)
        >>> agent = make_agent("ucb1")
        >>> history = play(agent, env, horizon=1000)
        >>> regret_bound(agent, env).round(1)
        array([69.9, 69.9])
        >>> regret_bound(make_agent("epsilon_greedy"), env) is None
        True
    """
    task: Any = env.unwrapped
    kinds = set(agent.bound_kinds) & set(getattr(task, "regret_kinds", ()))
    if not kinds or _width(agent) < task.reward_width:
        return None
    problem, stated = agent.problem, cast(Any, agent)
    values = task.arm_values() if "stationary" in kinds else np.zeros((problem.n, 1))
    gaps = values.max(axis=1, keepdims=True) - values
    different, which = np.unique(gaps, axis=0, return_inverse=True)
    try:
        bounds = np.array([stated.bound(problem, one) for one in different], dtype=np.float64)
    except ConfigError:  # none holds for the agent's settings
        return None
    return bounds[which.ravel()]


def _width(agent: BanditAgent) -> float:
    """Returns the width of rewards that an agent is set for, twice sigma for Gaussian ones."""
    if hasattr(agent, "sigma"):
        return 2.0 * float(agent.sigma)
    return float(getattr(agent, "scale", 1.0))
