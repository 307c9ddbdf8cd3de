"""The grammar of reward programs: what it reads off cards, writes, recovers and revises."""

from __future__ import annotations

import dataclasses
import json
import math
import warnings
from collections.abc import Callable

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rewardsmith.envs
from rewardsmith.envs.card import EnvCard, Field
from rewardsmith.envs.errors import ConfigError
from rewardsmith.envs.external.make import make_external
from rewardsmith.envs.registration import ENTRY_POINTS
from rewardsmith.llm_reward_design.brief import Brief, Reflection, Shown
from rewardsmith.llm_reward_design.client import Request
from rewardsmith.llm_reward_design.compiled import MOST_PARTS, Compiled
from rewardsmith.llm_reward_design.extract import extract
from rewardsmith.llm_reward_design.grammar import operators
from rewardsmith.llm_reward_design.grammar.balance import LINGERING, balanced
from rewardsmith.llm_reward_design.grammar.parts import KINDS, Design, Part
from rewardsmith.llm_reward_design.grammar.reading import SUCCESS, Reading
from rewardsmith.llm_reward_design.grammar.revision import remedied
from rewardsmith.llm_reward_design.grammar.sampling import expected, fresh
from rewardsmith.llm_reward_design.grammar.source import MARK, names, read, write
from rewardsmith.llm_reward_design.grammar.stages import stages
from rewardsmith.llm_reward_design.grammar.writer import OfflineWriter, read_brief
from rewardsmith.llm_reward_design.lint import lint
from rewardsmith.llm_reward_design.program import Provenance, RewardProgram, inputs

EXTERNAL = ("MountainCarContinuous-v0", "Reacher-v5", "Hopper-v5", "Pusher-v5")


