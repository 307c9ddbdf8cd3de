"""Terms: exact values, edge cases, and errors."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from equivalence import CARD, pay, stream
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from rewardsmith.envs import ConfigError, EnvCard, EnvError, Field, RewardError
from rewardsmith.rewards import (
    Distance,
    EnergyCost,
    FieldPotential,
    FieldReward,
    GoalBonus,
    NegativeDistance,
    Progress,
    RewardDesign,
    SmoothnessCost,
    StagedDistance,
    State,
    TaskReward,
    Term,
    TimeCost,
    Transition,
)

PLANE = EnvCard(
    "Plane-v0",
    "",
    observation=(
        Field("at", "", (0, 2)),
        Field("goal", "", (2, 4)),
        Field("gap", "", (4, 5)),
    ),
    facts=(Field("success", ""), Field("judge", "")),
)


def step(before: Any, after: Any, **changes: Any) -> Transition:
    """Makes a step of n rows from observations (n, k)."""
    before, after = np.asarray(before, dtype=np.float32), np.asarray(after, dtype=np.float32)
    n, no = len(before), np.zeros(len(before), dtype=np.bool_)
    defaults = {"action": np.zeros(n, dtype=np.int64), "reward": np.arange(n, dtype=np.float64)}
    given: dict[str, Any] = defaults | {"terminated": no, "truncated": no} | changes
    return Transition(observation=before, next_observation=after, **given)


def bound(term: Any, card: EnvCard = PLANE, n: int = 2) -> Any:
    term.bind(card)
    term.reset(np.ones(n, dtype=np.bool_))
    return term


FAR, NEAR = [0.0, 0.0, 3.0, 4.0, 5.0], [3.0, 1.0, 3.0, 4.0, 3.0]


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (Distance("at", "goal"), [-3.0, -5.0]),
        (Distance("at", "goal", scale=2.0), [-1.5, -2.5]),
        (Distance("at", "goal", order=1), [-3.0, -7.0]),
        (Distance("at", "goal", order=np.inf), [-3.0, -4.0]),
        (Distance("gap"), [-3.0, -5.0]),
        (Distance("gap", kernel="exponential", scale=3.0), np.exp([-1.0, -5.0 / 3.0])),
        (Progress("at", "goal"), [2.0, -2.0]),
        (Progress("gap", scale=4.0), [0.5, -0.5]),
        (FieldReward("gap", scale=-0.5), [-1.5, -2.5]),
        (FieldReward("at"), [np.sqrt(10.0), 0.0]),
        (TaskReward(), [0.0, 1.0]),
        (TimeCost(0.25), [-0.25, -0.25]),
    ],
)
def test_exact_pay(term: Term, expected: Any) -> None:
    assert_allclose(bound(term)(step([FAR, NEAR], [NEAR, FAR])), expected, rtol=1e-12)


def test_goal_bonus_reads_the_fact_and_its_mask() -> None:
    info = {"success": np.array([True, False, True]), "_success": np.array([True, True, False])}
    flat = np.zeros((3, 5))
    assert_array_equal(bound(GoalBonus(5.0), n=3)(step(flat, flat, info=info)), [5.0, 0.0, 0.0])


def test_a_fact_that_is_not_there_is_an_error() -> None:
    with pytest.raises(EnvError, match="does not hold the fact 'success'"):
        bound(GoalBonus())(step([FAR], [NEAR], info={}))


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=2, max_size=9))
@settings(max_examples=30)
def test_progress_telescopes(path: list[tuple[float, float]]) -> None:
    term = bound(Progress("at"), n=1)
    points = np.array(path)
    rows = np.concatenate([points, np.zeros((len(points), 3))], axis=1)
    paid = sum(term(step(a[None], b[None]))[0] for a, b in pairwise(rows))
    start, end = np.linalg.norm(points[[0, -1]].astype(np.float32), axis=1)
    assert_allclose(paid, start - end, atol=1e-4)


def test_energy_and_smoothness_of_continuous_actions() -> None:
    energy, smooth = bound(EnergyCost(0.1)), bound(SmoothnessCost(0.5))
    actions = np.array([[[3.0, 4.0], [0.0, 1.0]], [[3.0, 2.0], [1.0, 1.0]], [[0.0, 0.0]] * 2])
    steps = [step([FAR, NEAR], [FAR, NEAR], action=a) for a in actions]
    assert_allclose([energy(s) for s in steps], [[-2.5, -0.1], [-1.3, -0.2], [0.0, 0.0]])
    assert_allclose([smooth(s) for s in steps[:2]], [[0.0, 0.0], [-2.0, -0.5]])
    smooth.reset(np.array([False, True]))
    assert_allclose(smooth(steps[2]), [-6.5, 0.0])


def test_a_float_action_without_parts_is_a_vector_of_one() -> None:
    moves = step([FAR, NEAR], [FAR, NEAR], action=np.array([2.0, -3.0]))
    assert_allclose(bound(EnergyCost(1.0))(moves), [-4.0, -9.0])


@pytest.mark.parametrize("term", [EnergyCost(), SmoothnessCost()])
def test_costs_of_motion_refuse_discrete_actions(term: Term) -> None:
    with pytest.raises(RewardError, match=r"needs continuous actions, got int64.*use TimeCost"):
        bound(term)(step([FAR], [NEAR]))


# ---- Potentials --------------------------------------------------------------------


def test_potential_values() -> None:
    state = step([FAR, NEAR], [NEAR, FAR]).after
    assert_allclose(bound(NegativeDistance("at", "goal", scale=2.0))(state), [-1.5, -2.5])
    assert_allclose(bound(FieldPotential("gap", scale=-2.0))(state), [-6.0, -10.0])


CORRIDOR = EnvCard(
    "Corridor-v0",
    "",
    observation=tuple(Field(name, "", (i, i + 1)) for i, name in enumerate(("at", "key", "door"))),
    facts=(Field("has_key", ""), Field("open", "")),
)
STAGES = [{"target": "key", "done": "has_key"}, {"target": "door", "done": "open"}]


def corridor(at: float, has_key: bool, opened: bool) -> State:
    """The key lies at 2, the door at 7."""
    info = {"has_key": np.array([has_key]), "open": np.array([opened])}
    return State(np.array([[at, 2.0, 7.0]]), info, 1)


@pytest.mark.parametrize(
    ("at", "has_key", "opened", "way"),
    [
        (0.0, False, False, 2 + 5),
        (2.0, False, False, 0 + 5),
        (2.0, True, False, 5),
        (6.0, True, False, 1),
        (7.0, True, True, 0),
        (0.0, True, True, 0),
        (3.0, False, True, 1 + 5),
    ],
)
def test_staged_distance_is_the_way_still_to_go(
    at: float, has_key: bool, opened: bool, way: float
) -> None:
    potential = bound(StagedDistance("at", STAGES, scale=2.0), CORRIDOR)
    assert_allclose(potential(corridor(at, has_key, opened)), [-way / 2])


def test_staged_distance_never_falls_along_the_path_through_the_stages() -> None:
    potential = bound(StagedDistance("at", STAGES), CORRIDOR)
    path = [(1.0, False), (2.0, False), (2.0, True), (3.0, True), (7.0, True)]
    values = [potential(corridor(at, key, False))[0] for at, key in path]
    assert_array_equal(np.diff(values), [1.0, 0.0, 1.0, 4.0])


@given(st.integers(1, 4), st.sampled_from([1, 2, np.inf]), st.integers(0, 10**6))
@settings(max_examples=30)
def test_staged_distance_against_a_loop(n_stages: int, order: float, seed: int) -> None:
    rng, n = np.random.default_rng(seed), 5
    at, targets = rng.random((n, 2)), rng.random((n, n_stages, 2))
    done = rng.random((n, n_stages)) < 0.5
    fields = [Field("at", "", (0, 2))]
    fields += [Field(f"x{i}", "", (2 + 2 * i, 4 + 2 * i)) for i in range(n_stages)]
    card = EnvCard(
        "Walk-v0",
        "",
        observation=tuple(fields),
        facts=tuple(Field(f"done{i}", "") for i in range(n_stages)),
    )
    stages = [{"target": f"x{i}", "done": f"done{i}"} for i in range(n_stages)]
    observation = np.concatenate([at, targets.reshape(n, -1)], axis=1)
    info = {f"done{i}": done[:, i] for i in range(n_stages)}
    value = bound(StagedDistance("at", stages, order=order), card)(State(observation, info, n))
    for row in range(n):
        way, here = 0.0, at[row]
        unfinished = np.flatnonzero(~done[row])
        for stage in range(unfinished[0], n_stages) if unfinished.size else ():
            way += float(np.linalg.norm(here - targets[row, stage], ord=order))
            here = targets[row, stage]
        assert_allclose(value[row], -way, atol=1e-12)


# ---- Errors ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Distance("at", scale=0.0), "scale is a length and must be positive, got 0.0"),
        (lambda: Progress("at", order=0.5), "order must be at least 1"),
        (lambda: Distance("at", kernel="gauss"), "unknown kernel 'gauss' in Distance"),  # type: ignore[arg-type]
        (lambda: NegativeDistance("at", scale=-1.0), "must be positive, got -1.0"),
        (lambda: StagedDistance("at", []), "at least one stage"),
        (lambda: StagedDistance("at", STAGES, scale=0.0), "must be positive"),
        (lambda: StagedDistance("at", [{"done": "open"}]), r"stages\[0\] needs a target"),
        (
            lambda: StagedDistance("at", [{"target": "key"}, {"target": "door"}]),
            r"stages\[0\] needs done.*only the last stage may leave it out",
        ),
        (
            lambda: StagedDistance("at", [{"target": "key", "dune": "open"}]),
            r"unknown key 'dune' in stages\[0\]; did you mean 'done'",
        ),
    ],
)
def test_parameters_out_of_range(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize(
    "part",
    [
        Distance("att", "goal"),
        Distance("at", "att"),
        Progress("att"),
        FieldReward("att"),
        GoalBonus(fact="att"),
        FieldPotential("att"),
        NegativeDistance("att"),
        StagedDistance("at", [{"target": "att"}]),
    ],
)
def test_an_unknown_field_is_named_with_the_nearest(part: Any) -> None:
    with pytest.raises(ConfigError, match="unknown field 'att' in Plane-v0; did you mean 'at'"):
        part.bind(PLANE)


def test_an_unbound_term_says_so() -> None:
    with pytest.raises(RewardError, match="'gap' is not bound to a task yet"):
        FieldReward("gap")(step([FAR], [NEAR]))


@pytest.mark.parametrize("part", [Distance("at", "gap"), StagedDistance("at", [{"target": "gap"}])])
def test_quantities_of_different_widths_are_not_broadcast(part: Any) -> None:
    moves = step([FAR], [NEAR])
    part.bind(PLANE)
    with pytest.raises(RewardError, match="'at' has 2 parts and target 'gap' has 1"):
        part(moves if isinstance(part, Term) else moves.after)


def test_terms_leave_the_transition_alone() -> None:
    transitions = stream(3, 4)
    twins = copy.deepcopy(transitions)
    terms = {"d": Distance("position", "target"), "e": EnergyCost(), "task": TaskReward()}
    design = RewardDesign(terms)
    design.bind(CARD)
    design.reset(np.ones(3, dtype=np.bool_))
    pay(design, transitions)
    for transition, twin in zip(transitions, twins, strict=True):
        assert_array_equal(transition.next_observation, twin.next_observation)
        assert_array_equal(transition.action, twin.action)
        assert_array_equal(transition.reward, twin.reward)
