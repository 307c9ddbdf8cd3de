"""`ProgramReward` in a design: what it pays, the parts it shows, what it refuses, who runs it."""

from __future__ import annotations

import copy
import dataclasses
import os
import pickle
from collections.abc import Iterator

import gymnasium as gym
import numpy as np
import pytest
import yaml
from equivalence import CARD, mixed, pay, ready, row, stream, without
from numpy.testing import assert_allclose, assert_array_equal

from rewardsmith.envs import EnvCard, Field
from rewardsmith.envs.errors import ConfigError, RewardError
from rewardsmith.llm_reward_design import jail
from rewardsmith.llm_reward_design import term as term_module
from rewardsmith.llm_reward_design.term import ProgramReward
from rewardsmith.rewards import RewardDesign, RewardWrapper, TaskReward, VectorRewardWrapper
from rewardsmith.rewards.config import build_design, to_config
from rewardsmith.rewards.transition import Transition

SOURCE = """\
def compute_reward(position, target, previous_position, height, judge):
    near = -np.linalg.norm(position - target, axis=1)
    before = -np.linalg.norm(previous_position - target, axis=1)
    progress = near - before
    bonus = np.where(judge > 0.5, np.tanh(height), 0.0)
    return progress + bonus, {"progress": progress, "bonus": bonus}
"""
N, STEPS = 8, 40


@pytest.fixture(params=["inline", "locked"])
def tier(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    try:
        jail.granted(jail.Tier[name.upper()])
    except ConfigError as error:
        pytest.skip(str(error))
    return name


@pytest.fixture
def design(tier: str) -> Iterator[RewardDesign]:
    term = ProgramReward(SOURCE, tier=tier)
    yield RewardDesign({"program": term})
    term.close()


def formula(step: Transition) -> np.ndarray:
    """The program, written by hand over the columns of the synthetic task."""
    near, before = (
        -np.linalg.norm(o[:, :2] - step.next_observation[:, 2:4], axis=1)
        for o in (step.next_observation, step.observation)
    )
    bonus = np.where(step.info["judge"] > 0.5, np.tanh(step.next_observation[:, 6]), 0.0)
    return np.stack([near - before + bonus, near - before, bonus])


# ---- What it pays -----------------------------------------------------------------------


def test_the_total_and_the_parts_are_the_program_s(design: RewardDesign) -> None:
    ready(design, N)
    for step in stream(N, 5):
        payment = design.pay(step)
        assert list(payment.parts) == ["program", "program/progress", "program/bonus"]
        assert_array_equal([payment.total, *list(payment.parts.values())[1:]], formula(step))
        assert_array_equal(payment.parts["program"], payment.total)


def test_locked_and_inline_pay_equal_bits() -> None:
    designs = [
        ready(RewardDesign({"p": ProgramReward(SOURCE, t)}), N) for t in ("inline", "locked")
    ]
    one, other = (pay(d, stream(N, STEPS)) for d in designs)
    assert one.tobytes() == other.tobytes()


def test_it_satisfies_the_equivalences_of_every_component(design: RewardDesign) -> None:
    """The same properties as `test_equivalence`, in one pass so that one child serves all."""
    transitions, junk = stream(N, STEPS), stream(N, STEPS, seed=7)
    whole = pay(ready(design, N), transitions)
    assert design.row_independent
    assert design.state_dict()["term 'program'"] == {}
    for i in range(3):
        alone = pay(design, [row(t, i) for t in transitions])
        assert_allclose(alone[:, 0], whole[:, i], rtol=1e-12, atol=1e-12)
    even, nobody = np.arange(N) % 2 == 0, np.zeros(N, dtype=np.bool_)
    for t, (step, idle) in enumerate(zip(transitions, junk, strict=True)):
        assert_array_equal(design(without(idle, nobody)), 0.0)
        paid = design(mixed(step, idle, even))
        assert_allclose(paid, np.where(even, whole[t], 0.0), atol=1e-12)
    one = [row(t, 0) for t in transitions[:10]]
    assert_array_equal(design.place(one), pay(design, one)[:, 0])


def test_a_design_read_from_yaml_pays_the_same(design: RewardDesign) -> None:
    written = yaml.safe_dump(to_config(design))
    read = build_design(yaml.safe_load(written))
    assert to_config(read) == to_config(design)
    step = stream(N, 1)[0]
    assert_array_equal(ready(read, N)(step), ready(design, N)(step))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))])
