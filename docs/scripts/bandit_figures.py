"""Draws docs/images/bandits/*.svg: a figure of two panels per chapter of the bandit family.

    python docs/scripts/bandit_figures.py [chapter ...]

At least 60 independent runs per agent, played side by side; lines are means, bands two standard
errors to either side. All figures take about two minutes, `python ... games` draws one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from numpy.typing import NDArray

from rewardsmith.agents.bandits import make_agent
from rewardsmith.agents.bandits.agent import BanditAgent
from rewardsmith.agents.bandits.bounds import regret_bound
from rewardsmith.agents.bandits.cascading import CascadeAgent, play_cascading
from rewardsmith.agents.bandits.cascading_vi import CascadingVI
from rewardsmith.agents.bandits.games import play_game
from rewardsmith.agents.bandits.incentive_gap import incentive_gap, recommend
from rewardsmith.agents.bandits.knapsack import LagrangeBwK
from rewardsmith.agents.bandits.list_as_action_vi import ListAsActionVI
from rewardsmith.agents.bandits.majority import WeightedMajority
from rewardsmith.agents.bandits.play import play
from rewardsmith.agents.bandits.players import FictitiousPlay, HedgePlayer, Player, RegretMatching
from rewardsmith.agents.bandits.ucb_bwk import UcbBwK
from rewardsmith.envs import BatchEnv
from rewardsmith.envs.bandits.cascade import CascadeModel
from rewardsmith.envs.bandits.incentive import IncentiveBandit
from rewardsmith.envs.bandits.knapsack import KnapsackBandit
from rewardsmith.envs.bandits.tallying import TallyingBandit

RUNS, POINTS = 100, 25
TEN_ARMS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8]
COLOURS = ("#1c62e0", "#c7690a", "#5b1391", "#049c66", "#8a1538", "#8e8805", "#737b89")

DASHED: dict[str, Any] = {"linestyle": (0, (6, 4)), "linewidth": 1.2}
"""How bounds and references are drawn."""


# ---- Drawing --------------------------------------------------------------------------------


def band(
    axes: Axes, at: Sequence[float] | NDArray[Any], values: NDArray[Any], label: str, **more: Any
) -> None:
    """Draws the mean over runs of values (points, runs), with two standard errors."""
    mean = values.mean(axis=1)
    error = 2.0 * values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
    (line,) = axes.plot(at, mean, label=label, linewidth=1.8, **more)
    axes.fill_between(at, mean - error, mean + error, alpha=0.2, color=line.get_color(), lw=0)


def make(env: str, runs: int = RUNS, **options: Any) -> BatchEnv:
    """Makes an environment of the family without a time limit."""
    made = gym.make_vec(f"rewardsmith/{env}-v0", runs, time_limit=None, **options)
    assert isinstance(made, BatchEnv)
    return made


def race(
    axes: Axes,
    title: str,
    make_task: Callable[[], BatchEnv],
    horizon: int,
    players: Mapping[str, BanditAgent],
) -> None:
    """Draws the regret of several agents on one task, and the bounds that come into view."""
    rounds = np.unique(np.linspace(1, horizon, POINTS).astype(int)).tolist()
    bounds = []
    for label, agent in players.items():
        task = make_task()
        history = play(agent, task, horizon, checkpoints=rounds)
        band(axes, history.rounds, history.regret, f"{label}, {history.regret[-1].mean():,.0f}")
        bound = regret_bound(agent, task)
        if bound is not None:
            bounds.append((float(bound.mean()), axes.lines[-1].get_color()))
    low, high = axes.get_ylim()
    for value, colour in bounds:
        if value < 1.6 * high:
            axes.axhline(value, color=colour, **DASHED)
    axes.set(title=title, xlabel="rounds", ylabel="regret")
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_ylim(bottom=min(low, 0.0) if low < -0.1 * high else 0.0)


def agents(*names: str, **settings: Mapping[str, Any]) -> dict[str, BanditAgent]:
    """Makes agents by name, with the settings of those that have some."""
    return {name: make_agent(name, settings.get(name)) for name in names}


# ---- Chapters -------------------------------------------------------------------------------


def stochastic(left: Axes, right: Axes) -> None:
    """Ten Bernoulli arms; and on two of them, measured regret against its bound."""
    names = ("explore_first", "epsilon_greedy", "successive_elimination", "ucb1", "kl_ucb",
             "moss", "thompson")  # fmt: skip
    ten = partial(make, "BernoulliBandit", probabilities=TEN_ARMS)
    race(left, "Ten arms", ten, 10_000, agents(*names))
    horizons = [100, 300, 1000, 3000, 10_000]
    for name in ("successive_elimination", "ucb1", "kl_ucb"):
        task, agent = make("BernoulliBandit", probabilities=[0.9, 0.1]), make_agent(name)
        regret, bounds = [], []
        for horizon in horizons:
            regret.append(play(agent, task, horizon).regret[-1])
            bound = regret_bound(agent, task)
            assert bound is not None
            bounds.append(bound[0])
        band(right, horizons, np.stack(regret), name)
        right.plot(horizons, bounds, color=right.lines[-1].get_color(), **DASHED)
    right.set(title="Two arms: regret at T, and its bound", xlabel="horizon T", ylabel="regret")
    right.set(xscale="log", yscale="log", ylim=(None, 1500))


def lower_bounds(left: Axes, right: Axes) -> None:
    """One of ten arms better by sqrt(K / T), over T; and two arms by their gap."""
    arms, names = 10, ("ucb1", "exp3", "kl_ucb", "moss", "thompson")
    horizons, gaps = [300, 1000, 3000, 10_000], np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.4])
    for name in names:
        agent = make_agent(name)
        hard = [make("BernoulliBandit", arms=arms, gap=np.sqrt(arms / t)) for t in horizons]
        regret = [play(agent, task, t).regret[-1] for task, t in zip(hard, horizons, strict=True)]
        band(left, horizons, np.stack(regret), name)
        pairs = [make("BernoulliBandit", arms=2, gap=gap) for gap in gaps]
        regret = [play(agent, task, 3000).regret[-1] for task in pairs]
        band(right, gaps, np.stack(regret), name)
    order = np.sqrt(arms * np.array(horizons))
    left.plot(horizons, order, color="#737b89", **DASHED, label="sqrt(K T)")
    left.set(title="Ten arms, gap sqrt(K / T)", xlabel="horizon T", xscale="log", yscale="log")
    right.set(title="Two arms after 3,000 rounds", xlabel="gap", xscale="log")
    for axes in (left, right):
        axes.set_ylabel("regret")


def bayesian(left: Axes, right: Axes) -> None:
    """Problems drawn from a prior that the agents do or do not know."""
    drawn = partial(make, "BernoulliBandit", arms=10)
    race(left, "Chances drawn from [0, 1]", drawn, 3000, agents("thompson", "kl_ucb", "ucb1"))
    gaussian = partial(make, "GaussianBandit", arms=10)
    settings = {"ucb1": {"scale": 2.0}, "successive_elimination": {"scale": 2.0}}
    names = ("gaussian_thompson", "ucb1", "successive_elimination")
    race(right, "Means drawn from N(0, 1)", gaussian, 3000, agents(*names, **settings))


def lipschitz(left: Axes, right: Axes) -> None:
    """Arms on a line; and where they were played."""
    steep: dict[str, Any] = {"lipschitz": 5.0}
    wide = "textbook radius"
    narrow = {**steep, "scale": 0.25}
    players = {
        f"zooming, {wide}": make_agent("zooming", steep),
        f"mesh, {wide}": make_agent("fixed_discretisation", steep),
        "zooming, a quarter of it": make_agent("zooming", narrow),
        "mesh, a quarter of it": make_agent("fixed_discretisation", narrow),
    }
    race(left, "101 arms, slope 5", partial(make, "LipschitzBandit", **steep), 3000, players)
    for colour, (label, player) in zip(COLOURS[:2], players.items(), strict=False):
        task = make("LipschitzBandit", **steep, peak=0.4)
        plays = play(player, task, 3000).pulls.mean(axis=0)
        arm = np.flatnonzero(plays)
        right.plot(arm / 100, plays[arm], ".", color=colour, label=label)
    right.set(title="Where they play: peak at 0.4", xlabel="arm", yscale="log",
              ylabel="plays in 3,000 rounds")  # fmt: skip


def experts(left: Axes, right: Axes) -> None:
    """Full feedback: what every arm would have paid; and majority votes of experts."""
    walk = partial(make, "AdversarialBandit", kind="random_walk", horizon=3000)
    names = ("hedge", "follow_perturbed_leader", "exp3")
    race(left, "Ten drifting arms", walk, 3000, agents(*names))
    rounds, experts = 1000, 20
    random, at = np.random.default_rng(0), np.unique(np.linspace(1, rounds, POINTS).astype(int))
    outcome = random.integers(2, size=(rounds, RUNS))
    errs = random.random((rounds, RUNS, experts)) < np.linspace(0.1, 0.5, experts)
    for epsilon in (0.05, 0.3, 1.0):
        vote, wrong = WeightedMajority(RUNS, experts, epsilon), []
        for truth, errors in zip(outcome, errs, strict=True):
            advice = np.where(errors, 1 - truth[:, None], truth[:, None])
            wrong.append(vote.predict(advice) != truth)
            vote.learn(advice, truth)
        band(right, at, np.cumsum(wrong, axis=0)[at - 1], f"vote, epsilon {epsilon:g}")
    best = errs.cumsum(axis=0).min(axis=2)
    band(right, at, best[at - 1], "best expert", linestyle=DASHED["linestyle"], color="#737b89")
    right.set(title="20 experts, wrong in 10 to 50%", xlabel="rounds", ylabel="mistakes")


def adversarial(left: Axes, right: Axes) -> None:
    """Arms that change behind the player's back; and a class of policies to live up to."""
    flip = partial(make, "AdversarialBandit", arms=2, gap=0.6, switches=[0.4], horizon=3000)
    names = ("successive_elimination", "exp3", "ucb1")
    race(left, "The better of two arms changes once", flip, 3000, agents(*names))
    names = ("explore_first_policy", "exp4", "exp3")
    race(right, "16 policies advise", partial(make, "PolicyBandit"), 5000, agents(*names))