def _cards() -> dict[str, EnvCard]:
    """Cards of all tasks of the suite, of the external presets, and inspected ones."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ENTRY_POINTS:
            env = gym.make_vec(f"rewardsmith/{name}", 1)
            found[name] = EnvCard.of(env)
            env.close()
        for name in EXTERNAL:
            single = make_external(name)
            found[name] = EnvCard.of(single)
            single.close()
        for name in ("CartPole-v1", "Pendulum-v1", "Acrobot-v1", "FrozenLake-v1"):
            single = gym.make(name)
            found[name] = EnvCard.of(single)
            single.close()
    goal = Field("achieved_goal", "key 'achieved_goal'", key="achieved_goal")
    aim = Field("desired_goal", "key 'desired_goal'", key="desired_goal")
    found["Dict"] = EnvCard("Dict-v0", "Reach.", (goal, aim), (Field("a", "", low=-1, high=1),))
    found["Frames"] = EnvCard(
        "Frames-v0",
        "Bring the hand to the target.",
        (
            Field("hand_position", "x, y, z of the hand", (0, 3)),
            Field("previous_hand_position", "the same, a step ago", (3, 6)),
            Field("target_position", "x, y, z of the target", (6, 9)),
        ),
    )
    odd = ("open", "x y", "lambda", "größe", "_hidden", "np", "total", "parts", "len", "rows")
    found["Odd"] = EnvCard("Odd-v0", "", tuple(Field(f, "", (0, 1), low=0, high=1) for f in odd))
    return found


CARDS = _cards()
KEY_DOOR = CARDS["KeyDoor-v0"]
WHO = Provenance("test", "offline")


def reward(
    source: str, card: EnvCard, rng: np.random.Generator, n: int = 5, wide: int = 1
) -> tuple[tuple[str, ...], np.ndarray]:
    """Runs a program on a random batch; fields of untold width get `wide` columns."""
    values = {}
    for name, entry in inputs(card).items():
        f = entry.field
        k = wide if f.columns is None else f.columns[1] - f.columns[0]
        k = 1 if name.endswith(SUCCESS) else k
        low, high = max(f.low, -1e6), min(f.high, 1e6)
        drawn = rng.uniform(low, high, (n, k))
        drawn = np.round(drawn) if (low, high) == (0, 1) else drawn
        values[name] = drawn[:, 0] if k == 1 else drawn
    paid = Compiled(source)({entry: values[entry] for entry in asked(source)}, n)
    return paid.names, paid.pay


def asked(source: str) -> tuple[str, ...]:
    return RewardProgram(source, WHO).arguments()


def answer(brief: Brief, sample: int = 0) -> str:
    return extract(OfflineWriter().complete(Request((), brief, sample)).text)


def shown(source: str, score: float | None = None, **more: object) -> Shown:
    return Shown(RewardProgram(source, WHO), score, **more)  # type: ignore[arg-type]


def reflection(source: str, card: EnvCard, score: tuple[float, ...], **parts: float) -> Reflection:
    """Parts pay 0.1 and then 0.2 per step, or what is given and then twice that."""
    design = read(source, Reading(card))
    assert design is not None
    sizes = {name: parts.get(name, 0.1) for name in names(design)}
    series = {name: tuple(size * (1 + i) for i in range(2)) for name, size in sizes.items()}
    return Reflection((0, 1), series, score, (9.0, 9.0))


# ---- Every program, on every card -------------------------------------------------------


def check_program(source: str, card: EnvCard, seed: int) -> None:
    """Holds a program to the contract: checked, clean, finite, its parts sum to the total."""
    RewardProgram(source, WHO).check(card)
    assert lint(source, card) == []
    assert all(len(line) <= 100 for line in source.partition(MARK)[0].splitlines())
    for wide in (1, 3):
        part_names, pay = reward(source, card, np.random.default_rng(seed), wide=wide)
        assert 1 <= len(part_names) <= MOST_PARTS
        assert np.isfinite(pay).all()
        np.testing.assert_allclose(pay[0], pay[1:].sum(axis=0), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", CARDS)
def test_first_round_on_every_card(name: str) -> None:
    card = CARDS[name]
    for sample in range(6):
        source = answer(Brief(card, ""), sample)
        check_program(source, card, sample)
        design = read(source, Reading(card))
        assert design is not None
        assert write(design, Reading(card)) == source
        assert "original_reward" not in source


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(sorted(CARDS)),
    st.integers(0, 2**31),
    st.integers(0, 9),
    st.integers(1, 3),
    st.floats(0, 1),
    st.booleans(),
)
def test_any_later_round_on_any_card(
    name: str, seed: int, sample: int, n_shown: int, score: float, crashed: bool
) -> None:
    card = CARDS[name]
    sources = [answer(Brief(card, "", seed=seed), i) for i in range(n_shown)]
    past = [
        shown(s, score, reflection=reflection(s, card, (0.0, score), success_bonus=9.0))
        for s in sources
    ]
    if crashed:
        past[-1] = shown(sources[-1], error=f"line 3: bad operand {asked(sources[-1])[-1]}")
    brief = Brief(card, "faster", tuple(past), seed)
    source = answer(brief, sample)
    check_program(source, card, seed)
    assert source == answer(brief, sample)


def test_a_task_of_text_alone_is_paid_by_its_facts() -> None:
    source = answer(Brief(CARDS["Calculator-v0"], ""))
    assert "message" not in asked(source)
    assert "success" in asked(source)


def test_a_card_without_numbers_is_refused() -> None:
    card = EnvCard("Chat-v0", "Talk.", (Field("message", "text"),), (Field("answer", "text"),))
    with pytest.raises(ConfigError, match="Chat-v0 has no numeric field"):
        OfflineWriter().complete(Request((), Brief(card, "")))


# ---- Reading ------------------------------------------------------------------------------


def test_stages_follow_the_sentence_and_the_flags() -> None:
    found = [
        (leg.distance.fields, leg.done and leg.done.fields, leg.gates)
        for leg in stages(Reading(KEY_DOOR))
    ]
    assert found == [
        (("agent", "key"), ("has_key",), (("has_key", False),)),
        (("agent", "door"), ("door_open",), (("has_key", True), ("door_open", False))),
        (("agent", "goal"), None, (("door_open", True),)),
    ]


def test_no_task_is_known_by_name() -> None:
    """Under other words in another order, the same structure is found."""

    def place(name: str, start: int) -> Field:
        return Field(name, f"row and column of the {name}", (start, start + 2), low=0, high=1)

    def flag(name: str, start: int) -> Field:
        return Field(name, "1 once that is done", (start, start + 1), low=0, high=1)

    card = EnvCard(
        "Ship-v0",
        "Load the cargo, pass the lock with it and moor at the pier, without hitting the reef.",
        (
            *(place("pier", 0), flag("lock_passed", 2), place("lock", 3)),
            *(place("vehicle", 5), flag("cargo_loaded", 7), place("cargo", 8)),
        ),
        facts=(
            Field("at_reef", "the reef was hit", low=0, high=1),
            Field(SUCCESS, "", low=0, high=1),
        ),
    )
    legs = stages(Reading(card))
    assert [leg.distance.fields for leg in legs] == [
        ("vehicle", "cargo"),
        ("vehicle", "lock"),
        ("vehicle", "pier"),
    ]
    assert [leg.done and leg.done.fields[0] for leg in legs] == [
        "cargo_loaded",
        "lock_passed",
        None,
    ]
    weights = {part.fields: part.weight for part in expected(Reading(card))}
    assert weights[("at_reef",)] < 0 < weights[(SUCCESS,)]


def test_success_tells_direction_bound_and_end() -> None:
    reacher, car = Reading(CARDS["Reacher-v5"]), Reading(CARDS["MountainCarContinuous-v0"])
    assert not reacher.ends
    assert car.ends
    assert (reacher.distances[0].fields, reacher.distances[0].bound) == (
        ("fingertip_to_target",),
        0.05,
    )
    assert (car.numbers[0].fields, car.numbers[0].sign) == (("position",), 1)


def test_a_range_is_read_off_a_warning() -> None:
    bands = {m.fields[0]: m.band for m in Reading(CARDS["Hopper-v5"]).numbers if m.band}
    assert bands == {"height": (0.7, math.inf), "torso_angle": (-0.2, 0.2)}


def test_what_was_said_raises_what_it_names() -> None:
    plain, told = Reading(CARDS["Hopper-v5"]), Reading(CARDS["Hopper-v5"], "mind the foot angle")

    def weight(reading: Reading) -> float:
        return next(m.weight for m in reading.numbers if m.fields == ("foot_angle",))

    assert weight(told) > weight(plain)


def test_a_place_a_step_ago_that_the_task_tells_is_the_value_before() -> None:
    reading = Reading(CARDS["Frames"])
    assert [d.fields for d in reading.distances] == [("hand_position", "target_position")]
    assert "previous_hand_position" in asked(write(expected(reading), reading))


def test_names_that_python_or_the_lint_claims_are_left_alone() -> None:
    assert list(Reading(CARDS["Odd"]).states) == ["rows"]


# ---- Source -------------------------------------------------------------------------------


def test_the_program_pays_what_its_parts_say() -> None:
    design = (
        Part("progress", ("agent", "key"), 2.0, 0.5, gates=(("has_key", False),)),
        Part("gain", ("has_key",), 3.0),
        Part("time", weight=0.25),
    )
    compiled = Compiled(write(design, Reading(KEY_DOOR)))
    paid = compiled(
        {
            "agent": np.array([[0.0, 0.0], [0.0, 0.0]]),
            "key": np.array([[0.3, 0.4], [0.3, 0.4]]),
            "previous_agent": np.array([[0.6, 0.8], [0.6, 0.8]]),
            "previous_key": np.array([[0.0, 0.0], [0.0, 0.0]]),
            "has_key": np.array([1.0, 1.0]),
            "previous_has_key": np.array([0.0, 1.0]),
        },
        2,
    )
    assert paid.names == ("agent_to_key_progress", "has_key_gain", "time")
    np.testing.assert_allclose(
        paid.pay, [[4.75, -0.25], [2.0, 0.0], [3.0, 0.0], [-0.25, -0.25]], atol=1e-12
    )


FORMULAS: dict[str, Callable[[float, float], float]] = {
    "progress": lambda x, y: (y - x) / 2.0,
    "potential": lambda x, y: 0.99 * math.exp(-x / 2.0) - math.exp(-y / 2.0),
    "closeness": lambda x, y: math.exp(-x / 2.0),
    "farness": lambda x, y: -x / 2.0,
    "gain": lambda x, y: x - y,
    "hold": lambda x, y: x,
    "change": lambda x, y: (x - y) / 2.0,
    "level": lambda x, y: x / 2.0,
    "size": lambda x, y: abs(x) / 2.0,
    "growth": lambda x, y: (abs(x) - abs(y)) / 2.0,
    "band": lambda x, y: 1.0 if -1.0 < x < 4.0 else 0.0,
    "effort": lambda x, y: -x * x / 2.0,
    "time": lambda x, y: -1.0,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_by_its_formula(kind: str) -> None:
    force = Field("push", "", (0, 1), low=-1, high=1)
    card = EnvCard("Line-v0", "", (Field("x", "place", (0, 1)),), (force,))
    fields = {"effort": ("push",), "time": ()}.get(kind, ("x",))
    part = Part(kind, fields, 3.0, 2.0, (-1.0, 4.0) if kind == "band" else None)
    source = write((part,), Reading(card))
    values = {"x": 3.0, "previous_x": 7.0, "push": 3.0}
    paid = Compiled(source)({name: np.array([values[name]]) for name in asked(source)}, 1)
    assert paid.pay[0, 0] == pytest.approx(3.0 * FORMULAS[kind](3.0, 7.0))


def test_a_program_that_was_changed_by_hand_is_not_recovered() -> None:
    reading = Reading(KEY_DOOR)
    source = write(expected(reading), reading)
    assert read(source, reading) == expected(reading)
    assert read(source.replace("2.0 * success", "9.0 * success"), reading) is None
    assert read(source.partition(MARK)[0], reading) is None
    assert read(source.partition(MARK)[0] + MARK + "[[1]]\n", reading) is None
    assert read(source, Reading(CARDS["Reacher-v5"])) is None


@settings(max_examples=30, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=9))
def test_no_comment_breaks_the_reader(data: object) -> None:
    assert read(f"x = 1\n{MARK}{json.dumps(data)}", Reading(KEY_DOOR)) is None


# ---- Designs --------------------------------------------------------------------------------


def test_a_first_round_is_diverse_and_starts_with_the_expected() -> None:
    reading = Reading(KEY_DOOR)
    designs = [read(answer(Brief(KEY_DOOR, ""), i), reading) for i in range(8)]
    assert designs[0] == expected(reading)
    assert len(set(designs)) == 8
    assert len({part.kind for design in designs if design for part in design}) >= 6


def test_lingering_never_pays_more_than_success() -> None:
    reading = Reading(KEY_DOOR)
    near = Part("closeness", ("agent", "goal"), 5.0, 0.2)
    design = balanced((Part("hold", (SUCCESS,), 2.0), near, near), reading)
    assert len(design) == 2
    assert design[1].weight * 100 == pytest.approx(LINGERING * 2.0)
    stays = Reading(CARDS["Reacher-v5"])
    assert balanced((Part("hold", (SUCCESS,), 2.0), near), stays)[1] == near


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(CARDS)), st.integers(0, 2**31))
def test_operators_keep_designs_sound(name: str, seed: int) -> None:
    reading, rng = Reading(CARDS[name]), np.random.default_rng(seed)
    one, other = fresh(reading, 1, rng), fresh(reading, 2, rng)
    for design in (
        operators.mutated(one, reading, rng),
        operators.crossed(one, other, reading, rng),
    ):
        assert design
        assert len({part.key for part in design}) == len(design)
        assert balanced(design, reading) == design or _rescaled(balanced(design, reading), design)
        pays = [p for p in one if p.fields == (SUCCESS,)]
        assert [p for p in design if p.fields == (SUCCESS,)] == pays


def _rescaled(one: Design, other: Design) -> bool:
    """Tells whether two designs differ by the rounding of weights alone."""
    return all(
        math.isclose(a.weight, b.weight, rel_tol=0.01) for a, b in zip(one, other, strict=True)
    )


# ---- Revision -------------------------------------------------------------------------------


def test_flat_parts_go_and_loud_parts_are_scaled_down() -> None:
    reading = Reading(CARDS["Reacher-v5"])
    design = (
        Part("hold", (SUCCESS,), 1.0),
        Part("farness", ("fingertip_to_target",), 1.0),
        Part("level", ("joint_velocities",), 1.0),
        Part("effort", ("shoulder_torque",), 1.0),
    )
    parts = {
        "success_bonus": (0.0, 0.1),
        "fingertip_to_target_farness": (-9.0, -5.0),
        "joint_velocities_level": (0.0, 0.0),
        "effort": (-0.1, -0.2),
    }
    mended = remedied(design, Reflection((0, 1), parts, (0.0, 0.3), (50.0, 50.0)), reading)
    assert mended == (
        design[0],
        dataclasses.replace(design[1], weight=0.333),
        design[3],
    )


def test_a_part_behind_a_gate_is_not_dropped_for_being_flat() -> None:
    reading = Reading(KEY_DOOR)
    design = (
        Part("hold", (SUCCESS,), 2.0),
        Part("progress", ("agent", "goal"), 1.0, gates=(("door_open", True),)),
    )
    parts = {"success_bonus": (0.0, 0.1), "agent_to_goal_progress": (0.0, 0.0)}
    mended = remedied(design, Reflection((0, 1), parts, (0.0, 0.3), (50.0, 50.0)), reading)
    assert [part.weight for part in mended] == [2.0, 3.0]


def test_good_designs_are_tweaked_and_hopeless_ones_left() -> None:
    source, reading = answer(Brief(KEY_DOOR, "")), Reading(KEY_DOOR)

    def shares(score: float) -> float:
        """Returns how many parts of the next designs stand in the one shown."""
        told = reflection(source, KEY_DOOR, (0.0, score))
        keys = {part.key for part in read(source, reading) or ()}
        brief = Brief(KEY_DOOR, "", (shown(source, score, reflection=told),), 3)
        designs = [read(answer(brief, i), reading) or () for i in range(10)]
        return float(np.mean([len(keys & {p.key for p in d}) / len(keys) for d in designs]))

    assert shares(0.9) > 0.9
    assert shares(0.0) < 0.8


def test_a_foreign_program_guides_and_an_error_warns() -> None:
    card = CARDS["Hopper-v5"]
    foreign = shown(
        "def compute_reward(foot_angle):\n    return foot_angle, {'a': foot_angle}", 0.1
    )
    reading = read_brief(Brief(card, "", (foreign,)))
    assert reading.favoured == {"foot_angle"}
    broken = dataclasses.replace(foreign, error="line 2: height of the wrong shape")
    assert read_brief(Brief(card, "", (broken,))).banned == {"height"}
    for sample in range(5):
        assert "height" not in asked(answer(Brief(card, "", (broken,)), sample))


def test_samples_and_seeds_differ() -> None:
    source = answer(Brief(KEY_DOOR, ""))
    told = (shown(source, 0.3, reflection=reflection(source, KEY_DOOR, (0.0, 0.3))),)
    by_sample = {answer(Brief(KEY_DOOR, "", told), i) for i in range(6)}
    by_seed = {answer(Brief(KEY_DOOR, "", told, seed), 3) for seed in range(6)}
    assert len(by_sample) >= 5
    assert len(by_seed) >= 5


def test_it_says_that_it_is_no_language_model() -> None:
    writer = OfflineWriter()
    assert (writer.name, writer.is_language_model) == ("offline", False)
    writer.close()
    assert rewardsmith.envs
