"""Draws docs/images/bandits.svg: regret of the bandit agents, one panel per kind of problem.

python docs/scripts/bandit_figures.py

200 independent runs per agent, played side by side; about 20 seconds.
"""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np

from rewardsmith.agents.bandits import make_agent
from rewardsmith.agents.bandits.play import play

RUNS, POINTS = 200, 25
MEANS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8]
PANELS = {
    "Stochastic: ten Bernoulli arms": (
        "BernoulliBandit-v0",
        {"probabilities": MEANS},
        10_000,
        ("explore_first", "epsilon_greedy", "successive_elimination", "ucb1", "kl_ucb", "moss",
         "thompson"),
    ),
    "Adversarial: the best arm changes": ("AdversarialBandit-v0", {"horizon": 5_000}, 5_000,
                                          ("hedge", "exp3", "ucb1")),
    "Contextual: linear rewards": ("LinearBandit-v0", {}, 2_000,
                                   ("lin_ucb", "linear_thompson", "ucb1")),
    "Tallying: repetition pays": ("TallyingBandit-v0", {}, 10_000,
                                  ("tallying_elimination", "ucb1", "exp3")),
}  # fmt: skip


def main() -> None:
    """Plays every agent and writes the figure."""
    plt.rcParams |= {"svg.hashsalt": "rewardsmith", "font.size": 10}
    figure, grid = plt.subplots(2, 2, figsize=(10, 7), layout="constrained")
    for axes, (title, (name, options, horizon, agents)) in zip(
        grid.flat, PANELS.items(), strict=True
    ):
        rounds = np.unique(np.geomspace(10, horizon, POINTS).astype(int)).tolist()
        for agent in agents:
            env = gym.make_vec(f"rewardsmith/{name}", RUNS, time_limit=None, **options)
            history = play(make_agent(agent), env, horizon, seed=0, checkpoints=rounds)
            mean = history.regret.mean(axis=1)
            error = 2.0 * history.regret.std(axis=1) / np.sqrt(RUNS)
            (line,) = axes.plot(history.rounds, mean, label=f"{agent}, {mean[-1]:,.0f}")
            axes.fill_between(history.rounds, mean - error, mean + error, alpha=0.2,
                              color=line.get_color())  # fmt: skip
        axes.set(title=title, xlabel="rounds", ylabel="regret", ylim=(0, None))
        axes.legend(frameon=False, fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    target = Path(__file__).parents[1] / "images" / "bandits.svg"
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    main()
