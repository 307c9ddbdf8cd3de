"""`Rollouts`, the arithmetic over keys below it, and the credit lens above it."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from credit_reference import PlainEpisode, flat, following
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from rewardsmith.envs import ConfigError
from rewardsmith.envs.errors import RewardError
from rewardsmith.rewards import Episode, Group, Step
from rewardsmith.rewards.credit import (
    Advantage,
    BatchWhitened,
    CreditLens,
    DualLevel,
    GroupRelative,
    PrefixTree,
    Rollouts,
    StateGroups,
)
from rewardsmith.rewards.credit.segments import (
    centred,
    joint_key,
    mean_by_key,
    normalise,
    prefix_hashes,
    spread,
    suffix_sums,
)
from rewardsmith.rewards.episode import TokenSpan


def span(*ids: int) -> TokenSpan:
    return TokenSpan(np.zeros(1, np.int64), np.array(ids, dtype=np.int64), -0.5 * np.array(ids))


def episode(*turns: TokenSpan | None) -> Episode:
    return Episode(tuple(Step("q", "a", 0.0, tokens=turn) for turn in turns), "end", True)


GROUPS = [
    Group((episode(span(1, 2), span(3)), episode(span(1)))),
    Group((episode(span(), None, span(4, 5)),)),
]
PAY = [[np.array([0.0, 1.0]), np.array([0.5])], [np.array([1.0, 2.0, 3.0])]]


def two(**changes: Any) -> Rollouts:
    """Two episodes of one group: of two steps and three tokens, and of one step and one token."""
    fields: dict[str, Any] = {
        "group": np.array([0, 0]),
        "scored": np.array([True, True]),
        "episode": np.array([0, 0, 1]),
        "reward": np.array([0.0, 1.0, 0.5]),
        "step": np.array([0, 0, 1, 2]),
        "ids": np.array([1, 2, 3, 1]),
    }
    return Rollouts(**fields | changes)


# ---- From groups to arrays ----------------------------------------------------------------


def test_groups_become_flat_arrays() -> None:
    rollouts = Rollouts.of(GROUPS, PAY, signals={"belief": [[[0.1, 0.2], [0.3]], [[0.4] * 3]]})
    assert_array_equal(rollouts.group, [0, 0, 1])
    assert_array_equal(rollouts.episode, [0, 0, 1, 2, 2, 2])
    assert_array_equal(rollouts.step, [0, 0, 1, 2, 5, 5])
    assert_array_equal(rollouts.ids, [1, 2, 3, 1, 4, 5])
    assert_array_equal(rollouts.signal("logprob", "token"), -0.5 * rollouts.ids)
    assert_array_equal(rollouts.signal("belief", "step"), [0.1, 0.2, 0.3, 0.4, 0.4, 0.4])
    assert_array_equal(rollouts.returns, [1.0, 0.5, 6.0])
    assert_array_equal(rollouts.position, [0, 1, 0, 0, 1, 2])
    assert_array_equal(rollouts.token_episode, [0, 0, 0, 1, 2, 2])
    assert_array_equal(rollouts.token_position, [0, 1, 2, 0, 0, 1])
    assert_array_equal(rollouts.last_token, [False, False, True, True, False, True])
    assert_array_equal(rollouts.token_counts, [2, 1, 1, 0, 0, 2])
    assert_array_equal((rollouts.first, rollouts.last), [[0, 2, 3], [1, 2, 5]])
    assert (rollouts.n_groups, rollouts.n_episodes, rollouts.n_steps, rollouts.n_tokens) == (
        *(2, 3, 6, 6),
    )


def test_states_nodes_and_marks_are_passed_on() -> None:
    keys = [[[7, 8], [7]], [[7, 7, 9]]]
    rollouts = Rollouts.of(GROUPS, PAY, state=keys, node=keys, scored=[[True, False], [True]])
    assert_array_equal(rollouts.scored, [True, False, True])
    key = rollouts.state_key
    assert len(set(key.tolist())) == 4  # state 7 of one group is not state 7 of the other
    assert key[0] == key[2] != key[3] == key[4]


def test_episodes_without_a_language_model_have_no_tokens() -> None:
    rollouts = Rollouts.of([Group((episode(None, None),))], [[np.array([1.0, 2.0])]])
    assert (rollouts.n_tokens, dict(rollouts.signals)) == (0, {})
    assert_array_equal(GroupRelative()(rollouts), [3.0])


@pytest.mark.parametrize(
    ("method", "sizes"),
    [
        (GroupRelative(), [1, 1]),
        (DualLevel(), [2, 1]),
        (PrefixTree(), [3, 1]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_one_group_alone(method: Advantage, sizes: list[int]) -> None:
    credit = method.of_group(GROUPS[0], PAY[0])
    assert [len(values) for values in credit] == sizes
    rollouts = Rollouts.of(GROUPS[:1], PAY[:1])
    assert_array_equal(np.concatenate(credit), method(rollouts))
    assert_array_equal(method.tokens(rollouts), rollouts.to_tokens(method.level, method(rollouts)))


def test_values_spread_over_tokens_and_back() -> None:
    rollouts = two()
    assert_array_equal(rollouts.to_tokens("episode", np.array([5.0, 7.0])), [5, 5, 5, 7])
    assert_array_equal(rollouts.to_tokens("step", np.array([1.0, 2.0, 3.0])), [1, 1, 2, 3])
    assert_array_equal(rollouts.to_tokens("token", np.arange(4.0)), np.arange(4))
    assert_array_equal(rollouts.to_steps("token", np.arange(4.0)), [0.5, 2.0, 3.0])


def test_a_planted_reward_on_one_turn_moves_only_turns_up_to_it() -> None:
    state = np.array([1, 2, 1])
    plain = StateGroups(gamma=1.0).credit(two(state=state, reward=np.array([0.0, 0.0, 0.0])))
    planted = StateGroups(gamma=1.0, step_weight=1.0)
    moved = planted(two(state=state, reward=np.array([1.0, 0.0, 0.0])))
    whole = planted._episodes(two(state=state, reward=np.array([1.0, 0.0, 0.0])))
    assert_array_equal(plain, [0, 0, 0])
    assert_array_equal(moved - whole, [0.5, 0.0, -0.5])


# ---- What is not scored, and shared nodes ---------------------------------------------------


def test_the_pay_of_an_unscored_episode_is_not_read() -> None:
    rollouts = two(scored=np.array([True, False]), reward=np.array([0.0, 1.0, np.nan]))
    assert_array_equal(rollouts.returns, [1.0, 0.0])


def test_every_node_weighs_one() -> None:
    batch = [PlainEpisode(0, [0.0, 1.0], node=[1, leaf]) for leaf in (2, 3, 4)]
    batch[2].scored = False
    assert_allclose(flat(batch).weight, [0.5, 1, 0.5, 1, 0, 0])
    assert_allclose(two(scored=np.array([True, False])).weight, [1, 1, 0])


def test_other_returns() -> None:
    rollouts = two().with_returns(np.array([0.3, -1.0]))
    assert_array_equal(rollouts.returns, [0.3, -1.0])
    assert_array_equal(rollouts.reward, [0.0, 0.3, -1.0])
    assert_array_equal(two().reward, [0.0, 1.0, 0.5])


# ---- Errors --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"scored": np.array([True])}, r"scored: expected shape \(2,\), got \(1,\)"),
        ({"reward": np.zeros(2)}, r"reward: expected shape \(3,\)"),
        ({"state": np.zeros(2, int)}, r"state: expected shape \(3,\)"),
        ({"node": np.zeros(4, int)}, r"node: expected shape \(3,\)"),
        ({"ids": np.zeros(3, int)}, r"ids: expected shape \(4,\)"),
        ({"episode": np.array([0, 1, 0])}, "episode: must be sorted"),
        ({"episode": np.array([0, 0, 2])}, "episode: got 0 to 2; there are 2 episodes"),
        ({"episode": np.array([0, 0, 0])}, "episode: episode 1 has no step"),
        ({"step": np.array([0, 0, 1, 3])}, "step: got 0 to 3; there are 3 steps"),
        ({"group": np.array([1, 2])}, "group: got 1 to 2 for 2 episodes"),
        ({"group": np.zeros(0, int)}, "group: there is no episode"),
        ({"reward": np.array([0.0, np.inf, 0.0])}, r"reward: step 1 \(episode 0\) is paid inf"),
        ({"signals": {"belief": np.zeros(5)}}, r"signals: 'belief' has shape \(5,\)"),
    ],
)
def test_arrays_that_do_not_fit(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RewardError, match=sentence):
        two(**changes)


def test_pay_of_another_length() -> None:
    with pytest.raises(RewardError, match=r"\[2, 1, 3\] steps, pay has \[2, 2, 3\] entries"):
        Rollouts.of(GROUPS, [[np.zeros(2), np.zeros(2)], [np.zeros(3)]])


def test_signals_are_looked_up_by_name_and_level() -> None:
    rollouts = two(signals={"belief": np.zeros(3)})
    with pytest.raises(ConfigError, match="unknown signal 'beleif' in the rollouts; did you mean"):
        rollouts.signal("beleif", "step")
    with pytest.raises(RewardError, match="one value per token"):
        rollouts.signal("belief", "token")


# ---- Sums over keys ------------------------------------------------------------------------

ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.floats(-5, 5), st.booleans()), min_size=1, max_size=30
)


@settings(max_examples=60)
@given(rows=ROWS)
def test_statistics_of_masked_rows(rows: list[tuple[int, float, bool]]) -> None:
    key, values, mask = (np.array(column) for column in zip(*rows, strict=True))
    means = mean_by_key(values, key, 5, mask)
    deviation = centred(values, key, 5, mask)
    deviations = spread(deviation, key, 5, mask)
    for k in range(5):
        mine = values[(key == k) & mask]
        if not len(mine):
            assert means[k] == deviations[k] == 0.0
            continue
        assert_allclose(means[k], mine.mean(), atol=1e-12)
        assert_allclose(deviation[(key == k) & mask], mine - mine.mean(), atol=1e-12)
        assert_allclose(deviations[k], mine.std(ddof=1) if len(mine) > 1 else 0.0, atol=1e-12)


@settings(max_examples=40)
@given(rows=ROWS, mode=st.sampled_from(["mean", "zscore", "leave_one_out"]))
def test_compared_values_sum_to_zero(rows: list[tuple[int, float, bool]], mode: Any) -> None:
    key, values, mask = (np.array(column) for column in zip(*rows, strict=True))
    compared = normalise(values, key, mode, mask=mask, singleton="zero")
    assert_allclose(np.bincount(key, compared), 0.0, atol=1e-9)
    assert_array_equal(compared[~mask], 0.0)


def test_modes_and_single_values() -> None:
    values, key = np.array([1.0, 4.0, 4.0]), np.array([0, 1, 1])
    assert_array_equal(normalise(values, key, "none"), values)
    assert_array_equal(normalise(values, key, "mean"), [1, 0, 0])
    assert_array_equal(normalise(values, key, "mean", singleton="zero"), [0, 0, 0])
    assert_array_equal(normalise(values, key, epsilon=0.0), [1, 0, 0])
    assert len(normalise(np.zeros(0), np.zeros(0, int))) == 0
    with pytest.raises(ConfigError, match="unknown mode 'z-score'"):
        normalise(values, key, "z-score")  # type: ignore[arg-type]


def test_sums_from_a_step_on() -> None:
    sums = suffix_sums(np.array([0, 0, 0, 10.0]), np.array([3]), 0.95)
    assert_allclose(sums, [8.57375, 9.025, 9.5, 10.0])


@settings(max_examples=40)
@given(
    segments=st.lists(st.lists(st.floats(-5, 5), min_size=1, max_size=40), min_size=1, max_size=5),
    gamma=st.sampled_from([0.0, 0.3, 0.95, 1.0]),
)
def test_sums_stay_in_their_segment(segments: list[list[float]], gamma: float) -> None:
    last = np.cumsum([len(segment) for segment in segments]) - 1
    expected = [value for segment in segments for value in following(segment, gamma)]
    assert_allclose(suffix_sums(np.concatenate(segments), last, gamma), expected, atol=1e-12)


@settings(max_examples=40)
@given(episodes=st.lists(st.lists(st.integers(-1, 2), min_size=1, max_size=5), min_size=1))
def test_prefixes_have_one_key_each(episodes: list[list[int]]) -> None:
    ids = np.array([token for one in episodes for token in one])
    position = np.concatenate([np.arange(len(one)) for one in episodes])
    hashes = iter(prefix_hashes(ids, position).tolist())
    keys: dict[int, set[tuple[int, ...]]] = defaultdict(set)
    for one in episodes:
        for t in range(len(one)):
            keys[next(hashes)].add(tuple(one[: t + 1]))
    prefixes = {tuple(one[: t + 1]) for one in episodes for t in range(len(one))}
    assert len(keys) == len(prefixes)
    assert all(len(same) == 1 for same in keys.values())


def test_the_words_on_which_polynomial_hashes_collide_are_told_apart() -> None:
    thue_morse = np.array([bin(i).count("1") % 2 for i in range(2048)])
    ids = np.concatenate([thue_morse, 1 - thue_morse])
    hashes = prefix_hashes(ids, np.tile(np.arange(2048), 2))
    assert len(set(hashes.tolist())) == 4096


@settings(max_examples=60)
@given(rows=st.lists(st.tuples(st.integers(0, 2), st.integers(-3, 2)), min_size=1, max_size=300))
def test_equal_rows_have_one_key(rows: list[tuple[int, int]]) -> None:
    first, second = (np.array(column) for column in zip(*rows, strict=True))
    key = joint_key(first, second)
    assert [rows[k] for k in key] == rows
    assert len(set(key.tolist())) == len(set(rows))


# ---- The lens ------------------------------------------------------------------------------


def test_the_lens_shows_turns_tokens_and_sums() -> None:
    lens = CreditLens(
        {"GRPO": GroupRelative(scale="none"), "GiGPO": StateGroups(), "TEMPO": PrefixTree()}
    )
    rollouts = two()
    whole, state, prefix = lens.rows(rollouts, 0)
    assert (whole.level, whole.turns, whole.tokens) == (
        "episode",
        [0.25, 0.25],
        [[0.25] * 2, [0.25]],
    )
    assert (whole.ok, whole.value, whole.check) == (True, 0.0, "the advantages of a group sum to 0")
    assert (state.ok, state.turns) == (False, [])
    assert state.check.startswith("StateGroups needs 'state'")
    assert prefix.ok
    assert_allclose(np.concatenate(prefix.tokens), PrefixTree()(rollouts)[:3])
    assert_allclose(prefix.turns[0], PrefixTree()(rollouts)[:2].mean())
    json.dumps([dataclasses.asdict(row) for row in (whole, state, prefix)])


def test_the_lens_finds_a_wrong_sum() -> None:
    @dataclasses.dataclass(frozen=True)
    class Generous(GroupRelative):
        def credit(self, rollouts: Rollouts) -> np.ndarray:
            return super().credit(rollouts) + 0.01

    (row,) = CreditLens({"generous": Generous()}).rows(two(), 1)
    assert not row.ok
    assert_allclose(row.value, 0.02)


def test_the_lens_allows_for_rounding_at_scale() -> None:
    rng = np.random.default_rng(0)
    batch = [PlainEpisode(0, [1e6 * r], tokens=[[1] * 50]) for r in rng.random(64)]
    (row,) = CreditLens({"whitened": BatchWhitened()}).rows(flat(batch), 0)
    assert row.ok
    assert math.isfinite(row.value)
