"""Draws docs/images/shaping.svg: tabular Q-learning on KeyDoor under three rewards.

    python docs/scripts/shaping_figure.py

Thirty independent learners per reward, one per row of the environment. Every 250 steps each
plays one greedy episode, which is judged by the task.
"""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np

import rewardsmith.rewards as rw
from rewardsmith.envs.control.key_door import KeyDoor

SEEDS, STEPS, EVERY = 30, 10_000, 250
GAMMA, RATE, EXPLORATION = 0.99, 0.5, 0.1
STAGES = [
    {"target": "key", "done": "has_key"},
    {"target": "door", "done": "door_open"},
    {"target": "goal"},
]


class Nearness(rw.StagedDistance):
    """Phi(s) = 1 - (way still to go) / scale: from 0 far away to 1 at the goal."""

    def __call__(self, state: rw.State) -> np.ndarray:
        """Returns the potential, float64 (n,)."""
        return 1.0 + super().__call__(state)


def shaping(potential: rw.Potential) -> dict[str, rw.Term]:
    """Returns the potential as a term by name."""
    return {"shaping": rw.PotentialShaping(potential, GAMMA)}


EXTRAS: dict[str, dict[str, rw.Term]] = {
    "task reward alone": {},
    "plus shaping by a potential from 0 to 1": shaping(Nearness("agent", STAGES, 4.0, order=1)),
    "plus shaping by the same, from -1 to 0": shaping(
        rw.StagedDistance("agent", STAGES, 4.0, order=1)
    ),
    "plus a bonus for being near the goal": {
        "near": rw.Distance("agent", "goal", scale=0.25, kernel="exponential")
    },
}
LINES = (("#6f7787", "-"), ("#2e9454", "-"), ("#2662c4", "--"), ("#d6452a", ":"))


def learn(extra: dict[str, rw.Term]) -> tuple[np.ndarray, np.ndarray]:
    """Trains the learners; returns success and designed return of greedy play, (points, seeds)."""
    design = rw.RewardDesign({"task": rw.TaskReward(), **extra})
    env, judge = (
        rw.VectorRewardWrapper(
            gym.make_vec("rewardsmith/KeyDoor-v0", SEEDS, autoreset_mode="SameStep"), design
        )
        for _ in range(2)
    )
    room, rows, chance = _room(env), np.arange(SEEDS), np.random.default_rng(0)
    values = np.zeros((SEEDS, len(room.tables.terminal), 4))
    env.reset(seed=0)
    points = []
    for step in range(STEPS):
        if step % EVERY == 0:
            points.append(play(judge, values))
        state = room.state.copy()
        action = greedy(values, state, chance)
        explores = chance.random(SEEDS) < EXPLORATION
        action[explores] = chance.integers(4, size=int(explores.sum()))
        _, pay, terminated, _, _ = env.step(action)
        successor = room.tables.successor[state, action]  # the true one, also where it reset
        target = pay + GAMMA * ~terminated * values[rows, successor].max(axis=1)
        values[rows, state, action] += RATE * (target - values[rows, state, action])
    points.append(play(judge, values))
    success, earned = (np.array(column) for column in zip(*points, strict=True))
    return success, earned


def play(env: rw.VectorRewardWrapper, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Plays one greedy episode per row; returns success and designed return, (seeds,)."""
    chance = np.random.default_rng(1)
    success, earned = np.zeros(SEEDS), np.zeros(SEEDS)
    playing = np.ones(SEEDS, dtype=np.bool_)
    env.reset(seed=1_000_000)
    while playing.any():
        action = greedy(values, _room(env).state, chance)
        _, pay, terminated, truncated, info = env.step(action)
        earned += playing * pay
        done = playing & (terminated | truncated)
        if done.any():
            success[done] = info["final_info"]["success"][done]
            playing &= ~done
    return success, earned


def greedy(values: np.ndarray, state: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """Returns a best action per row, ties broken at random, (seeds,)."""
    here = values[np.arange(SEEDS), state]
    ties = here == here.max(axis=1, keepdims=True)
    return np.asarray((ties * chance.random(here.shape)).argmax(axis=1))


def _room(env: gym.vector.VectorEnv) -> KeyDoor:
    room = env.unwrapped
    assert isinstance(room, KeyDoor)
    return room


def draw(path: Path) -> None:
    """Trains under every reward and writes the figure."""
    plt.rcParams |= {"font.size": 11, "svg.fonttype": "none", "svg.hashsalt": "shaping"}
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4.0), layout="constrained")
    at = np.arange(0, STEPS + 1, EVERY)
    for (name, extra), (colour, dash) in zip(EXTRAS.items(), LINES, strict=True):
        success, earned = learn(extra)
        print(f"{name}: success {success[-1].mean():.2f}, paid {earned[-1].mean():.2f}")
        for axes, values in ((left, success), (right, earned)):
            mean, error = values.mean(axis=1), values.std(axis=1, ddof=1) / np.sqrt(SEEDS)
            axes.plot(at, mean, dash, color=colour, label=name, linewidth=2)
            low, high = mean - 2 * error, mean + 2 * error
            if axes is left:
                high = np.minimum(high, 1.0)
            axes.fill_between(at, low, high, color=colour, alpha=0.2)
    left.set(title="judged by the task: success", ylim=(-0.03, 1.05))
    right.set(title="paid by the design: return")
    for axes in (left, right):
        axes.set_xlabel("steps of each learner")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
    handles = left.get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    draw(Path(__file__).parents[1] / "images" / "shaping.svg")
