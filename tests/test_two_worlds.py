"""One reward, two worlds: what is chosen from a menu and what is said in text is paid alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from transcripts import REWARDS, design, design_file

from rewardsmith.agents.configs import compose
from rewardsmith.agents.llm.pay import pay
from rewardsmith.agents.llm.replay import episode_of
from rewardsmith.agents.run_folder import RunFolder
from rewardsmith.agents.train import train
from rewardsmith.envs.text.calculator import Calculator
from rewardsmith.envs.text.dialogue import Budget
from rewardsmith.envs.text.transcript import Transcript
from rewardsmith.rewards import VectorRewardWrapper
from rewardsmith.rewards.episode import Group

ROWS, STEPS, TURNS, CHOICES = 3, 24, 4, 5

AT_ONCE = ("sparse", "toolrl")
"""Designs that pay online on the very step that `settle` pays."""

AT_THE_END = ("gated_tools", "matchtir")
"""Designs that pay online at the end what `settle` places on the turns it was earned on."""

DESIGNS = AT_ONCE + AT_THE_END

MENUS = arrays(np.int64, (STEPS, ROWS), elements=st.integers(-3, CHOICES - 1))
"""What is chosen; whoever draws a negative number does what the problem asks for next."""

Act = Callable[[Any, int], Any]
"""The observations and the number of the step -> an action per row."""


@dataclass(frozen=True)
class Paid:
    """One row's step: what it was paid, and the conversation after it."""

    total: float
    task: float
    parts: dict[str, float]
    terminated: bool
    truncated: bool
    transcript: Transcript


def play(name: str, mode: AutoresetMode, actions: str, act: Act) -> list[list[Paid | None]]:
    """Plays through the wrapper; returns what happened by step and row, None for a reset."""
    task = Calculator(ROWS, difficulty=2, turns=TURNS, actions=actions, autoreset_mode=mode)
    env = VectorRewardWrapper(task, design(name))
    observation, _ = env.reset(seed=5)
    steps: list[list[Paid | None]] = []
    resetting = np.zeros(ROWS, dtype=np.bool_)
    for t in range(STEPS):
        observation, total, terminated, truncated, info = env.step(act(observation, t))
        done = terminated | truncated
        steps.append([])
        for row in range(ROWS):
            after = info["final_info"] if "final_info" in info and done[row] else info
            paid = Paid(
                float(total[row]),
                float(info["task_reward"][row]),
                {k: float(v[row]) for k, v in info["reward_terms"].items() if k[0] != "_"},
                bool(terminated[row]),
                bool(truncated[row]),
                after["transcript"][row],
            )
            steps[-1].append(None if resetting[row] else paid)
        if mode is AutoresetMode.NEXT_STEP:
            resetting = done
        elif mode is AutoresetMode.DISABLED and done.any():
            observation, _ = env.reset(options={"reset_mask": done})
    return steps


def by_menu(choices: np.ndarray) -> Act:
    """Returns who chooses these numbers (STEPS, ROWS)."""

    def act(observation: np.ndarray, t: int) -> np.ndarray:
        asked = observation[:, :CHOICES].argmax(axis=1)
        return np.where(choices[t] < 0, asked, choices[t])

    return act


def by_saying(steps: list[list[Paid | None]]) -> Act:
    """Returns who says, word for word, what was said in these steps."""

    def act(observation: list[str], t: int) -> list[str]:
        return [p.transcript.turns[-1].message.text if p is not None else "" for p in steps[t]]

    return act


def episodes(steps: list[list[Paid | None]]) -> list[list[Paid]]:
    """Returns the finished episodes, one row after another."""
    found = []
    for row in zip(*steps, strict=True):
        taken = [paid for paid in row if paid is not None]
        ends = [t + 1 for t, paid in enumerate(taken) if paid.terminated or paid.truncated]
        found += [taken[start:end] for start, end in pairwise([0, *ends])]
    return found


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("mode", list(AutoresetMode))
@settings(max_examples=12)
@given(choices=MENUS)
def test_equal_steps_are_paid_equally(name: str, mode: AutoresetMode, choices: np.ndarray) -> None:
    chosen = play(name, mode, "menu", by_menu(choices))
    assert play(name, mode, "text", by_saying(chosen)) == chosen


