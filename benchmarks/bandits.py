"""R6: our bandit agents, many runs side by side, against libraries that play one at a time."""

from __future__ import annotations

import contextlib
import io
import math
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

import numpy as np
import scipy.special
from protocol import Contest, Outcome, Race, Side, Skipped, Target

from rewardsmith.agents.bandits import make_agent
from rewardsmith.agents.bandits.play import play
from rewardsmith.envs.bandits.bernoulli import BernoulliBandit

CHANCES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8)
RUNS, ROUNDS = 200, 100
QUICK_RUNS, QUICK_ROUNDS = 60, 30
REGRET_TOLERANCE = 0.25
INSTALL = "`make benchmarks` installs the peers"

ALGORITHMS: dict[str, dict[str, Any]] = {"ucb1": {"anytime": True}, "thompson": {}, "kl_ucb": {}}


class Policy(Protocol):
    """One run of a peer's algorithm."""

    def choose(self) -> int:
        """Returns the arm to play."""

    def learn(self, arm: int, reward: float) -> None:
        """Takes what it paid."""


class PlainUCB1:
    """UCB1 as fast as one writes it for a single run: Python lists, no numpy."""

    def __init__(self) -> None:
        self.pulls, self.total = [0] * len(CHANCES), [0.0] * len(CHANCES)
        self.round = 0

    def choose(self) -> int:
        if self.round < len(CHANCES):
            return self.round
        width = 2.0 * math.log(self.round + 1)
        index = [
            total / pulls + math.sqrt(width / pulls)
            for total, pulls in zip(self.total, self.pulls, strict=True)
        ]
        return index.index(max(index))

    def learn(self, arm: int, reward: float) -> None:
        self.pulls[arm] += 1
        self.total[arm] += reward
        self.round += 1


class SMPyBanditsPolicy:
    """A policy of SMPyBandits."""

    def __init__(self, kind: Callable[[int], Any]) -> None:
        policy = kind(len(CHANCES))
        policy.startGame()
        self.choose: Callable[[], int] = policy.choice
        self.learn: Callable[[int, float], None] = policy.getReward


class MABWiserPolicy:
    """A policy of MABWiser, which must have seen every arm before it predicts."""

    def __init__(self, kind: Callable[[], Any]) -> None:
        self.kind, self.seen = kind, list[tuple[int, float]]()
        self.policy: Any = None

    def choose(self) -> int:
        return len(self.seen) if self.policy is None else self.policy.predict()

    def learn(self, arm: int, reward: float) -> None:
        if self.policy is not None:
            self.policy.partial_fit([arm], [reward])
            return
        self.seen.append((arm, reward))
        if len(self.seen) == len(CHANCES):
            self.policy = self.kind()
            arms, rewards = zip(*self.seen, strict=True)
            self.policy.fit(list(arms), list(rewards))


def ours(names: tuple[str, ...], runs: int, rounds: int) -> Outcome:
    """Plays our agents; returns the pulls and the mean regret of all."""
    regret = 0.0
    for name in names:
        env = BernoulliBandit(runs, probabilities=CHANCES, time_limit=None)
        history = play(make_agent(name, ALGORITHMS[name]), env, rounds)
        regret += float(history.regret[-1].mean())
    return {"pulls": runs * rounds * len(names), "regret": regret}


def theirs(makers: list[Callable[[], Policy]], runs: int, rounds: int) -> Outcome:
    """Plays a peer's policies, run after run; returns the pulls and the mean regret of all."""
    random, best, pulls, regret = np.random.default_rng(0), max(CHANCES), 0, 0.0
    for make in makers:
        for _ in range(runs):
            policy, draws = make(), random.random(rounds).tolist()
            for draw in draws:
                arm = policy.choose()
                policy.learn(arm, float(draw < CHANCES[arm]))
                regret += best - CHANCES[arm]
            pulls += rounds
    return {"pulls": pulls, "regret": regret / runs}


