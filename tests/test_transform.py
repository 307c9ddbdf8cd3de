"""Transforms: exact values from the papers, and errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from rewardsmith.envs import ConfigError, EnvCard, Field
from rewardsmith.envs.stateful import BoolArray, FloatArray
from rewardsmith.rewards import (
    Anneal,
    CenteredSigmoid,
    Clip,
    Delta,
    FieldReward,
    FlipNoise,
    RewardDesign,
    TaskReward,
    Transform,
    Transition,
)


def step(n: int, done: bool = False, **changes: Any) -> Transition:
    no = np.zeros(n, dtype=np.bool_)
    return Transition(0, 0, 0, np.zeros(n), no | done, no, **changes)


def started(transform: Any, n: int = 1) -> Any:
    transform.reset(np.ones(n, dtype=np.bool_))
    return transform


def online(transforms: list[Transform], rewards: Any) -> FloatArray:
    """Passes one episode of one row through a chain, step by step; returns shape (T,)."""
    total = np.array(rewards, dtype=np.float64)
    for transform in transforms:
        started(transform)
        total = np.array(
            [transform(total[t : t + 1], s)[0] for t, s in enumerate(episode(len(total)))]
        )
    return total


def placed(transforms: list[Transform], rewards: Any) -> FloatArray:
    """Passes a finished episode through a chain; returns shape (T,)."""
    total = np.array(rewards, dtype=np.float64)
    for transform in transforms:
        total = transform.place(total, episode(len(total)))
    return total


def episode(length: int) -> list[Transition]:
    return [step(1, done=t == length - 1) for t in range(length)]


# ---- Clip and delta ----------------------------------------------------------------

SCORES = [0.9, 0.4, 0.8, 0.7]  # three steps and the answer, whose own score is not used
PENALTY = Clip(offset=0.5, high=0.0)


def test_clip_of_the_paper() -> None:
    assert_allclose(placed([PENALTY], SCORES)[:3], [0.0, -0.1, 0.0], atol=1e-12)


def test_delta_of_the_paper() -> None:
    paid = placed([Delta()], SCORES)
    assert_allclose(paid, [0.5, -0.4, 0.8, 0.0], atol=1e-12)
    assert_allclose(np.cumsum(paid[::-1])[::-1], [0.9, 0.4, 0.8, 0.0], atol=1e-12)


def test_clip_then_delta_of_the_paper() -> None:
    assert_allclose(placed([PENALTY, Delta()], SCORES), [0.1, -0.1, 0.0, 0.0], atol=1e-12)


def test_delta_is_paid_one_step_late() -> None:
    assert_allclose(online([Delta()], SCORES), [0.0, 0.5, -0.4, 0.8], atol=1e-12)
    assert_array_equal(online([Delta()], [0.9]), [0.0])


@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=8),
    st.integers(0, 7),
    st.integers(1, 4),
)
@settings(max_examples=40)
def test_repeating_a_step_leaves_the_return_under_delta(
    scores: list[float], where: int, copies: int
) -> None:
    where %= len(scores) - 1
    longer = scores[:where] + [scores[where]] * copies + scores[where:]
    for pay in (online, placed):
        assert_allclose(pay([Delta()], longer).sum(), pay([Delta()], scores).sum(), atol=1e-12)
        assert_allclose(pay([Delta()], scores).sum(), scores[0], atol=1e-12)


# ---- Centred sigmoid -----------------------------------------------------------------


def test_preference_as_reward_of_the_paper() -> None:
    assert_allclose(CenteredSigmoid(0.7)(np.array([0.7]), step(1)), [0.5])
    several = CenteredSigmoid([0.0, 1.0, 3.0])
    assert_allclose(several(np.array([2.0]), step(1)), [0.62693], atol=5e-6)


def test_references_read_per_row() -> None:
    card = EnvCard("Chat-v0", "", facts=(Field("refs", ""),))
    transform = CenteredSigmoid("refs", steepness=2.0)
    transform.bind(card)
    references = np.array([[0.0, 1.0, 3.0], [2.0, 2.0, 2.0]])
    paid = transform(np.array([1.0, 2.0]), step(2, info={"refs": references}))
    expected = float(np.mean([1 / (1 + math.exp(-2 * (1 - ref))) for ref in (0, 1, 3)]))
    assert_allclose(paid, [expected, 0.5])


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=9), st.floats(0.1, 5))
@settings(max_examples=40)
def test_centred_sigmoid_is_bounded_and_monotone(rewards: list[float], steepness: float) -> None:
    ordered = np.sort(rewards)
    squashed = CenteredSigmoid([-1.0, 2.0], steepness)(ordered, step(len(rewards)))
    assert ((squashed >= 0) & (squashed <= 1)).all()
    assert (np.diff(squashed) >= 0).all()


# ---- Anneal --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("linear", [2.0, 1.75, 1.5, 1.25, 1.0, 1.0]),
        ("cosine", [2.0, 1.5 + 0.5**1.5, 1.5, 1.5 - 0.5**1.5, 1.0, 1.0]),
        ("step", [2.0, 2.0, 2.0, 2.0, 1.0, 1.0]),
    ],
)
def test_schedules(shape: Any, expected: list[float]) -> None:
    anneal = Anneal(horizon=8, start=2.0, end=1.0, shape=shape)
    assert_allclose([anneal(np.ones(2), step(2))[0] for _ in expected], expected)


def test_only_active_rows_are_steps() -> None:
    anneal = Anneal(horizon=4)
    anneal(np.ones(2), step(2, active=np.array([True, False])))
    assert anneal.weight == 0.75


# ---- Noise ---------------------------------------------------------------------------


def test_certain_noise_turns_every_verdict_round() -> None:
    verdicts = np.array([1.0, 0.0, 1.0])
    assert_array_equal(started(FlipNoise(1.0), 3)(verdicts, step(3)), [0.0, 1.0, 0.0])
    assert_array_equal(started(FlipNoise(0.0), 3)(verdicts, step(3)), verdicts)
    signed = started(FlipNoise(1.0, low=-1.0), 2)
    assert_array_equal(signed(np.array([1.0, -1.0]), step(2)), [-1.0, 1.0])
    assert_array_equal(verdicts, [1.0, 0.0, 1.0])


def test_noise_per_episode_touches_its_last_step_alone() -> None:
    assert_array_equal(online([FlipNoise(1.0, per="episode")], [0.0, 0.0, 1.0]), [0.0, 0.0, 0.0])
    assert_array_equal(online([FlipNoise(1.0, per="step")], [0.0, 0.0, 1.0]), [1.0, 1.0, 0.0])


def test_the_rate_of_flips() -> None:
    noise = started(FlipNoise(0.3, seed=5), 500)
    flips = np.mean([noise(np.zeros(500), step(500)) for _ in range(40)])
    assert abs(flips - 0.3) < 4 * math.sqrt(0.3 * 0.7 / 20_000)


def test_rows_that_sit_out_draw_nothing() -> None:
    steady, resting = (started(FlipNoise(0.5, seed=2), 4) for _ in range(2))
    played: list[BoolArray] = []
    for t in range(12):
        active = (np.arange(4) + t) % 3 > 0
        played.append(resting(np.zeros(4), step(4, active=active)).astype(bool)[active])
        assert not resting(np.zeros(4), step(4, active=np.zeros(4, dtype=np.bool_))).any()
    flips = np.array([steady(np.zeros(4), step(4)).astype(bool) for _ in range(12)])
    counts = np.zeros(4, dtype=np.int64)
    for t, row in enumerate(played):
        rows = np.flatnonzero((np.arange(4) + t) % 3 > 0)
        assert_array_equal(row, flips[counts[rows], rows])
        counts[rows] += 1


# ---- Chains and errors -----------------------------------------------------------------


def test_a_nested_design_gives_one_term_transforms_of_its_own() -> None:
    card = EnvCard("Proof-v0", "", facts=(Field("score", ""),))
    process = RewardDesign({"score": FieldReward("score")}, transforms=[PENALTY, Delta()])
    design = RewardDesign({"task": TaskReward(), "process": process})
    design.bind(card)
    design.reset(np.ones(1, dtype=np.bool_))
    steps = [
        Transition(
            np.zeros((1, 1)),
            0,
            np.zeros((1, 1)),
            np.array([float(t == 3)]),
            np.array([t == 3]),
            np.zeros(1, dtype=np.bool_),
            {"score": np.array([score])},
        )
        for t, score in enumerate(SCORES)
    ]
    assert_allclose(design.place(steps), [0.1, -0.1, 0.0, 1.0], atol=1e-12)
    payments = [design.pay(s) for s in steps]
    assert_allclose([p.total[0] for p in payments], [0.0, 0.1, -0.1, 1.0], atol=1e-12)
    assert_allclose([p.parts["process/score"][0] for p in payments], SCORES)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Clip(low=1.0, high=0.0), "low must not exceed high, got 1.0 and 0.0"),
        (lambda: CenteredSigmoid(0.0, steepness=0.0), "steepness must be positive, got 0.0"),
        (lambda: CenteredSigmoid([]), "reference is empty"),
        (lambda: Anneal(horizon=0), "horizon must be at least 1 step, got 0"),
        (lambda: Anneal(horizon=1, shape="cosin"), "did you mean 'cosine'"),  # type: ignore[arg-type]
        (lambda: FlipNoise(1.2), r"probability must be in \[0, 1\], got 1.2"),
        (lambda: FlipNoise(0.5, per="turn"), "unknown unit 'turn' in FlipNoise.per"),  # type: ignore[arg-type]
        (lambda: FlipNoise(0.5, seed=-1), "seed must be at least 0, got -1"),
    ],
)
def test_errors(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
