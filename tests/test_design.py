"""`RewardDesign`: composition, state, and the errors of its parts."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import yaml
from equivalence import CARD, as_design, components, pay, ready, stream
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from rewardsmith.envs import ConfigError, EnvCard, RewardError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards import (
    Clip,
    Distance,
    FieldReward,
    Gate,
    LogSigmoidSum,
    Normalise,
    Product,
    RewardDesign,
    TaskReward,
    Term,
    TimeCost,
    Transform,
    Transition,
    WeightedSum,
)
from rewardsmith.rewards.config import build_design, to_config

EXAMPLES = components()
TERMS = {name: part for name, part in EXAMPLES.items() if isinstance(part, Term)}
TRANSFORMS = {name: part for name, part in EXAMPLES.items() if isinstance(part, Transform)}


def one_step(n: int = 2, **changes: Any) -> Transition:
    no = np.zeros(n, dtype=np.bool_)
    return Transition(np.zeros((n, 1)), 0, np.ones((n, 1)), np.arange(float(n)), no, no, **changes)


def test_terms_are_combined_then_transformed_and_kept_by_name() -> None:
    design = RewardDesign(
        {"task": TaskReward(), "time": TimeCost(0.5), "mean": lambda t: t.reward - 0.5},
        combine=WeightedSum({"mean": 2.0}),
        transforms=[Clip(high=1.0), Clip(offset=1.0)],
    )
    payment = design.pay(one_step())
    assert_array_equal(payment.total, [-2.5, 0.0])
    assert {name: list(value) for name, value in payment.parts.items()} == {
        "task": [0.0, 1.0],
        "time": [-0.5, -0.5],
        "mean": [-0.5, 0.5],
    }


def test_designs_nest() -> None:
    inner = RewardDesign({"a": TaskReward(), "b": TimeCost(1.0)}, transforms=[Clip(low=-0.5)])
    design = RewardDesign({"in": inner, "time": TimeCost(1.0)}, combine=Product())
    payment = design.pay(one_step())
    assert_array_equal(payment.total, [0.5, 0.0])
    assert list(payment.parts) == ["in", "in/a", "in/b", "time"]
    assert_array_equal(payment.parts["in/a"], [0.0, 1.0])


def test_rows_that_sit_out_are_paid_zero_in_total_and_parts() -> None:
    design = RewardDesign({"time": TimeCost(1.0), "nan": lambda t: np.array([0.0, np.nan])})
    payment = design.pay(one_step(active=np.array([True, False])))
    assert_array_equal(payment.total, [-1.0, 0.0])
    assert all(value[1] == 0.0 for value in payment.parts.values())


@st.composite
def designs(draw: st.DrawFn, depth: int = 1) -> RewardDesign:
    """Draws a design of up to four components, some of them designs of their own."""
    names = draw(st.lists(st.sampled_from(sorted(TERMS)), min_size=1, max_size=3, unique=True))
    terms: dict[str, Any] = {name: copy.deepcopy(TERMS[name]) for name in names}
    if depth and draw(st.booleans()):
        terms["inner"] = draw(designs(depth=depth - 1))
    weights = {name: draw(st.floats(-2, 2)) for name in terms}
    references = draw(st.fixed_dictionaries({name: st.floats(-1, 1) for name in terms}))
    gate = Gate([[name] for name in terms], [0.0] * (len(terms) - 1))
    combine = draw(
        st.sampled_from([WeightedSum(weights), Product(), LogSigmoidSum(references), gate])
    )
    chain = draw(st.lists(st.sampled_from(sorted(TRANSFORMS)), max_size=2))
    transforms = [copy.deepcopy(TRANSFORMS[name]) for name in chain]
    return RewardDesign(terms, combine=combine, transforms=transforms)


@given(designs(), st.integers(0, 99))
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_a_design_survives_yaml_and_pickle_and_pays_the_same(
    design: RewardDesign, seed: int
) -> None:
    transitions = stream(4, 12, seed)
    written = yaml.safe_dump(to_config(design), sort_keys=False)
    twins = [build_design(yaml.safe_load(written)), pickle.loads(pickle.dumps(design))]
    expected = pay(ready(design, 4), transitions)
    for twin in twins:
        assert to_config(twin) == to_config(design)
        assert_array_equal(pay(ready(twin, 4), transitions), expected)


@given(designs(), st.integers(0, 11))
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_a_design_continues_from_its_saved_state(design: RewardDesign, middle: int) -> None:
    transitions, twin = stream(4, 12), copy.deepcopy(design)
    ready(design, 4)
    pay(design, transitions[:middle])
    ready(twin, 4).load_state_dict(pickle.loads(pickle.dumps(design.state_dict())))
    assert_array_equal(pay(twin, transitions[middle:]), pay(design, transitions[middle:]))


def test_a_design_pickled_while_running_continues() -> None:
    transitions = stream(4, 20)
    design = ready(RewardDesign({"task": TaskReward()}, transforms=[Normalise()]), 4)
    pay(design, transitions[:10])
    twin = pickle.loads(pickle.dumps(design))
    assert_array_equal(pay(twin, transitions[10:]), pay(design, transitions[10:]))


# ---- Errors ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RewardDesign({}), "needs at least one term; terms is empty"),
        (lambda: RewardDesign({"a/b": TimeCost()}), "text without '/', got 'a/b'"),
        (lambda: RewardDesign({1: TimeCost()}), "text without '/', got 1"),  # type: ignore[dict-item]
        (
            lambda: RewardDesign({"time": TimeCost()}, combine=WeightedSum({"tme": 2.0})),
            "unknown term 'tme' in WeightedSum.weights; did you mean 'time'? Known: time.",
        ),
        (
            lambda: RewardDesign({"near": Distance("positon")}).bind(CARD),
            "in term 'near': unknown field 'positon' in Synthetic-v0; did you mean 'position'",
        ),
        (
            lambda: as_design(RewardDesign({"near": Distance("x")})).bind(EnvCard("Empty-v0", "")),
            "in term 'term': in term 'near': unknown field 'x' in Empty-v0; Known: none",
        ),
        (
            lambda: RewardDesign({"a": TimeCost()}).load_state_dict({"term 'b'": {}}),
            "the saved state has the parts .*b.*; load it into the design it was saved from",
        ),
    ],
)
def test_configuration_errors(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        make()


@pytest.mark.parametrize(
    ("value", "shape"), [(1.0, r"\(\)"), (np.ones(3), r"\(3,\)"), (np.ones((2, 1)), r"\(2, 1\)")]
)
def test_a_term_of_the_wrong_shape(value: Any, shape: str) -> None:
    design = RewardDesign({"time": TimeCost(), "odd": lambda transition: value})
    with pytest.raises(RewardError, match=rf"term 'odd' returned shape {shape}.*shape \(2,\)"):
        design(one_step())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_term_that_is_not_finite(value: float) -> None:
    design = RewardDesign({"time": TimeCost(), "bad": lambda transition: np.array([0.0, value])})
    with pytest.raises(RewardError, match=f"term 'bad' paid {value} in environment 1"):
        design(one_step())


def test_the_term_inside_a_nested_design_is_named() -> None:
    inner = RewardDesign({"bad": lambda transition: np.array([np.nan, 0.0])})
    with pytest.raises(RewardError, match="term 'bad' paid nan in environment 0"):
        RewardDesign({"in": inner})(one_step())


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_finite_terms_that_combine_to_infinity() -> None:
    huge = {name: FieldReward("judge", 1e300) for name in "ab"}
    design = RewardDesign(huge, combine=Product())
    design.bind(CARD)
    with pytest.raises(RewardError, match=r"terms are finite, but.*inf in environment 1"):
        design(one_step(info={"judge": np.array([0.0, 1.0])}))


def test_a_large_but_finite_pay_is_no_error() -> None:
    huge: FloatArray = np.array([1e300, -1e300])
    assert_array_equal(RewardDesign({"huge": lambda transition: huge})(one_step()), huge)
