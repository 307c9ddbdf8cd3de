"""The second gradient path of rewards that depend on the policy: through the gold answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rewardsmith.agents.llm.chat import Chat
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.probe_points import Probe, ProbePoints, target_logprobs
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.credit import Advantage, JensenBound, Rollouts
from rewardsmith.rewards.credit.segments import mean_by_key
from rewardsmith.rewards.design import RewardDesign
from rewardsmith.rewards.episode import Episode
from rewardsmith.rewards.likelihood import Kind, likelihood_terms


def likelihood(kind: Kind, logprobs: Tensor) -> Tensor:
    """Returns R of an answer from the log-probabilities of its tokens (T,), differentiable.

    As `rewardsmith.rewards.likelihood.likelihood`; the gradient of "prob" is R grad ln pi(a|z).
    """
    if kind == "prob":
        return logprobs.sum().exp()
    if kind == "avgprob":
        return logprobs.exp().mean()
    return logprobs.sum() if kind == "logprob" else logprobs.mean()


@dataclass(frozen=True)
class LikelihoodObjective:
    """-coefficient * mean_i w_i R_theta(z_i), with the gradient through ln pi(a* | p, z_i).

    The expected pay of a reward that depends on the policy has the gradient
    E[A grad ln pi(z) + grad R_theta(z)]; the policy-gradient loss is the first part, this is
    the second: the policy is fitted to the gold answer a* after its own reasoning z. Source:
    arXiv 2602.03979.

    Args:
        kind: R: "prob", "avgprob", "logprob" or "avglogprob".
        coefficient: Above 0; 1 is the exact gradient of a reward that enters the pay once, beside
            a policy gradient that adds up tokens (`aggregation="sequence_sum"`).
        micro_batch: Probes in memory at once.
    """

    kind: Kind
    coefficient: float
    micro_batch: int = 64

    @classmethod
    def of(
        cls, design: RewardDesign, advantage: Advantage, coefficient: float, micro_batch: int
    ) -> LikelihoodObjective | None:
        """Returns the objective that belongs to a design's likelihood term, or to `JensenBound`.

        None if the coefficient is 0.

        Raises:
            ConfigError: If there is no such term, or there are several of different kinds, or
                the coefficient is below 0.
        """
        if coefficient == 0:
            return None
        if not coefficient > 0:
            raise ConfigError(f"reward_gradient must be at least 0, got {coefficient}")
        kinds: set[Kind] = {term.kind for term in likelihood_terms(design)}
        if isinstance(advantage, JensenBound):
            kinds.add("logprob")
        if len(kinds) != 1:
            raise ConfigError(
                f"reward_gradient={coefficient} needs one kind of likelihood reward, and there "
                f"are {sorted(kinds) or 'none'}; use a design such as reward=likelihood, or set "
                "agent.settings.training.reward_gradient=0"
            )
        return cls(kinds.pop(), coefficient, micro_batch)

    def on(
        self, policy: Policy, chat: Chat, episodes: Sequence[Episode], weights: FloatArray
    ) -> GoldAnswers:
        """Returns this objective on the episodes of a batch.

        Args:
            policy: What is trained.
            chat: Its chat.
            episodes: What was played, E episodes.
            weights: w of every episode, (E,), see `episode_weights`.
        """
        points = ProbePoints(chat, policy.context)
        return GoldAnswers(self, policy, [points.at_end(e) for e in episodes], weights)


@dataclass(frozen=True)
class GoldAnswers:
    """A `LikelihoodObjective` on a batch: the gold answer after the reasoning of each episode.

    Attributes:
        objective: What is differentiated.
        policy: What is trained.
        probes: One for each of the E episodes.
        weights: w of every episode, (E,).
    """

    objective: LikelihoodObjective
    policy: Policy
    probes: Sequence[Probe]
    weights: FloatArray

    def backward(self, rows: Sequence[int], share: float = 1.0) -> dict[str, float]:
        """Adds the gradient of some episodes' mean to the policy's; returns what to report.

        Args:
            rows: The episodes.
            share: Factor of their mean: their part of the episodes that all processes have.
        """
        objective, total = self.objective, 0.0
        counted = [i for i in rows if len(self.probes[i].target) and self.weights[i]]
        for start in range(0, len(counted), objective.micro_batch):
            part = counted[start : start + objective.micro_batch]
            logprobs = target_logprobs(self.policy, [self.probes[i] for i in part])
            rewards = torch.stack([likelihood(objective.kind, row) for row in logprobs])
            weights = torch.from_numpy(self.weights[part]).to(rewards)
            loss = -objective.coefficient * share * (weights * rewards).sum() / len(rows)
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        return {"likelihood_loss": total}


def episode_weights(advantage: Advantage, rollouts: Rollouts) -> FloatArray:
    """Returns the weight w of every episode in a `LikelihoodObjective`, (E,).

    1 for an episode that is scored and 0 for one that is not. For `JensenBound`, whose reward
    log mean_j exp(L_j) belongs to a group of G episodes: G exp(L_i) / sum_j exp(L_j), with L as
    it was when the batch was played, so that the mean of w_i grad L_i is its gradient.
    """
    scored = rollouts.scored
    if not isinstance(advantage, JensenBound):
        return scored.astype(np.float64)
    group, n = rollouts.group, rollouts.n_groups
    gold = np.where(scored, rollouts.signal("gold_logprob", "step")[rollouts.last], -np.inf)
    highest = np.full(n, np.finfo(np.float64).min)
    np.maximum.at(highest, group, gold)
    mass = np.exp(gold - highest[group])
    mean = mean_by_key(mass, group, n, scored)
    return mass / np.where(mean > 0, mean, 1.0)[group]
