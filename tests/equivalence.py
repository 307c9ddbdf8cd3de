"""Every public component, enrolled by itself, and a synthetic stream to run it on.

`components()` walks the `__all__` of the reward packages and builds examples of every
class it finds from the class's own signature and the table `VALUES`. A new component is
tested for the equivalences of `test_equivalence.py` without a line being written, unless
it has a required parameter that the table does not know yet.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

import rewardsmith.rewards.combine
import rewardsmith.rewards.shaping
import rewardsmith.rewards.transform
from rewardsmith.envs import EnvCard, Field
from rewardsmith.envs.stateful import BoolArray, FloatArray
from rewardsmith.rewards.combine import WeightedSum
from rewardsmith.rewards.component import Combiner, Component, Term, Transform
from rewardsmith.rewards.design import RewardDesign
from rewardsmith.rewards.shaping import (
    DynamicPotential,
    FieldReward,
    Potential,
    PotentialShaping,
    TaskReward,
)
from rewardsmith.rewards.transition import State, Transition, put, take

PACKAGES = (
    rewardsmith.rewards.shaping,
    rewardsmith.rewards.combine,
    rewardsmith.rewards.transform,
)

CARD = EnvCard(
    id="Synthetic-v0",
    goal="None: a random stream.",
    observation=(
        Field("position", "where the agent is", (0, 2)),
        Field("target", "where it should be", (2, 4)),
        Field("key", "where the key is", (4, 6)),
        Field("height", "a single number", (6, 7)),
    ),
    facts=(
        Field("has_key", "0/1"),
        Field("success", "0/1"),
        Field("judge", "a score in [0, 1]", low=0, high=1),
        Field("references", "scores of three reference responses"),
    ),
)


def height(state: State) -> FloatArray:
    """A potential that can be named in YAML."""
    return np.asarray(state.observation[:, 6] / 2)


def push(state: State, action: FloatArray) -> FloatArray:
    """An action potential that can be named in YAML."""
    return np.asarray(state.observation[:, 6] * action[:, 0])


VALUES: dict[str, Any] = {
    "field": "position",
    "target": "target",
    "position": "position",
    "stages": [{"target": "key", "done": "has_key"}, {"target": "target"}],
    "potential": height,
    "LookBackAdvice.potential": push,
    "LookAheadAdvice.potential": push,
    "levels": [["task"], ["judge"], ["height"]],
    "thresholds": [0.4, 2.0],
    "references": {"task": 0.2, "judge": "judge", "height": -0.3},
    "reference": "references",
    "AdaptiveWeights.logits": {"task": [0.2, -0.5], "judge": [0.0, 0.3], "height": [-0.1, 0.1]},
    "AdaptiveWeights.field": "position",
    "HarmonicEngagement.ctr": "judge",
    "HarmonicEngagement.cvr": "success",
    "MultiHorizonReward.hits": "references",
    "MultiHorizonReward.horizon": 2,
    "PrefixSemanticReward.match": "success",
    "PrefixSemanticReward.cosine": "judge",
    "PrefixSemanticReward.level": "has_key",
    "ConcisenessBonus.outcome": "task",
    "ConcisenessBonus.conciseness": "judge",
    "RelevanceFirstSum.ctr": "task",
    "RelevanceFirstSum.cvr": "judge",
    "RelevanceFirstSum.relevance": "height",
    "horizon": 15,
    "probability": 0.4,
    "offset": 0.3,
    "high": 0.6,
    "gamma": 0.9,
}
"""Example values by parameter, or by `Class.parameter` where the meaning differs."""


def components() -> dict[str, Component]:
    """Returns examples of every public component by name: one for every literal option."""
    found: dict[str, Component] = {}
    for package in PACKAGES:
        for name in package.__all__:
            cls = getattr(package, name)
            if inspect.isclass(cls) and issubclass(cls, Component) and not _abstract(cls):
                for option, parameters in _examples(cls):
                    found[name + option] = cls(**parameters)
    return found


def as_design(component: Component) -> RewardDesign:
    """Returns a design in which the component decides the pay."""
    if isinstance(component, Potential | DynamicPotential):
        return RewardDesign({"shaping": PotentialShaping(component, gamma=0.9)})
    if isinstance(component, Term):
        return RewardDesign({"term": component})
    terms = {"task": TaskReward(), "judge": FieldReward("judge"), "height": FieldReward("height")}
    if isinstance(component, Combiner):
        named = [v for v in vars(component).values() if isinstance(v, str) and v in terms]
        return RewardDesign({name: terms[name] for name in named or terms}, combine=component)
    assert isinstance(component, Transform)
    return RewardDesign(terms, WeightedSum({"task": 0.3}), transforms=[component])


def stream(n: int, steps: int, seed: int = 0) -> list[Transition]:
    """Makes random transitions of `n` rows, with ends of both kinds, reset in the same step."""
    rng = np.random.default_rng(seed)
    transitions = []
    before = _state(n, rng)
    for _ in range(steps):
        after = _state(n, rng)
        terminated = rng.random(n) < 0.15
        truncated = (rng.random(n) < 0.15) & ~terminated
        transitions.append(
            Transition(
                before.observation,
                rng.standard_normal((n, 2)),
                after.observation,
                rng.standard_normal(n),
                terminated,
                truncated,
                after.info,
                before.info,
            )
        )
        done, start = terminated | truncated, _state(n, rng)
        before = State(
            np.where(done[:, None], start.observation, after.observation),
            {
                key: np.where(done if old.ndim == 1 else done[:, None], start.info[key], old)
                for key, old in after.info.items()
            },
            n,
        )
    return transitions


def pay(design: RewardDesign, transitions: list[Transition]) -> FloatArray:
    """Pays a stream, resetting the design where episodes end; returns shape (T, n)."""
    paid = []
    for transition in transitions:
        paid.append(design(transition))
        if transition.done.any():
            design.reset(transition.done)
    return np.array(paid)


def ready(design: RewardDesign, n: int) -> RewardDesign:
    """Binds a design to the synthetic task and starts `n` rows."""
    design.bind(CARD)
    design.reset(np.ones(n, dtype=np.bool_))
    return design


def row(transition: Transition, i: int) -> Transition:
    """Returns row `i` alone."""
    rows = np.array([i])
    return dataclasses.replace(
        transition,
        **{f.name: take(getattr(transition, f.name), rows) for f in _fields(transition)},
    )


def without(transition: Transition, active: BoolArray) -> Transition:
    """Returns the transition with only the rows in `active` taking part."""
    return dataclasses.replace(
        transition,
        active=active,
        terminated=transition.terminated & active,
        truncated=transition.truncated & active,
    )


def mixed(transition: Transition, idle: Transition, moving: BoolArray) -> Transition:
    """Returns `transition` in the moving rows, and a step of no meaning in the others."""
    rows = np.flatnonzero(~moving)
    changed = {
        name: put(getattr(transition, name), rows, take(getattr(idle, name), rows))
        for name in ("observation", "action", "next_observation", "reward", "info", "previous_info")
    }
    return without(dataclasses.replace(transition, **changed), moving)


def episodes(transitions: list[Transition]) -> Iterator[list[Transition]]:
    """Cuts a stream of one row into its finished episodes."""
    episode: list[Transition] = []
    for transition in transitions:
        episode.append(transition)
        if transition.done[0]:
            yield episode
            episode = []


def _fields(transition: Transition) -> list[dataclasses.Field[Any]]:
    return [f for f in dataclasses.fields(transition) if f.init]


def _state(n: int, rng: np.random.Generator) -> State:
    info = {
        "has_key": rng.random(n) < 0.5,
        "success": rng.random(n) < 0.2,
        "judge": rng.random(n),
        "references": rng.random((n, 3)),
    }
    return State(rng.standard_normal((n, 7)), info, n)


def _abstract(cls: type[Component]) -> bool:
    return getattr(cls.__call__, "__isabstractmethod__", False)


def _examples(cls: type[Component]) -> list[tuple[str, dict[str, Any]]]:
    """Returns labels and keyword arguments for the class, one for every literal option."""
    given: dict[str, Any] = {}
    options: list[tuple[str, Any]] = []
    hints = get_type_hints(cls)
    for name, parameter in inspect.signature(cls).parameters.items():
        key = f"{cls.__name__}.{name}"
        if get_origin(hints[name]) is Literal:
            options += [(name, option) for option in get_args(hints[name])]
        elif key in VALUES or name in VALUES:
            given[name] = VALUES.get(key, VALUES.get(name))
        elif parameter.default is parameter.empty:
            raise LookupError(
                f"{cls.__name__} needs {name!r}: add an example value to equivalence.VALUES, "
                "so that the new component is tested with all others"
            )
    if not options:
        return [("", given)]
    return [(f"-{option}", given | {name: option}) for name, option in options]