def rewards_alone(algorithms: int, runs: int, rounds: int) -> None:
    """Steps our environments as `ours` does, without agents."""
    for _ in range(algorithms):
        env = BernoulliBandit(runs, probabilities=CHANCES, time_limit=None)
        env.reset(seed=0)
        arms = np.arange(runs) % len(CHANCES)
        for _ in range(rounds):
            env.step(arms)


def draws_alone(algorithms: int, runs: int, rounds: int) -> None:
    """Draws rewards and adds up regret as `theirs` does, without policies."""
    random, best, regret = np.random.default_rng(0), max(CHANCES), 0.0
    for _ in range(algorithms * runs):
        for round_, draw in enumerate(random.random(rounds).tolist()):
            chance = CHANCES[round_ % len(CHANCES)]
            regret += best - chance + 0.0 * float(draw < chance)


def plain() -> list[Callable[[], Policy]]:
    """Returns the maker of UCB1 in plain Python."""
    return [PlainUCB1]


def smpybandits() -> list[Callable[[], Policy]]:
    """Returns the makers of UCB1, Thompson sampling and KL-UCB of SMPyBandits."""
    # Removed from SciPy in 1.14; the quantile it gave is not used by any of these policies.
    if not hasattr(scipy.special, "btdtri"):
        scipy.special.btdtri = scipy.special.betaincinv
    from SMPyBandits.Policies import UCB, Thompson, klUCB

    return [partial(SMPyBanditsPolicy, kind) for kind in (UCB, Thompson, klUCB)]


def mabwiser() -> list[Callable[[], Policy]]:
    """Returns the makers of UCB1 and Thompson sampling of MABWiser."""
    from mabwiser.mab import MAB, LearningPolicy

    seeds = iter(range(sys.maxsize))

    def maker(policy: Any) -> Any:
        return MAB(list(range(len(CHANCES))), policy, seed=next(seeds))

    kinds = (LearningPolicy.UCB1(alpha=1.0), LearningPolicy.ThompsonSampling())
    return [partial(MABWiserPolicy, partial(maker, kind)) for kind in kinds]


def contests(quick: bool) -> Iterator[Contest | Skipped]:
    size = (QUICK_RUNS, QUICK_ROUNDS) if quick else (RUNS, ROUNDS)
    for peer, load, names, bound in (
        ("a loop in plain Python", plain, ("ucb1",), 10.0),
        ("SMPyBandits", smpybandits, ("ucb1", "thompson", "kl_ucb"), 50.0),
        ("MABWiser", mabwiser, ("ucb1", "thompson"), 300.0),
    ):
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                makers = load()
        except ImportError as error:
            yield Skipped(f"{peer} cannot be imported ({error}); {INSTALL}")
            continue
        yield Contest(
            f"{', '.join(names)} against {peer}",
            Side(partial(ours, names, *size), partial(rewards_alone, len(names), *size)),
            Side(partial(theirs, makers, *size), partial(draws_alone, len(names), *size)),
            Target("faster", bound),
            rtol=REGRET_TOLERANCE,
        )


RACE = Race(
    key="R6",
    title="Bandit agents",
    about=(
        f"{RUNS} runs of {ROUNDS} pulls on {len(CHANCES)} Bernoulli arms with each of the "
        "algorithms named: all runs side by side here, one after the other in plain Python, in "
        "[SMPyBandits](https://github.com/SMPyBandits/SMPyBandits) (which needs `btdtri`, gone "
        "from SciPy, put back; its KL-UCB, most of its time, would gain from numba) "
        "and in [MABWiser](https://github.com/fidelity/mabwiser) (which "
        "has no KL-UCB). The time that drawing the rewards takes is taken off on both sides. "
        "Equal work is equal pulls; the mean regrets must agree to "
        f"{REGRET_TOLERANCE:.0%}, for each draws at random in its own way."
    ),
    contests=contests,
)