def linear(left: Axes, right: Axes) -> None:
    """Paths through a graph, told the losses of all edges or of those passed."""
    names = ("semi_bandit_hedge", "semi_bandit_ucb", "follow_perturbed_leader")
    for axes, kind in ((left, "stochastic"), (right, "adversarial")):
        task = partial(make, "RoutingBandit", kind=kind, horizon=3000)
        race(axes, f"27 paths, {kind} losses", task, 3000, agents(*names))


def contextual(left: Axes, right: Axes) -> None:
    """Pay linear in features; and pay that changes little between contexts that lie close."""
    names = ("ucb1", "linear_thompson", "lin_ucb")
    race(left, "Linear in five features", partial(make, "LinearBandit"), 2000, agents(*names))
    left.set(yscale="log", ylim=(0.5, 3000))
    cells = {"one cell": 1, "100 cells": 100, "as many as theory says": None}
    meshes = {name: make_agent("context_mesh", {"cells": cells[name]}) for name in cells}
    near = partial(make, "LipschitzContexts", lipschitz=4.0)
    race(right, "A context in [0, 1]", near, 10_000, meshes)


def games(left: Axes, right: Axes) -> None:
    """Two learners against each other: how far their average play is from an equilibrium."""
    players: dict[str, Callable[[], Player]] = {
        "Hedge": HedgePlayer,
        "regret matching": RegretMatching,
        "fictitious play": FictitiousPlay,
    }
    for axes, size in ((left, (4, 5)), (right, (30, 30))):
        payoff = np.random.default_rng(0).random((RUNS, *size))
        for label, player in players.items():
            history = play_game(payoff, player(), player(), rounds=4096, seed=0)
            band(axes, history.rounds, history.exploitability, label)
        axes.set(title=f"{size[0]} x {size[1]} random games", xlabel="rounds")
        axes.set(xscale="log", yscale="log", ylabel="exploitability")


