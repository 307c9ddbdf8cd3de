"""Problems and fixed feedback for the tests of bandit agents."""

from __future__ import annotations

import numpy as np

from rewardsmith.agents.bandits.agent import BanditAgent, Problem
from rewardsmith.envs import BatchEnv, EnvCard
from rewardsmith.envs.bandits.adversarial import AdversarialBandit
from rewardsmith.envs.bandits.bernoulli import BernoulliBandit
from rewardsmith.envs.bandits.cascading_bandit import CascadingBandit
from rewardsmith.envs.bandits.cascading_mdp import CascadingMDP
from rewardsmith.envs.bandits.gaussian import GaussianBandit
from rewardsmith.envs.bandits.incentive import IncentiveBandit
from rewardsmith.envs.bandits.knapsack import KnapsackBandit
from rewardsmith.envs.bandits.linear import LinearBandit
from rewardsmith.envs.bandits.lipschitz_contexts import LipschitzContexts
from rewardsmith.envs.bandits.policies import PolicyBandit
from rewardsmith.envs.bandits.routing import RoutingBandit
from rewardsmith.envs.bandits.tallying import TallyingBandit
from rewardsmith.envs.stateful import FloatArray, IntArray

NO_OBSERVATION = np.zeros((1, 1))


def problem(arms: int, horizon: int = 1000, n: int = 1) -> Problem:
    """Returns a problem of no particular environment."""
    return Problem(n, arms, horizon, EnvCard("Made-up-v0", ""))


def task(agent: str, n: int, horizon: int) -> BatchEnv:
    """Returns an environment that the agent of this name can play."""
    if agent == "hedge":
        return AdversarialBandit(n, arms=4, horizon=horizon, time_limit=None)
    if agent == "hidden_exploration":
        return IncentiveBandit(n, prior=[[1.0, 0.5], [1.0, 1.0]], time_limit=None)
    if agent in ("lin_ucb", "linear_thompson"):
        return LinearBandit(n, arms=4, features=3, time_limit=None)
    if agent == "gaussian_thompson":
        return GaussianBandit(n, arms=4, time_limit=None)
    if agent == "tallying_elimination":
        return TallyingBandit(n, time_limit=None)
    if agent in ("semi_bandit_ucb", "semi_bandit_hedge", "follow_perturbed_leader"):
        return RoutingBandit(n, layers=2, width=3, time_limit=None)
    if agent in ("exp4", "explore_first_policy"):
        return PolicyBandit(n, policies=5, time_limit=None)
    if agent == "context_mesh":
        # Slow enough a change for a mesh of two cells, whichever the horizon of a test.
        return LipschitzContexts(n, lipschitz=0.67, time_limit=None)
    if agent in ("cascading_vi", "cascading_vi_bonus", "cascading_bpi", "list_as_action_vi"):
        return CascadingMDP(n, states=3, items=4, horizon=3, autoreset_mode="SameStep")
    if agent in ("lagrange_bwk", "ucb_bwk"):
        return KnapsackBandit(n, arms=4, budget=horizon // 3, horizon=horizon, time_limit=None)
    if agent in ("cascade_ucb1", "cascade_kl_ucb"):
        return CascadingBandit(n, items=5, time_limit=None)
    return BernoulliBandit(n, arms=4, time_limit=None)


def play_table(agent: BanditAgent, table: FloatArray, horizon: int) -> IntArray:
    """Plays one run in which the k-th pull of arm a pays table[a, k]; returns the pulls, (K,)."""
    agent.begin(problem(len(table), horizon), seed=0)
    pulls = np.zeros(len(table), dtype=np.int64)
    for _ in range(horizon):
        action = agent.act(NO_OBSERVATION)
        arm = int(action[0])
        agent.learn(NO_OBSERVATION, action, np.array([table[arm, pulls[arm]]]), {})
        pulls[arm] += 1
    return pulls