def test_a_copy_of_a_running_design_pays_the_same(design: RewardDesign, copied: object) -> None:
    step = stream(N, 1)[0]
    paid = ready(design, N)(step)
    assert_array_equal(copied(design)(step), paid)  # type: ignore[operator]


def test_it_is_given_copies_of_what_the_environment_owns(tier: str) -> None:
    source = """def compute_reward(position, height):
    position *= 0
    height += 1
    return height, {}"""
    term = ProgramReward(source, tier)
    term.bind(CARD)
    step = stream(N, 1)[0]
    before = step.next_observation.copy()
    assert_array_equal(term(step), before[:, 6] + 1)
    assert_array_equal(step.next_observation, before)
    term.close()


def test_wrappers_show_the_parts(tier: str) -> None:
    env = gym.make("rewardsmith/PointMaze-v0")
    source = """def compute_reward(position, goal):
    far = np.linalg.norm(position - goal, axis=1)
    return -far, {"far": -far}"""
    design = RewardDesign({"program": ProgramReward(source, tier), "task": TaskReward()})
    single = RewardWrapper(env, design)
    single.reset(seed=0)
    *_, info = single.step(env.action_space.sample())
    assert list(info["reward_terms"]) == ["program", "program/far", "task"]
    vector = VectorRewardWrapper(gym.make_vec("rewardsmith/PointMaze-v0", num_envs=3), design)
    vector.reset(seed=0)
    *_, info = vector.step(vector.action_space.sample())
    assert info["reward_terms"]["program/far"].shape == (3,)


# ---- What it refuses --------------------------------------------------------------------

HEIGHT = EnvCard("Hill-v0", "", observation=(Field("height", "", (0, 1)),))


def step_of(heights: list[float], active: list[bool] | None = None) -> Transition:
    column = np.array(heights)[:, None]
    n = len(heights)
    step = Transition(
        column, np.zeros(n), column, np.zeros(n), np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    )
    return step if active is None else dataclasses.replace(step, active=np.array(active))


def program(body: str, tier: str = "inline") -> ProgramReward:
    term = ProgramReward(f"def compute_reward(height):\n    {body}\n", tier)
    term.bind(HEIGHT)
    return term


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "return height, {'log': np.log(height)}",
            r"part 'log' \(line 2, `return height.*`\) is -inf in environment 1, where it read "
            r"height 0.0",
        ),
        ("return height / height, {'a': height}", "the total is nan in environment 1"),
        ("return height, {'a': height[:1]}", r"part 'a' \(line 2.* has shape \(1,\); .* \(2,\)"),
        ("return height, {'a': 0.5}", r"part 'a' .* has shape \(\)"),
        ("return 0.0, {'a': height}", r"the total has shape \(\); it must be \(2,\)"),
        ("return height, {'a': 1j * height}", "part 'a' .* is an array of complex128"),
        ("return height, {'a': None}", "part 'a' .* is NoneType"),
        ("return height, {'a/b': height}", "a part is called 'a/b'"),
        ("return height, {0: height}", "a part is called '0'"),
        ("return height, {f'a{i}': height for i in range(33)}", "33 parts are too many"),
        ("return height, [height]", "must return its parts as a dict, got list of 1"),
        ("return height", r"must return \(total, parts\), got ndarray"),
        ("return height, {}, {}", r"must return \(total, parts\), got tuple of 3"),
        ("return height.foo, {}", "fails at line 2, `return height.foo, {}`: AttributeError"),
        ("return height, {str(float(height[0]))[0] + 'x': height}", "a part is called '1x'"),
    ],
)
def test_unusable_pay_is_an_error_that_names_part_and_line(body: str, message: str) -> None:
    with pytest.raises(RewardError, match=message):
        program(body)(step_of([1.0, 0.0]))


def test_the_boundary_is_the_same_behind_the_lock(tier: str) -> None:
    for body, message in (
        ("return height, {'log': np.log(height)}", "part 'log' .line 2.* is -inf in environment 1"),
        ("return height, {'a': height[:1]}", r"part 'a' .line 2.* has shape \(1,\)"),
    ):
        term = program(body, tier)
        with pytest.raises(RewardError, match=message):
            term(step_of([1.0, 0.0]))
        term.close()


