"""Finished episodes: their transitions, and pay placed on its own steps."""

from __future__ import annotations

import dataclasses
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from test_wrappers import Corridor

from rewardsmith.envs import EnvCard, EnvError
from rewardsmith.rewards import (
    Episode,
    Gate,
    GoalBonus,
    Group,
    NegativeDistance,
    PotentialShaping,
    RewardDesign,
    RewardWrapper,
    Step,
    TimeCost,
)


def walk(places: list[int], terminated: bool) -> Episode:
    """Makes the episode that visits `places` of the corridor."""
    facts = [{"success": place == 8, "left": 8 - place} for place in places]
    steps = tuple(
        Step(np.array([here], dtype=np.float32), int(there > here), float(there == 8), info)
        for here, there, info in zip(places, places[1:], facts[1:], strict=False)
    )
    final = np.array([places[-1]], dtype=np.float32)
    return Episode(steps, final, terminated, initial_info=facts[0])


def test_transitions_join_the_steps() -> None:
    first, last = walk([6, 7, 8], terminated=True).transitions()
    assert_array_equal(first.observation, [[6.0]])
    assert_array_equal(first.next_observation, last.observation)
    assert_array_equal(last.next_observation, [[8.0]])
    assert_array_equal(first.after.fact("left"), last.before.fact("left"))
    assert_array_equal(first.before.fact("left"), [[2.0]])
    assert (first.terminated[0], last.terminated[0], last.truncated[0]) == (False, True, False)
    assert (last.reward[0], last.action[0], last.n) == (1.0, 1, 1)


def test_an_episode_that_is_not_terminated_was_truncated() -> None:
    (only,) = walk([6, 7], terminated=False).transitions()
    assert (only.terminated[0], only.truncated[0]) == (False, True)


def test_summaries() -> None:
    reached, lost = walk([6, 7, 8], terminated=True), walk([1, 0], terminated=True)
    assert (len(reached), reached.success, lost.success) == (2, True, False)
    assert_array_equal(reached.rewards, [0.0, 1.0])
    group = Group((reached, lost), start=3)
    assert_array_equal(group.returns, [1.0, 0.0])
    assert (len(group), list(group)) == (2, [reached, lost])


def test_text_episodes_become_lists_of_one() -> None:
    step = Step("what is 2 + 2?", "4", 1.0, {"success": True, "tool": "none"})
    (transition,) = Episode((step,), "right", True).transitions()
    assert transition.observation == ["what is 2 + 2?"]
    assert transition.action == ["4"]
    assert transition.info["tool"][0] == "none"


def test_an_episode_needs_a_step() -> None:
    with pytest.raises(EnvError, match="at least one step; steps is empty"):
        Episode((), np.zeros(1), True)


def bound(design: RewardDesign, card: EnvCard = Corridor.card) -> RewardDesign:
    design.bind(card)
    return design


def test_pay_stands_on_the_steps_it_was_earned_on() -> None:
    gate = Gate([["goal"], ["shaping"]], [1.0], ungated=["time"])
    design = bound(
        RewardDesign(
            {
                "goal": GoalBonus(5.0),
                "shaping": PotentialShaping(NegativeDistance("left"), gamma=1.0),
                "time": TimeCost(0.5),
            },
            combine=gate,
        )
    )
    assert_allclose(walk([6, 7, 8], True).pay(design), [0.5, 5.5])
    assert_allclose(walk([6, 7, 6], False).pay(design), [-0.5, -0.5])


@pytest.mark.parametrize("seed", range(4))
def test_the_pay_of_a_recorded_episode_sums_to_the_pay_online(seed: int) -> None:
    gate = Gate([["goal"], ["shaping"]], [0.5], ungated=["time"])
    terms: dict[str, Any] = {
        "goal": GoalBonus(),
        "shaping": PotentialShaping(NegativeDistance("left"), gamma=0.9),
        "time": TimeCost(),
    }
    design = RewardDesign(terms, combine=gate)
    env = RewardWrapper(gym.wrappers.TimeLimit(Corridor(), 6), design)
    observation, initial = env.reset(seed=seed)
    rng, steps, online, over = np.random.default_rng(seed), [], 0.0, False
    while not over:
        action = int(rng.random() < 0.8)
        following, pay, terminated, truncated, info = env.step(action)
        steps.append(Step(observation, action, info["task_reward"], info))
        observation, over, online = following, terminated or truncated, online + pay
    facts = {name: initial[name] for name in ("success", "left")}
    steps = [
        dataclasses.replace(step, info={name: step.info[name] for name in facts}) for step in steps
    ]
    episode = Episode(tuple(steps), observation, terminated, facts)
    assert_allclose(episode.pay(bound(design)).sum(), online, atol=1e-12)
