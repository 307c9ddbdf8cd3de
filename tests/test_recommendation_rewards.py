"""Rewards of recommender papers: exact values, invariants, and designs on the tasks they fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from rewardsmith.agents.configs import compose
from rewardsmith.agents.tasks import make_task
from rewardsmith.envs import ConfigError, EnvCard, Field, RewardError
from rewardsmith.envs.bandits.semantic_id import SemanticID
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards import (
    AdaptiveWeights,
    FieldReward,
    HarmonicEngagement,
    MultiHorizonReward,
    PrefixSemanticReward,
    RelevanceFirstSum,
    RewardDesign,
    TaskReward,
    Transition,
    VectorRewardWrapper,
    build_design,
    harmonic_engagement,
)
from rewardsmith.rewards.combine.roles import check_roles

NAMES = ("prefix_match", "prefix_cosine", "hits_ahead", "ctr", "cvr")
CARD = EnvCard(
    "Shop-v0",
    "",
    observation=(Field("user", "", (0, 2)),),
    facts=(*(Field(name, "") for name in NAMES), Field("level", "", high=3)),
)


def bound(term: Any) -> Any:
    """Returns the component, bound to the made-up shop."""
    term.bind(CARD)
    return term


def step(n: int, level: int = 0, terminated: bool = False, **info: Any) -> Transition:
    """Makes a step of n rows from a state with `level` tokens."""
    return Transition(
        np.eye(2)[np.arange(n) % 2],
        0,
        0,
        np.zeros(n),
        np.full(n, terminated),
        np.zeros(n, dtype=np.bool_),
        {name: np.asarray(value) for name, value in info.items()},
        {"level": np.full(n, level)},
    )


# ---- Prefixes -----------------------------------------------------------------------------


@pytest.mark.parametrize(("level", "weight"), [(0, 0.3), (1, 0.5), (2, 1.0)])
def test_a_prefix_is_paid_by_match_or_by_cosine(level: int, weight: float) -> None:
    paid = bound(PrefixSemanticReward())(
        step(4, level, prefix_match=[True, False, False, False], prefix_cosine=[0.2, 1, 0.4, -1])
    )
    assert_allclose(paid, [weight, 0.0, -0.6 * weight, -2.0 * weight], atol=1e-12)


@pytest.mark.parametrize(("level", "weight"), [(0, 1.8), (1, 1.5), (2, 1.0)])
def test_an_id_broken_off_is_charged_for_the_tokens_left_out(level: int, weight: float) -> None:
    paid = bound(PrefixSemanticReward())(
        step(2, level, True, prefix_match=[False, False], prefix_cosine=[-1.0, 0.5])
    )
    assert_allclose(paid, [-2.0 * weight, -0.5 * weight])


def test_breaking_off_is_never_cheaper_than_any_id_that_goes_on_the_same_way() -> None:
    env = SemanticID(1, items=60, tokens=5, autoreset_mode=AutoresetMode.DISABLED)
    term = PrefixSemanticReward()
    term.bind(env.card)

    def paid(actions: list[int]) -> tuple[float, bool]:
        """Returns the pay of an episode of these tokens, and whether it was broken off."""
        _, before = env.reset(seed=0)
        total = 0.0
        for action in actions:
            _, reward, terminated, truncated, info = env.step(np.array([action]))
            total += term(Transition(0, 0, 0, reward, terminated, truncated, info, before))[0]
            if terminated[0]:
                break
            before = info
        return total, not info["valid"][0]

    spelled = {tuple(code): paid(code.tolist())[0] for code in env.trie.codes}
    nowhere = 0
    for first in range(5):
        for second in range(5):
            for third in range(5):
                total, broken = paid([first, second, third])
                if broken:
                    nowhere += 1
                    cheapest = [pay for code, pay in spelled.items() if code[0] == first]
                    assert total <= min(cheapest) + 1e-12
    assert nowhere == 5**3 - 60
    target = tuple(env.trie.codes[env.wanted[env.context[0], 0]].tolist())
    assert spelled[target] == max(spelled.values()) == pytest.approx(1.8)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_the_oracle_earns_the_weights_in_every_episode(mode: AutoresetMode) -> None:
    design = build_design(compose(["env=semantic_id", "reward=prefix_semantic"])["reward"])
    env = SemanticID(7, autoreset_mode=mode)
    assert env.card.oracle is not None
    wrapped = VectorRewardWrapper(env, design)
    observation, _ = wrapped.reset(seed=0)
    total, ends = 0.0, 0
    for _ in range(24):
        observation, reward, terminated, _, _ = wrapped.step(env.card.oracle(observation))
        total, ends = total + reward.sum(), ends + int(terminated.sum())
    assert ends == 7 * (6 if mode is AutoresetMode.NEXT_STEP else 8)
    assert total == pytest.approx(ends * (1.0 + 0.3 + 0.5 + 1.0))


# ---- The items wanted next ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("hits", "horizon", "expected"),
    [([1, 0, 1], 3, 1.25), ([1, 0, 1], 1, 1.0), ([0, 1, 1], 1, 0.0), ([0, 1, 1], 2, 0.5)],
)
def test_later_items_are_paid_by_halves(hits: list[int], horizon: int, expected: float) -> None:
    assert bound(MultiHorizonReward(horizon=horizon))(step(1, hits_ahead=[hits])) == [expected]


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 1.0))
@settings(max_examples=20)
def test_a_longer_horizon_adds_one_discounted_hit(seed: int, delta: float) -> None:
    hits = np.random.default_rng(seed).random((5, 4))
    paid = [
        bound(MultiHorizonReward(horizon=j, delta=delta))(step(5, hits_ahead=hits))
        for j in range(1, 5)
    ]
    assert_array_equal(paid[0], hits[:, 0])
    for j in range(1, 4):
        assert_allclose(paid[j] - paid[j - 1], delta**j * hits[:, j], atol=1e-12)


# ---- Engagement and relevance -------------------------------------------------------------


def test_harmonic_engagement_of_the_paper() -> None:
    assert_allclose(harmonic_engagement(0.1, 0.02, weight=2.0), 2 / 30)
    assert_array_equal(harmonic_engagement([0.0, 0.0, 0.7], [0.0, 0.5, 0.0]), 0.0)
    assert_array_equal(harmonic_engagement(0.3, 0.4, weight=0.0), 0.0)
    paid = bound(HarmonicEngagement(weight=2.0))(step(2, ctr=[0.1, 0.5], cvr=[0.02, 0.5]))
    assert_allclose(paid, [2 / 30, 1.0])


@given(st.floats(1e-6, 1.0), st.floats(1e-6, 1.0))
@settings(max_examples=40)
def test_harmonic_engagement_lies_between_the_least_and_its_double(ctr: float, cvr: float) -> None:
    mean = harmonic_engagement(ctr, cvr)
    least = min(ctr, cvr)
    assert least * (1 - 1e-9) <= mean <= 2 * least * (1 + 1e-9)
    assert_allclose(mean, harmonic_engagement(cvr, ctr))


def test_relevance_first_sum_of_the_paper() -> None:
    values = {name: np.array([value]) for name, value in
              {"ctr": 0.5, "cvr": 0.2, "relevance": 0.3}.items()}  # fmt: skip
    assert_allclose(RelevanceFirstSum()(values, step(1)), 0.5 + 0.2 + 0.1 + 3.0)
    weighted = RelevanceFirstSum(weights=(1.0, 2.0, 3.0, 0.5))
    assert_allclose(weighted(values, step(1)), 0.5 + 0.4 + 0.3 + 1.5)


@given(*[st.floats(0.0, 1.0)] * 4)
@settings(max_examples=40)
def test_three_tenths_of_relevance_outweigh_all_engagement(
    ctr: float, cvr: float, more: float, relevance: float
) -> None:
    values = {
        "ctr": np.array([1.0, ctr]),
        "cvr": np.array([1.0, cvr]),
        "relevance": np.array([relevance, relevance + 0.3 + more + 1e-9]),
    }
    irrelevant, relevant = RelevanceFirstSum()(values, step(2))
    assert relevant > irrelevant


# ---- Weights by user ----------------------------------------------------------------------


def weighted(combine: AdaptiveWeights, **values: Any) -> FloatArray:
    """Returns the combined pay of rows whose users alternate between two types."""
    arrays = {name: np.asarray(value, dtype=np.float64) for name, value in values.items()}
    result = bound(combine)(arrays, step(len(next(iter(arrays.values())))))
    assert isinstance(result, np.ndarray)
    return result


def test_equal_logits_average_and_large_ones_select() -> None:
    even = AdaptiveWeights({"click": [0.0, 3.0], "stay": [0.0, 3.0]})
    assert_allclose(weighted(even, click=[1, 4], stay=[3, 0]), [2.0, 2.0])
    sure = AdaptiveWeights({"click": [800.0, 0.0], "stay": [0.0, 800.0]})
    assert_allclose(weighted(sure, click=[1, 2], stay=[3, 4]), [1.0, 4.0])


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_weights_are_a_distribution_and_weigh_returns_to_go_elementwise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    combine = AdaptiveWeights({"a": rng.normal(size=2).tolist(), "b": rng.normal(size=2).tolist()})
    omega = combine.omega(rng.normal(size=(6, 2)))
    assert (omega > 0.0).all()
    assert_allclose(omega.sum(axis=1), 1.0)
    rewards = rng.random((5, 2, 2))  # steps, terms, rows
    paid = np.array([weighted(combine, a=a, b=b) for a, b in rewards])
    to_go = rewards[::-1].cumsum(axis=0)[::-1]
    expected = (combine.omega(np.eye(2)).T * to_go).sum(axis=1)
    assert_allclose(paid[::-1].cumsum(axis=0)[::-1], expected)


def test_the_rtg_of_the_paper_is_weighed_by_a_users_weights() -> None:
    combine = AdaptiveWeights({"click": [0.0, 0.0], "stay": [0.0, np.log(3.0)]})
    rewards = np.array([[1, 0], [0, 1], [1, 1]])
    paid = np.array([weighted(combine, click=[c, c], stay=[s, s]) for c, s in rewards])
    to_go = np.array([[2, 2], [1, 2], [1, 1]])
    assert_allclose(paid[::-1].cumsum(axis=0)[::-1][:, 0], to_go @ [0.5, 0.5])
    assert_allclose(paid[::-1].cumsum(axis=0)[::-1][:, 1], to_go @ [0.25, 0.75])


def test_the_written_weights_are_those_of_the_task_up_to_scale() -> None:
    design = build_design(compose(["env=session_recommender", "reward=adaptive_weights"])["reward"])
    assert isinstance(design.combine, AdaptiveWeights)
    click, stay = design.combine.omega(np.eye(3)).T
    assert_allclose(stay / click, [0.0, 0.4, 1.0], atol=1e-4)


# ---- Designs and errors -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "reward"),
    [
        ("semantic_id", "prefix_semantic"),
        ("semantic_id", "multi_horizon"),
        ("semantic_search", "click_rate"),
        ("semantic_search", "harmonic_engagement"),
        ("semantic_search", "relevance_first"),
        ("session_recommender", "equal_weights"),
        ("session_recommender", "adaptive_weights"),
    ],
)
def test_written_designs_pay_on_their_task(env: str, reward: str) -> None:
    config = compose([f"env={env}", f"reward={reward}"])
    task = VectorRewardWrapper(make_task(config["env"], 8), build_design(config["reward"]))
    oracle = EnvCard.of(task).oracle
    assert oracle is not None
    observation, _ = task.reset(seed=0)
    earned = np.zeros(8)
    for _ in range(12):
        observation, paid, _, _, _ = task.step(oracle(observation))
        earned += paid
    assert (earned > 0.0).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PrefixSemanticReward(weights=()), "weights is empty"),
        (lambda: bound(PrefixSemanticReward((0.3, 0.5))), "have 3 tokens, but .* has 2"),
        (lambda: bound(PrefixSemanticReward(match="math")), "unknown field 'math'"),
        (lambda: MultiHorizonReward(horizon=0), "horizon must be at least 1 item, got 0"),
        (lambda: MultiHorizonReward(delta=1.5), r"delta must be in \[0, 1\], got 1.5"),
        (lambda: RelevanceFirstSum(weights=(1.0,)), "weights must be four numbers"),
        (
            lambda: RewardDesign({"ctr": FieldReward("ctr")}, combine=RelevanceFirstSum()),
            "unknown term 'cvr' in RelevanceFirstSum; did you mean 'ctr'",
        ),
        (lambda: AdaptiveWeights({"a": [1.0], "b": [1.0, 2.0]}), r"lists of length \[1, 2\]"),
        (
            lambda: RewardDesign(
                {"task": TaskReward(), "ctr": FieldReward("ctr")},
                combine=AdaptiveWeights({"ctr": [1.0, 1.0]}),
            ),
            "AdaptiveWeights.logits says nothing of term 'task'",
        ),
        (lambda: check_roles(["a"], ["b"], "X"), "unknown term 'a' in X"),
    ],
)
def test_errors(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_facts_of_the_wrong_width_are_named() -> None:
    with pytest.raises(RewardError, match="tells of 2 items ahead, horizon asks for 3"):
        bound(MultiHorizonReward())(step(1, hits_ahead=[[1, 0]]))
    with pytest.raises(RewardError, match=r"has 2 features, AdaptiveWeights\.logits 3 numbers"):
        weighted(AdaptiveWeights({"a": [0.0, 0.0, 1.0]}), a=[1.0])