@pytest.mark.parametrize("name", DESIGNS)
@settings(max_examples=25)
@given(choices=MENUS)
def test_the_trainer_of_language_models_pays_the_same(name: str, choices: np.ndarray) -> None:
    played = episodes(play(name, AutoresetMode.SAME_STEP, "menu", by_menu(choices)))
    batch = pay(
        design(name), [Group((episode_of(e[-1].transcript, Budget(turns=TURNS)),)) for e in played]
    )
    settled = np.split(batch.rollouts.reward, batch.rollouts.first[1:])
    assert batch.rollouts.scored.all()
    for steps, placed in zip(played, settled, strict=True):
        online = [paid.total for paid in steps]
        if name in AT_ONCE:
            assert placed.tolist() == online
        assert_allclose(placed.sum(), sum(online), rtol=0, atol=1e-12)
    for term, totals in batch.parts.items():
        online = [sum(paid.parts[term] for paid in steps) for steps in played]
        assert_allclose(totals, online, rtol=0, atol=1e-12)


def test_the_choices_lead_to_every_kind_of_end() -> None:
    """The two tests above would hold of an empty log too."""
    rng = np.random.default_rng(0)
    steps = play("toolrl", AutoresetMode.SAME_STEP, "menu",
                 by_menu(rng.integers(-3, CHOICES, (STEPS, ROWS))))  # fmt: skip
    last = [played[-1] for played in episodes(steps)]
    ends = {(p.transcript.over, p.task) for p in last}
    assert ends == {(True, 1.0), (True, 0.0), (False, 0.0)}
    assert all(p.terminated for p in last)
    assert len({p.total for p in last}) > 2


@pytest.mark.parametrize("name", AT_THE_END)
def test_pay_that_waits_online_is_placed_on_its_turns(name: str) -> None:
    follow = np.full((STEPS, ROWS), -1)
    for played in episodes(play(name, AutoresetMode.SAME_STEP, "menu", by_menu(follow))):
        placed = pay(design(name), [Group((episode_of(played[-1].transcript),))]).rollouts.reward
        assert played[0].total == 0.0
        assert placed[0] > 0.0


EARNED: dict[str, Callable[[dict[str, np.ndarray]], np.ndarray]] = {
    "toolrl": lambda term: term["format"] + term["calls"],
    "gated_tools": lambda term: term["outcome"] * (1.0 + term["calls"] + term["format"]),
}
"""What a design pays an episode, by the sums of its terms."""


@pytest.mark.parametrize("name", EARNED)
def test_both_worlds_train_from_one_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REWARDSMITH_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "mine.yaml"
    file.write_text((REWARDS / f"{name}.yaml").read_text())
    shared = ["env=calculator", f"reward={file}", "agent.gamma=1.0", "evaluation.points=1",
              "evaluation.episodes=4", "evaluation.final_episodes=16"]  # fmt: skip
    worlds = {
        "menu": ["agent=ppo", "env.options.actions=menu", "total_steps=2048"],
        "text": ["agent=grpo", "total_steps=8", "agent.n_envs=8",
                 "+agent.settings.model.hidden=16", "agent.settings.warm_up.steps=2",
                 "agent.settings.training.prompts_per_batch=2",
                 "agent.settings.training.group_size=4"],
    }  # fmt: skip
    for world, own in worlds.items():
        folder = RunFolder(tmp_path / world)
        result = train(compose([*shared, *own]), folder)
        assert folder.config()["reward"] == design_file(name)
        terms = {term: np.array(paid) for term, paid in result["terms"].items()}
        assert_allclose(result["designed_return"], EARNED[name](terms), rtol=1e-9, atol=1e-9)
