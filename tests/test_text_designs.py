"""The named designs for text tasks: they build, bind, pay as published, and are saved whole."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from transcripts import design, design_file

from rewardsmith.agents.llm.pay import pay as paid_by
from rewardsmith.agents.llm.replay import episode_of
from rewardsmith.envs import ConfigError
from rewardsmith.envs.control.key_door import KeyDoor
from rewardsmith.envs.text.calculator import Calculator
from rewardsmith.envs.text.message import parse, write
from rewardsmith.envs.text.transcript import ToolCall, Transcript
from rewardsmith.rewards import (
    ConcisenessBonus,
    Product,
    RewardDesign,
    TaskReward,
    Transition,
    build_design,
    to_config,
)
from rewardsmith.rewards.credit import FewestCalls, Rollouts, SoftOverlongPenalty
from rewardsmith.rewards.episode import Group
from rewardsmith.rewards.verify import FewCalls, Verified

NAMES = ["toolrl", "otc", "mash", "gated_tools", "crf", "clip_delta", "matchtir"]
LIKELY = ["nover", "rlpr"]
"""Designs that read a language model's probabilities."""

DIALOGUE = Calculator(1).dialogue
START = DIALOGUE.begin(5)
PROBLEM = START.task
GOLD = write(PROBLEM.calls)
WASTE = write([ToolCall("calculator", {"formula": "1"})])
RIGHT, WRONG = write(answer=PROBLEM.answer), write(answer="0")


def talk(*messages: str) -> Transcript:
    """Returns what the calculator's task makes of these messages."""
    transcript = START
    for text in messages:
        transcript = DIALOGUE.reply(transcript, parse(text))
    return transcript


def pay(name: str, *messages: str) -> list[float]:
    return [float(p) for p in episode_of(talk(*messages)).pay(design(name))]


@pytest.mark.parametrize("name", [*NAMES, *LIKELY])
def test_a_design_is_written_read_and_saved(name: str) -> None:
    built = design(name)
    assert build_design(to_config(built)) == built
    assert to_config(build_design(design_file(name))) == to_config(built)
    other = design(name)
    other.load_state_dict(built.state_dict())


@pytest.mark.parametrize("name", NAMES)
def test_pay_is_finite(name: str) -> None:
    assert all(math.isfinite(p) for p in pay(name, WASTE, GOLD, RIGHT))


@pytest.mark.parametrize("name", ["toolrl", "mash", "gated_tools", "crf", "clip_delta", "matchtir"])
def test_a_design_for_transcripts_needs_a_text_task(name: str) -> None:
    with pytest.raises(ConfigError, match=r"judges transcripts, .* is no text task"):
        build_design(design_file(name)).bind(KeyDoor(1).card)


def test_toolrl_pays_form_and_calls() -> None:
    assert_allclose(pay("toolrl", GOLD, RIGHT), [0.0, 4.0])
    assert_allclose(pay("toolrl", GOLD, WRONG), [0.0, 4.0])
    assert_allclose(pay("toolrl", "Well.", RIGHT), [0.0, -3.0])


def test_gated_pay_counts_only_with_the_answer() -> None:
    assert_allclose(pay("gated_tools", GOLD, RIGHT), [0.2, 1.2])
    assert_allclose(pay("gated_tools", WASTE, RIGHT), [0.1, 1.2])
    assert_allclose(pay("gated_tools", GOLD, WRONG), [0.0, 0.0])


def test_brevity_pays_only_with_the_answer() -> None:
    length = len(GOLD) + len(RIGHT)
    assert_allclose(pay("crf", GOLD, RIGHT), [0.0, 1.0 + 0.5 * (1.0 - length / 2_000)])
    assert pay("crf", GOLD, WRONG) == [0.0, 0.0]
    assert pay("crf", WRONG) == [0.0]


def test_brevity_pays_most_where_the_group_often_fails() -> None:
    said = [(GOLD, RIGHT), (GOLD, WRONG), (WRONG,), (RIGHT,)]
    group = Group(tuple(episode_of(talk(*messages)) for messages in said))
    batch = paid_by(design("crf"), [group])
    assert_array_equal(batch.parts["outcome"], [1, 0, 0, 1])
    expected = [(1 + 0.5 * (1 - sum(map(len, m)) / 2_000) * (1 + 0.5)) for m in said]
    assert_allclose(batch.rollouts.returns, expected * batch.parts["outcome"])


