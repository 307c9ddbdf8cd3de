"""Prompts: every part is used, places and values meet, what is told is so."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import line_card
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsmith.envs import ConfigError, EnvCard, Field
from rewardsmith.llm_reward_design import prompts
from rewardsmith.llm_reward_design.brief import Brief
from rewardsmith.llm_reward_design.designers.describe import (
    circumstances,
    environment,
    quantities,
    signature,
    widths,
)
from rewardsmith.llm_reward_design.program import WITHHELD, inputs
from rewardsmith.llm_reward_design.prompts import names, prompt
from rewardsmith.rewards import Transition

PACKAGE = Path(prompts.__file__).parents[1]
CARD = replace(
    line_card.CARD,
    goal="Reach the goal.",
    observation=(
        *line_card.CARD.observation,
        Field("not a name", "cannot be an argument", (3, 4)),
        Field("lambda", "cannot be one either", (4, 5)),
    ),
    action=(Field("push", "force along the line", unit="N", low=-1.0),),
    facts=(
        *line_card.CARD.facts,
        Field("original_reward", "what a person pays for"),
    ),
    success="It stands on the goal.",
    time_limit=50,
)


def test_every_part_is_used_and_every_used_part_exists() -> None:
    code = "".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    used = set(re.findall(r'prompt\(\s*"(\w+)"', code)) - {"name"}
    assert used == set(names())


def test_values_go_into_their_places() -> None:
    said = prompt("eureka_advice", advice="Slow down at the wall.")
    assert said.endswith("\n\nSlow down at the wall.")
    assert "{{" not in said


@given(st.text(alphabet="ab{} \\1\ng<>"))
def test_values_are_taken_as_they_are(value: str) -> None:
    empty = prompt("eureka_advice", advice="")
    assert prompt("eureka_advice", advice=value) == empty + value


def test_a_value_that_looks_like_a_place_is_not_filled_in() -> None:
    said = prompt("eureka_other", program="x = '{{score}}'", score="0.50")
    assert "x = '{{score}}'" in said
    assert said.count("0.50") == 1


def test_unknown_parts_places_and_missing_values_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown prompt 'eureka_advise'.*'eureka_advice'"):
        prompt("eureka_advise")
    with pytest.raises(ConfigError, match="'eureka_other' needs a value for 'score'"):
        prompt("eureka_other", program="pass")
    with pytest.raises(ConfigError, match=r"unknown place 'advise'.*'advice'"):
        prompt("eureka_advice", advice="x", advise="y")


def test_quantities_are_what_programs_may_read() -> None:
    told = {quantity.name for quantity in quantities(CARD)}
    assert told == {"place", "speed", "is_near", "push"}
    assert all(name in inputs(CARD) for name in told)
    assert all(f"previous_{name}" in inputs(CARD) for name in told - {"push"})
    assert not told & WITHHELD


def test_the_table_tells_shape_unit_and_range() -> None:
    told = environment(Brief(CARD, CARD.goal))
    assert "| `place` | (n, 2) | m | 0 to 9 | where it is |" in told
    assert "| `speed` | (n,) | m/s | any | how fast it is |" in told
    assert "| `is_near` | (n,) | - | 0 to 1 | within a metre of the goal |" in told
    assert "| `push` | (n,) or (n, k) | N | >= -1 | force along the line |" in told
    assert "not a name" not in told
    assert "original_reward" not in told
    measured = environment(Brief(CARD, CARD.goal, widths={"push": 3}))
    assert "| `push` | (n, 3) | N | >= -1 | force along the line |" in measured


def test_circumstances_tell_the_goal_unless_it_is_the_task() -> None:
    assert circumstances(Brief(CARD, CARD.goal)) == (
        "What counts as solved: It stands on the goal. The agent is judged by the share of "
        "episodes that end with the task solved, between 0 and 1. An episode is cut off after "
        "50 steps."
    )
    assert circumstances(Brief(CARD, "Be slow.")).startswith(
        "It was made for this goal: Reach the goal. What"
    )


def test_the_example_signature_can_run() -> None:
    assert signature(CARD) == "def compute_reward(place, previous_place, push):"
    assert signature(EnvCard("Empty-v0", "")) == "def compute_reward():"


@pytest.mark.parametrize(
    "env_id", ["rewardsmith/KeyDoor-v0", "rewardsmith/MatrixGame-v0", "rewardsmith/WholePage-v0"]
)
def test_shapes_are_those_that_programs_get(env_id: str) -> None:
    task = gym.make_vec(env_id, 3)
    card = EnvCard.of(task)
    known = widths(card, task)
    before, previous_info = task.reset(seed=1)
    action = task.action_space.sample()
    after, reward, terminated, truncated, info = task.step(action)
    step = Transition(before, action, after, reward, terminated, truncated, info, previous_info)
    for quantity in quantities(card, known):
        value = inputs(card)[quantity.name].read(step)
        assert quantity.shape == ("(n,)" if value.ndim == 1 else f"(n, {value.shape[1]})")


def test_widths_of_facts_and_actions_are_measured() -> None:
    task = gym.make_vec("rewardsmith/MatrixGame-v0", 2)
    known = widths(EnvCard.of(task), task)
    assert known["row"] == 1
    assert max(known.values()) == 3
    assert "arm" not in known