def knapsack(left: Axes, right: Axes) -> None:
    """Budgets: earnings as a share of what the best mix of arms would earn."""
    both = {"kind": "given", "rewards": [1.0, 1.0], "consumption": [[1.0, 0.0], [0.0, 1.0]]}
    horizons = [250, 500, 1000, 2000, 4000, 8000]
    kinds: dict[str, tuple[Axes, int, dict[str, Any]]] = {
        "Ten prices, stock for a fifth of T": (left, 5, {"kind": "pricing"}),
        "Two arms, each using up its own": (right, 2, both),
    }
    for title, (axes, ratio, options) in kinds.items():
        players = {"ucb_bwk, scale 1": UcbBwK(), "ucb_bwk, scale 0.01": UcbBwK(scale=0.01),
                   "lagrange_bwk": LagrangeBwK()}  # fmt: skip
        for label, player in players.items():
            share = []
            for horizon in horizons:
                task = KnapsackBandit(60, budget=horizon // ratio, horizon=horizon,
                                      time_limit=None, **options)  # fmt: skip
                earned = play(player, task, horizon).reward[-1]
                share.append(earned / (horizon * task.value))
            band(axes, horizons, np.stack(share), label)
        mean, use = task.pay * task.chance[0], task.use[0].max(axis=1)
        alone = (mean * np.minimum(1.0, 1.0 / (ratio * use))).max() / task.value[0]
        axes.axhline(alone, color="#737b89", **DASHED, label="best single arm")
        axes.set(title=title, xlabel="horizon T", ylabel="share of the best mix's pay")
        axes.set(xscale="log", ylim=(0, 1.05))
        axes.set_xticks(horizons, [f"{horizon:,}" for horizon in horizons])
        axes.minorticks_off()


