"""An agent against a task: which runs are over, which facts count, which tasks are refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardsmith.agents.bandits.agent import BanditAgent
from rewardsmith.agents.bandits.cascading import CascadeAgent
from rewardsmith.agents.bandits.match import Match, Round
from rewardsmith.agents.bandits.play import play
from rewardsmith.envs import BatchEnv, ConfigError
from rewardsmith.envs.bandits.bernoulli import BernoulliBandit
from rewardsmith.envs.bandits.cascading_mdp import CascadingMDP
from rewardsmith.envs.bandits.knapsack import KnapsackBandit
from rewardsmith.envs.stateful import FloatArray, IntArray

MODES = ("NextStep", "SameStep")


@dataclass
class OneArm(BanditAgent):
    """Always plays the same arm."""

    arm: int = 0

    def act(self, observation: np.ndarray) -> IntArray:
        return np.full(self.problem.n, self.arm, dtype=np.int64)

    def learn(
        self, observation: np.ndarray, action: IntArray, reward: FloatArray, info: Mapping[str, Any]
    ) -> None:
        """Takes nothing from the round."""


class Clerk(CascadeAgent):
    """Shows the first items and writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[IntArray, ...]] = []
        self.plans = 0

    def plan(self) -> IntArray:
        self.plans += 1
        return np.broadcast_to(np.arange(self.length), self.policy.shape)

    def count(
        self, state: IntArray, shown: IntArray, position: IntArray, arrived: IntArray
    ) -> None:
        self.told.append((state, shown, position, arrived))


def played(agent: BanditAgent, env: BatchEnv, horizon: int) -> list[Round]:
    """Returns all rounds of a match."""
    match, rounds = Match.start(agent, env, horizon, seed=0, env_seed=3), []
    while not match.is_over:
        rounds.append(match.play_round(env))
    return rounds


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(1, 20))
def test_a_run_with_a_budget_counts_up_to_the_round_that_uses_it_up(
    mode: str, seed: int, budget: int
) -> None:
    env = KnapsackBandit(6, budget=budget, time_limit=None, horizon=40, autoreset_mode=mode)
    match = Match.start(OneArm(2), env, 40, seed=0, env_seed=seed)
    left, paid = np.full(6, float(budget)), np.zeros(6)
    while not match.is_over:
        one = match.play_round(env)
        np.testing.assert_array_equal(one.counted, left > 0)
        left -= np.where(one.counted, one.info["consumption"][:, 0], 0.0)
        paid += np.where(one.counted, one.reward, 0.0)
        np.testing.assert_array_equal(one.info["remaining"][one.counted, 0], left[one.counted])
        np.testing.assert_array_equal(match.playing, left > 0)
    assert match.rounds == 40 or not match.playing.any()
    assert (left >= 0).all()
    again = KnapsackBandit(6, budget=budget, time_limit=None, horizon=40, autoreset_mode=mode)
    history = play(OneArm(2), again, 40, seed=seed)
    np.testing.assert_allclose(history.reward[-1], paid)
    lasted = history.pulls.sum(axis=1)
    np.testing.assert_array_equal(lasted < 40, (left == 0) & (lasted < 40))
    value, mean = env.value[0], env.pay[2] * env.chance[0, 2]
    # A run that ends early also loses the best mix's value of every round not played.
    ended_early = np.where(left == 0, 40 - lasted, 0)
    np.testing.assert_allclose(
        history.regret[-1], lasted * (value - mean) + ended_early * value, atol=1e-9
    )


def test_checkpoints_after_the_last_run_is_over_repeat_what_it_came_to() -> None:
    env = KnapsackBandit(
        3, kind="given", rewards=[1.0, 1.0], consumption=[[1.0], [1.0]], budget=5, horizon=20
    )
    history = play(OneArm(0), env, 20, checkpoints=[2, 5, 9])
    assert history.rounds.tolist() == [2, 5, 9, 20]
    np.testing.assert_array_equal(history.reward, [[2] * 3, [5] * 3, [5] * 3, [5] * 3])
    assert history.pulls.tolist() == [[5, 0]] * 3


def test_episodes_follow_each_other_and_the_last_step_is_told_truly() -> None:
    env, clerk = CascadingMDP(50, states=3, items=4, horizon=3, autoreset_mode="SameStep"), Clerk()
    rounds = played(clerk, env, 20)
    assert len(rounds) == len(clerk.told) == 20
    assert clerk.plans == 7
    assert clerk.episodes == 7
    assert [one.ended.all() for one in rounds] == [(i + 1) % 3 == 0 for i in range(20)]
    assert all(one.counted.all() for one in rounds)
    for i, (state, shown, position, _) in enumerate(clerk.told):
        np.testing.assert_array_equal(shown, np.tile([0, 1, 2], (50, 1)))
        np.testing.assert_array_equal(position, rounds[i].info["position"])
        if i % 3 == 0:
            assert (state == 0).all()
        else:
            np.testing.assert_array_equal(state, clerk.told[i - 1][3])
        item = np.where(position < 3, position, 4)
        paid = np.pad(env.model.reward, ((0, 0), (0, 1)))[state, item]
        np.testing.assert_array_equal(rounds[i].reward, paid)
    # The state after the last step is where the user went, not where the next one starts.
    assert len(set(clerk.told[2][3].tolist())) > 1


def test_what_cannot_be_played_to_the_end_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"time_limit 100 of .* is below the horizon 101"):
        play(OneArm(0), KnapsackBandit(2), 101)
    with pytest.raises(ConfigError, match="ended after 100 of 101 rounds; set its time_limit"):
        play(OneArm(0), BernoulliBandit(2), 101)
    with pytest.raises(ConfigError, match=r"Clerk plays episode after episode .* 'SameStep'"):
        play(Clerk(), CascadingMDP(2), 10)
