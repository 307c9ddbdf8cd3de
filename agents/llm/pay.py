"""What a design pays the episodes of a batch, in the form that credit is assigned from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rewardsmith.agents.llm.probes import Signals
from rewardsmith.agents.llm.tree_rollout import NODE
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.credit import Rollouts
from rewardsmith.rewards.credit.rollouts import PAY
from rewardsmith.rewards.design import Payment, RewardDesign
from rewardsmith.rewards.episode import Group, Step


@dataclass(frozen=True, slots=True)
class PaidBatch:
    """A batch and what it was paid.

    Attributes:
        rollouts: The batch as flat arrays, paid by the design and its group rewards.
    """

    rollouts: Rollouts

    @property
    def parts(self) -> dict[str, FloatArray]:
        """What every term paid each episode in all, by name, (E,)."""
        first, signals = self.rollouts.first, self.rollouts.signals
        return {
            name.removeprefix(PAY): np.add.reduceat(values, first)
            for name, values in signals.items()
            if name.startswith(PAY)
        }


def pay(
    design: RewardDesign,
    groups: Sequence[Group],
    signals: Signals | None = None,
) -> PaidBatch:
    """Pays every episode by the design, then compares siblings as its group rewards say.

    Episodes in which a verifier abstained or failed are not scored. The signals "calls" (tool
    calls of a turn), "outcome" (what the task itself paid) and "pay/NAME" (what each term of the
    design paid, before it was weighed, combined and transformed) are there for group rewards and
    credit; the key of a turn's state is that of the message it answers, and that of its node the
    one a tree rollout gave it.

    Args:
        design: Bound to the task. Its running statistics change, as if it paid online.
        groups: Finished episodes by start.
        signals: Further signals for credit by name, per group and episode (T,).

    Raises:
        RewardError: If the pay is not finite.
    """
    payments = [[design.settle(episode.transitions()) for episode in group] for group in groups]
    rollouts = Rollouts.of(
        groups,
        [[payment.total for payment in of_group] for of_group in payments],
        scored=[[p.unscored is None or not p.unscored[0] for p in part] for part in payments],
        state=_per_step(groups, state_key),
        node=_per_step(groups, lambda step: step.info[NODE]) if _is_tree(groups) else None,
        signals={
            "calls": _per_step(groups, lambda step: step.info["calls"]),
            "outcome": _per_step(groups, lambda step: step.reward),
            **_terms(payments),
            **(signals or {}),
        },
    )
    for reward in design.group:
        prompts = [group.start for group in groups]
        rollouts = rollouts.with_returns(reward(rollouts, prompts))
    return PaidBatch(rollouts)


def state_key(step: Step) -> int:
    """Returns a key of the message that a turn answers, the same in every process."""
    digest = hashlib.blake2b(str(step.observation).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _per_step(groups: Sequence[Group], value: Callable[[Step], float]) -> list[list[list[float]]]:
    return [[[value(step) for step in episode.steps] for episode in group] for group in groups]


def _terms(payments: Sequence[Sequence[Payment]]) -> Signals:
    """Returns what each term paid per group and episode, (T,), by the names of the signals."""
    return {
        PAY + name: [[payment.parts[name] for payment in of_group] for of_group in payments]
        for name in payments[0][0].parts
    }


def _is_tree(groups: Sequence[Group]) -> bool:
    return all(NODE in step.info for group in groups for episode in group for step in episode.steps)