def incentives(left: Axes, right: Axes) -> None:
    """Advice that people follow only where it is in their interest."""
    rounds = np.unique(np.geomspace(3, 2000, 12).astype(int)).tolist()
    planners = agents("greedy", "hidden_exploration", "thompson")
    task = partial(make, "IncentiveBandit", 1000)
    race(left, "Two arms, prior means 2/3 and 1/2", task, 20_000, planners)
    for label, planner in planners.items():
        told = recommend(planner, IncentiveBandit(20_000, time_limit=None), 2000, rounds)
        gap = incentive_gap(told)
        at, worth, error = gap.rounds, gap.gap[:, 1, 0], 2.0 * gap.error[:, 1, 0]
        right.plot(at, worth, label=label, linewidth=1.8)
        right.fill_between(at, worth - error, worth + error, alpha=0.2, lw=0)
    right.axhline(0.0, color="#737b89", **DASHED)
    right.set(title="What following to arm 1 is worth", xlabel="round", ylabel="gain", xscale="log")


def tallying(left: Axes, right: Axes) -> None:
    """Arms that pay more when played again and again."""
    names = ("exp3", "ucb1", "tallying_elimination")
    race(left, "Five arms, memory 10", partial(make, "TallyingBandit"), 10_000, agents(*names))
    task = TallyingBandit(2000, time_limit=None)
    task.reset(seed=0)
    times = np.arange(1, 16)
    for label, arms in (("the best arm", task.best), ("another arm", (task.best + 1) % 5)):
        paid = np.stack([task.step(arms)[1] for _ in times])
        band(right, times, paid, label)
    right.set(title="Pay when played in a row", xlabel="times in a row", ylabel="pay")


def cascading(left: Axes, right: Axes) -> None:
    """Lists of items; and a process in which the clicked item decides where the user goes."""
    lists = partial(make, "CascadingBandit", items=20)
    race(left, "Lists of 3 of 20 items", lists, 5000, agents("cascade_ucb1", "cascade_kl_ucb"))
    model = CascadeModel.random(0, 5, 5, 3, 3, n=60)
    planners: dict[str, CascadeAgent] = {
        "cascading_vi": CascadingVI(0.05), "list_as_action_vi": ListAsActionVI(0.05)}  # fmt: skip
    at = np.unique(np.linspace(1, 3000, POINTS).astype(int))
    for label, planner in planners.items():
        regret = play_cascading(planner, model, 3000, range(60)).cumsum(axis=1)
        band(right, at, regret[:, at - 1].T, f"{label}, {regret[:, -1].mean():,.0f}")
    right.set(title="Random processes of 5 states", xlabel="episodes", ylabel="regret")


CHAPTERS: dict[str, Callable[[Axes, Axes], None]] = {
    draw.__name__: draw
    for draw in (stochastic, lower_bounds, bayesian, lipschitz, experts, adversarial, linear,
                 contextual, games, knapsack, incentives, tallying, cascading)
}  # fmt: skip


def main(chosen: Sequence[str]) -> None:
    """Draws the chosen chapters, or all."""
    plt.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "bandits", "font.size": 10,
                     "axes.prop_cycle": cycler(color=COLOURS)}  # fmt: skip
    folder = Path(__file__).parents[1] / "images" / "bandits"
    folder.mkdir(exist_ok=True)
    for name in chosen or CHAPTERS:
        figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.5), layout="constrained")
        CHAPTERS[name](left, right)
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(axis="y", alpha=0.3)
            axes.legend(frameon=False, fontsize=8)
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        plt.close(figure)
        print(name)


if __name__ == "__main__":
    main(sys.argv[1:])
