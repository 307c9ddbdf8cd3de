"""Draws docs/images/two_worlds.svg: one design file trains PPO by menu and GRPO in text.

    python docs/scripts/two_worlds_figure.py [--runs FOLDER] [--seeds N]

Curves are read from finished runs. Those that are not there are trained first, as `rewardsmith
train` would, one after another: seconds for PPO, a minute or two for GRPO.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from rewardsmith.agents.configs import compose
from rewardsmith.agents.run_folder import RunFolder
from rewardsmith.agents.train import train

DESIGN = "gated_tools"
IMAGE = Path(__file__).parents[1] / "images" / "two_worlds.svg"


@dataclass(frozen=True)
class World:
    """One way to act in the task.

    Attributes:
        name: Of its runs' folder.
        title: Over its panel.
        unit: What its horizontal axis counts.
        colour: Of its curves.
        overrides: What its runs add to the shared configuration.
    """

    name: str
    title: str
    unit: str
    colour: str
    overrides: tuple[str, ...]


WORLDS = (
    World(
        "menu",
        "PPO chooses messages from a menu",
        "turns",
        "#2662c4",
        ("agent=ppo", "env.options.actions=menu", "total_steps=12000", "evaluation.points=12"),
    ),
    World(
        "text",
        "GRPO writes them, token by token",
        "episodes",
        "#d6452a",
        ("agent=grpo", "total_steps=6144", "evaluation.points=8"),
    ),
)


def curve(world: World, runs: Path, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns where a run was judged and its success there, each (points,)."""
    folder = RunFolder(runs / world.name / f"seed_{seed}")
    shared = ["env=calculator", f"reward={DESIGN}", f"seed={seed}", "evaluation.episodes=128"]
    if not folder.is_finished():
        train(compose([*shared, *world.overrides]), folder)
    with (folder.path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    step, success = (np.array([float(r[name]) for r in rows]) for name in ("step", "success"))
    return step, success


def draw(axes: Axes, world: World, runs: Path, seeds: int) -> None:
    """Draws one thin line per seed and their mean."""
    curves = [curve(world, runs, seed) for seed in range(seeds)]
    steps = curves[0][0]
    success = np.array([values for _, values in curves])
    axes.plot(steps, success.T, color=world.colour, alpha=0.35, linewidth=1)
    axes.plot(steps, success.mean(axis=0), color=world.colour, linewidth=2.5)
    axes.set(title=world.title, xlabel=world.unit, ylim=(-0.03, 1.05), xlim=(0, steps[-1]))
    axes.locator_params(axis="x", nbins=5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    print(f"{world.name}: success {success[:, 0].round(2)} -> {success[:, -1].round(2)}")


def main() -> None:
    """Trains what is missing and writes the figure."""
    parser = argparse.ArgumentParser(description="Draws one design file in two worlds.")
    parser.add_argument("--runs", type=Path, default=Path("runs/two_worlds"))
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    plt.rcParams |= {"font.size": 11, "svg.fonttype": "none", "svg.hashsalt": "two worlds"}
    figure, panels = plt.subplots(1, 2, figsize=(9.6, 3.4), sharey=True, layout="constrained")
    for axes, world in zip(panels, WORLDS, strict=True):
        draw(axes, world, options.runs, options.seeds)
    panels[0].set_ylabel("success on fresh tasks")
    seeds = "seed" if options.seeds == 1 else "seeds"
    figure.suptitle(
        f"calculator, paid by conf/reward/{DESIGN}.yaml; {options.seeds} {seeds} and their mean",
        fontsize=11,
    )
    figure.savefig(IMAGE, metadata={"Date": None})


if __name__ == "__main__":
    main()
