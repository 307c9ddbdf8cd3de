"""Generalised advantages: card values, special cases, and agreement with a plain loop."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from rewardsmith.envs.errors import ConfigError, RewardError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards.credit import (
    BatchWhitened,
    CreditLens,
    GeneralisedAdvantage,
    Rollouts,
)

SEEDS = st.integers(0, 2**32 - 1)
SETTINGS = st.builds(
    GeneralisedAdvantage,
    gamma=st.sampled_from([0.0, 0.9, 1.0]),
    gae_lambda=st.sampled_from([0.0, 0.5, 0.95, 1.0]),
    kl_weight=st.sampled_from([0.0, 0.3]),
    whiten=st.booleans(),
)


@dataclass
class Turn:
    """A step: its pay, and for every token its value and both log-probabilities."""

    pay: float
    value: list[float] = field(default_factory=list)
    logprob: list[float] = field(default_factory=list)
    reference: list[float] = field(default_factory=list)


@dataclass
class Play:
    """An episode."""

    turns: list[Turn]
    scored: bool = True


def flat(plays: list[Play]) -> Rollouts:
    """Returns the episodes as `Rollouts`, each in a group of its own."""
    turns = [turn for play in plays for turn in play.turns]
    sizes = [len(turn.value) for turn in turns]
    named = {"value": "value", "logprob": "logprob", "reference_logprob": "reference"}
    return Rollouts(
        group=np.arange(len(plays)),
        scored=np.array([play.scored for play in plays]),
        episode=np.repeat(np.arange(len(plays)), [len(play.turns) for play in plays]),
        reward=np.array([turn.pay for turn in turns]),
        step=np.repeat(np.arange(len(turns)), sizes),
        ids=np.zeros(sum(sizes), dtype=np.int64),
        signals={
            name: np.array([x for turn in turns for x in getattr(turn, own)], dtype=np.float64)
            for name, own in named.items()
        },
    )


def one(pay: list[float], sizes: list[int], values: list[float]) -> Rollouts:
    """Returns one episode of turns of some sizes, without log-probabilities."""
    return Rollouts(
        group=np.zeros(1, dtype=np.int64),
        scored=np.ones(1, dtype=np.bool_),
        episode=np.zeros(len(pay), dtype=np.int64),
        reward=np.array(pay),
        step=np.repeat(np.arange(len(pay)), sizes),
        ids=np.zeros(sum(sizes), dtype=np.int64),
        signals={"value": np.array(values)},
    )


def random_plays(seed: int) -> list[Play]:
    """Draws ragged episodes: turns without a token, episodes without one, unscored ones."""
    rng = np.random.default_rng(seed)

    def turn() -> Turn:
        size = int(rng.integers(0, 4))
        return Turn(float(rng.normal()), *(rng.normal(size=size).tolist() for _ in range(3)))

    plays = [
        Play([turn() for _ in range(rng.integers(1, 5))], bool(rng.random() < 0.8))
        for _ in range(rng.integers(1, 7))
    ]
    return [*plays, Play([Turn(1.0, [0.5], [-1.0], [-2.0])])]


def plain(plays: list[Play], method: GeneralisedAdvantage) -> tuple[list[float], list[float]]:
    """Returns the advantages and value targets of all tokens, by loops over lists."""
    raw: list[float] = []
    targets: list[float] = []
    for play in plays:
        rewards: list[float] = []
        values = [v for turn in play.turns for v in turn.value]
        for turn in play.turns:
            pairs = zip(turn.logprob, turn.reference, strict=True)
            rewards += [-method.kl_weight * (a - b) for a, b in pairs]
            if rewards:
                rewards[-1] += turn.pay
        advantage, following = 0.0, 0.0
        found = []
        for reward, value in zip(reversed(rewards), reversed(values), strict=True):
            error = reward + method.gamma * following - value
            advantage = error + method.gamma * method.gae_lambda * advantage
            following = value
            found.append(advantage)
        found = [a if play.scored else math.nan for a in reversed(found)]
        raw += found
        targets += [a + v if play.scored else 0.0 for a, v in zip(found, values, strict=True)]
    counted = [a for a in raw if not math.isnan(a)]
    if method.whiten and len(raw) > 1:
        mean = statistics.fmean(counted)
        spread = statistics.stdev(counted) if len(counted) > 1 else 0.0
        raw = [(a - mean) / (spread + method.epsilon) for a in raw]
    return [0.0 if math.isnan(a) else a for a in raw], targets


# ---- Card values ------------------------------------------------------------------------


def test_values() -> None:
    rollouts = one([0.0, 1.0], [2, 1], [0.5, 0.25, 0.75])
    errors = [-0.25, 0.5, 0.25]  # 0 + .25 - .5, 0 + .75 - .25, 1 - .75
    method = GeneralisedAdvantage(gae_lambda=0.5, whiten=False)
    expected = [-0.25 + 0.5 * (0.5 + 0.5 * 0.25), 0.5 + 0.5 * 0.25, 0.25]
    assert_allclose(method(rollouts), expected, rtol=1e-12)
    assert_allclose(method.value_targets(rollouts), np.add(expected, [0.5, 0.25, 0.75]))
    assert_allclose(GeneralisedAdvantage(gae_lambda=0.0, whiten=False)(rollouts), errors)
    half = GeneralisedAdvantage(gamma=0.5, gae_lambda=1.0, whiten=False)
    assert_allclose(half.value_targets(rollouts), [0.25, 0.5, 1.0])  # the discounted return


def test_a_turn_is_paid_at_its_last_token() -> None:
    method = GeneralisedAdvantage(gae_lambda=0.0, whiten=False)
    assert_array_equal(method(one([1.0, 2.0], [2, 3], [0.0] * 5)), [0, 1, 0, 0, 2])
    assert_array_equal(method(one([1.0, 2.0], [1, 0], [0.0])), [3])  # a turn without a token
    assert_array_equal(method(one([1.0, 2.0], [0, 1], [0.0])), [2])  # nobody to pay for the first


def test_a_divergence_costs_where_it_is() -> None:
    plays = [Play([Turn(1.0, [0.0, 0.0], [-1.0, -2.0], [-3.0, -2.0])])]
    method = GeneralisedAdvantage(gae_lambda=0.0, kl_weight=0.05, whiten=False)
    assert_allclose(method(flat(plays)), [-0.1, 1.0])


# ---- Agreement --------------------------------------------------------------------------


@settings(max_examples=60)
@given(seed=SEEDS, method=SETTINGS)
def test_agrees_with_a_plain_loop(seed: int, method: GeneralisedAdvantage) -> None:
    plays = random_plays(seed)
    advantages, targets = plain(plays, method)
    rollouts = flat(plays)
    assert_allclose(method(rollouts), advantages, rtol=1e-9, atol=1e-9)
    assert_allclose(method.value_targets(rollouts), targets, rtol=1e-9, atol=1e-9)


@settings(max_examples=20)
@given(seed=SEEDS)
def test_without_values_and_discounts_it_is_the_pay_still_to_come(seed: int) -> None:
    rollouts = flat([play for play in random_plays(seed) if play.turns[0].value])
    zero = {"value": np.zeros(rollouts.n_tokens)}
    method = GeneralisedAdvantage(gamma=1.0, gae_lambda=1.0, whiten=False)
    credit = method(replace(rollouts, signals=zero))
    firsts = credit[rollouts.token_position == 0]
    assert_allclose(firsts, rollouts.returns, atol=1e-12)
    ends = np.append(rollouts.step[1:] != rollouts.step[:-1], True)
    within = np.diff(credit)[~ends[:-1]]
    assert_allclose(within, 0.0, atol=1e-12)  # the tokens of a turn are all paid alike


def test_without_values_it_is_reinforce_pp() -> None:
    plays = [Play([Turn(p, [0.0] * n, [-1.0] * n, [-2.0] * n)]) for n, p in ((2, 1.0), (3, 0.0))]
    ours = GeneralisedAdvantage(gamma=0.9, gae_lambda=1.0, kl_weight=0.1)
    theirs = BatchWhitened(gamma=0.9, kl_weight=0.1)
    assert_allclose(ours(flat(plays)), theirs(flat(plays)), atol=1e-12)


@settings(max_examples=20)
@given(seed=SEEDS)
def test_right_values_leave_nothing_to_credit(seed: int) -> None:
    plays = [play for play in random_plays(seed) if play.turns[-1].value]
    for play in plays:
        rest = 0.0
        for turn in reversed(play.turns):
            rest += turn.pay if turn.value or turn is play.turns[-1] else 0.0
            turn.value = [rest] * len(turn.value)
        for turn in play.turns:
            turn.pay = turn.pay if turn.value else 0.0
    method = GeneralisedAdvantage(whiten=False)
    assert_allclose(method(flat(plays)), 0.0, atol=1e-12)


# ---- Invariants -------------------------------------------------------------------------


@settings(max_examples=30)
@given(seed=SEEDS, method=SETTINGS)
def test_the_invariant_holds_and_its_check_can_fail(
    seed: int, method: GeneralisedAdvantage
) -> None:
    plays = random_plays(seed)
    rollouts = flat([*plays, plays[-1]])
    credit = method(rollouts)
    assert method.violation(rollouts, credit) < 1e-9
    wrong: FloatArray = credit + 3.0 * rollouts.counted[rollouts.step]
    assert method.violation(rollouts, wrong) > 0.1


@settings(max_examples=30)
@given(seed=SEEDS, method=SETTINGS)
def test_what_an_unscored_episode_holds_changes_nothing(
    seed: int, method: GeneralisedAdvantage
) -> None:
    plays = random_plays(seed)
    plays.append(Play([Turn(1.0, [1.0, 2.0], [-1.0, -1.0], [-2.0, -2.0])], scored=False))
    expected = method(flat(plays)), method.value_targets(flat(plays))
    for play in plays:
        for turn in [] if play.scored else play.turns:
            lost = [math.nan] * len(turn.value)
            turn.pay, turn.value, turn.logprob, turn.reference = math.nan, lost, lost, lost
    rollouts = flat(plays)
    unscored = ~rollouts.counted[rollouts.step]
    for values, found in zip(
        expected, (method(rollouts), method.value_targets(rollouts)), strict=True
    ):
        assert_array_equal(found, values)
        assert_array_equal(found[unscored], 0.0)


def test_the_lens_shows_it() -> None:
    rollouts = one([0.5, 1.0], [2, 1], [0.5, 0.25, 0.75])
    methods = {"whitened": GeneralisedAdvantage(), "raw": GeneralisedAdvantage(whiten=False)}
    for row in CreditLens(methods).rows(rollouts, 0):
        assert row.ok
        assert [len(turn) for turn in row.tokens] == [2, 1]


# ---- Mistakes ---------------------------------------------------------------------------


def test_what_the_rollouts_lack() -> None:
    rollouts = one([1.0], [1], [0.0])
    with pytest.raises(RewardError, match="GeneralisedAdvantage needs 'logprob', which these"):
        GeneralisedAdvantage(kl_weight=0.1)(rollouts)
    with pytest.raises(RewardError, match="needs 'value', which these rollouts lack: put 'value'"):
        GeneralisedAdvantage()(replace(rollouts, signals={}))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"gamma": 1.1}, r"GeneralisedAdvantage.gamma must be in \[0, 1\], got 1.1"),
        ({"gae_lambda": -0.1}, r"gae_lambda must be in \[0, 1\], got -0.1"),
        ({"kl_weight": -1.0}, "kl_weight must be at least 0, got -1.0"),
    ],
)
def test_wrong_settings_are_named(wrong: dict[str, float], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        GeneralisedAdvantage(**wrong)  # type: ignore[arg-type]
