"""R3: a design against the same reward fused by hand, and against scalar wrappers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from formula import TERMS, Fused, FusedReward, design, scalar_design
from gymnasium.vector import SyncVectorEnv
from protocol import Contest, Outcome, Race, Side, Skipped, Target
from tape import CARD, ScalarTape, Tape, VectorTape, transitions

import rewardsmith.rewards as rw

FUSED_TARGETS = {64: 1.3, 1024: 1.15}
SCALAR_TARGET = 10.0


def contests(quick: bool) -> Iterator[Contest | Skipped]:
    for n, bound in {3: 1.3}.items() if quick else FUSED_TARGETS.items():
        tape, target = Tape(n, 40 if quick else 400), Target("cost", bound)
        yield Contest(
            f"the formula, fused by hand, {n:,} envs",
            _formula(tape),
            _fused_formula(tape),
            target,
            rtol=1e-9,
        )
        yield Contest(
            f"its vector wrapper, fused by hand, {n:,} envs",
            _player(rw.VectorRewardWrapper(VectorTape(tape), design()), tape, TERMS),
            _player(FusedReward(VectorTape(tape)), tape, TERMS),
            target,
            rtol=1e-9,
        )
    for n in (3,) if quick else tuple(FUSED_TARGETS):
        tape = Tape(n, 40 if quick else max(16, 4096 // n))
        loop, bare = (
            SyncVectorEnv([partial(make, tape, row) for row in range(n)])
            for make in (scalar_design, ScalarTape)
        )
        yield Contest(
            f"scalar wrappers in a loop, {n:,} envs",
            _player(rw.VectorRewardWrapper(VectorTape(tape), design()), tape),
            _player(loop, tape, bare=bare),
            Target("faster", SCALAR_TARGET),
            rtol=1e-6,
        )


def _formula(tape: Tape) -> Side:
    steps, paid = transitions(tape), design()
    paid.bind(CARD)
    paid.reset(np.ones(tape.n, dtype=np.bool_))

    def pay(step: rw.Transition) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        payment = paid.pay(step)
        if not step.active.all():
            paid.reset(~step.active)
        return payment.total, payment.parts

    return _payer(pay, steps)


def _fused_formula(tape: Tape) -> Side:
    fused = Fused(tape.n)
    fused.begin(tape.observation[0])
    return _payer(
        lambda step: fused.pay(
            step.action,
            step.next_observation,
            step.reward,
            step.terminated,
            step.truncated,
            step.info,
        ),
        transitions(tape),
    )


def _payer(pay: Callable[[rw.Transition], Any], steps: list[rw.Transition]) -> Side:
    pay(steps[-1])  # the ring is entered where every episode ends

    def run() -> Outcome:
        total = []
        for step in steps:
            paid, terms = pay(step)
            total.append(paid)
        return {"pay": total, **{name: terms[name] for name in TERMS}}

    return Side(run)


def _player(env: Any, tape: Tape, terms: tuple[str, ...] = (), bare: Any = None) -> Side:
    """Plays the tape once; what the environment without a reward takes is taken off.

    Hands back the pay of every step and the given terms of the last.
    """
    bare = VectorTape(tape) if bare is None else bare
    env.reset()
    bare.reset()

    def run() -> Outcome:
        total = []
        for action in tape.action:
            _, paid, _, _, info = env.step(action)
            total.append(paid)
        return {"pay": total, **{name: info["reward_terms"][name] for name in terms}}

    def without() -> None:
        for action in tape.action:
            bare.step(action)

    return Side(run, without)


RACE = Race(
    "R3",
    "Reward designs",
    """\
What a design of six terms, potential shaping and a gate adds to a step, the value of every term
kept, on a task that only replays recorded steps. First against the same formula fused by hand
in numpy for this one task, without checks: the formula alone, given the same steps, and as a
vector wrapper that puts every term into `info`; the number is our time over theirs. Then against
one scalar `gym.Wrapper` per term in a `SyncVectorEnv`; the number is their time over ours. The
pay of every step is equal, and so are the terms.""",
    contests,
)
