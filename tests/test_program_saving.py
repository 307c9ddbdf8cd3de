"""Programs as YAML files: readable, accepted by `reward=`, and read back as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardsmith.agents.configs import compose
from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.program import Provenance, RewardProgram
from rewardsmith.llm_reward_design.saving import load_program, save_program
from rewardsmith.llm_reward_design.term import ProgramReward
from rewardsmith.rewards import RewardDesign, TaskReward
from rewardsmith.rewards.config import build_design, load_design, save_design

SOURCE = '''\
def compute_reward(position):
    """Near: "1" — not ${env.name}, 'x': # y."""

    return -position, {"near": -position}
'''
PROVENANCE = Provenance("eureka", "gpt at home", "ab12", ("p1", "p2"), round=3, sample=7)
PROGRAM = RewardProgram(SOURCE, PROVENANCE)


def test_a_file_is_read_back_as_it_was(tmp_path: Path) -> None:
    save_program(PROGRAM, tmp_path / "best.yaml")
    assert load_program(tmp_path / "best.yaml") == PROGRAM


def test_people_can_read_the_source_in_it(tmp_path: Path) -> None:
    save_program(PROGRAM, tmp_path / "best.yaml")
    text = (tmp_path / "best.yaml").read_text(encoding="utf-8")
    assert "source: |\n" in text
    for line in SOURCE.splitlines():
        assert f"{' ' * 6 if line else ''}{line}\n" in text
    assert "writer: gpt at home\n" in text


def test_the_program_runs_jailed_where_it_is_trained_on(tmp_path: Path) -> None:
    save_program(PROGRAM, tmp_path / "best.yaml")
    config = compose(["env=key_door", f"reward={tmp_path / 'best.yaml'}"])
    term = build_design(config["reward"]).terms["program"]
    assert isinstance(term, ProgramReward)
    assert term.tier == "locked"
    assert term.program == PROGRAM


characters = st.characters(exclude_categories=["Cs"], exclude_characters="\r\0")


@settings(max_examples=100)
@given(st.text(characters, max_size=60))
def test_any_text_in_a_program_survives(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    source = f"TEXT = {text!r}\n# {text.splitlines()[0] if text.strip() else ''}\n{SOURCE}"
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    save_program(RewardProgram(source, PROVENANCE), path)
    assert load_program(path).source == source


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"task": TaskReward()}, "holds 0 reward programs; expected exactly one"),
        ({"a": ProgramReward(SOURCE), "b": ProgramReward(SOURCE)}, "holds 2 reward programs"),
    ],
)
def test_another_design_is_no_program(
    tmp_path: Path, terms: dict[str, TaskReward | ProgramReward], message: str
) -> None:
    save_design(RewardDesign(terms), tmp_path / "other.yaml")
    assert isinstance(load_design(tmp_path / "other.yaml"), RewardDesign)
    with pytest.raises(ConfigError, match=message):
        load_program(tmp_path / "other.yaml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the design .*nothing\.yaml"):
        load_program(tmp_path / "nothing.yaml")
