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

GOLD_LOGPROBS, BARE_GOLD_LOGPROBS = "gold_logprobs", "bare_gold_logprobs"
"""Facts of an episode's last step that `ReferenceLikelihood` reads, float64 (T,): of the gold
answer's tokens after the policy's reasoning, and with none under a reference policy."""


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

    With `over_bare` the pay is what the reasoning adds: clip(R - R_0, 0, 1), where R_0 is the
    likelihood of the gold answer right after the prompt, before the policy wrote anything, under
    the reference policy that training began with. Source: RLPR, arXiv 2506.18254, with "avgprob".

    The reward depends on the policy, so its gradient has a second part, which the setting
    `reward_gradient` of the language-model trainer adds. Source: Likelihood-Based Reward
    Designs for General LLM Reasoning, arXiv 2602.03979.

    Args:
        kind: "prob", "avgprob", "logprob" or "avglogprob", see `likelihood`.
        over_bare: Whether R_0 is taken off; for "prob" and "avgprob".

    Raises:
        ConfigError: If the kind is unknown or not one to take R_0 off, or the task is no text
            task.
        RewardError: If no language model's probabilities come with the episode.

    Example:
        >>> last = Transition([""], [""], [""], np.zeros(1), np.array([True]), np.array([False]),
        ...                   info={GOLD_LOGPROBS: np.log([[0.5, 0.25]])})
        >>> ReferenceLikelihood("avgprob")(last)
        array([0.375])
        >>> last.info[BARE_GOLD_LOGPROBS] = np.log([[0.25, 0.25]])
        >>> ReferenceLikelihood("avgprob", over_bare=True)(last)
        array([0.125])
    """

    kind: Kind = "logprob"
    over_bare: bool = False

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise unknown("kind", self.kind, get_args(Kind), where="ReferenceLikelihood.kind")
        if self.over_bare and self.kind not in ("prob", "avgprob"):
            raise ConfigError(
                "ReferenceLikelihood.over_bare clips a difference of probabilities, got "
                f"kind={self.kind!r}; use kind='avgprob' or 'prob'"
            )

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
            logprobs = _told(transition, GOLD_LOGPROBS, row)
            if not logprobs.size:
                self.unscored[row] = True
                continue
            pay[row] = likelihood(self.kind, logprobs)
            if self.over_bare:
                bare = likelihood(self.kind, _told(transition, BARE_GOLD_LOGPROBS, row))
                pay[row] = np.clip(pay[row] - bare, 0.0, 1.0)
        return pay


def _told(transition: Transition, fact: str, row: np.intp) -> FloatArray:
    if fact not in transition.info:
        whose = "a language model's" if fact == GOLD_LOGPROBS else "the reference policy's"
        raise RewardError(
            f"ReferenceLikelihood needs {whose} probabilities of the gold answer, which this "
            "agent does not have; use agent=grpo"
        )
    return np.asarray(transition.info[fact][row], dtype=np.float64)


def likelihood_terms(design: RewardDesign) -> Iterator[ReferenceLikelihood]:
    """Yields the likelihood terms of a design, nested ones included."""
    for term in design.terms.values():
        if isinstance(term, ReferenceLikelihood):
            yield term
        elif isinstance(term, RewardDesign):
            yield from likelihood_terms(term)