def test_parts_must_stay_the_same(tier: str) -> None:
    term = program("return height, {'up' if height[0] > 0 else 'down': height}", tier)
    term(step_of([1.0]))
    with pytest.raises(RewardError, match=r"names the parts \['down'\], but \['up'\] before"):
        term(step_of([-1.0]))
    term.close()


def test_parts_may_change_their_order(tier: str) -> None:
    term = program(
        "up = {'a': height, 'b': -height}\n"
        "    return height, up if height[0] > 0 else {k: up[k] for k in ('b', 'a')}",
        tier,
    )
    for height in (1.0, -1.0, 1.0):
        assert term.pay(step_of([height])).parts["b"] == [-height]
    term.close()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return height * np.mean(height), {}", "the total of an environment is 1 alone but 2"),
        ("a = height - height.max()\n    return height, {'a': a}", r"part 'a' \(line 3.* 0 alone"),
    ],
)
def test_pay_that_mixes_environments_is_found(body: str, message: str) -> None:
    with pytest.raises(RewardError, match=message):
        program(body).check_rows(step_of([1.0, 3.0]))


def test_pay_that_keeps_to_each_environment_passes(tier: str) -> None:
    term = ProgramReward(SOURCE, tier)
    term.bind(CARD)
    term.check_rows(stream(N, 1)[0])
    term.close()


def test_rows_that_took_no_step_may_be_anything() -> None:
    paid = program("return np.log(height), {'log': np.log(height)}").pay(
        step_of([1.0, 0.0], active=[True, False])
    )
    assert_array_equal(paid.total, 0.0)
    assert_array_equal(paid.parts["log"], 0.0)


def test_the_design_names_the_term_and_the_stream_the_step(tier: str) -> None:
    env = gym.make("rewardsmith/KeyDoor-v0")
    source = "def compute_reward():\n    return np.ones(7), {}\n"
    wrapped = RewardWrapper(env, RewardDesign({"program": ProgramReward(source, tier)}))
    wrapped.reset(seed=0)
    with pytest.raises(RewardError, match=r"step 0: the total has shape \(7,\)"):
        wrapped.step(0)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def reward(x):\n    return x, {}", "must define compute_reward once, found 0"),
        ("def compute_reward(x:", "does not parse: line 1"),
        ("def compute_reward(*x):\n    return x, {}", "name its arguments one by one"),
    ],
)
def test_a_source_without_the_function_is_refused_at_once(source: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ProgramReward(source)


def test_a_wrong_tier_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match=r"unknown tier 'loked'.*did you mean 'locked'"):
        ProgramReward(SOURCE, "loked")


def test_wrong_provenance_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match=r"ProgramReward.provenance: .*'author'"):
        ProgramReward(SOURCE, provenance={"author": "me"})


def test_unknown_inputs_are_refused_on_binding() -> None:
    design = RewardDesign({"p": ProgramReward("def compute_reward(postion):\n    return 0, {}")})
    with pytest.raises(ConfigError, match=r"in term 'p': unknown input 'postion'.*'position'"):
        design.bind(CARD)


def test_an_unbound_program_says_so() -> None:
    with pytest.raises(RewardError, match=r"not bound to a task yet"):
        ProgramReward(SOURCE, "inline")(stream(2, 1)[0])


# ---- Who runs it ------------------------------------------------------------------------


def test_by_default_the_program_is_not_run_in_this_process() -> None:
    source = (
        "import os\ndef compute_reward(height):\n    return np.full(len(height), os.getpid()), {}"
    )
    term = ProgramReward(source)
    term.bind(HEIGHT)
    assert term(step_of([1.0]))[0] != os.getpid()
    term.close()


def test_inside_the_jail_it_is_run_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(term_module, "inside", lambda: True)
    monkeypatch.setattr(term_module, "JailedCalls", None)
    term = program("return height, {'up': height}", "locked")
    assert term(step_of([2.0]))[0] == 2.0


def test_a_tier_that_this_machine_does_not_grant_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(tier: jail.Tier | None = None) -> jail.Tier:
        raise ConfigError(f"no {tier}")

    monkeypatch.setattr("rewardsmith.llm_reward_design.jail.calls.granted", refuse)
    with pytest.raises(ConfigError, match="no"):
        program("return height, {}", "namespaced")(step_of([1.0]))


def test_closing_twice_and_going_on_is_fine(tier: str) -> None:
    term = program("return height, {}", tier)
    for _ in range(2):
        assert term(step_of([2.0]))[0] == 2.0
        term.close()
        term.close()
