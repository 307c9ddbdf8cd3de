"""`Update`: what a batch teaches, as steps of an optimiser; summed over micro-batches."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rewardsmith.agents.llm import distributed
from rewardsmith.agents.llm.batching import batches
from rewardsmith.agents.llm.critic import Critic, explained_variance
from rewardsmith.agents.llm.likelihood_objective import GoldAnswers
from rewardsmith.agents.llm.objectives import Loss, token_weights
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.settings import Settings
from rewardsmith.agents.llm.shared_prompts import SharedPrompts
from rewardsmith.agents.llm.token_batch import TokenBatch
from rewardsmith.envs.errors import RewardsmithError

_LEAST_RATE, _RISE = 0.1, 20


class TrainingError(RewardsmithError):
    """Training cannot go on; the last good checkpoint stays."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """B conversations of up to L tokens, and what is to be learned from each token.

    Attributes:
        batch: The conversations.
        old: ln pi of the policy that wrote them, float32 (B, L - 1), as all that follows; only
            what stands where `batch.written` is true has a meaning.
        advantages: A.
        weights: How much a token counts beside the others of its turn's node; 0 where the
            episode is not scored.
        reference: ln of the reference policy, or None.
        values: V of the critic that the advantages were taken from, or None.
        targets: What the values should have been, or None.
    """

    batch: TokenBatch
    old: Tensor
    advantages: Tensor
    weights: Tensor
    reference: Tensor | None = None
    values: Tensor | None = None
    targets: Tensor | None = None

    def take(self, rows: Tensor) -> Lesson:
        """Returns some conversations, without the padding that none of them needs."""
        batch = self.batch.take(rows)
        width = batch.written.shape[1]
        return self._each(batch, lambda laid: laid[rows, :width])

    def to(self, device: torch.device) -> Lesson:
        """Returns the lesson on a device."""
        return self._each(self.batch.to(device), lambda laid: laid.to(device))

    def _each(self, batch: TokenBatch, change: Callable[[Tensor], Tensor]) -> Lesson:
        laid: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        there = {name: x for name, x in laid.items() if isinstance(x, Tensor)}
        return replace(self, batch=batch, **{name: change(x) for name, x in there.items()})


class Update:
    """Fits a policy, and its critic if there is one, to lessons.

    Args:
        policy: What is trained.
        critic: Its value head; None where the advantages need no values.
        settings: How.
        longest: Most tokens of a conversation that the policy writes.

    Attributes:
        optimiser: AdamW over the policy's trained weights and the value head.
    """

    def __init__(
        self, policy: Policy, critic: Critic | None, settings: Settings, longest: int
    ) -> None:
        self.policy, self.critic, self.settings = policy, critic, settings
        self._longest = longest
        self._parameters = [p for p in policy.model.parameters() if p.requires_grad]
        if critic is not None:
            self._parameters += critic.head.parameters()
        self.optimiser = torch.optim.AdamW(
            self._parameters, settings.learning_rate, weight_decay=settings.weight_decay
        )
        self._scorer = SharedPrompts(policy)

    def __call__(
        self,
        lesson: Lesson,
        random: np.random.Generator,
        *,
        number: int,
        played: float = 0.0,
        answers: GoldAnswers | None = None,
    ) -> dict[str, float]:
        """Takes the optimiser's steps on a lesson; returns the means of what they report.

        Args:
            lesson: The same in all processes.
            random: Draws the minibatches.
            number: Number of this update, from 1.
            played: Share of the run that is played, see `rate`.
            answers: Fitted beside the lesson, if not None; over the same conversations.

        Raises:
            TrainingError: If the loss is not finite.
        """
        settings, total = self.settings, dict[str, float]()
        for group in self.optimiser.param_groups:
            group["lr"] = settings.learning_rate * rate(number, played)
        steps = settings.epochs * settings.minibatches
        for _ in range(settings.epochs):
            order = torch.from_numpy(random.permutation(len(lesson.batch)))
            for rows in (drawn.sort().values for drawn in order.tensor_split(settings.minibatches)):
                told = self._differentiate(lesson, rows, answers)
                if not math.isfinite(told["loss"]):
                    raise TrainingError(
                        f"the loss is {told['loss']} at update {number}; the weights of the last "
                        "checkpoint stay. Lower agent.settings.training.learning_rate"
                    )
                norm = torch.nn.utils.clip_grad_norm_(self._parameters, settings.max_grad_norm)
                self.optimiser.step()
                for name, value in (told | {"grad_norm": float(norm)}).items():
                    total[name] = total.get(name, 0.0) + value / steps
        return total | _explained(lesson)

    def state_dict(self) -> dict[str, Any]:
        """Returns the state of the optimiser and of the value head, as tensors."""
        head = {} if self.critic is None else {"value_head": self.critic.head.state_dict()}
        return {"optimiser": self.optimiser.state_dict(), **head}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Puts back what `state_dict` returned."""
        self.optimiser.load_state_dict(state["optimiser"])
        if self.critic is not None:
            self.critic.head.load_state_dict(state["value_head"])

    def _differentiate(
        self, lesson: Lesson, rows: Tensor, answers: GoldAnswers | None
    ) -> dict[str, float]:
        """Leaves the gradient of a minibatch's loss in the weights; returns what to report."""
        told: dict[str, float] = {"loss": 0.0}
        self.optimiser.zero_grad()
        part = lesson.take(rows)
        weights = token_weights(part.batch.written, self.settings.aggregation, self._longest)
        part = replace(part, weights=weights * part.weights)
        own = distributed.own_rows(len(rows))
        for piece in batches(part.batch.lengths[own].tolist(), self.settings.micro_batch):
            loss = self._loss(part.take(own[piece]).to(self.policy.device))
            loss.value.backward()  # type: ignore[no-untyped-call]
            told["loss"] += float(loss.value.detach())
            for name, value in loss.metrics.items():
                told[name] = told.get(name, 0.0) + value
        if answers is not None:
            told |= answers.backward(rows[own].tolist(), len(own) / len(rows))
        return distributed.add_up(self._parameters, told)

    def _loss(self, piece: Lesson) -> Loss:
        settings, temperature = self.settings, self.settings.sampling.temperature
        wanted = bool(settings.objective.entropy)
        values = None
        if self.critic is None:
            scores = self._scorer.logprobs(piece.batch, temperature, want_entropy=wanted)
        else:
            *scores, values = self.critic.score(piece.batch, temperature, want_entropy=wanted)
        logprobs, *entropies = scores
        loss = settings.objective(
            logprobs, piece.old, piece.advantages, piece.weights, piece.reference, *entropies
        )
        if values is None or piece.values is None or piece.targets is None:
            return loss
        return loss + settings.value_objective(values, piece.values, piece.targets, piece.weights)


def rate(number: int, played: float) -> float:
    """Returns the share of the learning rate that an update takes, in (0, 1].

    It rises over the first 20 updates, because Adam's first steps are of full size whatever the
    gradient, and would undo what the policy knows; it falls with the share of the run that is
    played, to a tenth.

    Example:
        >>> rate(1, 0.0), rate(50, 0.25), rate(50, 1.0)
        (0.05, 0.75, 0.1)
    """
    return min(number / _RISE, max(1.0 - played, _LEAST_RATE))


def _explained(lesson: Lesson) -> dict[str, float]:
    if lesson.values is None or lesson.targets is None:
        return {}
    counted = lesson.batch.written & (lesson.weights > 0)
    told = explained_variance(lesson.values[counted], lesson.targets[counted])
    return {"explained_variance": told}
