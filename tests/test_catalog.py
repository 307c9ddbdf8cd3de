"""Every row of the catalogue names a component that exists and cites its source."""

from __future__ import annotations

import importlib
import importlib.resources
import inspect

import pytest
import yaml

from rewardsmith.agents.bandits.agent import BanditAgent
from rewardsmith.agents.bandits.cascading import CascadeAgent
from rewardsmith.agents.llm.samplers import Prompts
from rewardsmith.llm_reward_design.designers import Designer
from rewardsmith.rewards import Combiner, Term, Transform
from rewardsmith.rewards.credit import Advantage, GroupReward
from rewardsmith.rewards.shaping import DynamicPotential, Potential
from rewardsmith.rewards.verify import Verifier

KINDS: dict[str, tuple[type, ...]] = {
    "Term": (Term,),
    "Potential": (Potential, DynamicPotential),
    "Combiner": (Combiner,),
    "Transform": (Transform,),
    "Verifier": (Verifier,),
    "GroupReward": (GroupReward,),
    "Advantage": (Advantage,),
    "Sampler": (Prompts,),
    "Agent": (BanditAgent, CascadeAgent),
    "Designer": (Designer,),
}

catalog = importlib.resources.files("rewardsmith.rewards") / "catalog.yaml"
ROWS: list[dict[str, str]] = yaml.safe_load(catalog.read_text())


def test_rows_have_the_same_columns_and_slugs_of_their_own() -> None:
    assert {tuple(row) for row in ROWS} == {("slug", "title", "source", "component", "kind")}
    slugs = [row["slug"] for row in ROWS]
    assert len(set(slugs)) == len(slugs)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["slug"])
def test_a_row_names_a_public_component_that_cites_it(row: dict[str, str]) -> None:
    module, _, name = row["component"].rpartition(".")
    component = getattr(importlib.import_module(module), name)
    assert issubclass(component, KINDS[row["kind"]])
    assert row["kind"] in ("Agent", "Sampler") or name in importlib.import_module(module).__all__
    docstring = " ".join(str(inspect.getdoc(component)).split())
    assert row["source"] in docstring, f"{name}'s docstring does not cite {row['source']}"
