"""Episodes paid by how likely the gold answer is after what the policy wrote."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from rewardsmith.envs.card import EnvCard
from rewardsmith.envs.errors import ConfigError, RewardError, unknown
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.component import Term
from rewardsmith.rewards.design import RewardDesign
from rewardsmith.rewards.transition import Transition

Kind = Literal["prob", "avgprob", "logprob", "avglogprob"]

GOLD_LOGPROBS = "gold_logprobs"
"""The fact of an episode's last step that `ReferenceLikelihood` reads, float64 (T,)."""


def likelihood(kind: Kind, logprobs: FloatArray) -> float:
    """Returns the likelihood reward of an answer of T tokens from their log-probabilities l, (T,).

    prob: exp(sum l), also the expected reward for an exact match (VeriFree, arXiv 2505.21493);
    avgprob: mean exp(l) (RLPR, arXiv 2506.18254); logprob: sum l; avglogprob: mean l.

    Example:
        >>> l = np.log([0.5, 0.25])
        >>> [round(likelihood(kind, l), 5) for kind in get_args(Kind)]
        [0.125, 0.375, -2.07944, -1.03972]
    """
    if kind == "prob":
        return float(np.exp(logprobs.sum()))
    if kind == "avgprob":
        return float(np.exp(logprobs).mean())
    return float(logprobs.sum() if kind == "logprob" else logprobs.mean())


@dataclass
class ReferenceLikelihood(Term):
    """Pays the last step by the likelihood of the gold answer after the policy's reasoning.

    No judge and no sampled answer are needed: what the policy wrote in its last turn is cut at
    its `<answer>`, and the gold answer is scored there by the policy itself, in one
    teacher-forced pass. "prob" and "avgprob" lie in [0, 1], "logprob" (in nats per answer) and
    "avglogprob" (per token) at or below 0. The probability of a long answer is so small that
    it teaches nothing; "logprob" works at any length. Where a task has no gold answer the
    episode is not scored.

    The reward depends on the policy, so its gradient has a second part, which the setting
    `reward_gradient` of the language-model trainer adds. Source: Likelihood-Based Reward
    Designs for General LLM Reasoning, arXiv 2602.03979.

    Args:
        kind: "prob", "avgprob", "logprob" or "avglogprob", see `likelihood`.

    Raises:
        ConfigError: If the kind is unknown, or the task is no text task.
        RewardError: If no language model's probabilities come with the episode.

    Example:
        >>> last = Transition([""], [""], [""], np.zeros(1), np.array([True]), np.array([False]),
        ...                   info={GOLD_LOGPROBS: np.log([[0.5, 0.25]])})
        >>> ReferenceLikelihood("avgprob")(last)
        array([0.375])
    """

    kind: Kind = "logprob"

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise unknown("kind", self.kind, get_args(Kind), where="ReferenceLikelihood.kind")

    def bind(self, card: EnvCard) -> None:
        """Checks that the task is a text task."""
        if not card.is_fact("answered"):
            raise ConfigError(
                f"ReferenceLikelihood scores answers, {card.id} is no text task; use an "
                "environment such as env=calculator"
            )

    def __call__(self, transition: Transition) -> FloatArray:
        """Returns the pay, float64 (n,); 0 before the end of an episode."""
        pay = np.zeros(transition.n)
        self.unscored = np.zeros(transition.n, dtype=np.bool_)
        for row in np.flatnonzero(transition.active & transition.done):
            if GOLD_LOGPROBS not in transition.info:
                raise RewardError(
                    "ReferenceLikelihood needs a language model's probabilities of the gold "
                    "answer, which this agent does not have; use agent=grpo"
                )
            logprobs = np.asarray(transition.info[GOLD_LOGPROBS][row], dtype=np.float64)
            if logprobs.size:
                pay[row] = likelihood(self.kind, logprobs)
            else:
                self.unscored[row] = True
        return pay


def likelihood_terms(design: RewardDesign) -> Iterator[ReferenceLikelihood]:
    """Yields the likelihood terms of a design, nested ones included."""
    for term in design.terms.values():
        if isinstance(term, ReferenceLikelihood):
            yield term
        elif isinstance(term, RewardDesign):
            yield from likelihood_terms(term)
