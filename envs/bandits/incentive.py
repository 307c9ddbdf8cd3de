"""`IncentiveBandit-v0`: a planner recommends arms to agents who share a prior."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from gymnasium.vector import AutoresetMode

from rewardsmith.envs.bandits.bernoulli import BernoulliBandit
from rewardsmith.envs.bandits.priors import Prior, beta_prior
from rewardsmith.envs.batch import Info
from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.errors import EnvError
from rewardsmith.envs.single import SingleEnv
from rewardsmith.envs.stateful import FloatArray


class IncentiveBandit(BernoulliBandit):
    """Incentivised exploration: a new agent in every round, and a planner who advises it.

    The chances of the arms are drawn for every episode from independent Beta priors that all
    know; that of arm 0 has the largest mean. In round t an agent arrives who sees nothing but
    t, the planner's policy and its recommendation, the action here. It plays once, for its own
    expected reward, so it follows if the recommendation is Bayesian incentive-compatible,
    E[mu_a - mu_b | a is recommended in round t] >= 0 for every other arm b.

    That is a property of the planner's policy over the prior, not of one run. So agents follow
    every recommendation here, as they do as long as the policy is compatible, and rows are
    draws from the prior; `rewardsmith.agents.bandits.incentive_gap` estimates the left
    side from them and so tells whether the agents would have followed.

    Observation, float32 of shape (1,): the last reward, 0 at the start. Action: the arm that
    is recommended.

    Args:
        num_envs: Number of rows n.
        prior: [a, b], the parameters of the Beta prior, of every arm.
        time_limit: Steps after which an episode is truncated; None never truncates.
        autoreset_mode: Gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" or None.

    Raises:
        EnvError: If an argument is out of range, or arm 0 is not the best by its prior mean.

    Example:
        >>> env = IncentiveBandit(1, prior=[[3, 1], [1, 1]])
        >>> env.reset(seed=0)[1]["prior_means"]
        array([[0.75, 0.5 ]])

    Slivkins 2019, arXiv 1904.07272, chapter 11; Mansour, Slivkins and Syrgkanis 2015,
    arXiv 1502.04147.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        prior: Sequence[Sequence[float]] = ((2.0, 1.0), (1.0, 1.0)),
        time_limit: int | None = 100,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        self.prior_means = _prior_means(prior)
        super().__init__(
            num_envs,
            arms=len(prior),
            prior=prior,
            time_limit=time_limit,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
        self.card = _card(self.card, prior)

    def _facts(self) -> Info:
        return super()._facts() | {
            "means": self.mean.copy(),
            "prior_means": np.tile(self.prior_means, (self.num_envs, 1)),
        }


single = functools.partial(SingleEnv, IncentiveBandit)


def _prior_means(prior: Prior) -> FloatArray:
    """Returns the prior mean of every arm, (K,); says why it cannot be."""
    parameters = beta_prior(prior, len(prior))
    means = np.asarray(parameters[:, 0] / parameters.sum(axis=1))
    if not (means[0] > means[1:]).all():
        raise EnvError(
            f"arm 0 must have the largest prior mean, got means {means.round(4).tolist()}; "
            "put the pair of that arm first"
        )
    return means


def _card(card: EnvCard, prior: Sequence[Sequence[float]]) -> EnvCard:
    told = ", ".join(f"Beta({a:g}, {b:g})" for a, b in prior)
    return dataclasses.replace(
        card,
        id="rewardsmith/IncentiveBandit-v0",
        goal=f"Recommend one of {len(prior)} arms to each of many agents, who know how the chances "
        f"of the arms are drawn, {told}, so that all fare well and none has a reason to refuse.",
        action=(Field("arm", "which arm to recommend", low=0.0, high=len(prior) - 1),),
        facts=(
            *card.facts,
            Field("means", "chance of every arm to pay", low=0.0, high=1.0),
            Field("prior_means", "mean of the prior of every arm", low=0.0, high=1.0),
        ),
        success="The last recommendation was of a best arm.",
        source="Slivkins 2019, arXiv 1904.07272, chapter 11.",
    )
