"""Equivalences that every component must satisfy, whatever it computes."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from itertools import pairwise

import numpy as np
import pytest
import yaml
from equivalence import (
    as_design,
    components,
    episodes,
    mixed,
    pay,
    ready,
    row,
    stream,
    without,
)
from numpy.testing import assert_allclose, assert_array_equal

import rewardsmith.rewards
from rewardsmith.rewards.config import build_design, to_config
from rewardsmith.rewards.design import RewardDesign
from rewardsmith.rewards.transition import Transition

COMPONENTS = components()
N, STEPS = 8, 40

every_component = pytest.mark.parametrize("name", COMPONENTS)
row_independent = pytest.mark.parametrize(
    "name", [name for name, part in COMPONENTS.items() if part.row_independent]
)


def design_of(name: str, row: int = 0) -> RewardDesign:
    """Returns a fresh design around a component, seeded for the given row."""
    component = copy.deepcopy(COMPONENTS[name])
    if hasattr(component, "seed"):
        component.seed += row
    return as_design(component)


def test_every_kind_of_component_is_enrolled() -> None:
    bases = {base.__name__ for part in COMPONENTS.values() for base in type(part).__mro__}
    assert {"Term", "Combiner", "Transform", "Potential", "DynamicPotential"} <= bases
    public = {name.partition("-")[0] for name in COMPONENTS}
    assert public <= set(rewardsmith.rewards.__all__)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_stream_has_ends_of_both_kinds_and_joins_its_steps(seed: int) -> None:
    transitions = stream(N, STEPS, seed)
    assert any(t.terminated.any() for t in transitions)
    assert any(t.truncated.any() for t in transitions)
    for now, following in pairwise(transitions):
        going = ~now.done
        assert_array_equal(now.next_observation[going], following.observation[going])
        assert (now.next_observation[~going] != following.observation[~going]).all()


@row_independent
def test_a_batch_of_eight_pays_as_eight_batches_of_one(name: str) -> None:
    transitions = stream(N, STEPS)
    batched = pay(ready(design_of(name), N), transitions)
    assert np.ptp(batched) > 0 or name == "TimeCost"
    for i in range(N):
        alone = pay(ready(design_of(name, row=i), 1), [row(t, i) for t in transitions])
        assert_allclose(alone[:, 0], batched[:, i], rtol=1e-12, atol=1e-12)


@every_component
def test_resumed_is_uninterrupted(name: str) -> None:
    transitions = stream(N, STEPS)
    whole = pay(ready(design_of(name), N), transitions)
    first, middle = ready(design_of(name), N), STEPS // 2
    pay(first, transitions[:middle])
    saved = pickle.dumps(first.state_dict())
    pay(first, transitions[middle:])  # a saved state must not change afterwards
    for rows in (N, 1):
        second = ready(design_of(name), rows)
        second.load_state_dict(pickle.loads(saved))
        assert_array_equal(pay(second, transitions[middle:]), whole[middle:])


@every_component
def test_a_design_read_from_yaml_pays_the_same(name: str) -> None:
    transitions = stream(N, STEPS)
    written = yaml.safe_dump(to_config(design_of(name)), sort_keys=False)
    read = build_design(yaml.safe_load(written))
    assert to_config(read) == yaml.safe_load(written)
    whole = pay(ready(design_of(name), N), transitions)
    assert_array_equal(pay(ready(read, N), transitions), whole)


@every_component
def test_placed_pay_sums_to_the_pay_online(name: str) -> None:
    """Discounted by the component's own gamma: late pay is divided by it."""
    online, placed = ready(design_of(name), 1), ready(design_of(name), 1)
    gamma = getattr(COMPONENTS[name], "gamma", 1.0)
    for episode in episodes(stream(1, 6 * STEPS)):
        discounts = gamma ** np.arange(len(episode))
        assert_allclose(
            discounts @ placed.place(episode), discounts @ pay(online, episode)[:, 0], atol=1e-12
        )


@every_component
def test_steps_in_which_no_row_is_active_change_nothing(name: str) -> None:
    transitions, junk = stream(N, STEPS), stream(N, STEPS, seed=7)
    nobody = np.zeros(N, dtype=np.bool_)
    design = ready(design_of(name), N)
    whole = pay(ready(design_of(name), N), transitions)
    for t, (transition, idle) in enumerate(zip(transitions, junk, strict=True)):
        assert_array_equal(design(without(idle, nobody)), 0.0)
        assert_array_equal(pay(design, [transition])[0], whole[t])


@row_independent
def test_rows_take_turns_as_if_all_moved_at_once(name: str) -> None:
    transitions, junk = stream(N, STEPS), stream(N, STEPS, seed=7)
    even = np.arange(N) % 2 == 0
    design = ready(design_of(name), N)
    whole = pay(ready(design_of(name), N), transitions)
    for t, (transition, idle) in enumerate(zip(transitions, junk, strict=True)):
        for moving in (even, ~even):
            step = mixed(transition, idle, moving)
            assert_allclose(pay(design, [step])[0], np.where(moving, whole[t], 0.0), atol=1e-12)


@every_component
def test_running_changes_no_parameter(name: str) -> None:
    design = design_of(name)
    before = to_config(design)
    pay(ready(design, N), stream(N, 5))
    assert to_config(design) == before


def test_a_component_with_an_unknown_required_parameter_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @dataclasses.dataclass
    class Novelty(rewardsmith.rewards.Term):
        brightness: float

        def __call__(self, transition: Transition) -> np.ndarray:
            return np.full(transition.n, self.brightness)

    package = rewardsmith.rewards.shaping
    monkeypatch.setattr(package, "Novelty", Novelty, raising=False)
    monkeypatch.setattr(package, "__all__", [*package.__all__, "Novelty"])
    with pytest.raises(LookupError, match="Novelty needs 'brightness': add an example value"):
        components()
