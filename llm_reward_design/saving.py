"""A reward program as a file: a design in YAML that people read and `reward=` takes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from rewardsmith.envs.errors import ConfigError
from rewardsmith.llm_reward_design.program import RewardProgram
from rewardsmith.llm_reward_design.term import DEFAULT_TIER, ProgramReward
from rewardsmith.rewards.config import load_design, to_config
from rewardsmith.rewards.design import RewardDesign

TERM = "program"
"""What the program's term is called in its design."""


def save_program(program: RewardProgram, path: str | Path, *, tier: str = DEFAULT_TIER) -> None:
    """Writes a program to a YAML file, its source as a block of plain lines.

    `reward=path` trains on it; there it runs in the jail, as everywhere.

    Args:
        program: What to write.
        path: Where to.
        tier: The tier of the jail it is to run in.

    Example:
        >>> import tempfile
        >>> from rewardsmith.llm_reward_design.program import Provenance
        >>> program = RewardProgram('''def compute_reward(height):
        ...     return height, {"height": height}
        ... ''', Provenance("by hand", "a person"))
        >>> file = Path(tempfile.mkdtemp(), "best.yaml")
        >>> save_program(program, file)
        >>> print(file.read_text(), end="")  # doctest: +ELLIPSIS
        _target_: rewardsmith.rewards.RewardDesign
        terms:
          program:
            _target_: rewardsmith.llm_reward_design...ProgramReward
            source: |
              def compute_reward(height):
                  return height, {"height": height}
            provenance:
              designer: by hand
              writer: a person
              prompt: ''
              parents: []
              round: 0
              sample: 0
        >>> load_program(file) == program
        True
    """
    design = RewardDesign({TERM: ProgramReward(program.source, tier, asdict(program.provenance))})
    written = yaml.dump(to_config(design), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    Path(path).write_text(written, encoding="utf-8")


def load_program(path: str | Path) -> RewardProgram:
    """Reads the program that a YAML file of `save_program` holds.

    Raises:
        ConfigError: As `load_design`, or if the design does not have exactly one program.
    """
    terms = load_design(path).terms.values()
    programs = [term.program for term in terms if isinstance(term, ProgramReward)]
    if len(programs) != 1:
        raise ConfigError(
            f"{str(path)!r} holds {len(programs)} reward programs; expected exactly one"
        )
    return programs[0]


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as a literal block where YAML allows it."""


def _text(dumper: yaml.SafeDumper, value: str) -> Any:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
