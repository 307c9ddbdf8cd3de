"""What a bandit run leaves to be looked at: arms over time and the bound on its regret."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rewardsmith.agents.bandits import make_agent
from rewardsmith.agents.bandits.agent import Problem
from rewardsmith.agents.bandits.bounds import regret_bound
from rewardsmith.agents.bandits.play import play
from rewardsmith.agents.bandits.shares import PlayShares
from rewardsmith.agents.configs import compose
from rewardsmith.agents.run_folder import RunFolder
from rewardsmith.agents.run_record import Run, load_run
from rewardsmith.agents.train import train
from rewardsmith.envs import BatchEnv, EnvCard
from rewardsmith.envs.bandits.adversarial import AdversarialBandit
from rewardsmith.envs.bandits.bernoulli import BernoulliBandit
from rewardsmith.envs.bandits.cascading_bandit import CascadingBandit
from rewardsmith.envs.bandits.gaussian import GaussianBandit
from rewardsmith.envs.bandits.linear import LinearBandit
from rewardsmith.envs.bandits.tallying import TallyingBandit
from rewardsmith.envs.card import Field

ALL = np.array([True, True])
GIVEN = [0.2, 0.9, 0.5]


def problem(arms: int, *facts: str) -> Problem:
    card = EnvCard("", "", facts=tuple(Field(fact, "") for fact in facts))
    return Problem(n=2, arms=arms, horizon=9, card=card)


# ---- Arms over time ---------------------------------------------------------------------


def test_arms_of_equal_rank_everywhere_keep_their_numbers_best_first() -> None:
    shares = PlayShares(problem(3), np.tile(GIVEN, (2, 1)))
    shares.add(np.array([1, 0]), {}, ALL)
    shares.add(np.array([1, 2]), {}, ALL)
    told = shares.take()
    assert told == {"pulls/arm 1 (best)": 0.5, "pulls/arm 2": 0.25, "pulls/arm 0": 0.25}


def test_counting_begins_anew_after_every_milestone_and_leaves_ended_runs_out() -> None:
    shares = PlayShares(problem(2), None)
    shares.add(np.array([0, 0]), {}, ALL)
    shares.take()
    shares.add(np.array([0, 1]), {}, np.array([False, True]))
    assert shares.take() == {"pulls/arm 0": 0.0, "pulls/arm 1": 1.0}
    assert shares.take() == {"pulls/arm 0": 0.0, "pulls/arm 1": 0.0}


def test_a_list_counts_every_item() -> None:
    shares = PlayShares(problem(4), np.array([[4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0]]))
    shares.add(np.array([[0, 1], [3, 0]]), {}, ALL)
    assert list(shares.take().values()) == [0.5, 0.25, 0.0, 0.25]
    same = PlayShares(dataclasses.replace(problem(2), places=2), np.array([[0.0, 1.0]] * 2))
    assert same.names == ["item 1 (best)", "item 0"]


@pytest.mark.parametrize("arms", [3, 21])
def test_where_arms_have_no_value_success_stands_for_the_best(arms: int) -> None:
    values = None if arms == 3 else np.random.default_rng(0).random((2, arms))
    shares = PlayShares(problem(arms, "success"), values)
    shares.add(np.array([0, 1]), {"success": np.array([True, False])}, ALL)
    shares.add(np.array([2, 2]), {"success": np.array([True, True])}, ALL)
    assert shares.take() == {"pulls/best": 0.75, "pulls/other": 0.25}


def test_many_arms_without_success_have_no_columns() -> None:
    shares = PlayShares(problem(21), None)
    shares.add(np.array([0, 1]), {}, ALL)
    assert shares.take() == {}


@pytest.mark.parametrize(
    "task",
    [
        BernoulliBandit(5, probabilities=GIVEN),
        GaussianBandit(5, arms=3),
        TallyingBandit(5, arms=3),
    ],
    ids=lambda task: type(task).__name__,
)
def test_the_arm_of_the_highest_value_is_the_best_arm(task: Any) -> None:
    _, info = task.reset(seed=0)
    assert (task.arm_values().argmax(axis=1) == info["best_arm"]).all()


def test_an_item_is_worth_what_it_pays_alone() -> None:
    env = CascadingBandit(1, attraction=[0.5, 0.8], rewards=[1.0, 0.5], list_length=1)
    env.reset(seed=0)
    assert env.arm_values().tolist() == [[0.5, 0.4]]


# ---- Bounds -----------------------------------------------------------------------------


def told_bound(name: str, task: BatchEnv, settings: dict[str, Any] | None = None) -> Any:
    """Returns the bound that holds for an agent after ten rounds of a task."""
    agent = make_agent(name, settings)
    play(agent, task, 10)
    return regret_bound(agent, task)


def test_the_bound_is_the_agents_own_for_the_gaps_of_every_run() -> None:
    task = BernoulliBandit(4, arms=3, time_limit=None)
    bound = told_bound("ucb1", task)
    gaps = task.mean.max(axis=1, keepdims=True) - task.mean
    agent: Any = make_agent("ucb1")
    expected = [agent.bound(Problem.of(task, 10), row) for row in gaps]
    np.testing.assert_array_equal(bound, expected)
    assert len(set(expected)) == 4


@pytest.mark.parametrize(
    ("name", "settings", "task", "holds"),
    [
        ("kl_ucb", {}, BernoulliBandit(2, probabilities=GIVEN), True),
        ("exp3", {}, BernoulliBandit(2, probabilities=GIVEN), True),
        ("epsilon_greedy", {}, BernoulliBandit(2, probabilities=GIVEN), False),
        ("thompson", {}, BernoulliBandit(2, arms=3), True),
        ("thompson", {}, BernoulliBandit(2, probabilities=GIVEN), False),
        ("ucb1", {"scale": 0.5}, BernoulliBandit(2, probabilities=GIVEN), False),
        ("ucb1", {"scale": 0.5}, GaussianBandit(2, sigma=0.25), True),
        ("ucb1", {"scale": 0.5}, GaussianBandit(2, sigma=0.26), False),
        ("hedge", {}, AdversarialBandit(2, arms=3), True),
        ("ucb1", {}, AdversarialBandit(2, arms=3), False),
        ("exp3", {}, TallyingBandit(2), False),
        ("lin_ucb", {}, LinearBandit(2, sigma=0.1), True),
        ("lin_ucb", {}, LinearBandit(2, sigma=0.2), False),
        ("lin_ucb", {"alpha": 1.0}, LinearBandit(2), False),
    ],
)
def test_a_bound_is_told_only_where_its_assumptions_hold(
    name: str, settings: dict[str, Any], task: BatchEnv, holds: bool
) -> None:
    bound = told_bound(name, task, settings)
    assert (bound is not None) == holds
    if holds:
        assert bound.shape == (2,)
        assert (bound > 0.0).all()


# ---- What the job keeps -----------------------------------------------------------------


def test_a_run_keeps_shares_and_bound(tmp_path: Path) -> None:
    overrides = ["env=bernoulli_bandit", "agent=ucb1", "reward=sparse", "total_steps=300",
                 "agent.n_envs=20"]  # fmt: skip
    result = train(compose(overrides), RunFolder(tmp_path))
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    pulls = [name for name in rows[0] if name.startswith("pulls/")]
    assert pulls[0] == "pulls/arm 9 (best)"
    for row in rows:
        np.testing.assert_allclose(sum(float(row[name]) for name in pulls), 1.0)
    # Milestones are evenly spaced: their mean is the share of all rounds.
    best = np.mean([float(row[pulls[0]]) for row in rows])
    np.testing.assert_allclose(best, float(rows[-1]["success"]))
    assert len(result["bound"]) == 20
    assert result["bound"][0] > np.mean(result["regret"])
    run = load_run(tmp_path, ("bernoulli", "ucb1", 0))
    assert isinstance(run, Run)
    assert run.final["bound"].tolist() == result["bound"]


def test_an_agent_paid_something_else_has_no_bound(tmp_path: Path) -> None:
    overrides = ["env=bernoulli_bandit", "agent=ucb1", "reward=human", "total_steps=50",
                 "agent.n_envs=5"]  # fmt: skip
    assert "bound" not in train(compose(overrides), RunFolder(tmp_path))
