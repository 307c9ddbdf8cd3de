"""Designs as YAML: the form, the files, and an error for everything that can be miswritten."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from equivalence import height

from rewardsmith.envs import ConfigError
from rewardsmith.envs.stateful import FloatArray
from rewardsmith.rewards import (
    Clip,
    Distance,
    Function,
    Gate,
    PotentialShaping,
    RewardDesign,
    TaskReward,
    Term,
    TimeCost,
    Transition,
    WeightedSum,
    build,
    build_design,
    load_design,
    save_design,
    to_config,
)

SHAPING = "rewardsmith.rewards.shaping"


def twice(transition: Transition) -> FloatArray:
    return 2 * transition.reward


def test_the_written_form() -> None:
    design = RewardDesign(
        {"near": Distance("at", "goal", scale=2.0), "twice": twice, "time": TimeCost()},
        combine=WeightedSum({"near": np.float64(0.5)}),
        transforms=[Clip(low=-1.0)],
    )
    assert to_config(design) == {
        "_target_": "rewardsmith.rewards.RewardDesign",
        "terms": {
            "near": {
                "_target_": "rewardsmith.rewards.Distance",
                "field": "at",
                "target": "goal",
                "scale": 2.0,
            },
            "twice": {"_function_": "test_config:twice"},
            "time": {"_target_": "rewardsmith.rewards.TimeCost"},
        },
        "combine": {"_target_": "rewardsmith.rewards.WeightedSum", "weights": {"near": 0.5}},
        "transforms": [{"_target_": "rewardsmith.rewards.Clip", "low": -1.0}],
    }


def test_a_written_design_is_read_back_equal(tmp_path: Path) -> None:
    gate = Gate([["task"], ["near", "phi"]], [-np.inf])
    design = RewardDesign(
        {"task": TaskReward(), "near": Distance("at"), "phi": PotentialShaping(height, 0.5)}, gate
    )
    save_design(design, tmp_path / "design.yaml")
    read = load_design(tmp_path / "design.yaml")
    assert read == design
    assert list(read.terms) == list(design.terms), "the order of the terms is kept"


def test_a_lone_term_becomes_a_design() -> None:
    assert build_design({"_target_": f"{SHAPING}.TimeCost", "cost": 2.0}) == RewardDesign(
        {"TimeCost": TimeCost(2.0)}
    )
    design = build_design({"_function_": "test_config:twice"})
    assert list(design.terms.values()) == [Function(twice)]


# ---- Errors ------------------------------------------------------------------------


class Plain(Term):
    """A term that is no dataclass."""

    def __call__(self, transition: Transition) -> FloatArray:
        return transition.reward


@dataclass
class Holder(Term):
    """A term with a parameter that has no plain form."""

    thing: Any

    def __call__(self, transition: Transition) -> FloatArray:
        return transition.reward


def local_function() -> Any:
    def inner(transition: Transition) -> FloatArray:
        return transition.reward

    return inner


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (RewardDesign({"a": lambda t: t.reward}), "cannot be saved: only a function defined at"),
        (RewardDesign({"a": local_function()}), "cannot be saved: only a function defined at"),
        (RewardDesign({"a": Plain()}), "Plain is not a dataclass.*decorate it with @dataclass"),
        (Holder(object()), "of type object has no plain form"),
    ],
)
def test_what_cannot_be_written(value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        to_config(value)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"_target_": f"{SHAPING}.Distnce"}, "unknown name 'Distnce'.*did you mean 'Distance'"),
        ({"_target_": "rewardsmith.rewrds.Distance"}, "cannot import 'rewardsmith.rewrds'"),
        ({"_target_": "Distance"}, "expected a dotted path.*got 'Distance'"),
        (
            {"_target_": f"{SHAPING}.Distance", "feild": "at"},
            r"unknown parameter 'feild' in thing \(Distance\); did you mean 'field'",
        ),
        ({"_target_": f"{SHAPING}.Distance"}, r"thing \(Distance\) needs the parameter 'field'"),
        (
            {"terms": [{"_target_": f"{SHAPING}.Distance", "field": "at", "scale": -1.0}]},
            r"thing.terms\[0\] \(Distance\): scale is a length and must be positive, got -1.0",
        ),
        ({"_function_": "test_config.twice"}, "expected 'module:name', got 'test_config.twice'"),
        ({"_function_": "test_config:thrice"}, "unknown name 'thrice'.*did you mean 'twice'"),
        ({"_function_": "no_such_module:f"}, "cannot import 'no_such_module'"),
    ],
)
def test_what_cannot_be_built(config: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(config, "thing")


@pytest.mark.parametrize("config", [None, 3, "distance", [], {"terms": {}}])
def test_what_is_no_design(config: Any) -> None:
    with pytest.raises(ConfigError, match="reward: expected a mapping with _target_ and terms"):
        build_design(config)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the design '.*none.yaml': No such file"):
        load_design(tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("terms: [")
    with pytest.raises(ConfigError, match="is not valid YAML"):
        load_design(broken)
    broken.write_text(yaml.safe_dump({"terms": {}}))
    with pytest.raises(ConfigError, match="expected a mapping with _target_"):
        load_design(broken)