def test_repeating_a_turn_gains_nothing() -> None:
    assert_allclose(pay("clip_delta", GOLD, RIGHT), [0.0, 1.0], atol=1e-12)
    assert_allclose(
        pay("clip_delta", WASTE, GOLD, RIGHT), [0.3 * (1 / 3 - 0.7), 0.0, 1.0], atol=1e-12
    )
    assert sum(pay("clip_delta", GOLD, GOLD, GOLD, RIGHT)) == pytest.approx(1.0)


def test_matchtir_pays_every_turn() -> None:
    assert_allclose(pay("matchtir", GOLD, GOLD, RIGHT), [1.0, 0.0, 1.0])
    assert_allclose(pay("matchtir", WRONG), [0.0])


@pytest.mark.parametrize(
    ("name", "paid"),
    [("otc", [0.0, 1.0, math.sin(2 * math.pi / 3), 1.0]), ("mash", [0, 1, 0.5, 0])],
)
def test_group_pay(name: str, paid: list[float]) -> None:
    built = design(name)
    talks = [
        talk(GOLD, WRONG),
        talk(GOLD, RIGHT),
        talk(WASTE, GOLD, RIGHT),
        talk(GOLD, f"Aha {RIGHT}"),
    ]
    group = Group(tuple(map(episode_of, talks)), start=PROBLEM.id)
    rollouts = Rollouts.of(
        [group],
        [[episode.pay(built) for episode in group]],
        signals={"calls": [[[s.info["calls"] for s in e.steps] for e in group]]},
    )
    (reward,) = built.group
    assert_allclose(reward(rollouts, [group.start]), paid, atol=1e-12)

    other = design(name)
    other.load_state_dict(built.state_dict())
    assert isinstance(other.group[0], FewestCalls)
    assert other.group[0].fewest == {PROBLEM.id: 1.0}


def test_otc_ppo_is_a_product() -> None:
    product = RewardDesign(
        {"outcome": TaskReward(), "calls": Verified(FewCalls(4, "otc"))}, Product()
    )
    assert_allclose(episode_of(talk(GOLD, RIGHT)).pay(product), [0.0, math.cos(math.pi / 6)])
    assert_array_equal(episode_of(talk(WRONG)).pay(product), [0.0])


def test_designs_with_group_rewards_are_written() -> None:
    built = RewardDesign(
        {"task": TaskReward()}, group=[FewestCalls("exp", decay=0.8), SoftOverlongPenalty(100, 10)]
    )
    assert to_config(built)["group"] == [
        {"_target_": "rewardsmith.rewards.credit.FewestCalls", "kind": "exp", "decay": 0.8},
        {
            "_target_": "rewardsmith.rewards.credit.SoftOverlongPenalty",
            "longest": 100,
            "margin": 10,
        },
    ]
    assert build_design(to_config(built)) == built


# ---- ConcisenessBonus ----------------------------------------------------------------------


def bonus(combine: ConcisenessBonus, outcome: float, c: float) -> float:
    values = {"outcome": outcome, "conciseness": c}
    end = Transition(0, 0, 0, np.zeros(1), np.ones(1, bool), np.zeros(1, bool))
    return float(combine({name: np.array([value]) for name, value in values.items()}, end)[0])


def test_crf_values() -> None:
    assert bonus(ConcisenessBonus(), 1.0, 0.8) == pytest.approx(1.4)
    assert bonus(ConcisenessBonus(), 0.0, 0.8) == 0.0
    assert bonus(ConcisenessBonus(), 1.0, 0.0) == 1.0


def test_the_bonus_fades_and_is_saved() -> None:
    fading, copied = ConcisenessBonus(horizon=2.0), ConcisenessBonus(horizon=2.0)
    paid = [bonus(fading, 1.0, 1.0) for _ in range(3)]
    assert_allclose(paid, 1.0 + 0.5 * np.exp([0.0, -0.5, -1.0]))
    copied.load_state_dict(fading.state_dict())
    assert bonus(copied, 1.0, 1.0) == bonus(fading, 1.0, 1.0)


def test_wrong_settings() -> None:
    with pytest.raises(ConfigError, match=r"alpha must be at least 0, got -1\.0"):
        ConcisenessBonus(alpha=-1.0)
    with pytest.raises(ConfigError, match=r"horizon must be positive, got 0\.0"):
        ConcisenessBonus(horizon=0.0)
    with pytest.raises(ConfigError, match="says nothing of term 'other'"):
        RewardDesign(dict.fromkeys(["outcome", "conciseness", "other"], TaskReward()),
                     ConcisenessBonus())  # fmt: skip
