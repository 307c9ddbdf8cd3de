"""Batches joined and groups taken: what is put together comes apart again."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from rewardsmith.envs.errors import RewardError
from rewardsmith.rewards.credit import GroupRelative, Rollouts, join, take_groups

SIZES = st.lists(  # per group and episode the tokens of every step
    st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=3), min_size=1, max_size=3),
    min_size=1,
    max_size=4,
)


def rollouts(sizes: list[list[list[int]]], seed: int, keys: bool = True) -> Rollouts:
    """Returns random rollouts of the given sizes, with every field and a signal of each level."""
    random = np.random.default_rng(seed)
    episodes = [episode for group in sizes for episode in group]
    steps = [tokens for episode in episodes for tokens in episode]
    s, n = len(steps), sum(steps)
    return Rollouts(
        group=np.repeat(np.arange(len(sizes)), [len(group) for group in sizes]),
        scored=random.random(len(episodes)) < 0.8,
        episode=np.repeat(np.arange(len(episodes)), [len(episode) for episode in episodes]),
        reward=random.normal(size=s),
        state=random.integers(0, 3, s) if keys else None,
        node=random.integers(0, 3, s) if keys else None,
        step=np.repeat(np.arange(s), steps),
        ids=random.integers(0, 9, n),
        signals={"belief": random.random(s), "logprob": random.normal(size=n)},
    )


def assert_equal(one: Rollouts, other: Rollouts) -> None:
    for field in dataclasses.fields(Rollouts):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if field.name == "signals":
            assert mine.keys() == theirs.keys()
            for name in mine:
                assert_array_equal(mine[name], theirs[name])
        elif mine is None:
            assert theirs is None
        else:
            assert mine.dtype == theirs.dtype
            assert_array_equal(mine, theirs)


def alone(batch: Rollouts, group: int) -> Rollouts:
    return take_groups(batch, np.arange(batch.n_groups) == group)


@given(SIZES, st.integers(0, 99), st.booleans())
def test_what_is_split_and_joined_is_the_same(sizes: Any, seed: int, keys: bool) -> None:
    whole = rollouts(sizes, seed, keys)
    assert_equal(join([alone(whole, g) for g in range(whole.n_groups)]), whole)


@given(SIZES, SIZES, st.integers(0, 99))
def test_what_is_joined_comes_apart(first: Any, second: Any, seed: int) -> None:
    parts = rollouts(first, seed), rollouts(second, seed + 1)
    joined = join(parts)
    of_first = np.arange(joined.n_groups) < len(first)
    assert_equal(take_groups(joined, of_first), parts[0])
    assert_equal(take_groups(joined, ~of_first), parts[1])


@given(SIZES, st.integers(0, 99), st.data())
def test_groups_are_credited_as_in_the_whole_batch(sizes: Any, seed: int, data: Any) -> None:
    whole = rollouts(sizes, seed)
    n = len(sizes)
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n).filter(any)))
    taken = take_groups(whole, kept)
    assert_array_equal(GroupRelative()(taken), GroupRelative()(whole)[kept[whole.group]])
    assert_array_equal(taken.returns, whole.returns[kept[whole.group]])


def test_groups_need_not_stand_together() -> None:
    batch = Rollouts(np.array([1, 0, 1]), np.ones(3, bool), np.arange(3), np.array([1.0, 2.0, 3.0]))
    assert_array_equal(alone(batch, 1).reward, [1, 3])
    assert_array_equal(alone(batch, 1).group, [0, 0])


def test_a_single_batch_and_all_groups_are_not_copied() -> None:
    batch = rollouts([[[1]], [[2]]], 0)
    assert join([batch]) is batch
    assert take_groups(batch, np.ones(2, bool)) is batch


@pytest.mark.parametrize(
    "change", [{"state": None}, {"signals": {}}], ids=["a field", "signals"]
)  # fmt: skip
def test_batches_that_know_different_things_are_not_joined(change: dict[str, Any]) -> None:
    batch = rollouts([[[1, 2]]], 0)
    odd = "state" if "state" in change else "belief"
    with pytest.raises(RewardError, match=f"some batches have '{odd}' and others have not"):
        join([batch, dataclasses.replace(batch, **change)])


def test_levels_that_cannot_be_told_apart_are_refused() -> None:
    steps = Rollouts(np.array([0, 1]), np.ones(2, bool), np.arange(2), np.zeros(2),
                     step=np.array([0, 0]), ids=np.array([1, 2]),
                     signals={"logprob": np.zeros(2)})  # fmt: skip
    with pytest.raises(RewardError, match="2 steps and as many tokens, but not one in every step"):
        take_groups(steps, np.array([True, False]))
