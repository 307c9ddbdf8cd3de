"""Regret-minimising agents, each playing many independent runs at once."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rewardsmith.envs.errors import unknown

if TYPE_CHECKING:
    from rewardsmith.agents.bandits.agent import BanditAgent

_HERE = "rewardsmith.agents.bandits"

AGENTS: dict[str, str] = {
    "explore_first": f"{_HERE}.explore:ExploreFirst",
    "epsilon_greedy": f"{_HERE}.explore:EpsilonGreedy",
    "successive_elimination": f"{_HERE}.explore:SuccessiveElimination",
    "ucb1": f"{_HERE}.index:UCB1",
    "kl_ucb": f"{_HERE}.index:KLUCB",
    "moss": f"{_HERE}.index:MOSS",
    "thompson": f"{_HERE}.thompson:BetaThompson",
    "gaussian_thompson": f"{_HERE}.thompson:GaussianThompson",
    "greedy": f"{_HERE}.incentive:Greedy",
    "hidden_exploration": f"{_HERE}.incentive:HiddenExploration",
    "hedge": f"{_HERE}.hedge:Hedge",
    "exp3": f"{_HERE}.hedge:Exp3",
    "lin_ucb": f"{_HERE}.linear:LinUCB",
    "linear_thompson": f"{_HERE}.linear:LinearThompson",
    "fixed_discretisation": f"{_HERE}.zooming:FixedDiscretisation",
    "zooming": f"{_HERE}.zooming:Zooming",
    "context_mesh": f"{_HERE}.context_mesh:ContextMesh",
    "exp4": f"{_HERE}.policy_class:Exp4",
    "explore_first_policy": f"{_HERE}.policy_class:ExploreFirstPolicy",
    "semi_bandit_ucb": f"{_HERE}.combinatorial:SemiBanditUCB",
    "semi_bandit_hedge": f"{_HERE}.combinatorial:SemiBanditHedge",
    "follow_perturbed_leader": f"{_HERE}.perturbed_leader:FollowPerturbedLeader",
    "cascading_vi": f"{_HERE}.cascading_vi:CascadingVI",
    "cascading_vi_bonus": f"{_HERE}.cascading_vi:CascadingVIBonus",
    "cascading_bpi": f"{_HERE}.cascading_bpi:CascadingBPI",
    "list_as_action_vi": f"{_HERE}.list_as_action_vi:ListAsActionVI",
    "lagrange_bwk": f"{_HERE}.knapsack:LagrangeBwK",
    "ucb_bwk": f"{_HERE}.ucb_bwk:UcbBwK",
    "cascade_ucb1": f"{_HERE}.cascade_ucb:CascadeUCB1",
    "cascade_kl_ucb": f"{_HERE}.cascade_ucb:CascadeKLUCB",
    "tallying_elimination": f"{_HERE}.tallying:TallyingElimination",
}
"""Name of an algorithm -> "module:Class", imported when asked for."""


def make_agent(name: str, settings: Mapping[str, Any] | None = None) -> BanditAgent:
    """Makes the agent called `name` with `settings`, its constructor's arguments.

    Raises:
        ConfigError: If the name or a setting is unknown (names the nearest), or a setting is
            out of range.

    Example:
        >>> make_agent("ucb1", {"anytime": True})
        UCB1(anytime=True, scale=1.0)
        >>> make_agent("ucb1", {"scael": 2.0})
        Traceback (most recent call last):
        rewardsmith.envs.errors.ConfigError: unknown setting 'scael' in ucb1; did you mean \
'scale'? Known: anytime, scale.
    """
    if name not in AGENTS:
        raise unknown("bandit agent", name, AGENTS)
    module, _, attribute = AGENTS[name].partition(":")
    agent: Any = getattr(importlib.import_module(module), attribute)
    settings = settings or {}
    known = [field.name for field in dataclasses.fields(agent)]
    for setting in settings:
        if setting not in known:
            raise unknown("setting", setting, known, where=name)
    made: BanditAgent = agent(**settings)
    return made
