"""Batches of rollouts put together, and some groups of a batch on their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from rewardsmith.envs.errors import RewardError
from rewardsmith.envs.stateful import BoolArray, FloatArray, IntArray
from rewardsmith.rewards.credit.rollouts import Rollouts


def join(batches: Sequence[Rollouts]) -> Rollouts:
    """Returns batches as one, their groups one after another; a single one as it is.

    Args:
        batches: At least one. All have the same signals, or an optional field, or none has.

    Raises:
        RewardError: If they have not.

    Example:
        >>> one = Rollouts(np.array([0, 0]), np.ones(2, bool), np.array([0, 1]), np.ones(2))
        >>> join([one, one]).group
        array([0, 0, 1, 1])
    """
    if len(batches) == 1:
        return batches[0]
    known = [_known(batch) for batch in batches]
    for names in known:
        if names != known[0]:
            odd = sorted(names ^ known[0])[0]
            raise RewardError(f"some batches have {odd!r} and others have not; give it to all")
    return Rollouts(
        group=_numbered([b.group for b in batches], [b.n_groups for b in batches]),
        scored=np.concatenate([b.scored for b in batches]),
        episode=_numbered([b.episode for b in batches], [b.n_episodes for b in batches]),
        reward=np.concatenate([b.reward for b in batches]),
        state=_concatenated([b.state for b in batches]),
        node=_concatenated([b.node for b in batches]),
        step=_numbered([b.step for b in batches], [b.n_steps for b in batches]),
        ids=np.concatenate([b.ids for b in batches]),
        signals={n: np.concatenate([b.signals[n] for b in batches]) for n in batches[0].signals},
    )


def take_groups(rollouts: Rollouts, kept: BoolArray) -> Rollouts:
    """Returns some groups of a batch, numbered anew in the same order; all of them as it is.

    Args:
        rollouts: The batch.
        kept: Which groups, bool (groups,), at least one.

    Raises:
        RewardError: If the batch has as many steps as tokens, but not one token in every step:
            then a signal does not tell what it belongs to.

    Example:
        >>> batch = Rollouts(np.array([0, 1, 1]), np.ones(3, bool), np.arange(3), np.arange(3.0))
        >>> take_groups(batch, np.array([False, True])).reward
        array([1., 2.])
    """
    if kept.all():
        return rollouts
    episodes = kept[rollouts.group]
    steps = episodes[rollouts.episode]
    tokens = steps[rollouts.step]
    return dataclasses.replace(
        rollouts,
        group=_places(kept)[rollouts.group[episodes]],
        scored=rollouts.scored[episodes],
        episode=_places(episodes)[rollouts.episode[steps]],
        reward=rollouts.reward[steps],
        state=None if rollouts.state is None else rollouts.state[steps],
        node=None if rollouts.node is None else rollouts.node[steps],
        step=_places(steps)[rollouts.step[tokens]],
        ids=rollouts.ids[tokens],
        signals=_taken(rollouts, steps, tokens),
    )


def _taken(rollouts: Rollouts, steps: BoolArray, tokens: BoolArray) -> Mapping[str, FloatArray]:
    if len(steps) == len(tokens) and not np.array_equal(steps, tokens):
        raise RewardError(
            f"signals: there are {len(steps)} steps and as many tokens, but not one in every "
            "step; groups can be taken only of batches that tell them apart"
        )
    return {
        name: values[steps if len(values) == len(steps) else tokens]
        for name, values in rollouts.signals.items()
    }


def _known(rollouts: Rollouts) -> set[str]:
    """Returns the names of the signals and optional fields that a batch has."""
    fields = {name for name in ("state", "node") if getattr(rollouts, name) is not None}
    return fields | set(rollouts.signals)


def _places(kept: BoolArray) -> IntArray:
    """Returns the number that every row gets among those that are kept."""
    return np.cumsum(kept) - 1


def _numbered(parts: Sequence[IntArray], sizes: Sequence[int]) -> IntArray:
    """Joins numbers that begin at 0 in every part, of which each has so many."""
    starts = np.cumsum([0, *sizes[:-1]])
    return np.concatenate([part + start for part, start in zip(parts, starts, strict=True)])


def _concatenated(parts: Sequence[IntArray | None]) -> IntArray | None:
    there = [part for part in parts if part is not None]
    return np.concatenate(there) if there else None
